"""When a search by the clock ends, so that the network at the end has the time it needs."""

from __future__ import annotations

import statistics
import time

__all__ = ["SearchClock", "is_too_short"]

_SHORT = 2  # times the time that is left: a network that needs more has all of it
_CHEAP = 0.05  # of the time that is left
_FEWEST_JUDGES = 100  # images: with fewer, luck decides between cells (standard error 5 %)
_FEWEST = 10  # cells: for fewer it does not pay to go on


def is_too_short(seconds: float, needed: float) -> bool:
    """Whether so many seconds are spent best on the network at the end alone, which needs more."""
    return needed > _SHORT * seconds


class SearchClock:
    """Says whether the time of a search is over.

    It begins with a share of the time. Once children have been trained, it is known how long the
    network at the end takes, and the search ends early enough for that, but not before a smaller
    share is over; or at once, where hardly any cell could be tried until then, or where that
    network has not half the time it needs.

    Args:
        least: when the search ends at the earliest, by the monotonic clock.
        limit: when it ends at the latest; None where the time is not limited.
        ends: when everything ends.
        workers: how many children are trained side by side.
        needed: (genotype, seconds of its child) -> seconds that the network at the end takes, or
            None where that is not known.
        say: takes a line for the user.
        known: how many cells come first that are tried in any case, unless each takes a good part
            of the time.
        judges: images that cells are judged by, where few of them end the search; None goes on
            however few there are.
        planned: called once, when the first cells are timed, with when the search will end, by the
            monotonic clock.
    """

    def __init__(self, least, limit, ends, workers, needed, say, known=0, judges=None, planned=None
    ):  # fmt: skip
        self._least, self.limit, self._ends = least, limit, ends
        self._workers, self._say, self._known = workers, say, known
        self._needed, self._seconds, self._finals = needed, [], []
        self._judges = judges
        self.last_moment, self._planned = limit, planned

    @property
    def is_over(self) -> bool:
        """Whether no further child may begin."""
        return self.limit is not None and time.monotonic() > self.limit

    def trained(self, genotype, seconds: float) -> None:
        """A child was trained in so many seconds."""
        if self.limit is None:
            return
        needed = self._needed(genotype, seconds)
        if needed is None:
            return
        self._seconds.append(seconds)
        self._finals.append(needed)
        self._shorten(statistics.median(self._seconds), statistics.median(self._finals))
        if self._planned is not None and (len(self._seconds) >= self._known or self.is_over):
            tell, self._planned = self._planned, None
            tell(max(self.limit, time.monotonic()))

    def _shorten(self, child, final):
        now = time.monotonic()
        if len(self._seconds) < self._known and child < _CHEAP * (self._ends - now):
            return
        if self._judges is not None and self._judges < _FEWEST_JUDGES:
            self._say(f"{self._judges} validation images do not tell cells apart: none is searched")
            self.limit, self.last_moment, self._judges = now, now + child, None
            return
        least = now if is_too_short(self._ends - now, final) else self._least
        limit = min(self.limit, max(self._ends - final, least))
        if self.is_over or limit >= self.limit:
            return
        more = (limit - now) * self._workers / child
        if more < _FEWEST:
            self._say(
                f"the network at the end needs about {final:.0f} s, which leaves no time to search"
            )
            limit = now
        self.limit, self.last_moment = limit, max(limit, now + child)
