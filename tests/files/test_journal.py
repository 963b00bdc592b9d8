"""The log of a search: what was appended stays, and what is damaged is never taken for something
else.
"""

import errno
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import zlib

import pytest

from nasnet_tf import journal
from nasnet_tf.journal import Journal, read

HEAD = {"format": 1, "seed": 0, "decisions": {"a": [1, 2], "b": ["x", "y"]}}
RECORDS = [
    {"begin": "0", "point": [0, 1]},
    {"end": "0", "score": 0.1},
    {"begin": "1", "point": [1, 1]},
    {"end": "1", "score": None},
]


def made(folder, records=RECORDS):
    """The path of a log of these records."""
    log = Journal(folder / "t.log", HEAD)
    for record in records:
        log.append(record)
    log.close()
    return folder / "t.log"


def length_of(path):
    return path.with_name("t.log.length")


def again(path):
    """What the log at `path` says when it is opened to go on, and after a further record."""
    log = Journal(path, HEAD)
    found = list(log.records)
    log.append({"more": 1})
    log.close()
    assert read(path).records == [*found, {"more": 1}]
    return found


def test_what_was_appended_is_there(tmp_path):
    path = made(tmp_path)
    assert read(path) == (HEAD, RECORDS, path.stat().st_size)
    assert again(path) == RECORDS


def test_a_line_is_a_checksum_and_json(tmp_path):
    text = b'{"a":"\\u00e9\\n"}'
    assert (
        made(tmp_path, [{"a": "é\n"}]).read_bytes().splitlines()[1]
        == f"{zlib.crc32(text):08x} ".encode() + text
    )


def test_a_log_that_is_not_there_is_empty(tmp_path):
    assert read(tmp_path / "t.log") == (None, [], 0) and not list(tmp_path.iterdir())


def test_several_records_may_be_appended_at_once(tmp_path):
    log = Journal(tmp_path / "t.log", HEAD)
    log.append(*RECORDS)
    assert read(tmp_path / "t.log").records == RECORDS


# Another search.


@pytest.mark.parametrize(
    "head, says",
    [
        (
            {**HEAD, "seed": 1},
            (
                "was begun with seed 0, now it is 1; go on with what it was begun with, or begin"
                " anew in another folder"
            ),
        ),
        (
            {**HEAD, "decisions": {"a": [1, 2], "b": ["x", "z"]}},
            r'decisions b \["x", "y"\], now it is \["x", "z"\]',
        ),
        ({**HEAD, "decisions": {"a": [1, 2]}}, r'decisions b \["x", "y"\], now it is null'),
        ({**HEAD, "more": None}, "more null"),
    ],
)
def test_another_head_is_refused_and_what_differs_is_said(tmp_path, head, says):
    path = made(tmp_path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=says):
        Journal(path, head)
    assert path.read_bytes() == before


def test_a_head_may_depend_on_the_one_that_is_there(tmp_path):
    path = made(tmp_path)
    seen = []
    Journal(path, lambda there: seen.append(there) or there)
    Journal(tmp_path / "new.log", lambda there: seen.append(there) or HEAD)
    assert seen == [HEAD, None]


# Damage.


def test_a_broken_off_last_line_is_dropped(tmp_path):
    path = made(tmp_path)
    for part in (b"0", b"01234567 ", b'01234567 {"end": "2", "sco'):
        with open(path, "ab") as file:
            file.write(part)
        assert read(path).records == RECORDS
        assert again(path) == RECORDS
        path.unlink(), length_of(path).unlink()
        made(tmp_path)


def flipped(content):
    """`content` with each single bit flipped, and where."""
    for place in range(len(content)):
        for bit in range(8):
            yield place, content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def whole_or_said(path, least):
    """What is read, if it is right; `least` records of it must be there. Else what the error
    says.
    """
    try:
        found = read(path)
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error) and "restore a copy" in str(error)
        return str(error)
    assert (
        found.records == RECORDS[: len(found.records)]
        and len(found.records) >= least
        and found.head in (HEAD, None)
    )
    return None


