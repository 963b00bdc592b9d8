"""What a search tries before its strategy proposes anything: points that are known to be good, and
a few random ones to compare with. The strategy learns from all of them.
"""

from __future__ import annotations

from nasnet_tf.strategies.protocol import Strategy
from nasnet_tf.strategies.random import RandomSearch
from nasnet_tf.strategies.wrapped import Wrapped

__all__ = ["WarmStart"]

_ATTEMPTS = 100  # random points, to find one that is allowed


class WarmStart(Wrapped):
    """Proposes the points `known`, then `num_random` random ones, then what `strategy` proposes.

    A known point that the strategy does not allow is replaced by a random one.

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
        super().__init__(strategy)
        self.known, self.num_random = list(known), num_random
        self._random = RandomSearch(self.space, self.seed)

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
