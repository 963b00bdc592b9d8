"""The training loop of models that no framework builds: what `keras.Model.fit` does."""

from __future__ import annotations

import math
import random

import numpy as np

from nasnet_tf.snapshot import write_snapshot


class BareModel:
    """A model with `fit` and `save_weights`.

    A subclass has `named()`; `learning_rate`, the default of `fit`; `_prepared(x, y)`, the arrays
    that it computes with; `_train_batch` and `_test_batch`, which return the mean loss of a batch
    and, if it counts them, how many predictions are right; and `_logs(totals)`.
    """

    def compile(self, batch_size: int | None = None) -> None:
        """Does what takes time once in a process, so that trainings take what they take.

        Args:
            batch_size: that `fit` will be given; None where that is not known.
        """

    def save_weights(self, path):
        """Writes `named()` as an .npz, whole or not at all."""
        write_snapshot(path, self.named())

    def fit(
        self, x, y=None, batch_size=None, epochs=1, verbose=0, callbacks=(), validation_data=None,
        shuffle=True, validation_freq=1, *, learning_rate=None, steps=None,
    ):  # fmt: skip
        """Trains as `keras.Model.fit` does.

        Args:
            x, y: arrays; or an iterable of batches of both as `x`, such as a `tf.data.Dataset`,
                which is iterated once an epoch.
            batch_size: of arrays; None is 32.
            verbose: ignored.
            callbacks: Keras callbacks; their `model` is this object.
            validation_data: a tuple of two arrays, or an iterable of batches.
            shuffle: arrays, before each epoch, by Python's random numbers.
            validation_freq: epochs from one validation to the next.
            learning_rate: falls to 0 along a cosine over all steps; None is the default.
            steps: batches an epoch of an iterable; None keeps the rate constant.
        Returns: a `keras.callbacks.History`.
        """
        import keras

        batch_size, self.stop_training = batch_size or 32, False
        peak = self.learning_rate if learning_rate is None else learning_rate
        if y is not None:
            (x, y), steps = self._prepared(x, y), math.ceil(len(x) / batch_size)
        if isinstance(validation_data, tuple):
            validation_data = self._prepared(*validation_data)
        elif validation_data is not None:
            validation_data = validation_data, None
        rng = np.random.default_rng(random.getrandbits(31)) if shuffle else None
        callbacks = keras.callbacks.CallbackList(
            list(callbacks or ()), add_history=True, model=self, epochs=epochs
        )
        self._initial_epoch = 0  # Keras' name; a callback that resumes a training sets it
        callbacks.on_train_begin()
        if rng is not None and y is not None:
            for _ in range(self._initial_epoch):
                rng.permutation(len(x))  # the orders of the epochs that are done
        done = self._initial_epoch * (steps or 0)
        for epoch in range(self._initial_epoch, epochs):
            callbacks.on_epoch_begin(epoch)
            totals = Totals()
            for inputs, targets in self._batches(x, y, batch_size, rng):
                decay = (1 + math.cos(math.pi * done / (epochs * steps))) / 2 if steps else 1.0
                totals.add(len(inputs), *self._train_batch(inputs, targets, peak * decay))
                done += 1
                for callback in callbacks.callbacks:  # CallbackList itself is slower than a step
                    callback.on_train_batch_end(done)
            logs = self._logs(totals)
            if validation_data is not None and (epoch + 1) % validation_freq == 0:
                totals = self._evaluated(*validation_data, batch_size, callbacks.callbacks)
                logs |= {f"val_{name}": value for name, value in self._logs(totals).items()}
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        callbacks.on_train_end()
        return next(c for c in callbacks.callbacks if isinstance(c, keras.callbacks.History))

    def _evaluated(self, x, y, batch_size, callbacks=()):
        totals = Totals()
        for number, (inputs, targets) in enumerate(self._batches(x, y, batch_size)):
            totals.add(len(inputs), *self._test_batch(inputs, targets))
            for callback in callbacks:
                callback.on_test_batch_end(number)
        return totals

    def _batches(self, x, y, batch_size, rng=None):
        if y is None:
            for inputs, targets in x:
                yield self._prepared(inputs, targets)
            return
        order = np.arange(len(x)) if rng is None else rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            yield x[batch], y[batch]


class Totals:
    """Means over examples that come in batches."""

    def __init__(self):
        self._batches = []

    def add(self, examples, loss, right=0):
        """What a device computes is not waited for before somebody wants the means."""
        self._batches.append((examples, loss, right))

    @property
    def loss(self):
        return self._mean(loss * examples for examples, loss, _ in self._known())

    @property
    def accuracy(self):
        return self._mean(right for *_, right in self._known())

    def _mean(self, values):
        return sum(values) / max(sum(examples for examples, *_ in self._batches), 1)

    def _known(self):
        self._batches = [(n, float(loss), int(right)) for n, loss, right in self._batches]
        return self._batches
