"""Progressive search, that of PNAS: points grow level by level; a quick model says which of the
many larger ones are tried.

The first level is tried whole, or a part of it drawn at random. Each next one grows the best points
of the level before by every option of the decisions it frees, and tries those that the model
(surrogate.py), fitted to all trials so far, finds best. After the last level its turn comes again
and again, with the model fitted anew.

Source: Liu et al. 2018, arXiv 1712.00559, section 4 and algorithm 1: K = 256, which for cells of up
to five blocks makes 136 + 4 * 256 = 1160 trials, and an ensemble of five, each on four fifths of
the data. Its model is an LSTM or a small network; ours is linear. Its levels wait for their last
trial; ours go on when nine in ten have ended, so that nobody who trains is ever idle.
"""

from __future__ import annotations

import math

import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.strategies.archive import Archive, Networks
from nasnet_tf.strategies.protocol import Strategy
from nasnet_tf.strategies.surrogate import Surrogate, fits

__all__ = ["Progressive"]

_FEWEST = 16  # points of the first level; smaller ones are passed over
_TRIES = 20


class Progressive(Strategy):
    """Grows points along `space.levels()`.

    Args:
        beam: how many points of a level are tried, and grown (the paper's K). A search of few
            trials needs few: about the number of trials, divided by that of the levels.
        barrier: share of a level's trials that must have ended before the next begins.
        expansions: how many grown points are scored at most; of more, so many are drawn at random.
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
        passed_over = (
            max(number - self.observed - len(pending), 0) + attempt
        )  # proposals that are out but not told of, or turned down
        for point in self.queue:
            if point not in self._known and point not in running:
                if not passed_over:
                    return point
                passed_over -= 1
        return self._spare(self._rng(number, attempt), running)

    def _spare(self, rng, running):
        """A random point, of this level if any is left, else of the next."""
        for depth in range(self.depth, len(self.levels)):
            for row in self._draw(depth, _TRIES, rng).tolist():
                if tuple(row) not in self._known and tuple(row) not in running:
                    return tuple(row)
        return self.space.random(rng)

    def _learn(self, choices, reward):
        self.archive.append(choices, reward)
        self._note(choices)

    def _fail(self, choices):
        """A failed trial is not grown, and stays out of the model."""
        self.archive.fail(choices)
        self._note(choices)

    def _note(self, choices):
        """The point was tried."""
        self._networks.add(choices)
        self._known.add(choices)
        self._waiting.discard(choices)
        while self.size and self.size - len(self._waiting) >= self.barrier * self.size:
            left = [
                point for point in self.queue[: self.left + self.size] if point not in self._known
            ]
            self._begin(min(self.depth + 1, len(self.levels) - 1), self.round + 1, left)

    def _begin(self, depth, number, left):
        """Round `number`, at level `depth`. The queue: what is left of the round before, the `size`
        points of this one, a reserve.
        """
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(2, number)))
        candidates = rng.permutation(self._grown(depth, rng))
        if len(self.archive):
            self._surrogate.fit(self.archive.points, self.archive.rewards, rng)
            candidates = candidates[np.argsort(-self._surrogate.predict(candidates), kind="stable")]
        chosen = self._distinct(candidates, self.beam + self.beam // 4 + 1, left)
        if depth == len(self.levels) - 1 and len(chosen) < self.beam:
            chosen += self._distinct(
                self._draw(depth, 4 * self.beam, rng), self.beam - len(chosen), left + chosen
            )
        self.depth, self.round, self.queue, self.left, self.size = (
            depth,
            number,
            left + chosen,
            len(left),
            min(len(chosen), self.beam),
        )
        self._waiting = set(self.queue[self.left : self.left + self.size])
        if not chosen and depth < len(self.levels) - 1:
            self._begin(depth + 1, number + 1, left)

    def _grown(self, depth, rng):
        """Points of level `depth` that the best of the level before grow into, (n, decisions)."""
        level = self.levels[depth]
        if depth == self._first:
            parents, new = (
                np.zeros((1, len(level)), dtype=np.int64),
                [option is None for option in level],
            )
        else:
            before = self.levels[depth - 1]
            parents, new = (
                self._best(before),
                [
                    option is None and old is not None
                    for option, old in zip(level, before, strict=True)
                ],
            )
        if not len(parents):  # all of the level before failed
            return self._draw(depth, min(4 * self.beam, self.expansions), rng)
        new = np.flatnonzero(new)
        sizes = [self.sizes[number] for number in new]
        if len(parents) * math.prod(sizes) <= self.expansions:
            grown = np.repeat(parents, math.prod(sizes), axis=0)
            grown[:, new] = np.tile(np.indices(sizes).reshape(len(sizes), -1).T, (len(parents), 1))
        else:
            grown = parents[rng.integers(len(parents), size=self.expansions)]
            grown[:, new] = rng.integers(0, sizes, (self.expansions, len(sizes)))
        return self._settled(grown, level)

    def _best(self, level):
        """The `beam` best points of a level that ended, each once."""
        inside = np.flatnonzero(fits(self.archive.points, level))
        order = inside[np.argsort(-self.archive.rewards[inside], kind="stable")][: 4 * self.beam]
        return np.array(
            list(dict.fromkeys(map(tuple, self.archive.points[order].tolist())))[: self.beam]
        )

    def _draw(self, depth, count, rng):
        """Random points of level `depth`, (count, decisions)."""
        return self._settled(
            rng.integers(0, self.sizes, (count, len(self.sizes))), self.levels[depth]
        )

    @staticmethod
    def _settled(points, level):
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
