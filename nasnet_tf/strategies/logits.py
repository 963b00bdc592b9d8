"""The simplest controller: a row of logits for each decision, independent of the others. It has the
methods of the LSTM (controller.py).

Source: NAS-Bench-201's REINFORCE, Dong & Yang 2020, arXiv 2001.00326. Rows are padded to the
widest; padding has probability 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Logits"]


class _Trace(NamedTuple):
    """The results of a pass over a batch: B architectures, T decisions, n options."""

    log_probs: np.ndarray  # (B, T), natural logarithm of each chosen option's probability
    entropies: np.ndarray  # (B, T), nats
    chosen: np.ndarray  # (B, T, n), one-hot
    log_softmax: np.ndarray  # (T, n); a padded option has about -1e30


class Logits:
    """Independent softmaxes over the choices of a space whose decision t has `sizes[t]` options;
    weights are one flat vector.
    """

    def __init__(self, sizes):
        self.sizes = tuple(sizes)
        self._shape = len(self.sizes), max(self.sizes)
        self.count = self._shape[0] * self._shape[1]
        self._padding = np.where(
            np.arange(self._shape[1]) < np.array(self.sizes)[:, None], 0.0, -1e30
        )

    def initial(self, rng, deviation: float = 1e-3) -> np.ndarray:
        """Initial weights, normal with this standard deviation: choices are almost uniform."""
        return rng.normal(scale=deviation, size=self.count)

    def sample(self, weights: np.ndarray, rng, count: int = 1, given=()) -> list[tuple[int, ...]]:
        """`count` architectures drawn from the controller's distribution, but for the first
        decisions, which are `given`.
        """
        cumulative = np.exp(self._log_softmax(weights)).cumsum(1)
        above = rng.random((count, len(self.sizes), 1)) * cumulative[:, -1:] < cumulative
        return [(*given, *choices[len(given) :]) for choices in above.argmax(2).tolist()]

    def log_probs(self, weights: np.ndarray, choices) -> tuple[np.ndarray, np.ndarray]:
        """Log-probability of each choice, and entropy of each softmax: twice (batch, decisions)."""
        return self.forward(weights, choices)[:2]

    def forward(self, weights: np.ndarray, choices) -> _Trace:
        """A pass over a batch of choices, (B, T) integers; `backward` needs its results."""
        chosen = (np.asarray(choices)[:, :, None] == np.arange(self._shape[1])).astype(float)
        log_softmax = self._log_softmax(weights)
        entropies = -(np.exp(log_softmax) * log_softmax).sum(1)
        return _Trace(
            (chosen * log_softmax).sum(2), np.tile(entropies, (len(chosen), 1)), chosen, log_softmax
        )

    def backward(
        self, weights: np.ndarray, trace: _Trace, log_prob_slopes, entropy_slopes
    ) -> np.ndarray:
        """The exact gradient, flat, of any loss, given its gradients with respect to the
        log-probabilities and the entropies, each (B, T) or a number.
        """
        probs, shape = np.exp(trace.log_softmax), trace.log_probs.shape
        by_log_prob, by_entropy = (
            np.broadcast_to(slopes, shape)[:, :, None]
            for slopes in (log_prob_slopes, entropy_slopes)
        )
        slopes = by_log_prob * (trace.chosen - probs) - by_entropy * probs * (
            trace.log_softmax + trace.entropies[:, :, None]
        )
        return slopes.sum(0).ravel()

    def _log_softmax(self, weights):
        logits = weights.reshape(self._shape) + self._padding
        logits = logits - logits.max(1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(1, keepdims=True))
