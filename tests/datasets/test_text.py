"""Text files as numbers of words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasnet_tf.data.text import END, UNKNOWN, Text, is_text, load_text, text_batches


def written(folder, content, name="a text.txt"):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def spelt(data, numbers):
    return [data.vocabulary[number] for number in numbers]


def test_words_are_numbered_by_how_often_they_stand_in_the_training_part(tmp_path):
    words = (
        ["a"] * 50 + ["b"] * 20 + ["c"] * 10 + ["d"] * 10 + ["e"] * 10
    )  # 80 to train, then d, then e
    data = load_text(written(tmp_path, " ".join(words)), steps=4)
    assert data.vocabulary == (UNKNOWN, "a", "b", "c") and data.name == "a_text"
    assert [part.tolist() for part in (data.train[:2], data.validation, data.test)] == [
        [1, 1],
        [0] * 10,
        [0] * 10,
    ]
    few = load_text(written(tmp_path, " ".join(words)), steps=4, most=3)
    assert few.vocabulary == (UNKNOWN, "a", "b") and few.train[-1] == 0
    assert (
        load_text(
            written(tmp_path, " ".join(words)), steps=4, vocabulary=(UNKNOWN, "e")
        ).test.tolist()
        == [1] * 10
    )


def test_a_word_is_letters_and_digits_or_a_mark(tmp_path):
    line = "Don't panic,\r\n  Zaphod_42: ünlü!"
    data = load_text(written(tmp_path, f"{line}\n" * 100), steps=4)
    assert spelt(data, data.train[:10]) == [
        "Don",
        "'",
        "t",
        "panic",
        ",",
        "Zaphod_42",
        ":",
        "ünlü",
        "!",
        "Don",
    ]


def test_a_prepared_text_keeps_its_words_and_line_ends(tmp_path):
    data = load_text(written(tmp_path, " mr. <unk> is n't N years old \n\n" * 100), steps=4)
    assert spelt(data, data.train[:9]) == [
        "mr.",
        UNKNOWN,
        "is",
        "n't",
        "N",
        "years",
        "old",
        END,
        "mr.",
    ]
    assert data.vocabulary[0] == UNKNOWN and data.vocabulary.count(UNKNOWN) == 1


def test_characters_are_characters(tmp_path):
    data = load_text(
        written(tmp_path, b"\xef\xbb\xbf" + "häh\n".encode() * 100), level="character", steps=4
    )
    assert "".join(spelt(data, data.train[:8])) == "häh\nhäh\n" and data.classes == 4
    assert (
        "320 train, 40 validation, 40 test characters, vocabulary 4, 0.0% of the test part unknown"
        in data.describe()
    )


@given(st.integers(12, 200), st.integers(1, 11))
def test_windows_hold_every_word_but_the_rest_once_and_the_next_one(count, steps):
    part = np.arange(count, dtype=np.int32)
    data = Text("t", "word", tuple(map(str, part)), part, part, part, steps)
    x, y = data.windows("test")
    assert (y == x + 1).all() and x.shape == (len(x), steps) == data.windows("train")[0].shape
    assert (
        x.ravel().tolist() == list(range(len(x) * steps))
        and count - steps < len(x) * steps + 1 <= count
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty; give a text"),
        (b" \n\n ", "is empty; give a text"),
        (b"abc\0def" * 100, "no text: there are zero bytes"),
        ("caf\xe9 ".encode("latin-1") * 100, r"no text in UTF-8 \(byte 3\)"),
        (
            b"too short",
            "2 words are too few for windows of 35 in each of three parts; give at least 370",
        ),
    ],
)
def test_what_is_no_text_is_refused_by_name(tmp_path, content, says):
    with pytest.raises(ValueError, match=rf"mine.txt.*{says}"):
        load_text(written(tmp_path, content, "mine.txt"))


def test_what_makes_no_sense_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path, "a b c " * 200)
    for arguments, says in (
        (dict(level="line"), "there are word, character"),
        (dict(most=1), "at least 2"),
        (dict(steps=0), "at least 2 and 1"),
    ):
        with pytest.raises(ValueError, match=says):
            load_text(path, **arguments)
    with pytest.raises(ValueError, match="nowhere.txt: no such file"):
        load_text(tmp_path / "nowhere.txt")
    monkeypatch.setattr("nasnet_tf.data.text._MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="1,200 bytes are too many; give at most 1,000"):
        load_text(path)


def test_a_text_is_told_from_an_archive_a_picture_and_a_folder(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    assert (
        is_text(written(tmp_path, "hello"))
        and not is_text(tmp_path / "a.npz")
        and not is_text(tmp_path)
    )
    assert not is_text(tmp_path / "nowhere") and not is_text(written(tmp_path, b"\x89PNG", "p.png"))


def test_every_pass_has_its_own_order_which_one_that_goes_on_has_too(tmp_path):
    data = load_text(written(tmp_path, " ".join(map(str, range(600)))), steps=5)
    training, validation = text_batches(data, 8, seed=1)

    def seen(batches):
        return np.concatenate([x.numpy() for x, _ in batches])

    whole = training()
    first, second, later = seen(whole), seen(whole), seen(training(1))
    assert len(whole) == 12 and len(first) == 95 and (first != second).any()
    np.testing.assert_array_equal(second, later)
    np.testing.assert_array_equal(np.sort(first, 0), np.sort(second, 0))
    assert {tuple(row) for row in first.tolist()} == {tuple(row) for row in data.x_train.tolist()}
    assert all((y.numpy()[:, :-1] == x.numpy()[:, 1:]).all() for x, y in validation)
