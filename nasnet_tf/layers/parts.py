"""A graph computed with `keras.ops`, its weights those of the Keras layer that owns it.

So a cell is one layer, not seventy: that is what makes a network quick to build, to load and to
trace. Single operations as layers stand in operations.py and layers.py.
"""

from __future__ import annotations

import keras
from keras import ops

from nasnet_tf.graph import Graph, Value, Window, nodes
from nasnet_tf.graph.windows import windows_of
from nasnet_tf.layers.initializers import INITIALIZERS, VarianceScaling


def halved(size, strides):
    """`size` after "same" padding at `strides`; None stays None."""
    return None if size is None else -(-size // strides)


def wide(dtype) -> str:
    """What norms and the classifier compute in where the rest computes in `dtype`: float32, or
    float64 in a float64 network.
    """
    return "float64" if keras.backend.standardize_dtype(dtype) == "float64" else "float32"


def l2(weight_decay):
    """The paper's L2 loss, weight_decay * sum(W^2) / 2: half of what `keras.regularizers.L2` makes
    of the same number.
    """
    return keras.regularizers.L2(weight_decay / 2) if weight_decay else None


class Bound:
    """A graph whose weights are those of a layer.

    Args:
        owner: the `CellLayer`, or another object that makes weights in the same way.
        graph: a `nasnet_tf.graph.Graph`.
        weights: in the graph's order; None makes them on `owner`.
    """

    def __init__(self, owner, graph: Graph, weights=None):
        self.owner, self.graph = owner, graph
        self.weights = (
            [_weight(owner, spec) for spec in graph.weights] if weights is None else weights
        )

    def __call__(self, *inputs, training=None, masks=None):
        """What the graph computes of `inputs`.

        Args:
            masks: (paths, batch, 1, 1, 1), what each path of each example is multiplied by; None
                drops nothing.
        """
        values = dict(zip(self.graph.inputs, inputs, strict=True))
        for node in self.graph.nodes:
            values[node.y] = self._computed(node, values, training, masks)
        return values[self.graph.output]

    def named(self, name: str) -> dict:
        """The weights of the operation of that name, by their names in it."""
        return {
            weight: self.weights[number]
            for weight, number in self.graph.sites[name].weights.items()
        }

    def _computed(self, node, values, training, masks):
        match node:
            case nodes.Relu():
                return ops.relu(values[node.x])
            case nodes.Convolution():
                return _convolved(values[node.x], self.weights[node.weight], node.window, ops.conv)
            case nodes.Depthwise():
                return _depthwise(values[node.x], self.weights[node.weight], node.window)
            case nodes.BatchNorm():
                return self._batch_norm(node, values[node.x], training)
            case nodes.ImageNorm():
                return self._image_norm(node, values[node.x])
            case nodes.Pool():
                return pooled(values[node.x], node.kind, node.window, node.zero_padding)
            case nodes.Add():
                return values[node.x] + values[node.other]
            case nodes.Concatenate():
                return ops.concatenate([values[value] for value in node.values], axis=-1)
            case nodes.Resize():
                return _resized(values[node.x], *node.y.size, node.y.channels)
            case nodes.Zero():
                return values[node.x] * 0
            case nodes.DropPath():
                return values[node.x] if masks is None else values[node.x] * masks[node.site]
        raise TypeError(f"{type(node).__name__} is no node that a layer computes")

    def _batch_norm(self, node, x, training):
        """Over all but the last axis, in float32 (or `wide`) whatever the layer computes in.

        It uses and moves the averages as `keras.layers.BatchNormalization` does: it moves them
        while the layer is trained and its batch norms are not frozen.
        """
        owner = self.owner
        gamma, beta, moving_mean, moving_variance = (
            self.weights[number]
            for number in (node.gamma, node.beta, node.moving_mean, node.moving_variance)
        )
        y = ops.cast(x, wide(x.dtype))
        if training and owner.trainable and not owner.freeze_batch_norms:
            y, mean, variance = _by_batch(y, gamma, beta, owner.batch_norm_epsilon)
            keep = owner.batch_norm_momentum
            owner.move(moving_mean, moving_mean * keep + mean * (1.0 - keep))
            owner.move(moving_variance, moving_variance * keep + variance * (1.0 - keep))
        else:
            y = ops.batch_normalization(
                y, moving_mean, moving_variance, -1, beta, gamma, owner.batch_norm_epsilon
            )
        return ops.cast(y, owner.compute_dtype)

    def _image_norm(self, node, x):
        """Of each image by itself, in float32 whatever the layer computes in.

        Source: Ba et al. 2016, arXiv 1607.06450, over pixels and channels as TensorFlow's
            layer_norm of 2017 does; Ulyanov et al. 2016, arXiv 1607.08022, over pixels.
        """
        y = ops.cast(x, wide(x.dtype))
        mean, variance = ops.moments(
            y, (1, 2, 3) if node.kind == "layer" else (1, 2), keepdims=True
        )
        y = (y - mean) * ops.rsqrt(variance + 1e-6) * self.weights[node.gamma] + self.weights[
            node.beta
        ]
        return ops.cast(y, self.owner.compute_dtype)


def graph_of(channels: int, part) -> Graph:
    """The graph of an operation by itself, on an image of any size. `part(graph)` makes the
    operation, for example by `Graph.operation`.
    """
    graph = Graph(Value(channels, (None, None)))
    graph.output = part(graph)(*graph.inputs)
    return graph


def kernel(owner, name, *shape):
    """A new kernel among the weights of the layer `owner`, a `CellLayer`, with the L2 loss of that
    layer.
    """
    return owner.add_weight(
        shape=shape, name=name, initializer=VarianceScaling(), regularizer=l2(owner.weight_decay)
    )


def _weight(owner, spec):
    if spec.initializer == "kernel":
        return kernel(owner, spec.name, *spec.shape)
    initial = INITIALIZERS[spec.initializer]()
    moving = {} if spec.trainable else dict(trainable=False, aggregation="mean")
    made = owner.add_weight(
        shape=spec.shape, name=spec.name, initializer=initial, autocast=False, **moving
    )
    # Frozen only after it was made trainable, which decides its place in files.
    if spec.trainable and owner.freeze_batch_norms:
        made.trainable = False
    return made


def _by_batch(x, gamma, beta, epsilon):
    """(normalized, mean, variance): batch norm of (batch, height, width, channels) by the
    statistics of the batch itself.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    if keras.backend.backend() == "tensorflow" and dtype == "float32":
        return _fused(x, gamma, beta, epsilon)
    mean, variance = ops.moments(x, (0, 1, 2))
    return ops.batch_normalization(x, mean, variance, -1, beta, gamma, epsilon), mean, variance


def _fused(x, gamma, beta, epsilon):
    """As `_by_batch`, by one operation of TensorFlow: several times as fast as a dozen operations
    and their gradients.
    """
    import tensorflow as tf

    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        x, gamma, beta, epsilon=epsilon, is_training=True
    )
    count = ops.cast(ops.prod(ops.shape(x)[:3]), x.dtype)
    biased = ops.maximum(count - 1.0, 1.0) / count  # TensorFlow gives the unbiased variance
    return y, mean, variance * biased


def _convolved(x, weight, window, convolve):
    """`convolve` is `ops.conv` or `ops.depthwise_conv`."""
    weight, padding, strides = ops.cast(weight, x.dtype), window.padding, window.strides
    if not isinstance(padding, str):
        x, padding, strides = _padded(x, window)
    every = (1, 1)
    if window.dilation > 1:  # no backend strides a dilated convolution: every second pixel is kept
        every, strides = strides, (1, 1)
    strides = strides[0] if strides[0] == strides[1] else strides
    y = convolve(
        x, weight, strides, padding, data_format="channels_last", dilation_rate=window.dilation
    )
    return y if every == (1, 1) else y[:, :: every[0], :: every[1], :]


def _depthwise(x, weight, window):
    if not _is_of_jax(x):
        return _convolved(x, weight, window, ops.depthwise_conv)
    kernel = ops.convert_to_tensor(weight)
    return _windowed().depthwise(x, kernel, windows_of(window, x.shape[1:3]))


def _is_of_jax(x):
    """Whether JAX computes, whose own way back from maxima takes many times as long as ours."""
    return keras.backend.backend() == "jax" and not isinstance(x, keras.KerasTensor)


def _windowed():
    from nasnet_tf.layers import windowed

    return windowed


def _padded(x, window):
    """(image, padding, strides) of a window whose padding is in pixels: as many below as above, or
    a 1x1 window that begins further in.
    """
    (above, left), (down, right) = window.padding, window.strides
    if window.kernel == (1, 1) and above <= 0 and left <= 0:
        if above or left:
            x = ops.pad(x, [[0, 0], [0, -above], [0, -left], [0, 0]])
        return x[:, -above::down, -left::right, :], "valid", (1, 1)
    if window.kernel != (2 * above + 1, 2 * left + 1):
        raise ValueError(
            f"no layer computes {window}; pad half of the kernel, rounded down, or none."
        )
    return ops.pad(x, [[0, 0], [above, above], [left, left], [0, 0]]), "valid", window.strides


def _resized(x, height, width, channels):
    """x (batch, any, any, any) as (batch, height, width, channels): zeroth-order interpolation;
    channels cut off, or zeros added.
    """
    for axis, size in ((1, height), (2, width)):
        old = x.shape[axis]
        if old != size:
            x = ops.take(x, [pixel * old // size for pixel in range(size)], axis=axis)
    missing = channels - x.shape[-1]
    return ops.pad(x, [[0, 0]] * 3 + [[0, missing]]) if missing > 0 else x[..., :channels]


def pooled(x, kind: str, window: Window, zero_padding: bool = False):
    """Maximum or average over a square; the border is padded and not counted, unless `zero_padding`
    counts it as zeros.
    """
    (size, _), (strides, _) = window.kernel, window.strides
    if kind == "max" and _is_of_jax(x):
        y = _windowed().maximum(x, windows_of(window, x.shape[1:3]))
    else:
        pool = ops.max_pool if kind == "max" else ops.average_pool
        y = pool(x, size, strides, padding=window.padding, data_format="channels_last")
    if not zero_padding:
        return y
    weights = ops.full((size, size, 1, 1), 1 / size**2, dtype=x.dtype)
    # The share of each window that lies within the image.
    inside = ops.conv(
        ops.ones_like(x[..., :1]), weights, strides, padding="same", data_format="channels_last"
    )
    if kind == "avg":
        return y * inside
    return ops.where(inside < 1 - 0.5 / size**2, ops.maximum(y, ops.zeros_like(y)), y)


def dense(classes, activation, weight_decay, name, dtype="float32"):
    """The classifier: a Dense layer with the paper's L2 loss, in float32, or in float64 after
    layers of that `dtype`.

    Raises: ValueError for one class with softmax, whose probability is 1 whatever the network
        computes.
    """
    if classes == 1 and keras.activations.get(activation) is keras.activations.softmax:
        raise ValueError(
            "classes is 1, whose softmax is always 1, so nothing would be learned; give classes=2,"
            ' or classifier_activation="sigmoid".'
        )
    return keras.layers.Dense(
        classes,
        activation,
        kernel_initializer=INITIALIZERS["classifier"](),
        kernel_regularizer=l2(weight_decay),
        dtype=wide(dtype),
        name=name,
    )
