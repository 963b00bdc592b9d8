"""The controller of the first NAS: a two-layer LSTM that samples a network layer by layer, skip
connections by anchor points.

A decision has a step of the LSTM and a softmax, as in controller.py. After the decisions of a layer
there is one more step, its anchor point i: for each anchor point j before it, P(layer j feeds layer
i) = sigmoid(v . tanh(W_prev h_j + W_curr h_i)), where h are the outputs of the higher layer of the
LSTM at the anchor points, and W_prev, W_curr and v are the same for all pairs. A skip is a softmax
of the options 0 and 1 with logits 0 and the argument of that sigmoid, so everything else is as for
any other decision.

Source: Zoph & Le 2017, arXiv 1611.01578, sections 3.1 and 3.3: two layers of 35 units, weights
uniform(-0.08, 0.08). Not stated there, so ours: embeddings of 35, a softmax of its own for each
decision, and that the step after an anchor point reads the sum of the embeddings of its skips.
"""

from __future__ import annotations

import numpy as np

from nasnet_tf.strategies.controller import Controller, Trace, sampled

__all__ = ["AnchorController"]


class AnchorController(Controller):
    """Distribution over the choices of a space with anchors.

    Args:
        sizes: options of each decision.
        anchors, counts_from: of the space, see `nasnet_tf.spaces.Space`. Decisions that do not
            count are never sampled and stay 0; their log-probability and entropy are 0.
    """

    _layers = ("", "_2")

    def __init__(self, sizes, anchors, counts_from=(), units: int = 35, embedding: int = 35):
        self.counts_from = np.array(counts_from or [0] * len(sizes))
        self._steps = []  # the decisions of each step
        self._anchor_steps = []  # the steps that are anchor points
        decision = 0
        for anchor in anchors:
            self._steps += [
                range(number, number + 1) for number in range(decision, anchor.start)
            ] + [anchor]
            self._anchor_steps.append(len(self._steps) - 1)
            decision = anchor.stop
        if decision != len(sizes):
            raise ValueError(
                f"the last anchor ends before decision {decision}, but there are {len(sizes)}; it"
                " must end with the last."
            )
        self._skips = np.array([number for anchor in anchors for number in anchor], int)
        self._to, self._of = (
            np.array([(i, j) for i, anchor in enumerate(anchors) for j in range(len(anchor))], int)
            .reshape(-1, 2)
            .T
        )
        self._others = np.setdiff1d(np.arange(len(sizes)), self._skips)
        step_of = np.repeat(
            np.arange(len(self._steps)), [len(decisions) for decisions in self._steps]
        )
        self._other_steps, self._read_at = step_of[self._others], step_of[: anchors[-1].start] + 1
        super().__init__(sizes, units, embedding)

    def _shapes(self, steps, options):
        units = self.units
        shapes = {
            "start": (self.embedding,),
            "embeddings": (len(self._read_at), options, self.embedding),
        }
        for layer, width in zip(
            self._layers, (self.embedding, *[units] * len(self._layers)), strict=False
        ):
            shapes |= {
                "input_kernel" + layer: (width, 4 * units),
                "hidden_kernel" + layer: (units, 4 * units),
            }
            shapes |= {"gate_bias" + layer: (4 * units,)}
        return shapes | {
            "softmax_kernel": (len(self._others), units, options),
            "softmax_bias": (len(self._others), options),
            "previous_anchor": (units, units),
            "current_anchor": (units, units),
            "attention": (units,),
        }

    def initial(self, rng, limit: float = 0.08) -> np.ndarray:
        return super().initial(rng, limit)

    def sample(self, weights, rng, count=1, given=()):
        w, choices = self.named(weights), np.zeros((count, len(self.sizes)), int)
        draws = rng.random((*choices.shape, 1))
        states = [(np.zeros((count, self.units)),) * 2 for _ in self._layers]  # (cell, hidden)
        below, anchor_states, other = w["start"], [], 0
        for step, decisions in enumerate(self._steps):
            for number, layer in enumerate(self._layers):
                cell, hidden = states[number]
                before = (
                    below @ w["input_kernel" + layer]
                    + w["gate_bias" + layer]
                    + hidden @ w["hidden_kernel" + layer]
                )
                _, cell, _, below = self._step(before, cell)
                states[number] = cell, below
            here = slice(decisions.start, decisions.stop)
            if step in self._anchor_steps:
                anchor_states.append(below)
                # (earlier, B, U)
                mixed = np.tanh(
                    np.array(anchor_states)[: len(decisions)] @ w["previous_anchor"]
                    + below @ w["current_anchor"]
                )
                argument = (mixed @ w["attention"]).T[..., None]
                choices[:, here] = sampled(
                    np.concatenate([np.zeros_like(argument), argument], -1), draws[:, here]
                )
            else:
                logits = (
                    below @ w["softmax_kernel"][other]
                    + w["softmax_bias"][other]
                    + self._padding[decisions.start]
                )
                choices[:, here] = (
                    given[decisions.start]
                    if decisions.start < len(given)
                    else sampled(logits[:, None], draws[:, here])
                )
                other += 1
            if step + 1 < len(self._steps):
                below = w["embeddings"][np.array(decisions, int), choices[:, here]].sum(1)
        return list(map(tuple, (choices * self._counts(choices)).tolist()))

    def forward(self, weights, choices):
        trace, counts = super().forward(weights, choices), self._counts(np.asarray(choices))
        return trace._replace(
            log_probs=trace.log_probs * counts, entropies=trace.entropies * counts
        )

    def backward(self, weights, trace: Trace, log_prob_slopes, entropy_slopes):
        counts = self._counts(trace.chosen[:1].argmax(-1).T)
        return super().backward(weights, trace, log_prob_slopes * counts, entropy_slopes * counts)

    def _counts(self, choices):
        """Which decisions count, (B, T), by the first of each row."""
        return choices[:, :1] >= self.counts_from

    def _inputs(self, w, choices):
        inputs = np.zeros((len(self._steps), len(choices), self.embedding))
        inputs[0] = w["start"]
        decisions = np.arange(len(self._read_at))
        np.add.at(inputs, self._read_at, w["embeddings"][decisions[:, None], choices.T[decisions]])
        return inputs

    def _back_inputs(self, gradient, trace, d_inputs):
        gradient["start"][:] = d_inputs[0].sum(0)
        gradient["embeddings"][:] = (
            trace.chosen[: len(self._read_at)].transpose(0, 2, 1) @ d_inputs[self._read_at]
        )

    def _logits(self, w, hiddens):
        logits = np.repeat(self._padding[:, None], hiddens.shape[1], axis=1)
        logits[self._others] += (
            hiddens[self._other_steps] @ w["softmax_kernel"] + w["softmax_bias"][:, None]
        )
        logits[self._skips, :, 1] += self._mixed(w, hiddens) @ w["attention"]
        return logits

    def _mixed(self, w, hiddens):
        """tanh(W_prev h_j + W_curr h_i) of each skip, (skips, B, U)."""
        states = hiddens[self._anchor_steps]
        return np.tanh(
            (states @ w["previous_anchor"])[self._of] + (states @ w["current_anchor"])[self._to]
        )

    def _back_logits(self, w, gradient, trace, d_logits):
        hiddens = trace.layers[-1].hiddens[1:]
        others, skips = d_logits[self._others], d_logits[self._skips, :, 1:2]  # (skips, B, 1)
        gradient["softmax_kernel"][:] = hiddens[self._other_steps].transpose(0, 2, 1) @ others
        gradient["softmax_bias"][:] = others.sum(1)
        d_hiddens = np.zeros_like(hiddens)
        d_hiddens[self._other_steps] = others @ w["softmax_kernel"].transpose(0, 2, 1)
        mixed, states = self._mixed(w, hiddens), hiddens[self._anchor_steps]
        gradient["attention"][:] = (skips * mixed).sum((0, 1))
        d_mixed = skips * w["attention"] * (1.0 - mixed**2)
        for name, layers in (("previous_anchor", self._of), ("current_anchor", self._to)):
            d_summed = np.zeros_like(states)
            np.add.at(d_summed, layers, d_mixed)
            gradient[name][:] = states.reshape(-1, self.units).T @ d_summed.reshape(-1, self.units)
            d_hiddens[self._anchor_steps] += d_summed @ w[name].T
        return d_hiddens
