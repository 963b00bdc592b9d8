"""Progressive search, that of PNAS: points grow level by level; a fast model selects which of the
many larger points are tried.

The first level is tried completely, or a random part of it. Every other level extends the best
points of the level before by every option of the decisions it frees, and tries those with the
highest predictions of the model (surrogate.py), which is fitted to all trials so far. The last
level is repeated, with the model fitted again.

Source: Liu et al. 2018, arXiv 1712.00559, section 4 and algorithm 1: K = 256, which for cells of up
to five blocks makes 136 + 4 * 256 = 1160 trials, and an ensemble of five, each on four fifths of
the data. Its model is an LSTM or a small network; ours is linear. Its levels wait for their last
trial; ours end when nine in ten trials have, so that workers are never idle.
"""

from __future__ import annotations

import math

import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.strategies.archive import Archive, Networks
from nasnet_tf.strategies.protocol import Strategy
from nasnet_tf.strategies.surrogate import Surrogate, fits

__all__ = ["Progressive"]

_FEWEST = 16  # points of the first level; smaller levels are skipped
_TRIES = 20


class Progressive(Strategy):
    """Grows points along `space.levels()`.

    Args:
        beam: how many points of a level are tried, and extended (the paper's K). For short searches
            it should be about the number of trials, divided by that of the levels.
        barrier: share of a level's trials that must have ended before the next begins.
        expansions: the most extended points that are scored; of more, a random sample is.
    """

    name = "progressive"

    @checked
    def __init__(self, space, seed=0, *, beam=256, barrier=0.9, expansions=20_000):
        super().__init__(space, seed)
        if min(beam, expansions) < 1 or not 0 < barrier <= 1:
            raise ValueError(
                "beam and expansions must be 1 or more, barrier above 0 and at most 1; got"
                f" {beam=}, {expansions=}, {barrier=}."
            )
        self.beam, self.barrier, self.expansions = beam, barrier, expansions
        self.levels = self.space.levels()
        counts = [
            math.prod(
                size for size, option in zip(self.sizes, level, strict=True) if option is None
            )
            for level in self.levels
        ]
        self._first = next(
            (depth for depth, count in enumerate(counts) if count >= _FEWEST), len(counts) - 1
        )
        self._surrogate = Surrogate(self.space, self.levels)
        self.archive, self._networks = Archive(len(self.sizes)), Networks(self.space)
        self._known = set()
        self._begin(self._first, 0, [])

    def propose(self, number, pending=(), attempt=0):
        running = {tuple(point) for point in pending}
        # proposals that are neither observed nor in `pending`, or were rejected
        skipped = max(number - self.observed - len(pending), 0) + attempt
        for point in self.queue:
            if point not in self._known and point not in running:
                if not skipped:
                    return point
                skipped -= 1
        return self._random_point(self._rng(number, attempt), running)

    def _random_point(self, rng, running):
        """A random point of this level, or of the next if all were tried."""
        for depth in range(self.depth, len(self.levels)):
            for row in self._draw(depth, _TRIES, rng).tolist():
                if tuple(row) not in self._known and tuple(row) not in running:
                    return tuple(row)
        return self.space.random(rng)

    def _learn(self, choices, reward):
        self.archive.append(choices, reward)
        self._note(choices)

    def _fail(self, choices):
        """A failed trial is not extended, and the model ignores it."""
        self.archive.fail(choices)
        self._note(choices)

    def _note(self, choices):
        """Marks the point as tried, and begins the next level when it is due."""
        self._networks.add(choices)
        self._known.add(choices)
        self._waiting.discard(choices)
        while self.size and self.size - len(self._waiting) >= self.barrier * self.size:
            left = [
                point for point in self.queue[: self.left + self.size] if point not in self._known
            ]
            self._begin(min(self.depth + 1, len(self.levels) - 1), self.round + 1, left)

    def _begin(self, depth, number, left):
        """Begins round `number`, at level `depth`. The queue has the points that are left of the
        round before, the `size` points of this one, and a reserve.
        """
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(2, number)))
        candidates = rng.permutation(self._extended(depth, rng))
        if len(self.archive):
            self._surrogate.fit(self.archive.points, self.archive.rewards, rng)
            candidates = candidates[np.argsort(-self._surrogate.predict(candidates), kind="stable")]
        chosen = self._distinct(candidates, self.beam + self.beam // 4 + 1, left)
        if depth == len(self.levels) - 1 and len(chosen) < self.beam:
            chosen += self._distinct(
                self._draw(depth, 4 * self.beam, rng), self.beam - len(chosen), left + chosen
            )
        self.depth, self.round = depth, number
        self.queue, self.left = left + chosen, len(left)
        self.size = min(len(chosen), self.beam)
        self._waiting = set(self.queue[self.left : self.left + self.size])
        if not chosen and depth < len(self.levels) - 1:
            self._begin(depth + 1, number + 1, left)

    def _extended(self, depth, rng):
        """The best points of the level before, extended to level `depth`: (n, decisions)."""
        level = self.levels[depth]
        if depth == self._first:
            parents = np.zeros((1, len(level)), dtype=np.int64)
            new = [option is None for option in level]
        else:
            before = self.levels[depth - 1]
            parents = self._best(before)
            pairs = zip(level, before, strict=True)
            new = [option is None and old is not None for option, old in pairs]
        if not len(parents):  # all points of the level before failed
            return self._draw(depth, min(4 * self.beam, self.expansions), rng)
        new = np.flatnonzero(new)
        sizes = [self.sizes[number] for number in new]
        if len(parents) * math.prod(sizes) <= self.expansions:
            grown = np.repeat(parents, math.prod(sizes), axis=0)
            grown[:, new] = np.tile(np.indices(sizes).reshape(len(sizes), -1).T, (len(parents), 1))
        else:
            grown = parents[rng.integers(len(parents), size=self.expansions)]
            grown[:, new] = rng.integers(0, sizes, (self.expansions, len(sizes)))
        return self._with_fixed_options(grown, level)

    def _best(self, level):
        """The `beam` best points of a level, each once."""
        inside = np.flatnonzero(fits(self.archive.points, level))
        order = inside[np.argsort(-self.archive.rewards[inside], kind="stable")][: 4 * self.beam]
        return np.array(
            list(dict.fromkeys(map(tuple, self.archive.points[order].tolist())))[: self.beam]
        )

    def _draw(self, depth, count, rng):
        """Random points of level `depth`, (count, decisions)."""
        return self._with_fixed_options(
            rng.integers(0, self.sizes, (count, len(self.sizes))), self.levels[depth]
        )

    @staticmethod
    def _with_fixed_options(points, level):
        for number, option in enumerate(level):
            if option is not None:
                points[:, number] = option
        return points

    def _distinct(self, points, most, others):
        """The first `most` of the points that are networks different from each other, from `others`
        and from all that ended.
        """
        seen, found = {*self._networks.digests, *map(self._networks.digest, others)}, []
        for point in points:
            if len(found) == most:
                break
            point = tuple(point.tolist())
            if point in self._known:
                continue
            digest = self._networks.digest(point)
            if digest not in seen:
                seen.add(digest)
                found.append(point)
        return found

    def _memory(self):
        queue = np.array(self.queue, dtype=np.int64).reshape(-1, len(self.sizes))
        head = {
            "depth": self.depth,
            "round": self.round,
            "left": self.left,
            "size": self.size,
            "queue": queue,
        }
        return head | {"networks": self._networks.state()} | self.archive.state()

    def _recall(self, state):
        queue, *known = (
            [self._checked(point) for point in state[name].tolist()]
            for name in ("queue", "points", "failed")
        )
        self.archive.restore(state)
        self._networks.restore(state["networks"])
        self._known, self.queue = set(sum(known, [])), queue
        self.depth, self.round, self.left, self.size = (
            int(state[name]) for name in ("depth", "round", "left", "size")
        )
        self._waiting = {
            point for point in queue[self.left : self.left + self.size] if point not in self._known
        }