def test_cut_anywhere_it_has_lost_no_record_silently(tmp_path):
    path = made(tmp_path)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        said = whole_or_said(path, least=len(RECORDS))
        assert "is lost, 5 lines were written" in said and f"delete {length_of(path).name}" in said


def test_cut_anywhere_without_its_length_it_goes_on_with_what_is_left(tmp_path):
    path = made(tmp_path)
    length_of(path).unlink()
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        assert whole_or_said(path, least=content[:size].count(b"\n") - 1) is None


@pytest.mark.parametrize("with_length", [True, False])
def test_with_any_bit_flipped_it_loses_at_most_the_last_record_or_says_which_line_is_damaged(
    tmp_path, with_length
):
    path = made(tmp_path)
    if not with_length:
        length_of(path).unlink()
    content = path.read_bytes()
    for place, damaged in flipped(content):
        path.write_bytes(damaged)
        said = whole_or_said(path, least=len(RECORDS) - (not with_length))
        line = content[:place].count(b"\n") + 1
        assert said is None or f"line {line} " in said


def test_a_damaged_length_does_no_harm_to_a_whole_log(tmp_path):
    path = made(tmp_path)
    content = length_of(path).read_bytes()
    damaged = [content[:size] for size in range(len(content))] + [
        damaged for _, damaged in flipped(content)
    ]
    for length in damaged:
        length_of(path).write_bytes(length)
        assert read(path).records == RECORDS
    length_of(path).unlink()
    assert again(path) == RECORDS and length_of(path).exists()


def test_a_log_that_was_removed_is_missed(tmp_path):
    path = made(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="line 1 and what came after is lost"):
        Journal(path, HEAD)


def test_a_copy_that_is_older_than_its_length_is_taken_with_a_warning(tmp_path):
    """Whoever copies a search that goes on may copy the log a moment before what tells its
    length.
    """
    path, copy = made(tmp_path, RECORDS[:2]), tmp_path / "copy"
    copy.mkdir()
    (copy / "t.log").write_bytes(path.read_bytes())
    log = Journal(path, HEAD)
    log.append(*RECORDS[2:])
    log.close()
    length_of(copy / "t.log").write_bytes(length_of(path).read_bytes())
    with pytest.warns(
        UserWarning, match="is a copy that was made while the search went on: it has 3 of 5 lines"
    ):
        assert read(copy / "t.log").records == RECORDS[:2]
    with pytest.warns(UserWarning, match="is a copy"):
        assert again(copy / "t.log") == RECORDS[:2]
    assert len(read(copy / "t.log").records) == 3, "from there on it has a length of its own"


def test_a_copy_that_is_damaged_or_empty_is_refused_as_the_original_would_be(tmp_path):
    path, copy = made(tmp_path), tmp_path / "copy"
    copy.mkdir()
    content = path.read_bytes()
    length_of(copy / "t.log").write_bytes(length_of(path).read_bytes())
    for wrong in (b"", content.replace(b"0.1", b"0.9")):
        (copy / "t.log").write_bytes(wrong)
        with pytest.raises(ValueError, match="restore a copy"):
            read(copy / "t.log")


def test_the_mends_that_are_named_help(tmp_path):
    path = made(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"?" + lines[2][1:], *lines[3:]]))
    with pytest.raises(
        ValueError,
        match=(
            "line 3 is damaged; restore a copy .* or cut it off before that line and delete"
            " t.log.length"
        ),
    ):
        read(path)
    path.write_bytes(b"".join(lines[:2]))
    length_of(path).unlink()
    assert again(path) == RECORDS[:1]


# Killed.

APPENDING = """
import sys
from nasnet_tf.journal import Journal
log = Journal(sys.argv[1], {"format": 1})
number = len(log.records)
print("began", number, flush=True)
while True:
    log.append({"number": number, "filling": "x" * (number % 500)})
    print(number, flush=True)
    number += 1
"""


def process(code, path, **kwargs):
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(journal.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        **kwargs,
    )


