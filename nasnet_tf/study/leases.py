"""Which worker runs which trial, since when, and when that worker last gave a sign of life."""

from __future__ import annotations

import time

__all__ = ["LEASED", "Leases"]

LEASED = "+lease"  # in the id of a worker that gives signs of life


class Leases:
    """The trials that are running.

    Args:
        seconds: how long a worker with a lease may give no sign of life.

    Attributes:
        running: {id of the worker: number of its trial}.
        began: {number of a running trial: time it was handed out, by the monotonic clock}.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.running, self.began, self._renewed = {}, {}, {}
        # Number of a trial that no worker runs: the worker that ran it and may return; None: any.
        self._lost = {}

    def __bool__(self):
        """Whether a worker with a lease runs a trial, which may have to be run again."""
        return bool(self._renewed)

    def give(self, worker: str, number: str) -> None:
        """The worker runs the trial from now on."""
        self.running[worker] = number
        self.began[number] = time.monotonic()
        self._lost.pop(number, None)
        self.renew(worker, number)

    def holds(self, worker: str, number: str) -> bool:
        """Whether the worker runs the trial."""
        return self.running.get(worker) == number

    def renew(self, worker: str, number: str) -> None:
        """The worker gave a sign of life. Ignored if it does not run the trial."""
        if LEASED in worker and self.holds(worker, number):
            self._renewed[number] = time.monotonic()

    def lose(self, number: str) -> list[str]:
        """The trial's worker counts as lost. Returns the ids of the workers that ran it."""
        holders = self.holders(number)
        self.end(number)
        self._lost[number] = holders[0] if holders else None
        return holders

    def expect(self, numbers) -> None:
        """After a restart: the first worker that says it runs one of these trials may have it."""
        self._lost = dict.fromkeys(numbers)

    def may_return(self, worker: str, number: str) -> bool:
        """Whether the worker may go on with a trial that no worker runs."""
        free = worker not in ("", *self.running)
        return free and number in self._lost and self._lost[number] in (None, worker)

    def late(self) -> list[str]:
        """Numbers of the trials whose workers have given no sign of life for too long."""
        now = time.monotonic()
        return [number for number, when in self._renewed.items() if now - when > self.seconds]

    def holders(self, number: str) -> list[str]:
        """Ids of the workers that run the trial."""
        return [worker for worker, held in self.running.items() if held == number]

    def end(self, number: str) -> None:
        """No worker runs the trial any more."""
        self.began.pop(number, None)
        self._renewed.pop(number, None)
        for worker in self.holders(number):
            del self.running[worker]

    def seconds_since(self, number: str) -> float | None:
        """How long the trial has been running; None if no worker runs it."""
        began = self.began.get(number)
        return None if began is None else round(time.monotonic() - began, 3)
