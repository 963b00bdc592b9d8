"""Tournament evolution, the search of hierarchical representations: the best of a sample of all
trained networks is mutated. No individual dies.

Source: Liu et al. 2018, arXiv 1711.00436, section 3. `paper()` has the paper's 200 random genotypes
and tournaments of 5 % of the population, made for 7,000 models on 200 GPUs; a child may be a
network that was trained before. In a search of a hundred trials, 5 % of the population are one to
five individuals, and many children would be repeated; the defaults are for such searches.
"""

from __future__ import annotations

import math

from nasnet_tf.signatures import checked
from nasnet_tf.strategies.archive import Archive, Networks
from nasnet_tf.strategies.protocol import Strategy

__all__ = ["PAPER", "TournamentEvolution"]

PAPER = {"initial": 200, "share": 0.05, "repeats": True}

_TRIES = 20  # at a new child


class TournamentEvolution(Strategy):
    """Asynchronous: the population consists of all trials that ended without failing.

    Args:
        initial: how many random points are proposed first.
        share: of the population, rounded up, that competes to be the parent; drawn without
            replacement.
        repeats: whether a network that was tried may be proposed again; else another child is
            drawn, if there is one.
    """

    name = "tournament-evolution"

    @checked
    def __init__(self, space, seed=0, *, initial=20, share=0.25, repeats=False):
        super().__init__(space, seed)
        if initial < 1 or not 0 < share <= 1:
            raise ValueError(
                f"initial must be 1 or more and share above 0 and at most 1; got {initial=},"
                f" {share=}."
            )
        self.initial, self.share, self.repeats = initial, share, repeats
        self.archive, self.tried = Archive(len(self.sizes)), Networks(self.space)

    @classmethod
    def paper(cls, space, seed=0, **settings):
        """The search with the paper's settings; needs thousands of trials."""
        return cls(space, seed, **(PAPER | settings))

    def propose(self, number, pending=(), attempt=0):
        rng = self._rng(number, attempt)
        if number < self.initial or not len(self.archive):
            return self.space.random(rng)
        running = {tuple(point) for point in pending}
        for _ in range(_TRIES):
            child = self.space.mutate(self.parent(rng), rng)
            if child not in running and (self.repeats or child not in self.tried):
                break
        return child

    def parent(self, rng) -> tuple[int, ...]:
        """The winner of a tournament; of equal rewards, the one drawn first."""
        drawn = rng.choice(
            len(self.archive), math.ceil(self.share * len(self.archive)), replace=False
        )
        return tuple(self.archive.points[drawn[self.archive.rewards[drawn].argmax()]].tolist())

    def _learn(self, choices, reward):
        self.archive.append(choices, reward)
        self.tried.add(choices)

    def _fail(self, choices):
        """A failed trial has no fitness, so it does not join the population."""
        self.tried.add(choices)

    def _memory(self):
        return self.archive.state() | {"tried": self.tried.state()}

    def _recall(self, state):
        for point in state["points"].tolist():
            self._checked(point)
        self.archive.restore(state)
        self.tried.restore(state["tried"])
