"""The last phase of one-shot search: children in the order of their accuracy with shared weights,
best first.

The ranking is an argument, because it needs trained shared weights
(nasnet_tf/one_shot/weight_sharing.py); therefore this strategy is not in `STRATEGIES`, which need
only a space.

Source: Pham et al. 2018, arXiv 1802.03268, section 2.3 (deriving architectures).
"""

from __future__ import annotations

import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.strategies.protocol import Strategy

__all__ = ["OneShot"]


class OneShot(Strategy):
    """Proposes the best child of `ranking` that has not been tried, and random points at its end.

    Args:
        ranking: points of the space, best first.
    """

    name = "one-shot"

    @checked
    def __init__(self, space, seed=0, *, ranking):
        super().__init__(space, seed)
        self.ranking = list(dict.fromkeys(self._checked(choices) for choices in ranking))
        self.tried = np.zeros(len(self.ranking), bool)

    def propose(self, number, pending=(), attempt=0):
        out = set(map(tuple, pending))
        left = [
            point
            for point, tried in zip(self.ranking, self.tried, strict=True)
            if not tried and point not in out
        ]
        return (
            left[attempt] if attempt < len(left) else self.space.random(self._rng(number, attempt))
        )

    def _learn(self, choices, reward):
        if choices in self.ranking:
            self.tried[self.ranking.index(choices)] = True

    def _fail(self, choices):
        self._learn(choices, 0.0)

    def _memory(self):
        return {
            "ranking": np.array(self.ranking, dtype=np.int64).reshape(-1, len(self.sizes)),
            "tried": self.tried,
        }

    def _recall(self, state):
        if not np.array_equal(state["ranking"], self._memory()["ranking"]) or len(
            state["tried"]
        ) != len(self.ranking):
            raise ValueError(
                "the state is of another ranking; start the search with the ranking that wrote it."
            )
        self.tried = state["tried"]
