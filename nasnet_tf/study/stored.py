"""The trials of a study, on disk and in memory: what its log says, and what it writes there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nasnet_tf.contracts.space import Space
from nasnet_tf.study.failures import reason_in
from nasnet_tf.study.head import Head
from nasnet_tf.study.history import History
from nasnet_tf.study.leases import Leases
from nasnet_tf.study.lock import FairLock
from nasnet_tf.study.logbook import InMemory, Logbook
from nasnet_tf.study.records import Records, last_value

__all__ = ["Ended", "Listener", "StoredTrials", "Trial"]


class Trial(NamedTuple):
    """A trial to run.

    Args:
        number: as text, from "0" on.
        values: {name: value} of the parameters.
        space: what they are of, or None.
    """

    number: str
    values: dict
    space: Space | None = None

    @property
    def genotype(self):
        """What the space makes of the values; None without a space."""
        return None if self.space is None else self.space.decode(self.space.choices(self.values))


class Ended(NamedTuple):
    """A trial that ended.

    Args:
        number: as text, from "0" on.
        status: "COMPLETED" or "FAILED".
        score: None where it failed.
        message: why it failed, or a remark; None if there is nothing to say.
        values: {name: value} of the parameters.
        metrics: {name: the last value} of what was measured.
    """

    number: str
    status: str
    score: float | None
    message: str | None
    values: dict
    metrics: dict

    @property
    def reason(self) -> str:
        """The message in one line."""
        return reason_in(self.message)


class Listener:
    """What a study calls as things happen. All methods do nothing; override those of interest."""

    def reset(self) -> None:
        """The study has forgotten all trials; those in its log come next."""

    def forget(self, number: str) -> None:
        """A trial ended, or is to be run again from the beginning."""

    def ended(self, number: str) -> None:
        """A trial ended for good, and is on disk."""

    def exhausted(self, reason: str) -> None:
        """No new point is left to try."""


class StoredTrials:
    """The trials of a study. `open` makes it the only one that writes to its log.

    Args:
        space: what is searched, or None.
        schemas: what is declared: a `nasnet_tf.study.schema.SpaceSchemas`, or what has its methods.
        head: a `Head`.
        folder: a function that tells where the log lies; None keeps the trials in memory.
        direction: "max" or "min", of the scores.
        lease_seconds, retry_failed, listener: of the `Study`.

    Attributes:
        history: the `History` of the trials.
        records: their `Records`.
        leases: their `Leases`.
    """

    def __init__(
        self,
        space: Space | None,
        schemas,
        head: Head,
        folder: Callable | None,
        *,
        direction: str,
        lease_seconds: float,
        retry_failed: bool,
        listener: Listener | None,
    ):
        self.space, self.schemas, self.direction = space, schemas, direction
        self.lease_seconds, self.retry_failed = lease_seconds, retry_failed
        self.listener = listener or Listener()
        self._head, self._folder = head, folder
        self._log: InMemory | Logbook = InMemory()
        if folder is not None:
            self._log = Logbook(folder, self._make_head, self._replay_log)
        self.lock = FairLock()
        self._reset()

    def trial(self, number: str) -> Trial:
        """The trial of that number."""
        values = self.records.values(number)
        return Trial(number, values, self.space)

    def ended(self, number: str) -> Ended:
        """The trial of that number, which has ended."""
        end = self.history.ended[number]
        metrics = {
            name: last_value(recorded) for name, recorded in (end.get("metrics") or {}).items()
        }
        values = end.get("values") or self.records.values(number)
        score, message = self.history.score(number), end.get("message")
        return Ended(number, end["status"], score, message, values, metrics)

    def genotype(self, number: str):
        """What the space makes of a trial's point."""
        return self._space_asked().decode(self.point(number))

    def point(self, number: str) -> tuple:
        """The point of the space that a trial has."""
        return self._space_asked().choices(self.records.values(number))

    def _space_asked(self) -> Space:
        if self.space is None:
            raise ValueError("the study has no space to make a genotype; give it one.")
        return self.space

    def best(self, count: int | None = None) -> list[str]:
        """Numbers of the best trials that completed, best first."""
        return self.history.best(count)

    def best_score(self) -> float | None:
        """The best score so far; None before there is one."""
        best = self.history.best(1)
        return self.history.score(best[0]) if best else None

    def original(self, number: str) -> str:
        """Number of the trial that trained the network of this one: another where its result was
        reused, else its own.
        """
        with self.lock:
            return self.history.original(number)

    def _reset(self):
        """As before the first trial."""
        self.history = History(self.direction)
        self._schemas = [None]  # after 0, 1, 2, ... declarations
        self.records = Records(self.history, self._schemas)
        self.leases = Leases(self.lease_seconds)
        self._queue = []  # numbers of the trials to be run again, taken from its end
        self._again = []  # numbers of failed trials that are run again when the search goes on
        self._declared = 0  # how many parameters are declared in the log
        self._on_disk = 0  # how many ended trials are: the strategy learns of no other
        self._replay = self.gave_up = self.exhausted = None
        self.listener.reset()

    def _forget(self, number):
        self.records.forget(number)
        self.listener.forget(number)

    @property
    def begun(self) -> bool:
        """Whether the log was opened before."""
        return self._log.begun

    def open(self) -> None:
        """Opens the log for writing, so that no other process can, and takes up what is in it.

        Raises: ValueError, a line that says what to do, if it is damaged, in use, or of another
            search.
        """
        if self._log.open(at_work=bool(self.leases.running)):
            self._head.is_checked = True
            self.declare()

    def close(self) -> None:
        """Lets another process go on with the search."""
        self._log.close()

    def reload(self) -> None:
        """Takes up the trials that ended, and queues those that had not. Errors as of `open`; other
        processes may be searching.
        """
        self._head.is_checked = self._log.read() or self._head.is_checked

    def declare(self) -> None:
        """Writes the parameters, if there are more than the log declares."""
        if self.schemas.count != self._declared:
            self._write(self.schemas.record())
            self._schemas.append(self.schemas.current())
            self._declared = self.schemas.count

    def _make_head(self, there):
        return self._head.make(self, there, self._log.path)

    def _write(self, record):
        self._log.write(record)
        self.history.take(record)

    def _replay_log(self, log, path):
        """Becomes what the log says."""
        self._reset()
        self.history.replay(log, path, self._take_up)
        self._on_disk = len(self.history.end_order)
        self._queue = self.history.unfinished()[::-1]
        self.leases.expect(self._queue)
        self._again = self.history.failed(passing=not self.retry_failed)

    def _take_up(self, record):
        """What a record of the log means for the schemas."""
        if "space" in record:
            self._schemas.append(self.schemas.restore(record))
            self._declared = len(record["space"])
        elif "begin" in record:
            begin = self.history.begun[record["begin"]]
            if self._schemas[begin.space] is None:
                self._schemas[begin.space] = self.schemas.current()
            self._schemas[begin.space].check(begin.point)
