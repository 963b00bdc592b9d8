"""The paper's controller: a one-layer LSTM that samples an architecture decision by decision. Plain
NumPy, float64, no Keras.

Step t has its own softmax over the options of decision t; the embedding of the sampled option is
the input of step t + 1 (that of step 0 is a learned vector). The probability of an architecture is
the product of the probabilities of its decisions.

Source: Zoph et al. 2017, arXiv 1707.07012, appendix A.2: one layer, 100 hidden units, weights
uniform(-0.1, 0.1), a softmax for each prediction. The width of the embedding is not stated there;
32 is ours.

Weights are one flat vector, an argument of every method: the controller itself never changes.
Softmaxes and embeddings are padded to the widest decision, T decisions by n options, so that a
whole batch is a few products; padding has probability 0.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

__all__ = ["Controller", "Recurrence", "Trace", "sampled"]


class Recurrence(NamedTuple):
    """The results of a pass through a layer of the LSTM: time first, S steps, B architectures, U
    units.
    """

    inputs: np.ndarray  # (S, B, embedding), or U of the layer below
    gates: np.ndarray  # (S, B, 4U): input, forget, output, candidate
    cells: np.ndarray  # (S + 1, B, U), from the zero state on
    squashed: np.ndarray  # (S, B, U), tanh of cells[1:]
    hiddens: np.ndarray  # (S + 1, B, U), from the zero state on


class Trace(NamedTuple):
    """The results of a pass over a batch: time first, T decisions, B architectures, n options."""

    log_probs: np.ndarray  # (B, T), of each chosen option given the choices before it
    entropies: np.ndarray  # (B, T), nats, of each softmax
    chosen: np.ndarray  # (T, B, n), one-hot
    log_softmax: np.ndarray  # (T, B, n); a padded option has -1e30
    layers: tuple[Recurrence, ...]  # of the LSTM, the lowest first


class Controller:
    """Distribution over the choices of a space whose decision t has `sizes[t]` options."""

    _layers: tuple[str, ...] = ("",)  # of the LSTM: what the names of their weights end in

    def __init__(self, sizes, units: int = 100, embedding: int = 32):
        self.sizes, self.units, self.embedding = tuple(sizes), units, embedding
        self.shapes = self._shapes(len(self.sizes), max(self.sizes))
        self.count = sum(map(prod, self.shapes.values()))
        is_option = np.arange(max(self.sizes)) < np.array(self.sizes)[:, None]  # (T, n)
        self._padding = np.where(is_option, 0.0, -1e30)
        # sigmoid(x) = (1 + tanh(x / 2)) / 2, so that one tanh serves all four gates
        self._scale = np.repeat([0.5, 0.5, 0.5, 1.0], units)
        self._shift = 1.0 - self._scale

    def _shapes(self, steps, options):
        units, embedding = self.units, self.embedding
        return {
            "start": (embedding,),
            "embeddings": (steps - 1, options, embedding),
            "input_kernel": (embedding, 4 * units),
            "hidden_kernel": (units, 4 * units),
            "gate_bias": (4 * units,),
            "softmax_kernel": (steps, units, options),
            "softmax_bias": (steps, options),
        }

    def initial(self, rng, limit: float = 0.1) -> np.ndarray:
        """Initial weights, uniform(-limit, limit), as one flat vector of `count` numbers."""
        return rng.uniform(-limit, limit, self.count)

    def named(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Views into the flat vector, by name; `shapes` lists them."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            views[name] = weights[start : start + prod(shape)].reshape(shape)
            start += prod(shape)
        return views

    def sample(self, weights: np.ndarray, rng, count: int = 1, given=()) -> list[tuple[int, ...]]:
        """`count` architectures sampled from the controller's distribution; ten take little longer
        than one.

        Args:
            given: choices of the first decisions, which are not sampled.
        """
        w = self.named(weights)
        cell = hidden = np.zeros((count, self.units))
        inputs, choices = w["start"], np.empty((count, len(self.sizes)), dtype=int)
        draws = rng.random((count, len(self.sizes), 1))
        for step, size in enumerate(self.sizes):
            _, cell, _, hidden = self._step(
                inputs @ w["input_kernel"] + w["gate_bias"] + hidden @ w["hidden_kernel"], cell
            )
            logits = (hidden @ w["softmax_kernel"][step] + w["softmax_bias"][step])[:, :size]
            choices[:, step] = given[step] if step < len(given) else sampled(logits, draws[:, step])
            if step + 1 < len(self.sizes):
                inputs = w["embeddings"][step, choices[:, step]]
        return list(map(tuple, choices.tolist()))

    def log_probs(self, weights: np.ndarray, choices) -> tuple[np.ndarray, np.ndarray]:
        """The log-probability of each choice given those before it, and the entropy of each
        softmax: twice (batch, decisions).
        """
        return self.forward(weights, choices)[:2]

    def forward(self, weights: np.ndarray, choices) -> Trace:
        """A pass over a batch of choices, (B, T) integers; `backward` needs its results."""
        w, choices = self.named(weights), np.asarray(choices)
        chosen = (choices.T[:, :, None] == np.arange(max(self.sizes))).astype(float)
        layers, below = [], self._inputs(w, choices)
        for layer in self._layers:
            layers.append(self._recur(w, layer, below))
            below = layers[-1].hiddens[1:]
        log_softmax = _log_softmax(self._logits(w, below))
        log_probs = (chosen * log_softmax).sum(-1).T
        entropies = -(np.exp(log_softmax) * log_softmax).sum(-1).T
        return Trace(log_probs, entropies, chosen, log_softmax, tuple(layers))

    def backward(
        self, weights: np.ndarray, trace: Trace, log_prob_slopes, entropy_slopes
    ) -> np.ndarray:
        """The exact gradient, flat, of any loss, given its gradients with respect to the
        log-probabilities and the entropies, each (B, T) or a number.
        """
        w, flat = self.named(weights), np.empty(self.count)
        gradient = self.named(flat)
        d_outputs = self._back_logits(
            w, gradient, trace, self._logit_slopes(trace, log_prob_slopes, entropy_slopes)
        )
        for layer, run in zip(reversed(self._layers), reversed(trace.layers), strict=True):
            d_outputs = self._back_through_time(w, gradient, layer, run, d_outputs)
        self._back_inputs(gradient, trace, d_outputs)
        return flat

    def _inputs(self, w, choices):
        """The inputs of the lowest layer, (S, B, embedding)."""
        steps = len(self.sizes)
        inputs = np.empty((steps, len(choices), self.embedding))
        inputs[0] = w["start"]
        inputs[1:] = w["embeddings"][np.arange(steps - 1)[:, None], choices.T[:-1]]
        return inputs

    def _back_inputs(self, gradient, trace, d_inputs):
        gradient["start"][:] = d_inputs[0].sum(0)
        gradient["embeddings"][:] = trace.chosen[:-1].transpose(0, 2, 1) @ d_inputs[1:]

    def _logits(self, w, hiddens):
        """(T, B, n), from the outputs of the highest layer, (S, B, U)."""
        return hiddens @ w["softmax_kernel"] + (w["softmax_bias"] + self._padding)[:, None]

    def _back_logits(self, w, gradient, trace, d_logits):
        """The gradient with respect to the outputs of the highest layer."""
        gradient["softmax_kernel"][:] = trace.layers[-1].hiddens[1:].transpose(0, 2, 1) @ d_logits
        gradient["softmax_bias"][:] = d_logits.sum(1)
        return d_logits @ w["softmax_kernel"].transpose(0, 2, 1)

    def _recur(self, w, layer, inputs):
        """One layer of the LSTM over all steps."""
        steps, batch, width = inputs.shape
        gates = (
            inputs.reshape(-1, width) @ w["input_kernel" + layer] + w["gate_bias" + layer]
        ).reshape(steps, batch, -1)
        cells, hiddens = np.zeros((2, steps + 1, batch, self.units))
        squashed = np.empty((steps, batch, self.units))
        for t in range(steps):
            before = gates[t] + hiddens[t] @ w["hidden_kernel" + layer]
            gates[t], cells[t + 1], squashed[t], hiddens[t + 1] = self._step(before, cells[t])
        return Recurrence(inputs, gates, cells, squashed, hiddens)

    def _back_through_time(self, w, gradient, layer, run, d_hiddens):
        """The gradient with respect to the layer's inputs, from that of its hidden states."""
        rows = self._gate_slopes(w["hidden_kernel" + layer], run, d_hiddens).reshape(
            -1, 4 * self.units
        )
        gradient["hidden_kernel" + layer][:] = run.hiddens[:-1].reshape(-1, self.units).T @ rows
        gradient["input_kernel" + layer][:] = run.inputs.reshape(len(rows), -1).T @ rows
        gradient["gate_bias" + layer][:] = rows.sum(0)
        return (rows @ w["input_kernel" + layer].T).reshape(run.inputs.shape)

    def _step(self, before, cell):
        """Gates, cell, tanh(cell) and hidden state of one LSTM step, from the gates before their
        activation.
        """
        gates = before * self._scale
        np.tanh(gates, out=gates)
        gates *= self._scale
        gates += self._shift
        u = self.units
        cell = gates[..., u : 2 * u] * cell + gates[..., :u] * gates[..., 3 * u :]
        squashed = np.tanh(cell)
        return gates, cell, squashed, gates[..., 2 * u : 3 * u] * squashed

    def _logit_slopes(self, trace, log_prob_slopes, entropy_slopes):
        """The gradient with respect to the logits, (T, B, n): d log p / d logit = chosen - p, and
        d H / d logit = -p (log p + H).
        """
        probs = np.exp(trace.log_softmax)
        shape = trace.log_probs.shape
        by_log_prob = np.broadcast_to(log_prob_slopes, shape).T[:, :, None]
        by_entropy = np.broadcast_to(entropy_slopes, shape).T[:, :, None]
        return by_log_prob * (trace.chosen - probs) - by_entropy * probs * (
            trace.log_softmax + trace.entropies.T[:, :, None]
        )

    def _gate_slopes(self, hidden_kernel, run, d_hiddens):
        """The gradient with respect to the gates before their activation, (S, B, 4U)."""
        u, back = self.units, np.ascontiguousarray(hidden_kernel.T)
        d_gates = np.empty_like(run.gates)
        d_hidden, d_cell = d_hiddens[-1], 0.0
        for t in reversed(range(len(d_gates))):
            gates, slopes = run.gates[t], d_gates[t]
            d_cell = d_cell + d_hidden * gates[:, 2 * u : 3 * u] * (1.0 - run.squashed[t] ** 2)
            np.multiply(gates, 1.0 - gates, out=slopes)  # sigmoid' = s (1 - s)
            slopes[:, 3 * u :] = 1.0 - gates[:, 3 * u :] ** 2  # tanh' = 1 - tanh^2
            slopes[:, :u] *= d_cell * gates[:, 3 * u :]
            slopes[:, u : 2 * u] *= d_cell * run.cells[t]
            slopes[:, 2 * u : 3 * u] *= d_hidden * run.squashed[t]
            slopes[:, 3 * u :] *= d_cell * gates[:, :u]
            if t:
                d_hidden = d_hiddens[t - 1] + slopes @ back
                d_cell = d_cell * gates[:, u : 2 * u]
        return d_gates


def sampled(logits, draws):
    """The option of each row of `logits` that is selected by a uniform number of `draws`."""
    cumulative = np.exp(logits - logits.max(-1, keepdims=True)).cumsum(-1)
    return np.minimum((cumulative <= draws * cumulative[..., -1:]).sum(-1), logits.shape[-1] - 1)


def _log_softmax(logits):
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))
