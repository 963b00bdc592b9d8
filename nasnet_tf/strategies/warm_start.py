"""What a search tries before its strategy proposes anything: points that are known to be good, and
a few random ones to compare with. The strategy learns from all of them.
"""

from __future__ import annotations

from nasnet_tf.strategies.protocol import Strategy
from nasnet_tf.strategies.random import RandomSearch

__all__ = ["WarmStart"]

_ATTEMPTS = 100  # random points, to find one that is allowed


class WarmStart(Strategy):
    """Proposes the points `known`, then `num_random` random ones, then what `strategy` proposes.

    `strategy` does everything else: it observes, and its state is saved and restored. A known point
    that it does not allow is replaced by a random one.

    Args:
        strategy: a `Strategy` whose `uses_any_trial` is true.
        known: points of its space.
        num_random: how many random points.
    Raises: ValueError if the strategy learns from its own proposals alone.
    """

    def __init__(self, strategy: Strategy, known=(), num_random: int = 0):
        if not strategy.uses_any_trial:
            raise ValueError(
                f"{strategy.name} learns only from what it proposed itself; begin it without known"
                " or random points."
            )
        self.strategy, self.known, self.num_random = strategy, list(known), num_random
        self.space, self.sizes, self.seed, self.name = (
            strategy.space,
            strategy.sizes,
            strategy.seed,
            strategy.name,
        )
        self._random = RandomSearch(self.space, self.seed)

    @property
    def observed(self) -> int:  # type: ignore[override]
        """How many rewards the strategy has observed."""
        return self.strategy.observed

    @property
    def lowest(self) -> float:  # type: ignore[override]
        """The lowest reward it has seen; NaN before the first."""
        return self.strategy.lowest

    def propose(self, number, pending=(), attempt=0):
        if number >= len(self.known) + self.num_random:
            return self.strategy.propose(number, pending, attempt)
        if number < len(self.known) and not attempt and self.allows(self.known[number]):
            return self.known[number]
        for more in range(_ATTEMPTS):
            point = self._random.propose(number, attempt=_ATTEMPTS * attempt + more)
            if self.allows(point):
                return point
        return self.strategy.propose(number, pending, attempt)

    def observe(self, choices, reward):
        self.strategy.observe(choices, reward)

    def allows(self, point):
        return self.strategy.allows(point)

    def parents(self):
        return self.strategy.parents()

    def state(self):
        return self.strategy.state()

    def restore(self, state):
        self.strategy.restore(state)
