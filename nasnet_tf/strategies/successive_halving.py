"""Asynchronous successive halving: most points are trained for a few epochs, the best of them
longer. No trial waits for another.

If the last decision of the space has one of the names in `FIDELITIES`, it is how long a point is
trained, and its options in ascending order are the rungs. A proposal promotes a point in the top
1 / eta of its rung that has not been promoted yet by one rung, the longest rung first; if there is
none, it is a new random point of the shortest rung. A space without such a decision has one rung,
and the search is random.

Source: Li et al. 2020, arXiv 1810.05934, algorithm 2.
"""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np

from nasnet_tf.contracts.fidelity import EPOCHS
from nasnet_tf.signatures import checked
from nasnet_tf.strategies.archive import Archive
from nasnet_tf.strategies.protocol import Strategy

__all__ = ["FIDELITIES", "SuccessiveHalving", "rungs"]

FIDELITIES = (EPOCHS, "epochs")

_TRIES = 20  # at a random point that is not known


def rungs(longest: int, eta: int = 3) -> tuple[int, ...]:
    """`longest` epochs, a share 1 / eta of it, and so on down to 1, in ascending order: 1, 3, 9 for
    9.
    """
    return (*(rungs(longest // eta, eta) if longest >= eta else ()), longest)


class SuccessiveHalving(Strategy):
    """ASHA. A promoted point is a trial of its own, trained from the start.

    Args:
        eta: one in `eta` points is promoted.
    """

    name = "successive-halving"
    fidelity = True

    @checked
    def __init__(self, space, seed=0, *, eta=3):
        super().__init__(space, seed)
        if eta <= 1:
            raise ValueError(
                f"eta is {eta}; one in eta is promoted, so give more than 1, such as 3."
            )
        self.eta = eta
        name, options = self.space.decisions[-1]
        self.order = None  # rung -> option
        if name in FIDELITIES:
            self.order = sorted(range(len(options)), key=options.__getitem__)
        self._forget()

    def _forget(self):
        self.archive = Archive(len(self.sizes))  # a failed trial's reward is -inf
        self._rungs = [_Rung() for _ in self.order or [0]]

    def propose(self, number, pending=(), attempt=0):
        running = {tuple(point) for point in pending}
        for place in reversed(range(len(self._rungs) - 1)):
            rung, above = self._rungs[place], self._rungs[place + 1]
            for point in rung.promotable(self.eta):
                promoted = self._at(point, place + 1)
                if promoted not in running and point not in above.known:
                    if not attempt:
                        return promoted
                    attempt -= 1
        rng = self._rng(number, attempt)
        for _ in range(_TRIES):
            point = self._at(self.space.random(rng), 0)
            if self._bare(point) not in self._rungs[0].known and point not in running:
                break
        return point

    def _bare(self, point):
        """The point without its number of epochs."""
        return point if self.order is None else point[:-1]

    def _at(self, point, rung):
        return point if self.order is None else (*point[: len(self.sizes) - 1], self.order[rung])

    def _learn(self, choices, reward):
        self.archive.append(choices, reward)
        rung, bare = 0 if self.order is None else self.order.index(choices[-1]), self._bare(choices)
        if bare not in self._rungs[rung].known:
            self._rungs[rung].add(bare, reward)
            if rung:
                self._rungs[rung - 1].promoted(bare)

    def _fail(self, choices):
        self._learn(choices, -np.inf)

    def _memory(self):
        return self.archive.state()

    def _recall(self, state):
        points = [self._checked(point) for point in state["points"].tolist()]
        Archive(len(self.sizes)).restore(state)  # raises before anything changes
        self._forget()
        for point, reward in zip(points, state["rewards"].tolist(), strict=True):
            self._learn(point, reward)


class _Rung:
    """The trials of one rung that ended, best first; of equal ones the earlier first."""

    def __init__(self):
        self.known = {}  # point -> its sort key, (-reward, number of trials that ended before it)
        self._keys, self._waiting = [], []  # sort keys of all; (*key, point) of those not promoted

    def add(self, point, reward):
        key = self.known[point] = (-reward, len(self.known))
        insort(self._keys, key)
        if reward > -np.inf:
            insort(self._waiting, (*key, point))

    def promoted(self, point):
        """Removes a point that ended one rung up from those that wait for promotion."""
        if point in self.known:
            row = (*self.known[point], point)
            place = bisect_left(self._waiting, row)
            if self._waiting[place : place + 1] == [row]:
                del self._waiting[place]

    def promotable(self, eta):
        """The points of the top 1 / eta that have not ended one rung up, best first."""
        last = int(len(self._keys) / eta)
        for *key, point in self._waiting:
            if bisect_left(self._keys, tuple(key)) >= last:
                return
            yield point
