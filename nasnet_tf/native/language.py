"""A language model of a recurrent cell trained in NumPy: nothing is traced, and a step of a small
layer has none of TensorFlow's overhead.

It computes what `LanguageModel` computes in `fit` (Adam, the norm of the gradient clipped to 1, the
learning rate falling along a cosine), from other initial weights. In float32, on one core.
"""

from __future__ import annotations

import math
import random

import numpy as np

from nasnet_tf.lowered.fitting import BareModel
from nasnet_tf.native.recurrent import RecurrentLayer

__all__ = ["NativeLanguageModel"]

_ROWS = 256  # words at a time whose probabilities are in memory, so that they stay in the cache
_BETA_1, _BETA_2, _EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-7)  # as Keras' Adam


class NativeLanguageModel(BareModel):
    """A `LanguageModel` without bias, dropout and weight decay, trained and evaluated in NumPy.

    Args: those of a `LanguageModel`.
    Raises: NotImplementedError for arguments that it does not have.
    """

    learning_rate = 0.01

    def __init__(
        self, genotype, *, num_cells, filters, classes, input_shape=(None,), tied=True, **arguments
    ):
        ignored = ("class_names", "level")
        unknown = [name for name, value in arguments.items() if value and name not in ignored]
        if unknown:
            raise NotImplementedError(f"a native language model has no {', '.join(unknown)}.")
        shapes = {"vocabulary/vectors": (classes, filters), "vocabulary/bias": (classes,)}
        if not tied:
            shapes["vocabulary/outputs"] = (classes, filters)
        kernels = [
            (f"cell_{number}/tree/kernel", f"cell_{number}/tree/recurrent_kernel")
            for number in range(num_cells)
        ]
        for pair in kernels:
            shapes |= dict.fromkeys(pair, (filters, genotype.base * filters))
        size = sum(math.prod(shape) for shape in shapes.values())
        self._weights, self._gradient, self._mean, self._square = np.zeros((4, size), "float32")
        self._done = np.zeros(1, "int64")  # steps
        self._views, self._gradients = _views(self._weights, shapes), _views(self._gradient, shapes)
        self._outputs = "vocabulary/vectors" if tied else "vocabulary/outputs"
        self._layers = []
        for pair in kernels:
            weights, gradients = (
                [of[name] for name in pair] for of in (self._views, self._gradients)
            )
            self._layers.append(RecurrentLayer(genotype, weights, gradients))
        rng = np.random.default_rng(random.getrandbits(31))
        for name, value in self._views.items():
            if value.ndim > 1:
                limit = 1.0 if name == "vocabulary/vectors" else math.sqrt(6 / sum(value.shape))
                value[:] = rng.uniform(-limit, limit, value.shape)

    def named(self) -> dict[str, np.ndarray]:
        """All weights, as views, by their paths in a `LanguageModel`."""
        return dict(self._views)

    def gradients(self) -> dict[str, np.ndarray]:
        """The gradients of the last step, as views, by the same paths."""
        return dict(self._gradients)

    @property
    def changing(self) -> list[np.ndarray]:
        """The arrays that training changes in place."""
        return [self._weights, self._mean, self._square, self._done]

    @np.errstate(all="ignore")
    def step(self, words, following, learning_rate: float) -> float:
        """One step of Adam. Returns the loss before it, nats a word.

        Args:
            words, following: (batch, steps), windows of word numbers, and the same windows one word
                further on.
        """
        loss = self.compute_gradients(words, following)
        norm = float(np.sqrt(np.square(self._gradient, dtype="float64").sum()))
        self._gradient *= np.float32(1 / max(norm, 1.0))
        self._done += 1
        self._mean += (1 - _BETA_1) * (self._gradient - self._mean)
        self._square += (1 - _BETA_2) * (np.square(self._gradient) - self._square)
        done = int(self._done[0])
        rate = learning_rate * math.sqrt(1 - float(_BETA_2) ** done) / (1 - float(_BETA_1) ** done)
        self._weights -= np.float32(rate) * self._mean / (np.sqrt(self._square) + _EPSILON)
        return loss

    @np.errstate(all="ignore")  # the values of some cells overflow, which shows in the loss
    def compute_gradients(self, words, following) -> float:
        """Returns the loss, nats a word; its gradients are those of `gradients()`."""
        self._gradient[:] = 0
        loss, gradients = self._cross_entropy(self._forward(words), following, True)
        for layer in reversed(self._layers):
            gradients = layer.backward(gradients)
        np.add.at(self._gradients["vocabulary/vectors"], words.T, gradients)
        return loss

    def evaluate(self, words, following, batch_size=32, callbacks=()) -> float:
        """The loss, nats a word."""
        return self._evaluated(words, following, batch_size, callbacks).loss

    def _prepared(self, x, y):
        return x, y

    def _train_batch(self, words, following, learning_rate):
        loss = self.step(words, following, learning_rate)
        if not math.isfinite(loss):
            self.stop_training = True
        return (loss,)

    @np.errstate(all="ignore")
    def _test_batch(self, words, following):
        return self._cross_entropy(self._forward(words), following, False)[:1]

    def _logs(self, totals):
        loss = totals.loss
        if not math.isnan(loss):
            return {"loss": loss, "perplexity": math.exp(loss) if loss < 300 else math.inf}
        return {"loss": loss, "perplexity": math.nan}

    def _forward(self, words):
        """The outputs of the last layer, (steps, batch, units)."""
        x = self._views["vocabulary/vectors"][words.T]
        for layer in self._layers:
            x = layer.forward(x)
        return x

    def _cross_entropy(self, outputs, following, training):
        """(loss, gradients with respect to the outputs), a few words at a time. In training adds to
        the gradients of the classifier.
        """
        vectors, bias = self._views[self._outputs], self._views["vocabulary/bias"]
        rows, labels, loss = outputs.reshape(-1, outputs.shape[-1]), following.T.ravel(), 0.0
        gradients = np.empty_like(rows)
        for start in range(0, len(rows), _ROWS):
            x, y = rows[start : start + _ROWS], labels[start : start + _ROWS]
            each = np.arange(len(y))
            scores = x @ vectors.T + bias
            scores -= scores.max(1, keepdims=True)
            of_labels = scores[each, y].astype("float64")
            np.exp(scores, out=scores)
            sums = scores.sum(1, keepdims=True)
            loss += float((np.log(sums[:, 0]) - of_labels).sum())
            if training:
                scores /= sums
                scores[each, y] -= 1
                scores /= np.float32(len(rows))
                self._gradients[self._outputs] += scores.T @ x
                self._gradients["vocabulary/bias"] += scores.sum(0)
                gradients[start : start + _ROWS] = scores @ vectors
        return loss / len(rows), gradients.reshape(outputs.shape)


def _views(vector, shapes):
    """{name: a view of the flat vector}, one after the other."""
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])[:-1]
    parts = np.split(vector, ends)
    return {name: v.reshape(shape) for v, (name, shape) in zip(parts, shapes.items(), strict=True)}
