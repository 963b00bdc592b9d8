"""A recurrent layer in NumPy, forward and backward."""

from __future__ import annotations

import numpy as np


def _sigmoid(x):
    return np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5)


_ACTIVATIONS = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": lambda x: np.maximum(x, 0),
}
_ACTIVATIONS_BACKWARD = {  # the gradient with respect to the input, given the output y
    "identity": lambda gradient, y: gradient,
    "tanh": lambda gradient, y: gradient * (1 - y * y),
    "sigmoid": lambda gradient, y: gradient * y * (1 - y),
    "relu": lambda gradient, y: gradient * (y > 0),
}


def _combine(combiner, a, b):
    return a + b if combiner == "add" else a * b


def _combine_backward(combiner, gradient, a, b):
    return (gradient, gradient) if combiner == "add" else (gradient * b, gradient * a)


class RecurrentLayer:
    """A layer of a `RecurrentCell`: `forward` keeps what `backward` needs.

    Args:
        cell: a `RecurrentCell`.
        weights, gradients: kernel (features, base * units) and recurrent kernel (units, base *
            units), and the arrays that their gradients are added to.
    """

    def __init__(self, cell, weights, gradients):
        self.cell, self.weights, self.gradients = cell, weights, gradients

    def forward(self, x):
        """(steps, batch, features) -> (steps, batch, units)."""
        kernel, recurrent = self.weights
        base, units = self.cell.base, len(recurrent)
        of_x = (x.reshape(-1, x.shape[-1]) @ kernel).reshape(*x.shape[:2], base, units)
        of_x = of_x.transpose(0, 2, 1, 3)
        self.x, self.h = x, np.zeros((len(x) + 1, x.shape[1], units), "float32")
        self.steps, c = [], self.h[0]
        for step in range(len(x)):
            of_h = (self.h[step] @ recurrent).reshape(-1, base, units).transpose(1, 0, 2)
            values, pairs, raw, new_c = self._step(of_x[step], of_h, c)
            self.steps.append((values, pairs, raw, c))
            self.h[step + 1], c = values[-1], new_c
        return self.h[1:]

    def _step(self, of_x, of_h, c):
        """Values of the nodes, what each combines, the value of `cell_in` before `c` is injected,
        the new c.
        """
        values, pairs, raw, new_c = [], [], None, None
        for number, (combiner, activation) in enumerate(self.cell.nodes):
            children = self.cell.children(number)
            if children is None:
                a, b = of_x[number], of_h[number]
            else:
                a, b = values[children[0]], values[children[1]]
            combined = _combine(combiner, a, b)
            value = _ACTIVATIONS[activation](combined)
            if number == self.cell.cell_out:
                new_c = combined
            if number == self.cell.cell_in:
                combiner, activation = self.cell.inject
                raw, value = value, _ACTIVATIONS[activation](_combine(combiner, value, c))
            pairs.append((a, b))
            values.append(value)
        return values, pairs, raw, new_c

    def backward(self, gradients):
        """Gradients with respect to the outputs (steps, batch, units) -> with respect to x. Adds to
        the gradients of the weights.
        """
        kernel, recurrent = self.weights
        units, (steps, batch, features) = len(recurrent), self.x.shape
        to_x, to_h = np.empty((2, steps, batch, self.cell.base, units), "float32")
        dh = dc = np.zeros((batch, units), "float32")
        for step in reversed(range(steps)):
            dh = gradients[step] + dh
            dc = self._step_backward(self.steps[step], dh, dc, to_x[step], to_h[step])
            dh = to_h[step].reshape(batch, -1) @ recurrent.T
        to_x, to_h = to_x.reshape(steps * batch, -1), to_h.reshape(steps * batch, -1)
        self.gradients[0][:] += self.x.reshape(-1, features).T @ to_x
        self.gradients[1][:] += self.h[:-1].reshape(-1, units).T @ to_h
        return (to_x @ kernel.T).reshape(steps, batch, features)

    def _step_backward(self, kept, dh, d_new_c, to_x, to_h):
        """Writes the gradients with respect to what the leaves combine to `to_x` and `to_h`;
        returns that with respect to the c before.
        """
        values, pairs, raw, c = kept
        gradients = [None] * len(values)
        gradients[-1], dc = dh, None
        for number in reversed(range(len(values))):
            combiner, activation = self.cell.nodes[number]
            gradient, value = gradients[number], values[number]
            if number == self.cell.cell_in:
                injecting, activating = self.cell.inject
                gradient, value = _ACTIVATIONS_BACKWARD[activating](gradient, value), raw
                gradient, dc = _combine_backward(injecting, gradient, value, c)
            gradient = _ACTIVATIONS_BACKWARD[activation](gradient, value)
            if number == self.cell.cell_out:
                gradient = gradient + d_new_c
            da, db = _combine_backward(combiner, gradient, *pairs[number])
            children = self.cell.children(number)
            if children is None:
                to_x[:, number], to_h[:, number] = da, db
            else:
                gradients[children[0]], gradients[children[1]] = da, db
        return dc
