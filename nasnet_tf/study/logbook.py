"""The log of a study: opened when something is to be written, and read again when others have
written meanwhile.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from nasnet_tf.journal import TRIALS, Journal, Log, check_head, read

__all__ = ["InMemory", "Logbook"]


class Logbook:
    """A `nasnet_tf.journal` that its owner keeps in step with.

    Args:
        folder: a function: the folder it is in.
        head: what makes its head from the one that is there, or None.
        replay: called with a `nasnet_tf.journal.Log` and its path when the owner must become what
            it says.
    """

    def __init__(self, folder: Callable, head: Callable, replay: Callable):
        self._folder, self._head, self._replay = folder, head, replay
        self._journal: Journal | None = None
        self._known = 0  # how many of its records the owner knows

    @property
    def path(self) -> pathlib.Path:
        """Of the log. Raises ValueError if the folder is another oracle's."""
        folder = pathlib.Path(self._folder())
        if (folder / "oracle.json").exists():
            raise ValueError(
                f"{folder / 'oracle.json'} is of another oracle, or of an older version; begin anew"
                " in another folder."
            )
        return folder / TRIALS

    @property
    def begun(self) -> bool:
        """Whether it was opened before."""
        return self._journal is not None

    def open(self, at_work: bool) -> bool:
        """Opens it, so that no other process can. Returns whether that was needed.

        Args:
            at_work: whether trials are being run: then it is not taken back from another search of
                this process.
        Raises: ValueError, a line that says what to do, if it is damaged, in use, or of another
            search.
        """
        if self._journal is not None and (
            not self._journal.closed or self._journal.taken and at_work
        ):
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        journal = self._journal = Journal(self.path, self._head)
        if len(journal.records) != self._known:
            self._take(Log(journal.head, journal.records, 0))
        journal.records = []
        return True

    def read(self) -> bool:
        """Reads it without opening it. Returns whether there is one. Errors as of `open`."""
        log = read(self.path)
        if log.head is None:
            return False
        check_head(self.path, log.head, self._head(log.head))
        self._take(log)
        return True

    def _take(self, log):
        self._replay(log, self.path)
        self._known = len(log.records)

    def write(self, record) -> None:
        """Adds a record, which is sure to be on the disk after `flush`. If that fails, all is read
        again.
        """
        if self._journal is None:
            raise RuntimeError("the log is written before it is opened; call open() first.")
        self._known, known = -1, self._known
        self._journal.write(record)
        self._known = known + 1

    def flush(self) -> None:
        """What was written is on the disk. Workers that ask at the same time wait for the disk
        together.
        """
        try:
            if self._journal is not None:
                self._journal.flush()
        except RuntimeError:
            self._known = -1
            raise

    def close(self) -> None:
        """Lets another process go on with the search."""
        if self._journal is not None:
            self._journal.close()


class InMemory:
    """In place of a `Logbook`, for a study that keeps nothing."""

    begun, path = True, None

    def __init__(self):
        self._is_new = True

    def open(self, at_work: bool) -> bool:
        """As `Logbook.open`."""
        was_new, self._is_new = self._is_new, False
        return was_new

    def read(self) -> bool:
        """There is nothing to read."""
        return False

    def write(self, record) -> None:
        """Keeps nothing."""

    def flush(self) -> None:
        """Keeps nothing."""

    def close(self) -> None:
        """Keeps nothing."""
