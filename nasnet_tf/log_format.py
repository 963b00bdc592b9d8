"""The lines of a log: how a record is written, and what a log says when it is read.

A line is a record: the CRC-32 of its JSON in eight hexadecimal digits, a space, the JSON, a
newline. The first record is the head, which says whose log it is. Beside the log is FILE.length:
the number of its records and bytes and its inode, so that a log that has lost its end is
recognized. A last line without its newline is an append that was interrupted: it was never
acknowledged, and is dropped. A log whose inode is not the recorded one is a copy. A copy made
during the search may be older than the FILE.length beside it: it is read as it is, with a warning,
since the missing records are in the original.
"""

from __future__ import annotations

import json
import os
import pathlib
import warnings
import zlib
from typing import NamedTuple

from nasnet_tf.files import difference, open_regular, read_small

__all__ = [
    "Log",
    "check_head",
    "first_record",
    "length_path",
    "line_of",
    "parse_log",
    "read_length",
    "read",
]

_LARGEST_LENGTH = 1000  # bytes of FILE.length
_LONGEST_HEAD = 10_000_000  # bytes


class Log(NamedTuple):
    """The content of a log.

    Args:
        head: the first record; None if there is none yet.
        records: the other records, in order.
        size: the bytes of the complete lines.
    """

    head: dict | None
    records: list
    size: int


def read(path: str | os.PathLike) -> Log:
    """The complete records of the log at `path`; none if there is no such file. Takes no lock.

    Raises: ValueError that names the file and the line if a record is damaged or lost.
    """
    length = read_length(path)  # before the log, which another process may be appending to
    try:
        with open_regular(path) as file:
            return parse_log(path, file.read(), length, os.fstat(file.fileno()).st_ino)
    except FileNotFoundError:
        return parse_log(path, b"", length)


def first_record(path: str | os.PathLike):
    """The head of the log at `path`; None if there is no log, or its first line is damaged."""
    try:
        with open_regular(path) as file:
            return _record(file.readline(_LONGEST_HEAD).removesuffix(b"\n"))
    except (OSError, ValueError, RecursionError):
        return None


def check_head(path, there: dict, here: dict) -> None:
    """Raises ValueError that names the first difference between the head of the log at `path` and
    `here`.
    """
    here = json.loads(json.dumps(here))
    if there != here:
        what, was, now = difference(there, here)
        raise ValueError(
            f"{path} was begun with {what} {json.dumps(was):.120}, now it is"
            f" {json.dumps(now):.120}; go on with what it was begun with, or begin anew in another"
            " folder."
        )


def line_of(record) -> bytes:
    """The line of a record, a value that JSON can represent."""
    text = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _record(line):
    """The record of a line without its newline. Raises ValueError if it is damaged."""
    crc, text = line[:9], line[9:]
    if crc != b"%08x " % zlib.crc32(text):
        raise ValueError
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError from None


def length_path(path) -> str:
    """The path of FILE.length."""
    return f"{os.fspath(path)}.length"


def read_length(path) -> tuple[int, int, int]:
    """(records, bytes, inode) that FILE.length states for the log at `path`; the inode is 0 where
    an earlier version wrote it, and all are 0 if it is missing or damaged.

    Raises: ValueError if it is no regular file, or larger than it can be.
    """
    try:
        content = read_small(length_path(path), _LARGEST_LENGTH)
    except OSError:
        return 0, 0, 0
    try:
        length = _record(content.removesuffix(b"\n"))
        stated = length["records"], length["bytes"], length.get("file", 0)
        return stated if all(type(number) is int for number in stated) else (0, 0, 0)
    except (ValueError, LookupError, TypeError, AttributeError):
        return 0, 0, 0


def parse_log(path, content: bytes, stated: tuple[int, int, int], inode: int = 0) -> Log:
    """The log in `content`. Raises and warns as `read`.

    Args:
        path: the path that messages name.
        stated: what `read_length` returned, before the log was read.
        inode: the inode of the log; 0 if it has none.
    """
    *lines, incomplete = content.split(b"\n")
    records, length = [], pathlib.Path(length_path(path)).name
    for number, line in enumerate(lines, start=1):
        try:
            records.append(_record(line))
        except (ValueError, RecursionError):
            raise ValueError(
                f"{path}: line {number} is damaged; restore a copy of the file, or cut it off"
                f" before that line and delete {length} beside it to go on without what came after."
            ) from None
    size = len(content) - len(incomplete)
    count, stated_size, stated_inode = stated
    lost = size < stated_size or len(records) < count
    if lost and records and stated_inode and inode and inode != stated_inode:
        warnings.warn(
            f"{path} is a copy that was made while the search went on: it has {len(records)} of"
            f" {count} lines. What the others reported is not known here, and trials are run"
            " again.",
            stacklevel=3,
        )
    elif lost:
        raise ValueError(
            f"{path}: line {len(records) + 1} and what came after is lost, {count} lines were"
            f" written; restore a copy of the file, or delete {length} beside it to go on with what"
            " is left."
        )
    return Log(records[0] if records else None, records[1:], size)
