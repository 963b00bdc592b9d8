"""Local search: try the neighbours of a point, one decision away; move as soon as one is better; at
a local optimum start again.

Source: White et al. 2021, arXiv 2005.02960, section 3, in the variant that does not wait for a
whole neighbourhood. Here each climb begins at the best of a few random points, and no point is
proposed twice. Beginning again is ours: in small spaces it finds what going on with the next best
point misses, and in large ones a neighbourhood is seldom exhausted.
"""

from __future__ import annotations

from nasnet_tf.signatures import checked
from nasnet_tf.strategies.archive import Archive
from nasnet_tf.strategies.protocol import Strategy

__all__ = ["LocalSearch", "neighbours"]

_TRIES = 20  # at a random point that is not known


def neighbours(point, sizes) -> list[tuple[int, ...]]:
    """All points that differ from `point` in one decision."""
    point = tuple(point)
    return [
        (*point[:place], option, *point[place + 1 :])
        for place, size in enumerate(sizes)
        for option in range(size)
        if option != point[place]
    ]


class LocalSearch(Strategy):
    """Asynchronous hill climbing: while the last neighbours are trained, so are the random points
    of the next climb.

    Args:
        starts: the number of random points, the best of which a climb starts from.
    """

    name = "local-search"

    @checked
    def __init__(self, space, seed=0, *, starts=10):
        super().__init__(space, seed)
        if starts < 1:
            raise ValueError(f"starts is {starts}; give 1 or more.")
        self.starts = starts
        self.archive, self.known = Archive(len(self.sizes)), set()
        self.drawn = 0  # successful trials, up to `starts`, since the climb began
        self.centre = -1  # index in the archive of the best point of the climb; -1 if there is none

    def propose(self, number, pending=(), attempt=0):
        rng, running = self._rng(number, attempt), {tuple(point) for point in pending}
        if self.centre >= 0 and self.drawn + len(running) >= self.starts:
            free = [point for point in self._unknown() if point not in running]
            if free:
                return free[int(rng.integers(len(free)))]
        for _ in range(_TRIES):
            point = self.space.random(rng)
            if point not in self.known and point not in running:
                break
        return point

    def _unknown(self):
        """Neighbours of the best point of the climb whose reward is not known."""
        around = neighbours(self.archive.points[self.centre].tolist(), self.sizes)
        return [point for point in around if point not in self.known]

    def _learn(self, choices, reward):
        self.archive.append(choices, reward)
        self.known.add(choices)
        self.drawn = min(self.drawn + 1, self.starts)
        if self.centre < 0 or reward > self.archive.rewards[self.centre]:
            self.centre = len(self.archive) - 1
        self._restart_at_optimum()

    def _fail(self, choices):
        """A climb does not move to a failed point."""
        self.archive.fail(choices)
        self.known.add(choices)
        self._restart_at_optimum()

    def _restart_at_optimum(self):
        if self.drawn == self.starts and not self._unknown():
            self.drawn, self.centre = 0, -1

    def _memory(self):
        return self.archive.state() | {"drawn": self.drawn, "centre": self.centre}

    def _recall(self, state):
        known = {
            self._checked(point) for name in ("points", "failed") for point in state[name].tolist()
        }
        centre = int(state["centre"])
        if not -1 <= centre < len(state["points"]):
            raise ValueError(
                f"the state's climb stands at trial {centre} of {len(state['points'])}; restore"
                " what state() gave, whole."
            )
        self.archive.restore(state)
        self.known, self.drawn, self.centre = known, int(state["drawn"]), centre
