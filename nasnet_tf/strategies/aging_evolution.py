"""Aging evolution, the search of AmoebaNet: the best of a sample of the population is mutated, and
the oldest individual dies.

Source: Real et al. 2019, arXiv 1802.01548, section 3 and algorithm 1. `paper()` has the paper's
population of 100, samples of 25 and 5 % of identity mutations, made for 20,000 models. The default
population grows with the search instead: the square root of the number of trials that ended, from
10 to 100, and a quarter of it to a sample. At a hundred trials these are the 10 and 3 of
NAS-Bench-201's experiments (arXiv 2001.00326), at ten thousand the paper's 100 and 25. While it
grows, fewer die than are born.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.strategies.protocol import Strategy

__all__ = ["PAPER", "AgingEvolution"]

PAPER = {"population": 100, "sample": 25, "identity": 0.05}

_SMALLEST, _LARGEST = 10, 100  # populations that grow
_TRIES = 20  # at a child that is not being trained already


class AgingEvolution(Strategy):
    """Regularised evolution: the population consists of the last trials that ended without failing.
    Until it is full, random points are proposed.

    Args:
        population: its size (the paper's P); by default it grows.
        sample: how many individuals, drawn with replacement, compete to be the parent (S); by
            default a quarter of the population.
        identity: share of children that are their parent unchanged, to be trained again.
    """

    name = "aging-evolution"
    uses_any_trial = True
    open = True

    @checked
    def __init__(self, space, seed=0, *, population=None, sample=None, identity=0.0):
        super().__init__(space, seed)
        if (
            min(1 if population is None else population, 1 if sample is None else sample) < 1
            or not 0 <= identity <= 1
        ):
            raise ValueError(
                f"population and sample must be 1 or more, identity from 0 to 1; got {population=},"
                f" {sample=}, {identity=}."
            )
        self.population, self.sample, self.identity = population, sample, identity
        self.born = 0  # trials that ended without failing
        # (point, reward), oldest first; of a growing population, the last _LARGEST
        self.living = deque(maxlen=population or _LARGEST)

    @classmethod
    def paper(cls, space, seed=0, **settings):
        """The search with the paper's settings; needs thousands of trials."""
        return cls(space, seed, **(PAPER | settings))

    @property
    def size(self) -> int:
        """The size of a full population."""
        return self.population or min(max(math.isqrt(self.born), _SMALLEST), _LARGEST)

    def propose(self, number, pending=(), attempt=0):
        rng = self._rng(number, attempt)
        if len(self.living) < self.size:
            return self.space.random(rng)
        running = {tuple(point) for point in pending}
        for _ in range(_TRIES):
            child = self._child(rng)
            if child not in running:
                break
        return child

    def parents(self):
        return [point for point, _ in self.living]

    def parent(self, rng) -> tuple[int, ...]:
        """The winner of a tournament; of equal rewards, the one drawn first."""
        oldest, sample = len(self.living) - self.size, self.sample or math.ceil(self.size / 4)
        drawn = [self.living[oldest + int(place)] for place in rng.integers(self.size, size=sample)]
        return max(drawn, key=lambda trial: trial[1])[0]

    def _child(self, rng):
        parent = self.parent(rng)
        if self.identity and rng.random() < self.identity:
            return parent
        return self.space.mutate(parent, rng)

    def _learn(self, choices, reward):
        self.born += 1
        self.living.append((choices, reward))

    def _memory(self):
        return {
            "born": self.born,
            "points": self._packed(self.parents()),
            "rewards": np.array([reward for _, reward in self.living], dtype=float),
        }

    def _recall(self, state):
        living = list(zip(self._unpacked(state["points"]), state["rewards"].tolist(), strict=True))
        right = min(int(state["born"]), self.living.maxlen)
        if len(living) != right:
            raise ValueError(
                f"the state's population is {len(living)}, this search's {right}; use the"
                " population that wrote it."
            )
        self.born, self.living = int(state["born"]), deque(living, maxlen=self.living.maxlen)
