"""The averages of batch norms, measured on training images.

A moving average lags behind the weights, and after few steps it still depends on its initial value.
The averages measured here are those of the activations under the current weights.
"""

from __future__ import annotations

import math
import time

import keras
import numpy as np

_AVERAGES = ("moving_mean", "moving_variance")
_IMAGES, _FEWEST_BATCHES = 1000, 4
_SOME = 200  # images between the epochs of a training, where only a figure depends on them
_UNKNOWN = 0.01  # share of its initial value from which an average is too young for validation

_FROZEN = 1e-6


class Norms:
    """The batch norms of a model that are not frozen."""

    def __init__(self, model):
        self.model = model
        moving = [
            layer
            for layer in model.layers
            if layer.trainable and not getattr(layer, "freeze_batch_norms", False)
        ]
        averages = {
            v.path for layer in moving for v in layer.variables if v.path.endswith(_AVERAGES)
        }
        self._places = [
            number for number, v in enumerate(model.non_trainable_variables) if v.path in averages
        ]
        self._moved = None

    @property
    def young(self) -> float:
        """The number of steps after which the initial value of an average no longer matters."""
        of_layers = [
            getattr(layer, "batch_norm_momentum", getattr(layer, "momentum", 0.0))
            for layer in self.model.layers
        ]
        momentum = (
            max((float(value) for value in of_layers if value), default=0.0)
            if self._places
            else 0.0
        )
        return math.log(_UNKNOWN) / math.log(momentum) if 0 < momentum < 1 else 0.0

    def measure(self, batches, seconds: float = math.inf, images: int = _IMAGES) -> None:
        """Sets the averages to those over so many images, in at least 4 batches, if there are so
        many.

        Args:
            batches: a function that returns batches of (images, ...), such as a `tf.data.Dataset`.
            seconds: how long that may take; at least one batch is used.
        """
        if not self._places:
            return
        began, count = time.monotonic(), 0
        variables = self.model.non_trainable_variables
        before = [keras.ops.convert_to_numpy(variables[place]) for place in self._places]
        totals = [np.zeros(average.shape, "float64") for average in before]
        for x in _of_one_size(batches(), images):
            seen = self._seen([np.zeros_like(average) for average in before], x)
            if not count:  # by which share an average moves; none where it is frozen
                from_ones = self._seen([np.ones_like(average) for average in before], x)
                shares = [1 - (one - zero) for zero, one in zip(seen, from_ones, strict=True)]
            totals, count = (
                [total + new for total, new in zip(totals, seen, strict=True)],
                count + 1,
            )
            if (
                time.monotonic() - began >= seconds
                or max(share.max() for share in shares) < _FROZEN
            ):
                break
        if count:
            for place, total, share in zip(self._places, totals, shares, strict=True):
                if share.min() > _FROZEN:
                    variables[place].assign((total / share / count).astype("float32"))

    def _seen(self, averages, images):
        """The averages after one step on the images."""
        self._moved = self._moved or self._compiled()
        weights, values = (
            [keras.ops.convert_to_tensor(variable.value) for variable in variables]
            for variables in (self.model.trainable_variables, self.model.non_trainable_variables)
        )
        for place, average in zip(self._places, averages, strict=True):
            values[place] = keras.ops.convert_to_tensor(average)
        moved = self._moved(weights, values, images)
        return [keras.ops.convert_to_numpy(average).astype("float64") for average in moved]

    def _compiled(self):
        def moved(weights, others, images):
            _, after = self.model.stateless_call(weights, others, images, training=True)
            return [after[place] for place in self._places]

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            return tf.function(moved)
        if keras.backend.backend() == "jax":
            import jax

            return jax.jit(moved)
        return moved


def _of_one_size(batches, images):
    """Batches as large as the first, of so many images in all."""
    size = None
    for number, (x, *_) in enumerate(batches):
        size = size or len(x)
        if number >= max(-(-images // size), _FEWEST_BATCHES):
            return
        if len(x) == size:
            yield keras.ops.convert_to_tensor(x, "float32")


class FreshNorms(keras.callbacks.Callback):
    """Measures the batch norms before each validation while their averages are young, and before
    the last validation.

    Args:
        norms: a `Norms`.
        batches: a function that returns training batches, always the same.
        steps: the steps before this `fit`.
        seconds: how long a measurement may take.
    """

    def __init__(self, norms: Norms, batches, steps: int = 0, seconds: float = math.inf):
        super().__init__()
        self.norms, self.batches, self.steps, self.seconds = norms, batches, steps, seconds
        self.young, self.fresh, self.epoch = norms.young, False, 0

    def measure(self):
        """Measures them, unless there was no step since the last measurement."""
        if not self.fresh:
            self.norms.measure(self.batches, seconds=self.seconds)
        self.fresh = True

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.steps, self.fresh = self.steps + 1, False

    def on_test_begin(self, logs=None):
        is_last = self.model.stop_training or self.epoch + 1 == self.params.get("epochs")
        if is_last:
            self.measure()
        elif self.steps < self.young:
            self.norms.measure(self.batches, seconds=self.seconds, images=_SOME)

    def on_train_end(self, logs=None):
        self.measure()
