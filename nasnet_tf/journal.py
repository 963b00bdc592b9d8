"""An append-only log of records: an appended record is on the disk, complete, and a damaged one is
never mistaken for another. `log_format` describes the file.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import threading
import time
import weakref
from collections.abc import Callable

try:
    import fcntl
except ImportError:  # Windows has no advisory locks of this kind
    fcntl = None

from nasnet_tf.files import open_regular, sync_folder
from nasnet_tf.log_format import (
    Log,
    check_head,
    first_record,
    length_path,
    line_of,
    parse_log,
    read,
    read_length,
)

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
_GATHERING_SECONDS = 0.005  # in which other threads can add records to the same flush
_BINARY = getattr(os, "O_BINARY", 0)  # Windows
# (device, inode): the Journal of this process that appends to the file
_OPEN = weakref.WeakValueDictionary()


class Journal:
    """A log that is open for appending. A new file is made if there is none; an incomplete last
    line is removed.

    Args:
        path: the file, in a folder that exists.
        head: a JSON object that says whose log it is, or a function that returns it, given the head
            in the file (None in a new log).

    Attributes:
        head: the head.
        records: those in the file when it was opened, without the head.
        taken: whether it was closed because this process opened the file again.

    Only one process can have a log open; within a process, opening it again closes the `Journal`
    that had it. Raises ValueError if another process has it open, if it is damaged, or if the head
    in the file is another.
    """

    def __init__(self, path: str | os.PathLike, head: dict | Callable[[dict | None], dict]):
        self.path = pathlib.Path(path)
        self._file = self._length = None
        self._flushed, self._flushing = 0, threading.Lock()
        self._waiting = 0  # threads in `flush`; at times inexact, which only costs time
        self.taken = False
        stated = read_length(path)
        try:
            self._open()
            log = parse_log(path, _content(self._file), stated, os.fstat(self._file).st_ino)
            head = head(log.head) if callable(head) else head
            if log.head is not None:
                check_head(path, log.head, head)
            os.ftruncate(self._file, log.size)
            self.records = log.records
            self._bytes = log.size
            self._count = self._flushed = len(log.records) + (log.head is not None)
            self._length = os.open(length_path(path), os.O_RDWR | os.O_CREAT | _BINARY, 0o666)
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
        """Whether records can no longer be appended."""
        return self._file is None

    def append(self, *records) -> None:
        """Appends records and flushes them to the disk. Raises: as `write`."""
        self.write(*records)
        self.flush()

    def write(self, *records) -> None:
        """Appends records, which are on the disk after the next `flush`. Not thread-safe.

        Raises: RuntimeError that says why they could not be written. The log is then closed;
            opening it again removes an incomplete line.
        """
        lines = b"".join(map(line_of, records))
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
        """Flushes every record written before to the disk. Concurrent calls share one flush."""
        wanted = self._count
        self._waiting += 1
        try:
            with self._flushing, self._or_closed():
                if self._flushed < wanted:
                    if self._waiting > 2:  # others are about to write
                        time.sleep(_GATHERING_SECONDS)
                    self._flush()
        finally:
            self._waiting -= 1

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
        """Unlocks the log for other processes."""
        # those who need to know that their records are on the disk call `flush`, which raises
        with self._flushing, contextlib.suppress(OSError):
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
        """Writes FILE.length in place: it fits one sector of a disk, and never gets shorter.
        Returns its number of bytes.
        """
        line = line_of({"records": records, "bytes": size, "file": os.fstat(self._file).st_ino})
        os.lseek(self._length, 0, os.SEEK_SET)
        _write(self._length, line)
        return len(line)


class _Removed(OSError):
    """The file of the log was deleted."""


@contextlib.contextmanager
def held(path: str | os.PathLike):
    """Locks the log at `path`, if there is one, whatever its content: meanwhile no other process
    can append to it.

    Raises: ValueError if another process has locked it.
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
    """Locks the folder. If it did not exist, it is made first, and removed at the end if it is
    still empty. Raises ValueError(otherwise) if another process has locked it.
    """
    existed = os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    file = None if fcntl is None else os.open(folder, os.O_RDONLY)  # Windows opens no folders
    try:
        if file is not None:
            lock(file, otherwise)
        yield
    finally:
        if file is not None:
            os.close(file)
        if not existed:
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _take(path, file):
    """Locks an open log against other processes, and closes the `Journal` of this process that had
    it. Returns (device, inode).
    """
    status = os.fstat(file)
    same = _OPEN.get((status.st_dev, status.st_ino))
    if same is not None and not same.closed:
        same.close()
        same.taken = True
    lock(file, f"{path}: another process is searching here; wait until it ends, or stop it.")
    return status.st_dev, status.st_ino


def lock(file: int, otherwise: str) -> None:
    """Locks an open file until it is closed. Raises ValueError(otherwise) if another process has
    locked it.
    """
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(otherwise) from None
        except OSError:  # a file system without locks
            pass


def _content(file):
    parts = []
    while part := os.read(file, 1 << 24):
        parts.append(part)
    return b"".join(parts)


def _write(file, content):
    while content:
        content = content[os.write(file, content) :]
