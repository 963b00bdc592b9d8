"""Files are there whole or not at all, and on the disk before they have their names; what is read
is bounded.
"""

import json
import os
import stat

import numpy as np
import pytest

from nasnet_tf import genotype, journal
from nasnet_tf.files import (
    parse_json,
    read_json,
    read_small,
    remove_temporaries,
    replacing,
    write_json,
    write_whole,
)
from nasnet_tf.npz import read_npz
from nasnet_tf.training.recipe import Recipe
from nasnet_tf.workflow import status


def test_what_was_there_stays_if_writing_fails(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, b"before")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"before" and [file.name for file in tmp_path.iterdir()] == [
        "a.txt"
    ]


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, [1])
    write_json(path, {"a": None})
    assert path.read_text() == '{\n "a": null\n}' and len(list(tmp_path.iterdir())) == 1


def test_a_temporary_name_keeps_the_ending(tmp_path):
    with replacing(tmp_path / "m.weights.h5") as temporary:
        assert temporary.name.endswith(".weights.h5")
        temporary.write_bytes(b"x")


def test_what_a_killed_process_left_half_written_is_removed_and_nothing_else(tmp_path):
    names = (".4711.checkpoint.npz", ".4711", ".env.1", ".hidden", "checkpoint.npz", "1.2.3")
    for name in names:
        (tmp_path / name).write_text("")
    with replacing(tmp_path / "checkpoint.npz") as temporary:
        temporary.write_text("")
        remove_temporaries(tmp_path)
        assert not temporary.exists()
        temporary.write_text("")
    assert {file.name for file in tmp_path.iterdir()} == {*names} - {".4711.checkpoint.npz"}


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no folder .*nowhere; create it first"):
        write_whole(tmp_path / "nowhere" / "a.txt", b"")


def test_a_file_is_flushed_before_it_is_renamed_and_its_folder_after(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace

    def flushed(file):
        done.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        fsync(file)

    def renamed(*names):
        done.append("renamed")
        replace(*names)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    with replacing(tmp_path / "a.npz") as temporary:
        np.savez(temporary, a=np.ones(3))
    write_whole(tmp_path / "b.txt", b"b")
    assert done == ["file", "renamed", "folder"] * 2


def special(folder):
    """Paths of what is no regular file."""
    os.mkfifo(folder / "pipe")
    return [folder / "pipe", folder, "/dev/zero"]


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    for path in special(tmp_path):
        for read in (read_small, read_json, read_npz, genotype.load, Recipe.load, journal.read):
            with pytest.raises(
                ValueError, match="it is a (named pipe|folder|device)|cannot be read"
            ):
                read(path)


@pytest.mark.parametrize("name", ["config.json", "result.json"])
def test_a_run_folder_with_something_else_in_place_of_a_file_is_refused(tmp_path, name):
    for number, path in enumerate(special(tmp_path)):
        folder = tmp_path / f"run {number}"
        folder.mkdir()
        write_json(folder / "config.json", {"data": "digits"})
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(path)
        with pytest.raises(ValueError, match=name):
            status(folder)


@pytest.mark.parametrize("name", ["t.log", "t.log.length"])
def test_a_log_that_is_no_regular_file_is_refused(tmp_path, name):
    for path in special(tmp_path):
        (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / name).symlink_to(path)
        for read in (journal.read, lambda log: journal.Journal(log, {})):
            with pytest.raises(ValueError, match=f"{name} cannot be read"):
                read(tmp_path / "t.log")


def test_a_small_file_is_not_read_beyond_its_bound(tmp_path):
    with open(tmp_path / "config.json", "wb") as file:
        file.truncate(10**12)
    with pytest.raises(ValueError, match="config.json: more than 10,000,000 bytes"):
        read_json(tmp_path / "config.json")


@pytest.mark.parametrize(
    "text, message",
    [
        ("[" * 100_000, "64 levels"),
        ("[" * 65 + "]" * 65, "64 levels"),
        ('{"a": 1, "b": {"a": 1, "a": 2}}', "'a' more than once"),
        ("{", "in line 1, column 2"),
        ("1" * 5000, "digits"),
    ],
)
def test_json_that_nobody_means_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_json_says_what_it_says():
    value = {"a": [1, 2.5, None, True, "b"], "c": {"d": {}}}
    assert parse_json(json.dumps(value)) == value


# ---- .npz ----

ARRAYS = {
    "a": np.arange(24.0).reshape(2, 3, 4),
    "b": np.array(["x", "yz"]),
    "c": np.array(3),
    "d": np.zeros((0, 5)),
    "e": np.arange(6, dtype="u1"),
}


def same(one, other):
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name])
        for name in one
    )


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_an_npz_is_read_as_numpy_reads_it(tmp_path, write):
    write(tmp_path / "a.npz", **ARRAYS, f=np.asfortranarray(ARRAYS["a"][0]))
    found = read_npz(tmp_path / "a.npz")
    assert same(found, dict(np.load(tmp_path / "a.npz")))
    assert read_npz(tmp_path / "a.npz", {"a", "q"}).keys() == {"a"}


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_no_bit_of_an_npz_is_turned_unnoticed(tmp_path, write):
    write(tmp_path / "a.npz", **ARRAYS)
    whole = (tmp_path / "a.npz").read_bytes()
    for place in range(len(whole)):
        (tmp_path / "b.npz").write_bytes(
            whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]
        )
        try:
            found = read_npz(tmp_path / "b.npz")
        except ValueError as error:
            assert "b.npz" in str(error) and "\n" not in str(error)
        else:
            assert same({**ARRAYS, **found}, ARRAYS), (
                place
            )  # at most the name of an array is another, which is then missing


def test_an_npz_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", x_train=np.zeros(200_000_000, "u1"))
    with pytest.raises(
        ValueError,
        match="bomb.npz .* unpacks from .* bytes, .*; if that is right, write it by numpy.savez",
    ):
        read_npz(tmp_path / "bomb.npz")
