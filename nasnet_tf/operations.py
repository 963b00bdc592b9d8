"""The operations of a cell as Keras layers: ReLU-convolution-batch norm, pooling, and `Operation`, any of the set by name.

Channels last: inputs are (batch, height, width, channels).
Source: Zoph et al. 2017, arXiv 1707.07012, section 3 and appendix A.4. What each operation is made of stands in plan.py.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from nasnet_tf.plan import OPERATION_PARTS, Convolution

PACKAGE = "nasnet_tf"

# Truncated normal of variance 2 / fan out, as slim's arg_scope sets for every kernel, depthwise ones included.
INITIALIZER = {"class_name": "VarianceScaling", "config": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"}}


def halved(size, strides):
    """`size` after "same" padding at `strides`; None stays None."""
    return None if size is None else -(-size // strides)


def l2(weight_decay):
    """The paper's L2 loss, weight_decay * sum(W^2) / 2: half of what `keras.regularizers.L2` means by the number."""
    return keras.regularizers.L2(weight_decay / 2) if weight_decay else None


class CellLayer(layers.Layer):
    """A layer with the three numbers every part of a cell shares.

    Args:
        batch_norm_momentum, batch_norm_epsilon: of every batch norm inside.
        weight_decay: weight of the L2 loss as the paper counts it (`l2`); on all kernels, not on batch norms.
    """

    def __init__(self, *, batch_norm_momentum=0.9, batch_norm_epsilon=1e-5, weight_decay=0.0, **kwargs):
        super().__init__(**kwargs)
        self.batch_norm_momentum = batch_norm_momentum
        self.batch_norm_epsilon = batch_norm_epsilon
        self.weight_decay = weight_decay

    @property
    def settings(self):
        """What a part inside this layer is made with."""
        return {**self._shared(), "dtype": self.dtype_policy}

    def _shared(self):
        return {name: getattr(self, name) for name in ("batch_norm_momentum", "batch_norm_epsilon", "weight_decay")}

    def get_config(self):
        return {**super().get_config(), **self._shared()}


@keras.saving.register_keras_serializable(PACKAGE)
class ConvNorm(CellLayer):
    """ReLU, convolution without bias, batch norm.

    Args: as `nasnet_tf.plan.Convolution`, and those of `CellLayer`.
    Returns: (batch, height / strides, width / strides, filters), rounded up for "same" padding.
    """

    def __init__(self, filters, kernel_size=(1, 1), strides=(1, 1), dilation=1, separable=False, relu=True, padding="same", **kwargs):
        super().__init__(**kwargs)
        self.part = Convolution(filters, tuple(kernel_size), tuple(strides), dilation, separable, relu, padding)
        # No backend strides a dilated convolution: it runs at stride 1 and every `strides`-th pixel is kept.
        self._every = self.part.strides[0] if dilation > 1 else 1
        common = dict(
            kernel_size=self.part.kernel_size,
            strides=1 if self._every > 1 else self.part.strides,
            dilation_rate=dilation,
            padding=padding,
            use_bias=False,
            dtype=self.dtype_policy,
        )
        if separable:
            shared = dict(depthwise_initializer=INITIALIZER, pointwise_initializer=INITIALIZER)
            decay = dict(depthwise_regularizer=l2(self.weight_decay), pointwise_regularizer=l2(self.weight_decay))
            self.convolution = layers.SeparableConv2D(filters, **shared, **decay, **common)
        else:
            self.convolution = layers.Conv2D(filters, kernel_initializer=INITIALIZER, kernel_regularizer=l2(self.weight_decay), **common)
        self.norm = layers.BatchNormalization(momentum=self.batch_norm_momentum, epsilon=self.batch_norm_epsilon, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.convolution.build(input_shape)
        self.norm.build((None, None, None, self.part.filters))

    def call(self, x, training=None):
        x = self.convolution(ops.relu(x) if self.part.relu else x)
        if self._every > 1:
            x = x[:, :: self._every, :: self._every, :]
        return self.norm(x, training=training)

    def compute_output_shape(self, input_shape):
        if self.part.padding == "valid":
            return self.convolution.compute_output_shape(input_shape)
        batch, height, width, _ = input_shape
        return (batch, halved(height, self.part.strides[0]), halved(width, self.part.strides[1]), self.part.filters)

    def get_config(self):
        return {**super().get_config(), **self.part._asdict()}


@keras.saving.register_keras_serializable(PACKAGE)
class Pool(layers.Layer):
    """Maximum or average over `size` x `size` pixels; the border is padded and not counted.

    Args:
        kind: "max" or "avg".
        zero_padding: count the border as zeros, as the reduction cells of `keras.applications` do.
    Returns: (batch, height / strides, width / strides, channels), rounded up.
    """

    def __init__(self, kind, size, strides=1, zero_padding=False, **kwargs):
        super().__init__(**kwargs)
        self.kind, self.size, self.strides, self.zero_padding = kind, size, strides, zero_padding

    def build(self, input_shape):
        pass

    def call(self, x):
        pool = ops.max_pool if self.kind == "max" else ops.average_pool
        y = pool(x, self.size, self.strides, padding="same")
        if not self.zero_padding:
            return y
        window = ops.full((self.size, self.size, 1, 1), 1 / self.size**2, dtype=x.dtype)
        inside = ops.conv(ops.ones_like(x[..., :1]), window, self.strides, padding="same")  # share of each window within the image
        if self.kind == "avg":
            return y * inside
        return ops.where(inside < 1 - 0.5 / self.size**2, ops.maximum(y, ops.zeros_like(y)), y)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, halved(height, self.strides), halved(width, self.strides), channels)

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "size": self.size, "strides": self.strides, "zero_padding": self.zero_padding}


@keras.saving.register_keras_serializable(PACKAGE)
class Operation(CellLayer):
    """One of the operations by name, from any number of channels to `filters`.

    Args:
        operation: a name of `nasnet_tf.genotype.OPERATION_NAMES`, such as "sep_conv_5x5".
        strides: 1 or 2.
        zero_padding: see `Pool`; holds for strided pools only.
    Returns: (batch, height / strides, width / strides, filters), rounded up.
    """

    def __init__(self, operation, filters, strides=1, zero_padding=False, **kwargs):
        if operation not in OPERATIONS:
            raise ValueError(f"no operation {operation!r}; there are {', '.join(OPERATIONS)}.")
        super().__init__(**kwargs)
        self.operation, self.filters, self.strides, self.zero_padding = operation, filters, strides, zero_padding

    def build(self, input_shape):
        self.parts = []
        for part in OPERATIONS[self.operation](input_shape[-1], self.filters, self.strides):
            if isinstance(part, Convolution):
                layer = ConvNorm(**part._asdict(), **self.settings)
            else:
                layer = Pool(**part._asdict(), zero_padding=self.zero_padding and part.strides > 1, dtype=self.dtype_policy)
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
            self.parts.append(layer)

    def call(self, x, training=None):
        for part in self.parts:
            x = part(x, training=training) if isinstance(part, ConvNorm) else part(x)
        return x

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, halved(height, self.strides), halved(width, self.strides), self.filters)

    def get_config(self):
        own = {"operation": self.operation, "filters": self.filters, "strides": self.strides, "zero_padding": self.zero_padding}
        return {**super().get_config(), **own}


OPERATIONS = OPERATION_PARTS
