"""Files that are written completely or not at all, and files that are read within bounds.

A file is written under a temporary name, flushed and renamed, and then its folder is flushed. Only
regular files are read, never a pipe, a device or a folder, and only up to the size and the depth
that a file of their kind can have.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import pathlib
import stat
from typing import BinaryIO

__all__ = [
    "difference",
    "open_regular",
    "parse_json",
    "read_json",
    "read_small",
    "remove_temporaries",
    "replacing",
    "sha256",
    "sync_folder",
    "write_json",
    "write_whole",
]

SMALL = 10_000_000  # bytes of a settings file at most; ours take a few hundred kilobytes at most
_MOST_LEVELS = 64  # of nested lists and objects
_PART = 1 << 20  # bytes read at once
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Writes the file; the previous one stays until the new one is on the disk."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | os.PathLike, value) -> None:
    """Writes `value` as JSON, as `write_whole` does."""
    write_whole(path, json.dumps(value, indent=1).encode())


@contextlib.contextmanager
def replacing(path: str | os.PathLike):
    """A context with a temporary path of the same suffix in the same folder. The file written there
    replaces `path` at the end, or is deleted if the block raises.

    Raises: ValueError if the folder does not exist.
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
    """Deletes the files that `replacing` left in the folder when its process was killed. No process
    may be writing there.
    """
    for path in pathlib.Path(folder).glob(".[0-9]*.*"):
        if path.name.split(".")[1].isdigit():
            path.unlink(missing_ok=True)


def sync_folder(folder: str | os.PathLike) -> None:
    """Flushes the folder, so that the names of new files in it survive a power loss, where the file
    system supports that.
    """
    with contextlib.suppress(OSError):  # Windows and some file systems do not
        _sync(folder, os.O_RDONLY)


def _sync(path, flags=os.O_RDWR):
    file = os.open(path, flags)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # of file systems that cannot flush
            raise
    finally:
        os.close(file)


def sha256(file: BinaryIO, size: int | None = None) -> str:
    """The SHA-256, in hexadecimal digits, of an open file, or of its first `size` bytes."""
    file.seek(0)
    digest, left = hashlib.sha256(), math.inf if size is None else size
    while left > 0 and (part := file.read(min(left, _PART))):
        digest.update(part)
        left -= len(part)
    return digest.hexdigest()


def open_regular(path: str | os.PathLike) -> BinaryIO:
    """The file at `path`, open for reading. Never waits for the other end of a pipe.

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
    """The value in a JSON file. Raises: as `read_small`, and ValueError that names the file if it
    is no valid JSON.
    """
    content = read_small(path, most)
    try:
        return parse_json(content.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a whole JSON file: {error}") from None


def difference(there, here, names=()) -> tuple:
    """Where two JSON values first differ: (the names that lead there, the value in `there`, the one
    in `here`). A name that an object lacks has the value None.
    """
    if not (isinstance(there, dict) and isinstance(here, dict)):
        return " ".join(names), there, here
    name = next(name for name in {**there, **here} if there.get(name, ...) != here.get(name, ...))
    return difference(there.get(name), here.get(name), (*names, name))


def parse_json(text: str):
    """The value of a JSON text. Raises ValueError if the text is invalid, more than 64 levels deep,
    or repeats a name in an object.
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
    """The depth of nested lists and objects, or a number that is too high."""
    level, values = 0, [value]
    while values and level <= _MOST_LEVELS:
        containers = [each for each in values if isinstance(each, dict | list)]
        values = []
        for each in containers:
            values += each.values() if isinstance(each, dict) else each
        level += bool(containers)
    return level
