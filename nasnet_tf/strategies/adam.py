"""Adam on one flat vector, in place. Source: Kingma & Ba 2015, arXiv 1412.6980, with its decays 0.9
and 0.999.
"""

from __future__ import annotations

import numpy as np

__all__ = ["Adam"]

FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Moments for `count` weights; `descend` changes the weights in place."""

    def __init__(self, count: int):
        self.mean, self.square, self.steps = np.zeros(count), np.zeros(count), 0

    def descend(self, weights: np.ndarray, gradient: np.ndarray, learning_rate: float) -> None:
        """One step down `gradient`, which is overwritten."""
        self.steps += 1
        self.mean *= FIRST
        self.mean += (1 - FIRST) * gradient
        self.square *= SECOND
        gradient *= gradient
        gradient *= 1 - SECOND
        self.square += gradient
        np.sqrt(self.square, out=gradient)
        gradient *= (1 - SECOND**self.steps) ** -0.5
        gradient += EPSILON
        np.divide(self.mean, gradient, out=gradient)
        gradient *= learning_rate / (1 - FIRST**self.steps)
        weights -= gradient