def test_a_process_that_is_killed_has_lost_nothing_that_it_appended(tmp_path):
    told = 0
    for round in range(6):
        appending = process(APPENDING, tmp_path / "t.log")
        assert appending.stdout.readline().split()[0] == "began"
        time.sleep(0.02 + 0.03 * round)
        os.kill(appending.pid, signal.SIGKILL)
        out = appending.communicate()[0].split("\n")[:-1]
        told = int(out[-1]) + 1 if out else told
        numbers = [record["number"] for record in read(tmp_path / "t.log").records]
        assert numbers == list(range(len(numbers))) and told <= len(numbers) <= told + 1
        told = len(numbers)
    assert told > 10


# In use.


@pytest.mark.skipif(journal.fcntl is None, reason="no advisory locks here")
def test_two_processes_cannot_have_it_open_but_anybody_can_read_it(tmp_path):
    appending = process(APPENDING, tmp_path / "t.log")
    appending.stdout.readline()
    try:
        with pytest.raises(
            ValueError, match="another process is searching here; wait until it ends, or stop it"
        ):
            Journal(tmp_path / "t.log", {"format": 1})
        for _ in range(20):
            assert read(tmp_path / "t.log").head == {"format": 1}
    finally:
        appending.kill()
        appending.communicate()
    Journal(tmp_path / "t.log", {"format": 1})


def test_in_one_process_the_last_that_opens_it_has_it(tmp_path):
    first = Journal(tmp_path / "t.log", HEAD)
    second = Journal(tmp_path / "t.log", HEAD)
    with pytest.raises(RuntimeError, match="opened again, by another search of this process"):
        first.append({"a": 1})
    second.append({"b": 1})
    assert first.closed and first.taken and read(tmp_path / "t.log").records == [{"b": 1}]


# What cannot be written.

FULL = """
import resource, signal, sys
from nasnet_tf.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = Journal(sys.argv[1], {"format": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    while True:
        log.append({"filling": "x" * 100})
except RuntimeError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits of file sizes here")
def test_where_no_more_can_be_written_one_line_says_so_and_it_goes_on_later(tmp_path):
    said = process(FULL, tmp_path / "t.log").communicate()[0]
    assert (
        said.count("\n") == 1
        and "t.log cannot be written: File too large; once the cause is gone, go on with --resume"
        in said
    )
    assert (tmp_path / "t.log").stat().st_size == 1000, "the last line is half there"
    log = Journal(tmp_path / "t.log", {"format": 1})
    assert len(log.records) == 7 and (tmp_path / "t.log").stat().st_size < 1000
    log.append({"more": 1})
    assert len(read(tmp_path / "t.log").records) == 8


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_the_cause_is_named_and_the_log_closed(tmp_path, monkeypatch, number):
    log = Journal(tmp_path / "t.log", HEAD)

    def refuse(file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RuntimeError, match=f"t.log cannot be written: {os.strerror(number)}"):
        log.append({"a": 1})
    assert log.closed


def test_a_log_that_is_removed_while_in_use_is_noticed(tmp_path):
    log = Journal(tmp_path / "t.log", HEAD)
    (tmp_path / "t.log").unlink()
    with pytest.raises(
        RuntimeError, match="t.log cannot be written: the file was removed while it was in use"
    ) as raised:
        log.append({"a": 1})
    assert "and the trials in it with it" in str(
        raised.value
    ) and "No trial that ended is lost" not in str(raised.value)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="all folders can be written to")
def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="t.log"):
            Journal(tmp_path / "t.log", HEAD)
    finally:
        tmp_path.chmod(0o700)


def test_it_needs_no_keras():
    code = (
        "import nasnet_tf.journal, sys; assert not {'keras', 'tensorflow', 'numpy'} &"
        " set(sys.modules)"
    )
    assert process(code, "").wait() == 0


@pytest.mark.parametrize(
    "length",
    [
        {"records": "5", "bytes": 10},
        {"records": 5, "bytes": {}},
        [],
        {"records": 1, "bytes": 1, "file": "a"},
        None,
    ],
)
def test_a_length_that_says_something_else_is_no_promise(tmp_path, length):
    path = made(tmp_path)
    text = json.dumps(length).encode()
    length_of(path).write_bytes(b"%08x %b\n" % (zlib.crc32(text), text))
    assert read(path).records == RECORDS
    again(path)
