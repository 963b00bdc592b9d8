"""Random search: every point of the space is as likely as any other. The baseline each search must
beat at equal cost.
"""

from __future__ import annotations

from nasnet_tf.strategies.protocol import Strategy

__all__ = ["RandomSearch"]


class RandomSearch(Strategy):
    """Proposes uniformly, and learns nothing but what it was told of."""

    name = "random"
    open = True

    def propose(self, number, pending=(), attempt=0):
        return self.space.random(self._rng(number, attempt))
