"""A language model of a recurrent cell trained in NumPy: nothing is traced, and a step of a small
layer has none of TensorFlow's overhead.

What is computed is what `LanguageModel` computes with `fit`: Adam, the gradient's norm cut at 1,
the rate falling along a cosine; other random numbers to begin with. In float32, on one core.
"""

from __future__ import annotations

import math
import random

import numpy as np

from nasnet_tf.files import replacing

__all__ = ["NativeLanguageModel"]

# words at a time whose probabilities are in memory: a share of the cache rather than all of it
_ROWS = 256
_BETA_1, _BETA_2, _EPSILON = (
    np.float32(0.9),
    np.float32(0.999),
    np.float32(1e-7),
)  # Adam's, as in Keras


def _sigmoid(x):
    return np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5)


_ACTIVATE = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": lambda x: np.maximum(x, 0),
}
_SLOPE = {  # of the slope to a value y of the activation: that to what was activated
    "identity": lambda slope, y: slope,
    "tanh": lambda slope, y: slope * (1 - y * y),
    "sigmoid": lambda slope, y: slope * y * (1 - y),
    "relu": lambda slope, y: slope * (y > 0),
}


def _combine(combiner, a, b):
    return a + b if combiner == "add" else a * b


def _slopes(combiner, slope, a, b):
    return (slope, slope) if combiner == "add" else (slope * b, slope * a)


class _Layer:
    """A recurrent layer of a `RecurrentCell`: forward keeps what backward needs.

    Args:
        cell: a `RecurrentCell`.
        weights, gradients: kernel (features, base * units) and recurrent kernel (units, base *
            units), and where their gradients go.
    """

    def __init__(self, cell, weights, gradients):
        self.cell, self.weights, self.gradients = cell, weights, gradients

    def forward(self, x):
        """(steps, batch, features) -> (steps, batch, units)."""
        kernel, recurrent = self.weights
        units = len(recurrent)
        of_x = x.reshape(-1, x.shape[-1]) @ kernel
        of_x = of_x.reshape(*x.shape[:2], self.cell.base, units).transpose(0, 2, 1, 3)
        self.x, self.h = x, np.zeros((len(x) + 1, x.shape[1], units), "float32")
        self.steps, c = [], self.h[0]
        for step in range(len(x)):
            of_h = (self.h[step] @ recurrent).reshape(-1, self.cell.base, units).transpose(1, 0, 2)
            values, pairs, raw, new_c = self._step(of_x[step], of_h, c)
            self.steps.append((values, pairs, raw, c))
            self.h[step + 1], c = values[-1], new_c
        return self.h[1:]

    def _step(self, of_x, of_h, c):
        values, pairs, raw, new_c = [], [], None, None
        for number, (combiner, activation) in enumerate(self.cell.nodes):
            below = self.cell.children(number)
            a, b = (
                (of_x[number], of_h[number])
                if below is None
                else (values[below[0]], values[below[1]])
            )
            combined = _combine(combiner, a, b)
            value = _ACTIVATE[activation](combined)
            if number == self.cell.cell_out:
                new_c = combined
            if number == self.cell.cell_in:
                raw, value = (
                    value,
                    _ACTIVATE[self.cell.inject[1]](_combine(self.cell.inject[0], value, c)),
                )
            pairs.append((a, b))
            values.append(value)
        return values, pairs, raw, new_c

    def backward(self, slopes):
        """Slopes to the outputs (steps, batch, units) -> slopes to x; adds to the gradients."""
        kernel, recurrent = self.weights
        units, (steps, batch, features) = len(recurrent), self.x.shape
        to_x, to_h = np.empty((2, steps, batch, self.cell.base, units), "float32")
        d_h = d_c = np.zeros((batch, units), "float32")
        for step in reversed(range(steps)):
            d_c = self._step_back(self.steps[step], slopes[step] + d_h, d_c, to_x[step], to_h[step])
            d_h = to_h[step].reshape(batch, -1) @ recurrent.T
        to_x, to_h = (slope.reshape(steps * batch, -1) for slope in (to_x, to_h))
        self.gradients[0][:] += self.x.reshape(-1, features).T @ to_x
        self.gradients[1][:] += self.h[:-1].reshape(-1, units).T @ to_h
        return (to_x @ kernel.T).reshape(steps, batch, features)

    def _step_back(self, kept, d_h, d_new_c, to_x, to_h):
        """Writes the slopes to what the leaves combine; returns that to c_{t-1}."""
        values, pairs, raw, c = kept
        slopes = [None] * len(values)
        slopes[-1], d_c = d_h, None
        for number in reversed(range(len(values))):
            (combiner, activation), slope, value = (
                self.cell.nodes[number],
                slopes[number],
                values[number],
            )
            if number == self.cell.cell_in:
                slope, value = _SLOPE[self.cell.inject[1]](slope, value), raw
                slope, d_c = _slopes(self.cell.inject[0], slope, value, c)
            slope = _SLOPE[activation](slope, value)
            if number == self.cell.cell_out:
                slope = slope + d_new_c
            of_a, of_b = _slopes(combiner, slope, *pairs[number])
            below = self.cell.children(number)
            if below is None:
                to_x[:, number], to_h[:, number] = of_a, of_b
            else:
                slopes[below[0]], slopes[below[1]] = of_a, of_b
        return d_c


