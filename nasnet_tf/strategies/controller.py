"""The paper's controller: a one-layer LSTM that writes an architecture decision by decision. Plain NumPy, float64, no Keras.

Step t has a softmax of its own over the options of decision t; the sampled option is embedded and is the input of step t + 1
(step 0 reads a learned start vector). The probability of an architecture is the product of its decisions' probabilities.

Source: Zoph et al. 2017, arXiv 1707.07012, appendix A.2: one layer, 100 hidden units, weights uniform(-0.1, 0.1), a softmax
for each prediction. The width of the embedding is not stated there; 32 is ours.

Weights are one flat vector, an argument of every method: the controller itself never changes. Softmaxes and embeddings are
padded to the widest decision, T decisions by n options, so that a whole batch is a few products; padding has probability 0.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

__all__ = ["Controller", "Trace"]


class Trace(NamedTuple):
    """What one pass over a batch leaves behind: time first, T decisions, B architectures, U units, n options."""

    log_probs: np.ndarray  # (B, T), natural logarithm of each chosen option's probability, given the choices before it
    entropies: np.ndarray  # (B, T), nats, of each softmax on the way
    chosen: np.ndarray  # (T, B, n), one-hot
    inputs: np.ndarray  # (T, B, embedding)
    gates: np.ndarray  # (T, B, 4U): input, forget, output, candidate
    cells: np.ndarray  # (T + 1, B, U), from the zero state on
    squashed: np.ndarray  # (T, B, U), tanh of cells[1:]
    hiddens: np.ndarray  # (T + 1, B, U), from the zero state on
    log_softmax: np.ndarray  # (T, B, n); a padded option has -1e30


class Controller:
    """Distribution over the choices of a space whose decision t has `sizes[t]` options."""

    def __init__(self, sizes, units: int = 100, embedding: int = 32):
        self.sizes, self.units, self.embedding = tuple(sizes), units, embedding
        steps, options = len(self.sizes), max(self.sizes)
        self.shapes = {
            "start": (embedding,),
            "embeddings": (steps - 1, options, embedding),
            "input_kernel": (embedding, 4 * units),
            "hidden_kernel": (units, 4 * units),
            "gate_bias": (4 * units,),
            "softmax_kernel": (steps, units, options),
            "softmax_bias": (steps, options),
        }
        self.count = sum(map(prod, self.shapes.values()))
        self._padding = np.where(np.arange(options) < np.array(self.sizes)[:, None], 0.0, -1e30)  # (T, n)
        # sigmoid(x) = (1 + tanh(x / 2)) / 2, so that one tanh serves all four gates
        self._scale = np.repeat([0.5, 0.5, 0.5, 1.0], units)
        self._shift = 1.0 - self._scale

    def initial(self, rng, limit: float = 0.1) -> np.ndarray:
        """Fresh weights, uniform(-limit, limit), as one flat vector of `count` numbers."""
        return rng.uniform(-limit, limit, self.count)

    def named(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Views into the flat vector, by name; `shapes` lists them."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            views[name] = weights[start : start + prod(shape)].reshape(shape)
            start += prod(shape)
        return views

    def sample(self, weights: np.ndarray, rng, count: int = 1) -> list[tuple[int, ...]]:
        """`count` architectures drawn from the controller's distribution; ten take little longer than one."""
        w = self.named(weights)
        cell = hidden = np.zeros((count, self.units))
        inputs, choices = w["start"], np.empty((count, len(self.sizes)), dtype=int)
        draws = rng.random((count, len(self.sizes), 1))
        for step, size in enumerate(self.sizes):
            _, cell, _, hidden = self._step(inputs @ w["input_kernel"] + w["gate_bias"] + hidden @ w["hidden_kernel"], cell)
            logits = (hidden @ w["softmax_kernel"][step] + w["softmax_bias"][step])[:, :size]
            cumulative = np.exp(logits - logits.max(1, keepdims=True)).cumsum(1)
            choices[:, step] = np.minimum((cumulative <= draws[:, step] * cumulative[:, -1:]).sum(1), size - 1)
            if step + 1 < len(self.sizes):
                inputs = w["embeddings"][step, choices[:, step]]
        return list(map(tuple, choices.tolist()))

    def log_probs(self, weights: np.ndarray, choices) -> tuple[np.ndarray, np.ndarray]:
        """Log-probability of each choice given those before it, and entropy of each softmax passed: twice (batch, decisions)."""
        return self.forward(weights, choices)[:2]

    def forward(self, weights: np.ndarray, choices) -> Trace:
        """One pass over a batch of choices, (B, T) integers, with all that `backward` needs."""
        w, choices = self.named(weights), np.asarray(choices)
        batch, steps = choices.shape
        chosen = (choices.T[:, :, None] == np.arange(max(self.sizes))).astype(float)
        inputs = np.empty((steps, batch, self.embedding))
        inputs[0] = w["start"]
        inputs[1:] = w["embeddings"][np.arange(steps - 1)[:, None], choices.T[:-1]]
        gates = (inputs.reshape(-1, self.embedding) @ w["input_kernel"] + w["gate_bias"]).reshape(steps, batch, -1)
        cells, hiddens = np.zeros((2, steps + 1, batch, self.units))
        squashed = np.empty((steps, batch, self.units))
        for t in range(steps):
            gates[t], cells[t + 1], squashed[t], hiddens[t + 1] = self._step(gates[t] + hiddens[t] @ w["hidden_kernel"], cells[t])
        log_softmax = _log_softmax(hiddens[1:] @ w["softmax_kernel"] + (w["softmax_bias"] + self._padding)[:, None])
        log_probs = (chosen * log_softmax).sum(-1).T
        entropies = -(np.exp(log_softmax) * log_softmax).sum(-1).T
        return Trace(log_probs, entropies, chosen, inputs, gates, cells, squashed, hiddens, log_softmax)

    def backward(self, weights: np.ndarray, trace: Trace, log_prob_slopes, entropy_slopes) -> np.ndarray:
        """Exact gradient, flat, of any loss, given its slopes to the log-probabilities and to the entropies, each (B, T) or a number."""
        w, flat = self.named(weights), np.empty(self.count)
        gradient = self.named(flat)
        d_logits = self._logit_slopes(trace, log_prob_slopes, entropy_slopes)
        gradient["softmax_kernel"][:] = trace.hiddens[1:].transpose(0, 2, 1) @ d_logits
        gradient["softmax_bias"][:] = d_logits.sum(1)
        d_gates = self._through_time(w, trace, d_logits @ w["softmax_kernel"].transpose(0, 2, 1))
        rows = d_gates.reshape(-1, 4 * self.units)
        gradient["hidden_kernel"][:] = trace.hiddens[:-1].reshape(-1, self.units).T @ rows
        gradient["input_kernel"][:] = trace.inputs.reshape(-1, self.embedding).T @ rows
        gradient["gate_bias"][:] = rows.sum(0)
        d_inputs = (rows @ w["input_kernel"].T).reshape(trace.inputs.shape)
        gradient["start"][:] = d_inputs[0].sum(0)
        gradient["embeddings"][:] = trace.chosen[:-1].transpose(0, 2, 1) @ d_inputs[1:]
        return flat

    def _step(self, before, cell):
        """Gates, cell, tanh(cell) and hidden state of one LSTM step, from the gates before their squashing."""
        gates = before * self._scale
        np.tanh(gates, out=gates)
        gates *= self._scale
        gates += self._shift
        u = self.units
        cell = gates[..., u : 2 * u] * cell + gates[..., :u] * gates[..., 3 * u :]
        squashed = np.tanh(cell)
        return gates, cell, squashed, gates[..., 2 * u : 3 * u] * squashed

    def _logit_slopes(self, trace, log_prob_slopes, entropy_slopes):
        """Slopes to the logits, (T, B, n): d log p / d logit = chosen - p, d H / d logit = -p (log p + H)."""
        probs = np.exp(trace.log_softmax)
        shape = trace.log_probs.shape
        by_log_prob = np.broadcast_to(log_prob_slopes, shape).T[:, :, None]
        by_entropy = np.broadcast_to(entropy_slopes, shape).T[:, :, None]
        return by_log_prob * (trace.chosen - probs) - by_entropy * probs * (trace.log_softmax + trace.entropies.T[:, :, None])

    def _through_time(self, w, trace, d_hiddens):
        """Slopes to the gates before their squashing, (T, B, 4U), last step first."""
        u, back = self.units, np.ascontiguousarray(w["hidden_kernel"].T)
        d_gates = np.empty_like(trace.gates)
        d_hidden, d_cell = d_hiddens[-1], 0.0
        for t in reversed(range(len(d_gates))):
            gates, slopes = trace.gates[t], d_gates[t]
            d_cell = d_cell + d_hidden * gates[:, 2 * u : 3 * u] * (1.0 - trace.squashed[t] ** 2)
            np.multiply(gates, 1.0 - gates, out=slopes)  # sigmoid' = s (1 - s)
            slopes[:, 3 * u :] = 1.0 - gates[:, 3 * u :] ** 2  # tanh' = 1 - tanh^2
            slopes[:, :u] *= d_cell * gates[:, 3 * u :]
            slopes[:, u : 2 * u] *= d_cell * trace.cells[t]
            slopes[:, 2 * u : 3 * u] *= d_hidden * trace.squashed[t]
            slopes[:, 3 * u :] *= d_cell * gates[:, :u]
            if t:
                d_hidden = d_hiddens[t - 1] + slopes @ back
                d_cell = d_cell * gates[:, u : 2 * u]
        return d_gates


def _log_softmax(logits):
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))
