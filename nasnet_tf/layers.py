"""What else holds state in a network of cells: factorized reduction, drop path, the auxiliary head.

Source: the authors' TF-slim code (slim/nets/nasnet/nasnet_utils.py); channels last.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from nasnet_tf import parts
from nasnet_tf.graph import ReductionSpec
from nasnet_tf.operations import PACKAGE, GraphLayer
from nasnet_tf.systems.cells import auxiliary_features


@keras.saving.register_keras_serializable(PACKAGE)
class FactorizedReduction(GraphLayer):
    """Halves height and width without losing every fourth pixel's neighbours.

    Two 1x1 convolutions of half the filters, one of the even pixels, one of the odd ones; together one batch norm.

    Args:
        relu: apply ReLU first.
    Returns: (batch, height / 2, width / 2, filters), rounded up.
    """

    def __init__(self, filters, relu=True, **kwargs):
        super().__init__(**kwargs)
        self.spec = ReductionSpec(filters, relu)

    def wire(self, graph, x):
        return graph.part("reduction", self.spec, x.channels)(x)

    def get_config(self):
        return {**super().get_config(), **self.spec._asdict()}


@keras.saving.register_keras_serializable(PACKAGE)
class DropPath(layers.Layer):
    """Scheduled drop path: in training, drops whole examples of a path and scales up the others.

    An example is kept with probability `1 - min(1, t / steps) * rate`, where t counts the training calls of this layer from 0;
    without `steps` the probability is `1 - rate` from the start. At inference the input passes unchanged.

    Args:
        rate: probability of dropping at the end of the schedule, in [0, 1).
        steps: training steps over which the rate rises linearly from 0, or None.
    Source: Zoph et al. 2017, section 4 and A.5 (ScheduledDropPath); exact form of the authors' nasnet_utils.py.
    """

    def __init__(self, rate, steps=None, seed=None, **kwargs):
        if not 0 <= rate < 1:
            raise ValueError(f"drop path rate is {rate!r}; give a number of at least 0 and below 1.")
        if steps is not None and steps < 1:
            raise ValueError(f"drop path steps is {steps!r}; give the number of training steps, or None for a constant rate.")
        super().__init__(**kwargs)
        self.rate, self.steps, self.seed = rate, steps, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape):
        if self.steps:  # whole numbers are not cast down under mixed precision
            self.step = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="step")

    def call(self, x, training=None):
        if not training or not self.rate:
            return x
        keep = 1.0 - self.rate
        if self.steps:
            keep = 1.0 - self.rate * ops.minimum(1.0, ops.cast(self.step, "float32") / self.steps)
            self.step.assign_add(1)
        shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        kept = ops.floor(keep + keras.random.uniform(shape, dtype="float32", seed=self.seed_generator))
        return x * ops.cast(kept / keep, x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def load_own_variables(self, store):
        if len(store):  # weights trained without a schedule have no step: it starts at 0
            super().load_own_variables(store)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "steps": self.steps, "seed": self.seed}


@keras.saving.register_keras_serializable(PACKAGE)
class AuxiliaryHead(GraphLayer):
    """A second classifier two thirds of the way up, used in training with a loss weight of 0.4.

    Args:
        size: height and width of the input after the 5x5 average pool of stride 3; its second convolution covers all of it.
    Returns: (batch, classes), float32.
    Source: Zoph et al. 2017, appendix A.7; sizes of the authors' nasnet.py (_build_aux_head).
    """

    def __init__(self, classes, size, activation="softmax", **kwargs):
        super().__init__(**kwargs)
        self.classes, self.size, self.activation = classes, tuple(size), activation
        self.dense = parts.dense(classes, activation, self.weight_decay, "dense")

    def wire(self, graph, x):
        return auxiliary_features(graph, x, self.size)

    def build(self, input_shape):
        super().build(input_shape)
        self.dense.build((None, self.bound.graph.output.channels))

    def call(self, x, training=None):
        features = self.bound(x, training=training)
        return self.dense(ops.reshape(features, (-1, features.shape[-1])))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.classes)

    def compute_output_spec(self, x, training=None):
        return keras.KerasTensor((x.shape[0], self.classes), dtype="float32")

    def get_config(self):
        return {**super().get_config(), "classes": self.classes, "size": self.size, "activation": self.activation}
