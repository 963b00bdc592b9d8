"""Scheduled drop path."""

from __future__ import annotations

import keras
from keras import layers, ops

from nasnet_tf.layers.operations import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class DropPath(layers.Layer):
    """Scheduled drop path: in training, drops whole examples of a path and scales up the others.

    An example is kept with probability `1 - min(1, t / steps) * rate`, where t counts the training
    calls of this layer from 0; without `steps` the probability is `1 - rate` from the start. At
    inference the input passes unchanged.

    Args:
        rate: probability of dropping at the end of the schedule, in [0, 1).
        steps: training steps over which the rate rises linearly from 0, or None.
    Source: Zoph et al. 2017, section 4 and A.5 (ScheduledDropPath); exact form of the authors'
        nasnet_utils.py.
    """

    def __init__(self, rate, steps=None, seed=None, **kwargs):
        if not 0 <= rate < 1:
            raise ValueError(
                f"drop path rate is {rate!r}; give a number of at least 0 and below 1."
            )
        if steps is not None and steps < 1:
            raise ValueError(
                f"drop path steps is {steps!r}; give the number of training steps, or None for a"
                " constant rate."
            )
        super().__init__(**kwargs)
        self.rate, self.steps, self.seed = rate, steps, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape):
        if self.steps:  # whole numbers are not cast down under mixed precision
            self.step = self.add_weight(
                shape=(), dtype="int32", initializer="zeros", trainable=False, name="step"
            )

    def call(self, x, training=None):
        if not training or not self.rate:
            return x
        keep = 1.0 - self.rate
        if self.steps:
            keep = 1.0 - self.rate * ops.minimum(1.0, ops.cast(self.step, "float32") / self.steps)
            self.step.assign_add(1)
        shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        drawn = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        return x * ops.cast(ops.floor(keep + drawn) / keep, x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def load_own_variables(self, store):
        if len(store):  # weights trained without a schedule have no step: it starts at 0
            super().load_own_variables(store)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "steps": self.steps, "seed": self.seed}
