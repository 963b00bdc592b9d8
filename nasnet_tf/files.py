"""Files that are written whole or not at all, and files that are read within bounds.

What is written is on the disk before it gets its name: the file is flushed, renamed, and the folder
that holds the name is flushed. What is read is a regular file, never a pipe, a device or a folder,
and of a size and a depth that a file of its kind can have.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import stat
from typing import BinaryIO

__all__ = [
    "open_regular",
    "parse_json",
    "read_json",
    "read_small",
    "remove_temporaries",
    "replacing",
    "sync_folder",
    "write_json",
    "write_whole",
]

# bytes of a settings file at most; the largest that is written here takes some hundred kilobytes
SMALL = 10_000_000
_MOST_LEVELS = 64  # of lists and objects within each other
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Writes the file by way of a temporary name beside it; what was there stays until the new file
    is on the disk.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | os.PathLike, value) -> None:
    """Writes `value` as JSON, whole."""
    write_whole(path, json.dumps(value, indent=1).encode())


@contextlib.contextmanager
def replacing(path: str | os.PathLike):
    """Gives a temporary name with the same ending in the same folder; what is written there becomes
    `path`, flushed, at the end.

    Raises: ValueError if there is no such folder.
    """
    path = pathlib.Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; create it first.")
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def remove_temporaries(folder: str | os.PathLike) -> None:
    """Deletes what `replacing` left in the folder when its process was killed. Only where nobody
    writes.
    """
    for path in pathlib.Path(folder).glob(".[0-9]*.*"):
        if path.name.split(".")[1].isdigit():
            path.unlink(missing_ok=True)


def sync_folder(folder: str | os.PathLike) -> None:
    """A name that was just made in the folder stays there after a power loss, where the file system
    can promise that.
    """
    with contextlib.suppress(OSError):  # neither Windows nor every file system can
        _sync(folder, os.O_RDONLY)


def _sync(path, flags=os.O_RDWR):
    file = os.open(path, flags)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (
            errno.EINVAL,
            errno.ENOTSUP,
        ):  # what file systems say that cannot flush
            raise
    finally:
        os.close(file)


def open_regular(path: str | os.PathLike) -> BinaryIO:
    """The file at `path`, open to be read. Never waits for the other end of a pipe.

    Raises: FileNotFoundError; ValueError that names the path if it is no regular file; OSError.
    """
    try:
        file = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except IsADirectoryError:
        _check_regular(path, stat.S_IFDIR)
    except OSError:
        _check_regular(path, os.stat(path).st_mode)  # a socket cannot be opened
        raise
    try:
        _check_regular(path, os.fstat(file).st_mode)
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


def _check_regular(path, mode):
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            raise ValueError(f"{path} cannot be read: it is {kind}; give a regular file.")


def read_small(
    path: str | os.PathLike, most: int = SMALL, what: str = "a file of its kind"
) -> bytes:
    """The content of a file of at most `most` bytes. Raises: as `open_regular`; ValueError that
    names the file if it is larger.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(
            f"{path}: more than {most:,} bytes is too large for {what}; give another, or restore a"
            " copy of it."
        )
    return content


def read_json(path: str | os.PathLike, most: int = SMALL):
    """What a JSON file says. Raises: as `read_small`, and ValueError that names the file if it is
    not whole.
    """
    content = read_small(path, most)
    try:
        return parse_json(content.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a whole JSON file: {error}") from None


def parse_json(text: str):
    """The value of a JSON text: at most 64 levels deep, and no name twice in an object. Raises
    ValueError that says what is wrong.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        value = None
        levels = _MOST_LEVELS + 1
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} in line {error.lineno}, column {error.colno}.") from None
    else:
        levels = _levels(value)
    if levels > _MOST_LEVELS:
        raise ValueError(
            f"lists and objects stand more than {_MOST_LEVELS} levels deep in each other."
        )
    return value


def _object(pairs):
    found = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"an object has {name!r:.60} more than once; keep one of them.")
        found[name] = value
    return found


def _levels(value) -> int:
    """How deep lists and objects stand in each other, counted until it is too deep."""
    level, inside = 0, [value]
    while inside and level <= _MOST_LEVELS:
        within = [part for part in inside if isinstance(part, dict | list)]
        inside = [
            inner
            for part in within
            for inner in (part.values() if isinstance(part, dict) else part)
        ]
        level += bool(within)
    return level
