"""What a cell computes, part by part: batch norm, ReLU-convolution-batch norm, pooling, an operation, factorized reduction.

A part makes its weights on the Keras layer that owns it and computes with `keras.ops`. So a cell is one layer, not seventy: that is
what makes a network quick to build, to load and to trace. The parts by themselves, as layers, stand in operations.py and layers.py.
Sources: Zoph et al. 2017, arXiv 1707.07012, section 3 and appendix A.4; the authors' TF-slim code (slim/nets/nasnet/nasnet_utils.py).
"""

from __future__ import annotations

import keras
from keras import ops

from nasnet_tf import plan
from nasnet_tf.initializers import VarianceScaling, ones, zeros


def halved(size, strides):
    """`size` after "same" padding at `strides`; None stays None."""
    return None if size is None else -(-size // strides)


def wide(dtype) -> str:
    """What norms and the classifier compute in where the rest computes in `dtype`: float32, or float64 in a float64 network."""
    return "float64" if keras.backend.standardize_dtype(dtype) == "float64" else "float32"


def l2(weight_decay):
    """The paper's L2 loss, weight_decay * sum(W^2) / 2: half of what `keras.regularizers.L2` means by the number."""
    return keras.regularizers.L2(weight_decay / 2) if weight_decay else None


def kernel(owner, name, *shape):
    """A new kernel among the weights of the layer `owner`, a `CellLayer`, with the L2 loss of that layer."""
    return owner.add_weight(shape=shape, name=name, initializer=VarianceScaling(), regularizer=l2(owner.weight_decay))


class Norm:
    """Batch norm over all but the last axis, in float32 (or `wide`) whatever the layer computes in.

    It uses and moves the averages as `keras.layers.BatchNormalization` does: while the layer is trained and not told to freeze.

    Args:
        owner: the `CellLayer` whose momentum and epsilon these are.
        name: first part of the weights' names.
    """

    def __init__(self, owner, name: str, filters: int):
        def weight(what, initial, **options):
            return owner.add_weight(shape=(filters,), name=f"{name}.{what}", initializer=initial, autocast=False, **options)

        self.owner = owner
        self.gamma, self.beta = weight("gamma", ones), weight("beta", zeros)
        if owner.freeze_batch_norms:  # after they were made trainable, which decides their place in files
            self.gamma.trainable = self.beta.trainable = False
        moving = dict(trainable=False, aggregation="mean")
        self.moving_mean, self.moving_variance = weight("moving_mean", zeros, **moving), weight("moving_variance", ones, **moving)

    def __call__(self, x, training=None):
        y = ops.cast(x, wide(x.dtype))
        if training and self.owner.trainable and not self.owner.freeze_batch_norms:
            y, mean, variance = _by_batch(y, self.gamma, self.beta, self.owner.batch_norm_epsilon)
            keep = self.owner.batch_norm_momentum
            self.owner.move(self.moving_mean, self.moving_mean * keep + mean * (1.0 - keep))
            self.owner.move(self.moving_variance, self.moving_variance * keep + variance * (1.0 - keep))
        else:
            y = ops.batch_normalization(y, self.moving_mean, self.moving_variance, -1, self.beta, self.gamma, self.owner.batch_norm_epsilon)
        return ops.cast(y, self.owner.compute_dtype)


def _by_batch(x, gamma, beta, epsilon):
    """(normalized, mean, variance): batch norm of (batch, height, width, channels) by the statistics of the batch itself."""
    if keras.backend.backend() == "tensorflow" and keras.backend.standardize_dtype(x.dtype) == "float32":
        return _fused(x, gamma, beta, epsilon)
    mean, variance = ops.moments(x, (0, 1, 2))
    return ops.batch_normalization(x, mean, variance, -1, beta, gamma, epsilon), mean, variance


def _fused(x, gamma, beta, epsilon):
    """TensorFlow's own operation for it: several times as fast as the dozen it takes otherwise, and their gradients."""
    import tensorflow as tf

    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon, is_training=True)
    count = ops.cast(ops.prod(ops.shape(x)[:3]), x.dtype)
    return y, mean, variance * (ops.maximum(count - 1.0, 1.0) / count)  # it tells the unbiased variance


class ConvNorm:
    """ReLU, convolution without bias, batch norm: a `nasnet_tf.plan.Convolution` with weights.

    Attributes: `kernel`, or `depthwise_kernel` and `pointwise_kernel`; `norm`.
    """

    def __init__(self, owner, name: str, part: plan.Convolution, channels: int):
        self.part = part
        # No backend strides a dilated convolution: it runs at stride 1 and every `strides`-th pixel is kept.
        self._every = part.strides[0] if part.dilation > 1 else 1
        if part.separable:
            self.depthwise_kernel = kernel(owner, f"{name}.depthwise_kernel", *part.kernel_size, channels, 1)
            self.pointwise_kernel = kernel(owner, f"{name}.pointwise_kernel", 1, 1, channels, part.filters)
        else:
            self.kernel = kernel(owner, f"{name}.kernel", *part.kernel_size, channels, part.filters)
        self.norm = Norm(owner, name, part.filters)

    @property
    def kernels(self):
        """(kernel,), or (depthwise kernel, pointwise kernel)."""
        return (self.depthwise_kernel, self.pointwise_kernel) if self.part.separable else (self.kernel,)

    def __call__(self, x, training=None):
        convolve = ops.separable_conv if self.part.separable else ops.conv
        strides = 1 if self._every > 1 else self.part.strides
        x = ops.relu(x) if self.part.relu else x
        kernels = (ops.cast(k, x.dtype) for k in self.kernels)
        x = convolve(x, *kernels, strides, self.part.padding, data_format="channels_last", dilation_rate=self.part.dilation)
        if self._every > 1:
            x = x[:, :: self._every, :: self._every, :]
        return self.norm(x, training)


