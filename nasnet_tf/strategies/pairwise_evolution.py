"""Pairwise evolution, the search of "Large-Scale Evolution": of two individuals the worse dies and
the better is mutated.

Source: Real et al. 2017, arXiv 1703.01041. `paper()` has its population of 1000, at which its 250
workers, a quarter, were at work at once. The default grows with the search, as that of aging
evolution does: the square root of the number of trials that ended, from 5 on.
"""

from __future__ import annotations

import math

import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.strategies.protocol import Strategy

__all__ = ["PAPER", "PairwiseEvolution"]

PAPER = {"population": 1000}

_SMALLEST, _LARGEST = 5, 1000  # populations that grow


class PairwiseEvolution(Strategy):
    """At first the population is filled with `space.start`. Then each trial that ends without
    failing is an event: it joins the population, two different individuals are drawn, the worse of
    them is removed, and the next proposal is a child of the better.

    While a child is trained the population has therefore one individual less than its size, as in
    the paper, where every worker removes one before it trains. Proposals between two events are
    children of the same parent. Failed trials do not join.

    Args:
        population: its size, with the child in training; by default it grows, and no individual is
            removed when it does.
    """

    name = "pairwise-evolution"
    open = True

    @checked
    def __init__(self, space, seed=0, *, population=None):
        super().__init__(space, seed)
        if population is not None and population < 2:
            raise ValueError(
                f"population is {population}; give 2 or more: individuals compete in pairs."
            )
        self.population = population
        self.born = 0  # trials that ended without failing
        self.living = []  # (point, reward), oldest first
        self.winner = None  # the point that won the last event

    @classmethod
    def paper(cls, space, seed=0, **settings):
        """The search with the paper's population; needs tens of thousands of trials."""
        return cls(space, seed, **(PAPER | settings))

    @property
    def size(self) -> int:
        """The size of a full population."""
        return self.population or min(max(math.isqrt(self.born), _SMALLEST), _LARGEST)

    def propose(self, number, pending=(), attempt=0):
        rng = self._rng(number, attempt)
        return self.space.start(rng) if self.winner is None else self.space.mutate(self.winner, rng)

    def parents(self):
        return [point for point, _ in self.living]

    def _learn(self, choices, reward):
        self.born += 1
        self.living.append((choices, reward))
        if len(self.living) >= self.size:
            self._compete()

    def _compete(self):
        """One event; of equal rewards the one drawn first wins."""
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(4, self.born)))
        one, other = (int(place) for place in rng.choice(len(self.living), 2, replace=False))
        worse, better = (
            (one, other) if self.living[one][1] < self.living[other][1] else (other, one)
        )
        self.winner = self.living[better][0]
        del self.living[worse]

    def _memory(self):
        rewards = np.array([reward for _, reward in self.living], dtype=float)
        winner = [] if self.winner is None else [self.winner]
        return {
            "born": self.born,
            "points": self._packed(self.parents()),
            "rewards": rewards,
            "winner": self._packed(winner),
        }

    def _recall(self, state):
        living = list(zip(self._unpacked(state["points"]), state["rewards"].tolist(), strict=True))
        winner = self._unpacked(state["winner"])
        if self.population and (
            len(living) >= self.population
            or len(living) < min(int(state["born"]), self.population - 1)
        ):
            raise ValueError(
                f"the state's population is {len(living)}, this search's {self.population}; use the"
                " population that wrote it."
            )
        self.born, self.living, self.winner = (
            int(state["born"]),
            living,
            winner[0] if winner else None,
        )