class NativeLanguageModel:
    """A `LanguageModel`, without bias, dropout and weight decay, trained and evaluated in NumPy.

    Args: those of a `LanguageModel`.
    Raises: NotImplementedError for arguments that it has not.
    """

    def __init__(
        self, genotype, *, num_cells, filters, classes, input_shape=(None,), tied=True, **arguments
    ):
        more = [
            name
            for name, value in arguments.items()
            if value and name not in ("class_names", "level")
        ]
        if more:
            raise NotImplementedError(f"a native language model has no {', '.join(more)}.")
        width = genotype.base * filters
        shapes = {"vocabulary/vectors": (classes, filters), "vocabulary/bias": (classes,)}
        shapes |= {} if tied else {"vocabulary/outputs": (classes, filters)}
        paths = [f"cell_{number}/tree/" for number in range(num_cells)]
        shapes |= {
            f"{path}{name}": (filters, width)
            for path in paths
            for name in ("kernel", "recurrent_kernel")
        }
        ends = np.cumsum([0, *(math.prod(shape) for shape in shapes.values())])
        self._weights, self._gradient, self._mean, self._square = np.zeros((4, ends[-1]), "float32")
        self._done = np.zeros(1, "int64")  # steps
        of, slopes = (
            {
                name: vector[start:end].reshape(shape)
                for (name, shape), start, end in zip(shapes.items(), ends, ends[1:], strict=False)
            }
            for vector in (self._weights, self._gradient)
        )
        self._of, self._slopes = of, slopes
        self._outputs = "vocabulary/vectors" if tied else "vocabulary/outputs"
        kernels = [(f"{path}kernel", f"{path}recurrent_kernel") for path in paths]
        self._layers = [
            _Layer(genotype, [of[name] for name in pair], [slopes[name] for name in pair])
            for pair in kernels
        ]
        rng = np.random.default_rng(random.getrandbits(31))
        for name, value in of.items():
            if value.ndim > 1:
                limit = 1.0 if name == "vocabulary/vectors" else math.sqrt(6 / sum(value.shape))
                value[:] = rng.uniform(-limit, limit, value.shape)

    def named(self) -> dict[str, np.ndarray]:
        """All weights by the paths they have in a `LanguageModel`."""
        return dict(self._of)

    def slopes(self) -> dict[str, np.ndarray]:
        """The gradient of the last step, by the same paths."""
        return dict(self._slopes)

    @property
    def changing(self) -> list[np.ndarray]:
        """All that training changes, in place."""
        return [self._weights, self._mean, self._square, self._done]

    def save_weights(self, path):
        """Writes `named()`, whole, as an .npz."""
        with replacing(path) as temporary:
            np.savez(temporary, **self.named())

    def fit(
        self,
        x,
        y,
        batch_size=None,
        epochs=1,
        verbose=0,
        callbacks=(),
        validation_data=None,
        shuffle=True,
        *,
        learning_rate=0.01,
        steps=None,
    ):
        """Trains as `keras.Model.fit` does, on windows of words and the words one further on.
        Arguments as `NativeNetwork.fit`.

        Returns: a `keras.callbacks.History` of loss, perplexity, val_loss and val_perplexity.
        """
        import keras

        batch_size, self.stop_training = batch_size or 32, False
        steps, rng = math.ceil(len(x) / batch_size), np.random.default_rng(random.getrandbits(31))
        callbacks = keras.callbacks.CallbackList(
            list(callbacks or ()), add_history=True, model=self, epochs=epochs
        )
        self._initial_epoch = 0  # Keras' name: a callback that knows of earlier epochs may say so
        callbacks.on_train_begin()
        for _ in range(self._initial_epoch):
            rng.permutation(len(x))  # the orders of those epochs
        for epoch in range(self._initial_epoch, epochs):
            callbacks.on_epoch_begin(epoch)
            order, total = rng.permutation(len(x)) if shuffle else np.arange(len(x)), 0.0
            for start in range(0, len(x), batch_size):
                some = order[start : start + batch_size]
                rate = (
                    0.5
                    * learning_rate
                    * (1 + math.cos(math.pi * int(self._done[0]) / (epochs * steps)))
                )
                total += self.step(x[some], y[some], rate) * len(some)
                for callback in callbacks.callbacks:  # as in `NativeNetwork.fit`
                    callback.on_train_batch_end(start // batch_size)
            logs = {"loss": total / len(x), "perplexity": _exp(total / len(x))}
            if validation_data is not None:
                logs["val_loss"] = self.evaluate(*validation_data, batch_size, callbacks.callbacks)
                logs["val_perplexity"] = _exp(logs["val_loss"])
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training or not math.isfinite(logs["loss"]):
                break
        callbacks.on_train_end()
        return next(
            callback
            for callback in callbacks.callbacks
            if isinstance(callback, keras.callbacks.History)
        )

    @np.errstate(all="ignore")
    def step(self, words, following, learning_rate: float) -> float:
        """One step of Adam. Returns the loss before it, nats a word."""
        loss = self.gradient(words, following)
        norm = float(np.sqrt(np.square(self._gradient, dtype="float64").sum()))
        self._gradient *= np.float32(1 / max(norm, 1.0))
        self._done += 1
        self._mean += (1 - _BETA_1) * (self._gradient - self._mean)
        self._square += (1 - _BETA_2) * (np.square(self._gradient) - self._square)
        done = int(self._done[0])
        rate = learning_rate * math.sqrt(1 - float(_BETA_2) ** done) / (1 - float(_BETA_1) ** done)
        self._weights -= np.float32(rate) * self._mean / (np.sqrt(self._square) + _EPSILON)
        return loss

    @np.errstate(all="ignore")  # some cells grow beyond all numbers; that is seen in the loss
    def gradient(self, words, following) -> float:
        """The loss; its gradient is left in memory."""
        self._gradient[:] = 0
        outputs = self._forward(words)
        loss, slopes = self._judged(outputs, following, True)
        for layer in reversed(self._layers):
            slopes = layer.backward(slopes)
        np.add.at(self._slopes["vocabulary/vectors"], words.T, slopes)
        return loss

    @np.errstate(all="ignore")
    def evaluate(self, words, following, batch_size=32, callbacks=()) -> float:
        """The loss, nats a word."""
        total = 0.0
        for start in range(0, len(words), batch_size):
            some = words[start : start + batch_size]
            total += self._judged(
                self._forward(some), following[start : start + batch_size], False
            )[0] * len(some)
            for callback in callbacks:
                callback.on_test_batch_end(start // batch_size)
        return total / len(words)

    def _forward(self, words):
        """What the last layer gives, (steps, batch, units)."""
        x = self._of["vocabulary/vectors"][words.T]
        for layer in self._layers:
            x = layer.forward(x)
        return x

    def _judged(self, outputs, following, learn):
        """(the loss, slopes to the outputs), a few words at a time; the gradients of the classifier
        are added.
        """
        vectors, bias = self._of[self._outputs], self._of["vocabulary/bias"]
        rows, right, losses = outputs.reshape(-1, outputs.shape[-1]), following.T.ravel(), 0.0
        slopes = np.empty_like(rows)
        for start in range(0, len(rows), _ROWS):
            some, true = rows[start : start + _ROWS], right[start : start + _ROWS]
            shares = some @ vectors.T + bias
            shares -= shares.max(1, keepdims=True)
            picked = shares[np.arange(len(true)), true].astype("float64")
            np.exp(shares, out=shares)
            sums = shares.sum(1, keepdims=True)
            losses += float((np.log(sums[:, 0]) - picked).sum())
            if learn:
                shares /= sums
                shares[np.arange(len(true)), true] -= 1
                shares /= np.float32(len(rows))
                self._slopes[self._outputs] += shares.T @ some
                self._slopes["vocabulary/bias"] += shares.sum(0)
                slopes[start : start + _ROWS] = shares @ vectors
        return losses / len(rows), slopes.reshape(outputs.shape)


def _exp(loss):
    return math.nan if math.isnan(loss) else math.exp(loss) if loss < 300 else math.inf
