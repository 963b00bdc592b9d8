"""A log of records that only grows: what was appended is on the disk, whole, and what is damaged is
never read for something else.

A line is a record: the CRC-32 of its JSON in eight hexadecimal digits, a space, the JSON, a
newline. The first is the head: whose log this is. Beside the log lies FILE.length: how many records
and bytes it has, and which file that is (its inode), so that records that are missing at its end
are missed. A last line without its newline is an append that was broken off: it was never promised
to be there, and is dropped. A log that is another file than the one it was promised of is a copy.
One that was made while the search went on may be older than the FILE.length beside it: it is taken
as it is, with a warning, since what it lacks is in the original.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import threading
import time
import warnings
import weakref
import zlib
from collections.abc import Callable
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # Windows has no advisory locks of this kind
    fcntl = None

from nasnet_tf.files import open_regular, read_small, sync_folder

__all__ = [
    "TRIALS",
    "Journal",
    "Log",
    "check_head",
    "first_record",
    "held",
    "held_folder",
    "lock",
    "read",
]

TRIALS = "trials.log"  # a search's log in the search's folder
_LARGEST_LENGTH = 1000  # bytes of FILE.length
_LONGEST_HEAD = 10_000_000  # bytes
_PATIENCE = 0.005  # seconds that others have to add to what is flushed
_BINARY = getattr(os, "O_BINARY", 0)  # Windows
_OPEN = (
    weakref.WeakValueDictionary()
)  # (device, inode): the Journal of this process that appends to it


class Log(NamedTuple):
    """What a log says.

    Args:
        head: the first record; None if there is none yet.
        records: the others, in order.
        size: bytes of what is whole.
    """

    head: dict | None
    records: list
    size: int


def read(path: str | os.PathLike) -> Log:
    """The log at `path` as far as it is written; an empty one if there is no such file. Takes no
    lock.

    Raises: ValueError that names the file and the line, if a record is damaged or lost.
    """
    promised = _promised(path)  # before the log, which another process may be appending to
    try:
        with open_regular(path) as file:
            return _parsed(path, file.read(), promised, os.fstat(file.fileno()).st_ino)
    except FileNotFoundError:
        return _parsed(path, b"", promised)


class Journal:
    """A log to append to. It is made if there is none; a broken-off last line is cut off.

    Args:
        path: the file. Its folder must be there.
        head: a JSON object that says whose log it is, or what makes it from the head that is there
            (None in a new log). A log with another is refused.

    Attributes:
        head: the head.
        records: what was in it when it was opened, without the head.
        taken: whether it was closed because it was opened again in this process.

    Only one process can have a log open. In the same process the one that opens it last has it.
    Raises ValueError if another process has it, if it is damaged, or if its head is another.
    """

    def __init__(self, path: str | os.PathLike, head: dict | Callable[[dict | None], dict]):
        self.path = pathlib.Path(path)
        self._file = self._length = None
        self._flushed, self._flushing = 0, threading.Lock()
        self._asking = 0  # threads that wait for the disk; not always exact, which only costs time
        self.taken = False
        promised = _promised(path)
        try:
            self._open()
            log = _parsed(path, _content(self._file), promised, os.fstat(self._file).st_ino)
            head = head(log.head) if callable(head) else head
            if log.head is not None:
                check_head(path, log.head, head)
            os.ftruncate(self._file, log.size)
            self._bytes, self._count, self.records = (
                log.size,
                len(log.records) + (log.head is not None),
                log.records,
            )
            self._flushed = self._count
            self._length = os.open(_length_of(path), os.O_RDWR | os.O_CREAT | _BINARY, 0o666)
            os.ftruncate(self._length, self._note(self._count, self._bytes))
        except BaseException:
            self._shut()
            raise
        self.head = head
        if log.head is None:
            self.append(head)
            sync_folder(self.path.parent)

    @property
    def closed(self) -> bool:
        """Whether nothing can be appended any more."""
        return self._file is None

    def append(self, *records) -> None:
        """Adds records; they are on the disk when this returns. Raises: as `write`."""
        self.write(*records)
        self.flush()

    def write(self, *records) -> None:
        """Adds records, which are sure to be on the disk after the next `flush`. Not from two
        threads at once.

        Raises: RuntimeError that says why they could not be written. The log is closed then;
            opening it again cuts off what is half there.
        """
        lines = b"".join(map(_line, records))
        with self._or_closed():
            if self._file is None:
                raise OSError(
                    "it was opened again, by another search of this process"
                    if self.taken
                    else "it is closed"
                )
            if os.fstat(self._file).st_nlink == 0:
                raise _Removed
            _write(self._file, lines)
            self._bytes, self._count = self._bytes + len(lines), self._count + len(records)

    def flush(self) -> None:
        """What was written before is on the disk when this returns. Threads that ask at the same
        time wait for the disk once.
        """
        wanted = self._count
        self._asking += 1
        try:
            with self._flushing, self._or_closed():
                if self._flushed < wanted:
                    if self._asking > 2:  # many are at it, so more will come soon
                        time.sleep(_PATIENCE)
                    self._flush()
        finally:
            self._asking -= 1

    def _flush(self):
        if self._file is None:
            raise OSError("it is closed")
        count, size = self._count, self._bytes
        os.fsync(self._file)
        self._note(count, size)
        self._flushed = count

    @contextlib.contextmanager
    def _or_closed(self):
        try:
            yield
        except _Removed:
            self._shut()
            raise RuntimeError(
                f"{self.path} cannot be written: the file was removed while it was in use, and the"
                " trials in it with it; restore a copy of the folder to go on with --resume (in"
                " Python: the same script again), or begin anew."
            ) from None
        except OSError as error:
            self._shut()
            raise RuntimeError(
                f"{self.path} cannot be written: {error.strerror or error}; once the cause is gone,"
                " go on with --resume (in Python: the same script again). No trial that ended is"
                " lost."
            ) from None

    def close(self) -> None:
        """Lets another process have the log."""
        with (
            self._flushing,
            contextlib.suppress(OSError),
        ):  # whoever waits for what it wrote hears of an error from `flush`
            if self._file is not None and self._flushed < self._count:
                self._flush()
        self._shut()

    def _shut(self):
        for file in (self._file, self._length):
            if file is not None:
                os.close(file)
        self._file = self._length = None

    def __del__(self):
        with contextlib.suppress(AttributeError, OSError):
            self.close()

    def _open(self):
        with contextlib.suppress(FileNotFoundError):
            open_regular(self.path).close()
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY, 0o666)
        _OPEN[_take(self.path, self._file)] = self

    def _note(self, records, size):
        """Writes FILE.length, in place: it is smaller than what a disk writes at once, and never
        gets shorter. Returns its bytes.
        """
        line = _line({"records": records, "bytes": size, "file": os.fstat(self._file).st_ino})
        os.lseek(self._length, 0, os.SEEK_SET)
        _write(self._length, line)
        return len(line)


class _Removed(OSError):
    """The log has no name any more."""


@contextlib.contextmanager
def held(path: str | os.PathLike):
    """Holds the log at `path`, if there is one, whatever is in it: meanwhile no other process can
    append to it.

    Raises: ValueError if another process has it.
    """
    try:
        open_regular(path).close()
        file = os.open(path, os.O_RDWR | _BINARY)
    except (FileNotFoundError, NotADirectoryError):
        yield
        return
    try:
        _take(path, file)
        yield
    finally:
        os.close(file)


@contextlib.contextmanager
def held_folder(folder: str | os.PathLike, otherwise: str):
    """Makes the folder if there is none, and holds it; an empty one goes again. Raises ValueError
    with the text if another process does.
    """
    there = os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    file = None if fcntl is None else os.open(folder, os.O_RDONLY)  # Windows opens no folders
    try:
        if file is not None:
            lock(file, otherwise)
        yield
    finally:
        if file is not None:
            os.close(file)
        if not there:
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def first_record(path: str | os.PathLike):
    """The head of the log at `path`; None if there is no log, or its first line is damaged."""
    try:
        with open_regular(path) as file:
            return _record(file.readline(_LONGEST_HEAD).removesuffix(b"\n"))
    except (OSError, ValueError, RecursionError):
        return None


def _take(path, file):
    """Locks an open log against other processes; who has it in this process loses it. Returns
    (device, inode).
    """
    status = os.fstat(file)
    same = _OPEN.get((status.st_dev, status.st_ino))
    if same is not None and not same.closed:
        same.close()
        same.taken = True
    lock(file, f"{path}: another process is searching here; wait until it ends, or stop it.")
    return status.st_dev, status.st_ino


def lock(file: int, otherwise: str) -> None:
    """Locks an open file until it is closed. Raises ValueError with the text if another process has
    locked it.
    """
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(otherwise) from None
        except OSError:  # a file system without locks
            pass


def check_head(path, there: dict, here: dict) -> None:
    """Raises ValueError that says in what the head of the log at `path` is another than `here`."""
    here = json.loads(json.dumps(here))
    if there != here:
        what, was, now = _difference(there, here)
        raise ValueError(
            f"{path} was begun with {what} {was:.120}, now it is {now:.120}; go on with what it was"
            " begun with, or begin anew in another folder."
        )


def _difference(there, here, names=()):
    """(what differs, JSON of it there, JSON of it here)."""
    if not (isinstance(there, dict) and isinstance(here, dict)):
        return " ".join(names), json.dumps(there), json.dumps(here)
    name = next(name for name in {**there, **here} if there.get(name, ...) != here.get(name, ...))
    return _difference(there.get(name), here.get(name), (*names, name))


def _line(record) -> bytes:
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


def _length_of(path):
    return f"{os.fspath(path)}.length"


def _promised(path):
    """(records, bytes, inode or 0) that the log had at least; zeros if that cannot be known:
    FILE.length is missing or damaged itself.

    Raises: ValueError if it is no regular file, or of a size that it never has.
    """
    try:
        content = read_small(_length_of(path), _LARGEST_LENGTH)
    except OSError:
        return 0, 0, 0
    try:
        length = _record(content.removesuffix(b"\n"))
        promised = length["records"], length["bytes"], length.get("file", 0)
        return promised if all(type(number) is int for number in promised) else (0, 0, 0)
    except (ValueError, LookupError, TypeError, AttributeError):
        return 0, 0, 0


def _parsed(path, content, promised, inode=0):
    *lines, torn = content.split(b"\n")
    records, length = [], pathlib.Path(_length_of(path)).name
    for number, line in enumerate(lines, start=1):
        try:
            records.append(_record(line))
        except (ValueError, RecursionError):
            raise ValueError(
                f"{path}: line {number} is damaged; restore a copy of the file, or cut it off"
                f" before that line and delete {length} beside it to go on without what came after."
            ) from None
    size = len(content) - len(torn)
    lost = size < promised[1] or len(records) < promised[0]
    if lost and records and promised[2] and inode and inode != promised[2]:
        warnings.warn(
            f"{path} is a copy that was made while the search went on: it has {len(records)} of"
            f" {promised[0]} lines. What the others told is not known here, and trials are run"
            " again.",
            stacklevel=3,
        )
    elif lost:
        raise ValueError(
            f"{path}: line {len(records) + 1} and what came after is lost, {promised[0]} lines were"
            f" written; restore a copy of the file, or delete {length} beside it to go on with what"
            " is left."
        )
    return Log(records[0] if records else None, records[1:], size)


def _content(file):
    parts = []
    while part := os.read(file, 1 << 24):
        parts.append(part)
    return b"".join(parts)


def _write(file, content):
    while content:
        content = content[os.write(file, content) :]
