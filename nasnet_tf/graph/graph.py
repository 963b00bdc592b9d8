"""A network, or a part of one, as a list of nodes in order of computation, and the weights they
use.

A function that makes a graph asks for weights first, in the order and by the names that files have,
and then applies them: `graph.part(name, spec, channels)` makes the weights of an operation and
returns a function that adds its nodes. So seeds and files do not depend on the order of
computation.
"""

from __future__ import annotations

import contextlib
import functools

from nasnet_tf.graph.nodes import (
    ALONE,
    Add,
    BatchNorm,
    Concatenate,
    Convolution,
    Dense,
    Depthwise,
    DropPath,
    GlobalMean,
    ImageNorm,
    Pool,
    Relu,
    Resize,
    Site,
    Value,
    WeightSpec,
    Window,
    Zero,
    ZeroPad,
)
from nasnet_tf.graph.operations import OPERATION_SPECS
from nasnet_tf.graph.specs import (
    ConvSpec,
    DepthwiseSpec,
    NormSpec,
    PoolSpec,
    ReductionSpec,
    channels_after,
)

__all__ = ["Graph"]


class Graph:
    """Nodes and weights.

    Args:
        inputs: what the first nodes read.
        momentum, epsilon: of the batch norms; None is 0.9 and 1e-5.

    Attributes:
        nodes, weights: in order, the latter `WeightSpec`s.
        sites: {name: `Site`} of every spec that was given a name.
        output: the value that comes of it, once that is known.
        auxiliary: a `Graph` of the second classifier, which is there in training only; or None.
        paths: how many places there are where a path may be dropped.
    """

    def __init__(self, *inputs: Value, momentum: float | None = None, epsilon: float | None = None):
        self.inputs = inputs
        self.momentum = 0.9 if momentum is None else momentum
        self.epsilon = 1e-5 if epsilon is None else epsilon
        self.nodes, self.weights, self.sites = [], [], {}
        self.output: Value | None = None
        self.auxiliary: Graph | None = None
        self.paths = 0
        self._prefix, self._rectified = "", {}

    @classmethod
    def of_images(cls, input_shape, momentum=None, epsilon=None) -> Graph:
        """A graph that reads images of (height, width, channels)."""
        return cls(Value(input_shape[2], input_shape[:2]), momentum=momentum, epsilon=epsilon)

    def classified(self, x: Value, classes: int) -> Graph:
        """The graph itself, its output the classes of the mean of `x` over the pixels."""
        self.output = self.dense("predictions", x.channels, classes)(self.global_mean(x))
        return self

    @contextlib.contextmanager
    def layer(self, name: str):
        """In this context names begin with that of the layer: "name/"."""
        before, self._prefix = self._prefix, f"{name}/"
        try:
            yield
        finally:
            self._prefix = before

    def weight(self, name, shape, initializer="kernel", trainable=True) -> int:
        """The number of a new weight."""
        self.weights.append(WeightSpec(self._prefix + name, tuple(shape), initializer, trainable))
        return len(self.weights) - 1

    # Nodes

    def _add(self, kind, x, channels, size, *rest):
        y = Value(channels, size)
        self.nodes.append(kind(x, y, *rest))
        return y

    def relu(self, x):
        """Computed once, however many operations want it."""
        if x not in self._rectified:
            self._rectified[x] = self._add(Relu, x, x.channels, x.size)
        return self._rectified[x]

    def convolution(self, x, weight, window=ALONE):
        channels = self.weights[weight].shape[-1]
        return self._add(Convolution, x, channels, window.out(x.size), weight, window)

    def depthwise(self, x, weight, window):
        return self._add(Depthwise, x, x.channels, window.out(x.size), weight, window)

    def pool(self, x, kind, window, zero_padding=False):
        return self._add(Pool, x, x.channels, window.out(x.size), kind, window, zero_padding)

    def add(self, x, other):
        y = Value(x.channels, x.size)
        self.nodes.append(Add(x, other, y))
        return y

    def concatenate(self, values):
        if len(values) == 1:
            return values[0]
        y = Value(sum(value.channels for value in values), values[0].size)
        self.nodes.append(Concatenate(tuple(values), y))
        return y

    def zero_pad(self, x, padding):
        if padding == ((0, 0), (0, 0)):
            return x
        size = [pixels + sum(around) for pixels, around in zip(x.size, padding, strict=True)]
        return self._add(ZeroPad, x, x.channels, size, padding)

    def resize(self, x, channels, size):
        if (x.channels, x.size) == (channels, tuple(size)):
            return x
        return self._add(Resize, x, channels, size)

    def zero(self, x):
        return self._add(Zero, x, x.channels, x.size)

    def drop_path(self, x):
        self.paths += 1
        return self._add(DropPath, x, x.channels, x.size, self.paths - 1)

    def global_mean(self, x):
        return self._add(GlobalMean, x, x.channels, (1, 1))

    # Operations with weights, as functions of a value

    def part(self, name: str, spec, channels: int, zero_padding: bool = False):
        """A function that adds the nodes of `spec` on a value of so many channels; its weights are
        made at once.

        Args:
            spec: None changes nothing.
            zero_padding: of a pool, see `Pool`.
        """
        if spec is None:
            return lambda x: x
        if isinstance(spec, PoolSpec):
            window = Window((spec.size,) * 2, (spec.strides,) * 2)
            return lambda x: self.pool(x, spec.kind, window, zero_padding and spec.strides > 1)
        first = len(self.weights)
        made = _PARTS[type(spec)](self, name, spec, channels)
        weights = {
            self.weights[n].name.rpartition(f"{name}.")[2]: n
            for n in range(first, len(self.weights))
        }
        self.sites[self._prefix + name] = Site(spec, weights)
        return made

    def operation(self, name, operation, channels, filters, strides=1, zero_padding=False):
        """As `part`, for an operation by name: its specs one after the other."""
        parts = []
        specs = OPERATION_SPECS[operation](channels, filters, strides)
        for number, spec in enumerate(specs, start=1):
            parts.append(self.part(f"{name}.{number}", spec, channels, zero_padding))
            channels = channels_after(spec, channels)
        return lambda x: functools.reduce(lambda value, part: part(value), parts, x)

    def norm(self, name: str, channels: int, between: str = "."):
        """As `part`, for a batch norm alone; `between` its name and those of its weights."""
        gamma = self.weight(f"{name}{between}gamma", (channels,), "ones")
        beta = self.weight(f"{name}{between}beta", (channels,), "zeros")
        mean = self.weight(f"{name}{between}moving_mean", (channels,), "zeros", False)
        variance = self.weight(f"{name}{between}moving_variance", (channels,), "ones", False)
        return lambda x: self._add(BatchNorm, x, x.channels, x.size, gamma, beta, mean, variance)

    def dense(self, name: str, channels: int, classes: int):
        """As `part`, for a classifier."""
        kernel = self.weight(f"{name}/kernel", (channels, classes), "classifier")
        bias = self.weight(f"{name}/bias", (classes,), "zeros")
        return lambda x: self._add(Dense, x, classes, (1, 1), kernel, bias)

    def _conv_norm(self, name, spec, channels):
        if spec.separable:
            depthwise = self.weight(f"{name}.depthwise_kernel", (*spec.kernel_size, channels, 1))
            kernel = self.weight(f"{name}.pointwise_kernel", (1, 1, channels, spec.filters))
        else:
            kernel = self.weight(f"{name}.kernel", (*spec.kernel_size, channels, spec.filters))
        norm = self.norm(name, spec.filters)
        window = Window(spec.kernel_size, spec.strides, spec.padding, spec.dilation)

        def apply(x):
            x = self.relu(x) if spec.relu else x
            if spec.separable:
                return norm(self.convolution(self.depthwise(x, depthwise, window), kernel))
            return norm(self.convolution(x, kernel, window))

        return apply

    def _depthwise_norm(self, name, spec, channels):
        kernel = self.weight(f"{name}.depthwise_kernel", (*spec.kernel_size, channels, 1))
        norm = self.norm(name, channels)
        return lambda x: norm(self.depthwise(x, kernel, Window(spec.kernel_size)))

    def _reduction(self, name, spec, channels):
        half = spec.filters // 2  # an odd filter falls to the odd pixels
        even = self.weight(f"{name}.even_kernel", (1, 1, channels, half)) if half else None
        odd = self.weight(f"{name}.odd_kernel", (1, 1, channels, spec.filters - half))
        norm = self.norm(name, spec.filters)

        def apply(x):
            x = self.relu(x) if spec.relu else x
            halves = []
            for kernel, first in ((even, 0), (odd, 1)):
                if kernel is not None:
                    window = Window(strides=(2, 2), padding=(-first, -first))
                    halves.append(self.convolution(x, kernel, window))
            return norm(self.concatenate(halves))

        return apply

    def _image_norm(self, name, spec, channels):
        gamma = self.weight(f"{name}.gamma", (spec.filters,), "ones")
        beta = self.weight(f"{name}.beta", (spec.filters,), "zeros")
        return lambda x: self._add(ImageNorm, x, x.channels, x.size, gamma, beta, spec.kind)


_PARTS = {
    ConvSpec: Graph._conv_norm,
    DepthwiseSpec: Graph._depthwise_norm,
    ReductionSpec: Graph._reduction,
    NormSpec: Graph._image_norm,
}