class Normalization:
    """A `nasnet_tf.plan.Normalization` of each image by itself, in float32 whatever the layer computes in.

    Source: Ba et al. 2016, arXiv 1607.06450, over pixels and channels as TensorFlow's layer_norm of 2017 does; Ulyanov et al. 2016,
    arXiv 1607.08022, over pixels.
    """

    def __init__(self, owner, name: str, part: plan.Normalization):
        self.part, self.owner = part, owner
        self.gamma = owner.add_weight(shape=(part.filters,), name=f"{name}.gamma", initializer=ones, autocast=False)
        self.beta = owner.add_weight(shape=(part.filters,), name=f"{name}.beta", initializer=zeros, autocast=False)

    def __call__(self, x, training=None):
        y = ops.cast(x, wide(x.dtype))
        mean, variance = ops.moments(y, (1, 2, 3) if self.part.kind == "layer" else (1, 2), keepdims=True)
        y = (y - mean) * ops.rsqrt(variance + 1e-6) * self.gamma + self.beta
        return ops.cast(y, self.owner.compute_dtype)


class Pool:
    """A `nasnet_tf.plan.Pooling`: maximum or average over a square; the border is padded and not counted.

    Args:
        zero_padding: count the border as zeros, as the reduction cells of `keras.applications` do.
    """

    def __init__(self, part: plan.Pooling, zero_padding: bool = False):
        self.part, self.zero_padding = part, zero_padding

    def __call__(self, x, training=None):
        kind, size, strides = self.part
        pool = ops.max_pool if kind == "max" else ops.average_pool
        y = pool(x, size, strides, padding="same", data_format="channels_last")
        if not self.zero_padding:
            return y
        window = ops.full((size, size, 1, 1), 1 / size**2, dtype=x.dtype)
        # The share of each window that lies within the image.
        inside = ops.conv(ops.ones_like(x[..., :1]), window, strides, padding="same", data_format="channels_last")
        if kind == "avg":
            return y * inside
        return ops.where(inside < 1 - 0.5 / size**2, ops.maximum(y, ops.zeros_like(y)), y)


class Operation:
    """One of the operations by name: its parts, one after the other.

    Attributes: `parts`, of `ConvNorm` and `Pool`; none for an identity that changes nothing.
    """

    def __init__(self, owner, name: str, operation: str, channels: int, filters: int, strides: int = 1, zero_padding: bool = False):
        self.operation, self.strides, self.parts = operation, strides, []
        for number, part in enumerate(plan.OPERATION_PARTS[operation](channels, filters, strides), start=1):
            if isinstance(part, plan.Convolution):
                self.parts.append(ConvNorm(owner, f"{name}.{number}", part, channels))
                channels = part.filters
            else:
                self.parts.append(Pool(part, zero_padding and part.strides > 1))

    def __call__(self, x, training=None):
        for part in self.parts:
            x = part(x, training)
        return x


class FactorizedReduction:
    """Halves height and width: two 1x1 convolutions of half the filters, of the even and of the odd pixels; then one batch norm.

    Attributes: `even` (None for one filter) and `odd`, kernels; `norm`.
    """

    def __init__(self, owner, name: str, part: plan.Reduction, channels: int):
        self.part, half = part, part.filters // 2
        self.even = kernel(owner, f"{name}.even_kernel", 1, 1, channels, half) if half else None  # an odd filter falls to the odd pixels
        self.odd = kernel(owner, f"{name}.odd_kernel", 1, 1, channels, part.filters - half)
        self.norm = Norm(owner, name, part.filters)

    def __call__(self, x, training=None):
        x = ops.relu(x) if self.part.relu else x
        moved = ops.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]])
        pixels = [(self.even, x[:, ::2, ::2, :]), (self.odd, moved[:, 1::2, 1::2, :])]
        halves = [ops.conv(y, ops.cast(k, y.dtype), data_format="channels_last") for k, y in pixels if k is not None]
        return self.norm(ops.concatenate(halves, axis=-1), training)


def dense(classes, activation, weight_decay, name, dtype="float32"):
    """The classifier: a Dense layer with the paper's L2 loss, in float32, or in float64 after layers of that `dtype`.

    Raises: ValueError for one class with softmax, whose probability is 1 whatever the network computes.
    """
    if classes == 1 and keras.activations.get(activation) is keras.activations.softmax:
        raise ValueError(
            'classes is 1, whose softmax is always 1, so nothing would be learned; give classes=2, or classifier_activation="sigmoid".'
        )
    return keras.layers.Dense(
        classes,
        activation,
        kernel_initializer=VarianceScaling(1.0, "fan_avg", "uniform"),
        kernel_regularizer=l2(weight_decay),
        dtype=wide(dtype),
        name=name,
    )
