"""A fast model of the rewards of points that grow block by block, which also predicts points of one
block more than those it was fitted to.

A block is the set of decisions that a level of the space frees. The features of a point are the
option of each decision; the share of all blocks that have an option, in any decision; and the share
that have a pair of options. The last two, which do not depend on the block, predict a new block, as
the embeddings of PNAS' predictors do (arXiv 1712.00559, section 4.2). The model is an ensemble of
ridge regressions, each on all but a share of the data; because its members are linear, their mean
is one vector of weights.
"""

from __future__ import annotations

import itertools

import numpy as np

__all__ = ["Surrogate", "fits"]

_MOST_POINTS = 1500  # the newest ones are fitted
_MOST_FEATURES = 600  # further ones are folded together
_MOST_IN_BLOCK = 12  # decisions of a block whose pairs are features
_CHUNK = 1000
_MEMBERS = 5  # of the ensemble; each is fitted without a fifth of the data
_RIDGE = 1.0  # penalty of the squared weights
_LARGEST = 3.0  # reward minus the median, in standard deviations


def fits(points: np.ndarray, level) -> np.ndarray:
    """(n,) bool: whether every decision that the level does not free has its option."""
    fixed = [number for number, option in enumerate(level) if option is not None]
    return (points[:, fixed] == np.array([level[number] for number in fixed], dtype=int)).all(1)


class Surrogate:
    """The model, for the points of a space and its levels. `fit` first, then `predict`."""

    def __init__(self, space, levels):
        self.levels = levels
        free = np.array([[option is None for option in level] for level in levels])
        # the level that frees each decision
        self._block = np.where(free.any(0), free.argmax(0), len(levels))
        values = list(
            dict.fromkeys(option for decision in space.decisions for option in decision.options)
        )
        # the number of the value of each decision's option
        self._token = np.zeros((len(space.sizes), max(space.sizes)), dtype=np.int64)
        for number, decision in enumerate(space.decisions):
            self._token[number, : len(decision.options)] = [
                values.index(option) for option in decision.options
            ]
        self._start = np.cumsum([0, *space.sizes])
        pairs, self._place = [], np.zeros(len(space.sizes), dtype=np.int64)
        for block in range(len(levels)):
            inside = np.flatnonzero(self._block == block)
            self._place[inside] = np.arange(len(inside))
            pairs += itertools.combinations(inside, 2) if len(inside) <= _MOST_IN_BLOCK else []
        self._pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        self._values, self._tokens = len(values), len(values) * (int(self._place.max()) + 1)
        self._weights = np.zeros(self._start[-1] + self._values + (self._tokens**2 if pairs else 0))

    def fit(self, points: np.ndarray, rewards: np.ndarray, rng) -> None:
        """Fits the newest of the points, (n, decisions) integers, and their rewards, (n,)."""
        points, rewards = points[-_MOST_POINTS:], np.asarray(rewards[-_MOST_POINTS:], dtype=float)
        rewards = rewards - np.median(rewards)
        # for a normal distribution, the standard deviation
        scale = 1.4826 * np.median(np.abs(rewards)) or rewards.std() or 1.0
        rewards = np.clip(rewards / scale, -_LARGEST, _LARGEST)
        which, share = self._features(points)
        used, column = np.unique(which, return_inverse=True)
        count = min(len(used), _MOST_FEATURES)
        cell = np.arange(len(points))[:, None] * count + column.reshape(which.shape) % count
        table = np.bincount(cell.ravel(), share.ravel(), len(points) * count).reshape(-1, count)
        part = rng.permutation(len(points)) % _MEMBERS
        squares = [table[part == member].T @ table[part == member] for member in range(_MEMBERS)]
        moments = [table[part == member].T @ rewards[part == member] for member in range(_MEMBERS)]
        penalty = _RIDGE * np.eye(count)
        solutions = [
            np.linalg.solve(sum(squares) - a + penalty, sum(moments) - b)
            for a, b in zip(squares, moments, strict=True)
        ]
        self._weights[:] = 0.0
        self._weights[used] = np.mean(solutions, 0)[np.arange(len(used)) % count]

    def predict(self, points: np.ndarray) -> np.ndarray:
        """(n,), higher is better, in units of the standard deviation of the fitted rewards."""
        chunks = [
            self._features(points[start : start + _CHUNK])
            for start in range(0, len(points), _CHUNK)
        ]
        return np.concatenate([(self._weights[which] * share).sum(1) for which, share in chunks])

    def _features(self, points):
        """Indices and values of the features, twice (n, features of a point); the values are 0 for
        blocks that a point does not have.
        """
        # the first level that it is a point of
        depth = np.argmax([fits(points, level) for level in self.levels], axis=0)
        there = (self._block <= depth[:, None]).astype(float)
        share = there / (depth + 1)[:, None]
        token = self._token[np.arange(points.shape[1]), points]
        placed = self._place * self._values + token
        one, two = self._pairs.T
        pairs = self._start[-1] + self._values + placed[:, one] * self._tokens + placed[:, two]
        which = np.concatenate([self._start[:-1] + points, self._start[-1] + token, pairs], axis=1)
        return which, np.concatenate([there, share, share[:, one]], axis=1)
