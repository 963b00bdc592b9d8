"""Who runs which trial, since when, and when that worker was last heard of."""

from __future__ import annotations

import time

__all__ = ["LEASED", "Leases"]

LEASED = "+lease"  # in the id of a tuner that gives signs of life


class Leases:
    """The trials that are being run.

    Args:
        seconds: how long a worker with a lease may give no sign of life.

    Attributes:
        running: {id of the tuner: its trial}, Keras Tuner's `ongoing_trials`.
        began: {number of a running trial: when}.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.running, self.began, self._heard = {}, {}, {}
        # number of a trial nobody runs: who ran it and may come back; None is anyone
        self._lost = {}

    def __bool__(self):
        """Whether a worker with a lease is at work: its trial may come back."""
        return bool(self._heard)

    def give(self, tuner_id: str, trial):
        """The trial, which that tuner runs from now on."""
        self.running[tuner_id] = trial
        self.began[trial.trial_id] = time.monotonic()
        self._lost.pop(trial.trial_id, None)
        self.renew(tuner_id, trial.trial_id)
        return trial

    def holds(self, tuner_id: str, number: str) -> bool:
        """Whether the tuner runs the trial."""
        trial = self.running.get(tuner_id)
        return trial is not None and trial.trial_id == number

    def renew(self, tuner_id: str, number: str) -> None:
        """The tuner gave a sign of life. Those of tuners that do not run the trial are not
        heard.
        """
        if LEASED in tuner_id and self.holds(tuner_id, number):
            self._heard[number] = time.monotonic()

    def lose(self, number: str) -> list[str]:
        """Its worker is taken for lost. Returns the ids of the tuners that ran the trial."""
        holders = self.holders(number)
        self.end(number)
        self._lost[number] = holders[0] if holders else None
        return holders

    def expect(self, numbers) -> None:
        """The chief itself was away: whoever says first that it runs one of these trials may have
        it.
        """
        self._lost = dict.fromkeys(numbers)

    def may_return(self, tuner_id: str, number: str) -> bool:
        """Whether the tuner may go on with a trial that nobody runs."""
        return (
            tuner_id not in ("", *self.running)
            and number in self._lost
            and self._lost[number] in (None, tuner_id)
        )

    def late(self) -> list[str]:
        """Numbers of the trials whose workers have given no sign of life for too long."""
        return [
            number
            for number, heard in self._heard.items()
            if time.monotonic() - heard > self.seconds
        ]

    def holders(self, number: str) -> list[str]:
        """Ids of the tuners that run the trial."""
        return [tuner_id for tuner_id, trial in self.running.items() if trial.trial_id == number]

    def end(self, number: str) -> float | None:
        """Nobody runs the trial any more. Returns how many seconds it took, if that is known."""
        began = self.began.pop(number, None)
        self._heard.pop(number, None)
        for tuner_id in self.holders(number):
            del self.running[tuner_id]
        return None if began is None else round(time.monotonic() - began, 3)
