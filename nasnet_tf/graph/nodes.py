"""Feature maps, weights, and the nodes of a graph, each an operation on feature maps. `x` is what a
node reads, `y` its result.
"""

from __future__ import annotations

from typing import NamedTuple

from nasnet_tf.graph.specs import ConvSpec, DepthwiseSpec, NormSpec, PoolSpec, ReductionSpec

__all__ = [
    "ALONE",
    "Add",
    "BatchNorm",
    "Concatenate",
    "Convolution",
    "Dense",
    "Depthwise",
    "DropPath",
    "GlobalMean",
    "ImageNorm",
    "Pool",
    "Relu",
    "Resize",
    "Site",
    "Value",
    "WeightSpec",
    "Window",
    "Zero",
    "ZeroPad",
]


class Value:
    """A feature map; its height and width may be None. Equal only to itself."""

    def __init__(self, channels: int, size: tuple[int | None, int | None]):
        self.channels, self.size = channels, tuple(size)


class Window(NamedTuple):
    """How a convolution or a pooling moves over an image.

    Args:
        padding: "same" or "valid" as TensorFlow means them; or how many pixels of padding there are
            above and to the left, below 0 where the first window begins within the image: then
            there are as many windows as with "same".
        dilation: a dilated convolution is strided after "same" padding at stride 1.
    """

    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    padding: str | tuple[int, int] = "same"
    dilation: int = 1

    def out(self, size):
        """Height and width of the result on an image of `size`; None stays None."""
        return tuple(map(self._out, size, self.kernel, self.strides))

    def _out(self, pixels, kernel, stride):
        if pixels is None:
            return None
        if self.padding == "valid":
            return (pixels - (kernel - 1) * self.dilation - 1) // stride + 1
        return -(-pixels // stride)


ALONE = Window()  # every pixel by itself


class WeightSpec(NamedTuple):
    """A weight. `initializer` is "kernel", "classifier", "zeros" or "ones"."""

    name: str
    shape: tuple[int, ...]
    initializer: str
    trainable: bool


class Site(NamedTuple):
    """Where a spec stands in a graph: the numbers of its weights, by their names within it."""

    spec: ConvSpec | DepthwiseSpec | NormSpec | PoolSpec | ReductionSpec
    weights: dict[str, int]


class Relu(NamedTuple):
    x: Value
    y: Value


class Depthwise(NamedTuple):
    """A depthwise convolution; `weight` is the number of a kernel (height, width, channels, 1)."""

    x: Value
    y: Value
    weight: int
    window: Window


class Convolution(NamedTuple):
    """A convolution without bias; `weight` is the number of a kernel (height, width, in, out)."""

    x: Value
    y: Value
    weight: int
    window: Window


class BatchNorm(NamedTuple):
    """Batch norm by the numbers of its four weights."""

    x: Value
    y: Value
    gamma: int
    beta: int
    moving_mean: int
    moving_variance: int


class ImageNorm(NamedTuple):
    """Norm of each image by itself; `kind` as in `NormSpec`."""

    x: Value
    y: Value
    gamma: int
    beta: int
    kind: str


class Pool(NamedTuple):
    """`zero_padding`: the border counts as zeros, as in the reduction cells of
    `keras.applications`.
    """

    x: Value
    y: Value
    kind: str
    window: Window
    zero_padding: bool


class Add(NamedTuple):
    x: Value
    other: Value
    y: Value


class Concatenate(NamedTuple):
    values: tuple[Value, ...]
    y: Value


class Zero(NamedTuple):
    """`x` times zero."""

    x: Value
    y: Value


class ZeroPad(NamedTuple):
    """Zeros around: `padding` is (above, below), (left, right)."""

    x: Value
    y: Value
    padding: tuple[tuple[int, int], tuple[int, int]]


class Resize(NamedTuple):
    """Zeroth-order interpolation to the size of `y`; channels cut off, or zeros added."""

    x: Value
    y: Value


class DropPath(NamedTuple):
    """Where a path may be dropped in training; `site` counts these places from 0."""

    x: Value
    y: Value
    site: int


class GlobalMean(NamedTuple):
    """The mean over the pixels."""

    x: Value
    y: Value


class Dense(NamedTuple):
    """A linear function of a feature map of one pixel."""

    x: Value
    y: Value
    kernel: int
    bias: int
