"""The time that a search or a training has, from its start to its end."""

from __future__ import annotations

import math
import pathlib
import time

from nasnet_tf.files import read_json, write_json

_FEWEST_BEGINNINGS = 5  # times the time that it takes to begin: with less there is little to reach
_SECONDS = 5.0  # between two notes of how much is spent


class Budget:
    """So many minutes, of which some may have been spent before an interruption.

    Args:
        minutes: None is without end.
        began: when the work began, by the monotonic clock.
        spent: seconds that were spent before.
    """

    def __init__(self, minutes: float | None, began: float, spent: float = 0.0):
        self.seconds = math.inf if minutes is None else 60 * minutes
        self.began, self.file, self._noted = began - spent, None, 0.0
        self.ends, self.beginning, self._spent = self.began + self.seconds, 0.0, spent

    def has_begun(self) -> None:
        """Says that all has been imported: how long that took, `beginning`, tells how fast the
        machine is.
        """
        self.beginning = self.spent - self._spent

    def warning(self, share: float = 1.0) -> str | None:
        """What to say where a share of the time is too little; None where it is enough."""
        if (
            not self.is_limited
            or share * (self.seconds - self._spent) > _FEWEST_BEGINNINGS * self.beginning
        ):
            return None
        return (
            f"warning: {self.seconds / 60:g} minutes are short: it takes {self.beginning:.0f} s"
            " here to begin at all, and as long again to begin to train; give more `minutes` for"
            " a better network"
        )

    @property
    def is_limited(self) -> bool:
        return self.seconds < math.inf

    @property
    def spent(self) -> float:
        """Seconds."""
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        """Seconds, at least 0."""
        return max(self.ends - time.monotonic(), 0.0)

    @property
    def share(self) -> float:
        """How much of the time is over, 0 to 1."""
        return min(self.spent / self.seconds, 1.0)

    def keep(self, file: pathlib.Path) -> None:
        """Notes in the file how much is spent, now and as time passes, for work that goes on."""
        self.file, self._noted = file, -math.inf
        self.note()

    def note(self) -> None:
        """Writes how much is spent, now and then."""
        if self.file is not None and self.is_limited and time.monotonic() - self._noted > _SECONDS:
            self._noted = time.monotonic()
            write_json(self.file, {"seconds": round(self.spent, 1)})

    def close(self) -> None:
        """Nothing is noted any more."""
        self.file = None


def noted(file: pathlib.Path) -> float:
    """The seconds in a note; 0 where there is none that can be read."""
    try:
        seconds = read_json(file)["seconds"]
        return float(seconds) if math.isfinite(seconds) and seconds >= 0 else 0.0
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
