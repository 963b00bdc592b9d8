"""What stands in front of a strategy and changes some of its proposals."""

from __future__ import annotations

from nasnet_tf.strategies.protocol import Strategy

__all__ = ["Wrapped"]


class Wrapped(Strategy):
    """A strategy that leaves all but its proposals to another: that one observes, and its state is
    saved and restored.

    Args:
        strategy: the other one.
    """

    def __init__(self, strategy: Strategy):
        self.strategy, self.name = strategy, strategy.name
        self.space, self.sizes, self.seed = strategy.space, strategy.sizes, strategy.seed
        self.uses_any_trial = strategy.uses_any_trial

    @property
    def observed(self) -> int:  # type: ignore[override]
        """How many rewards the strategy has observed."""
        return self.strategy.observed

    @property
    def lowest(self) -> float:  # type: ignore[override]
        """The lowest reward it has seen; NaN before the first."""
        return self.strategy.lowest

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
