"""The strategy to take if you have no reason to take another: a predictor from the first trials on,
with evolution beside it later.

A predictor finds most in tens and hundreds of trials. Among thousands it looks at a few of them
only, and evolution, which forgets old ones and never settles, takes turns with it; each learns from
the trials of both.
"""

from __future__ import annotations

from nasnet_tf.signatures import passes_on
from nasnet_tf.strategies.aging_evolution import AgingEvolution
from nasnet_tf.strategies.predictor import Predictor
from nasnet_tf.strategies.protocol import Strategy

__all__ = ["Auto"]


class Auto(Strategy):
    """`Predictor`; from trial `alone` on every other proposal is by `AgingEvolution`.

    Args:
        alone: the number of trials that `Predictor` proposes alone.
        **settings: of `Predictor`.
    """

    name = "auto"
    uses_any_trial = True

    @passes_on(Predictor)
    def __init__(self, space, seed=0, *, alone=500, **settings):
        super().__init__(space, seed)
        if alone < 0:
            raise ValueError(f"alone is {alone}; give a number of trials, 0 or more.")
        self.alone = alone
        self.predictor, self.evolution = (
            Predictor(self.space, seed, **settings),
            AgingEvolution(self.space, seed),
        )

    def propose(self, number, pending=(), attempt=0):
        turn = self.evolution if self.observed >= self.alone and number % 2 else self.predictor
        return turn.propose(number, pending, attempt)

    def observe(self, choices, reward):
        super().observe(choices, reward)
        self.predictor.observe(choices, reward)
        self.evolution.observe(choices, reward)

    def _memory(self):
        parts = {"predictor": self.predictor, "evolution": self.evolution}
        return {
            f"{name}_{key}": value
            for name, part in parts.items()
            for key, value in part.state().items()
        }

    def _recall(self, state):
        for name, part in (("predictor", self.predictor), ("evolution", self.evolution)):
            part.restore(
                {
                    key.removeprefix(f"{name}_"): value
                    for key, value in state.items()
                    if key.startswith(f"{name}_")
                }
            )
