"""Random search: the baseline that every search must beat at equal cost."""

from __future__ import annotations

from nasnet_tf.strategies.protocol import Strategy

__all__ = ["RandomSearch"]


class RandomSearch(Strategy):
    """Proposes points at random, uniformly, and ignores rewards."""

    name = "random"
    open = True

    def propose(self, number, pending=(), attempt=0):
        return self.space.random(self._rng(number, attempt))
