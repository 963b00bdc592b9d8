"""A network as a list of nodes, each an operation on feature maps, in order of computation. No arithmetic here.

Whoever makes a graph asks for weights in the order in which the Keras network of the same genotype makes them, under the same names: so the
same seed gives the same initial weights.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from nasnet_tf.initializers import VarianceScaling, ones, zeros
from nasnet_tf.native import windows
from nasnet_tf.plan import Convolution, Pooling, Reduction


class Value:
    """A feature map. Equal only to itself."""

    def __init__(self, channels: int, size: tuple[int, int]):
        self.channels, self.size = channels, size


class Relu(NamedTuple):
    x: Value
    y: Value


class Depthwise(NamedTuple):
    x: Value
    y: Value
    weight: int
    windows: windows.Windows


class Convolve(NamedTuple):
    """A convolution without bias."""

    x: Value
    y: Value
    weight: int
    windows: windows.Windows

    @property
    def matrices(self):
        return self.x.channels, self.y.channels


class Norm(NamedTuple):
    """Batch norm, and ReLU after it if `rectify`. mean and variance are numbers of weights that are not trained."""

    x: Value
    y: Value
    gamma: int
    beta: int
    mean: int
    variance: int
    rectify: bool = False


class Pool(NamedTuple):
    x: Value
    y: Value
    kind: str
    windows: windows.Windows


class Add(NamedTuple):
    x: Value
    other: Value
    y: Value


class Concatenate(NamedTuple):
    values: tuple[Value, ...]
    y: Value


class Zero(NamedTuple):
    """A feature map of zeros."""

    y: Value


def read_by(node) -> tuple[Value, ...]:
    """What a node reads."""
    match node:
        case Add():
            return node.x, node.other
        case Concatenate():
            return node.values
        case Zero():
            return ()
    return (node.x,)


class Slot(NamedTuple):
    """A weight: its path in a `Network`, and its place in the vector of all weights that are trained, or of those that are not."""

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def end(self):
        return self.start + math.prod(self.shape)


class Graph:
    """Nodes, weights and their initial values.

    Args:
        input_shape: (height, width, channels).
        momentum, epsilon: of the batch norms.
    Attributes: image, features (Values); nodes; trained, moving (lists of `Slot`).
    """

    def __init__(self, input_shape, momentum: float, epsilon: float):
        self.image, self.momentum, self.epsilon = Value(input_shape[-1], tuple(input_shape[:2])), momentum, epsilon
        self.nodes, self.trained, self.moving, self._drawn = [], [], [], {True: [], False: []}
        self._rectified = {}  # Value -> its ReLU, computed once however many operations want it

    def weight(self, name, shape, initializer, trained=True) -> int:
        slots = self.trained if trained else self.moving
        slots.append(Slot(name, tuple(shape), slots[-1].end if slots else 0))
        self._drawn[trained].append(np.ravel(initializer(shape)))
        return len(slots) - 1

    def kernel(self, name, *shape) -> int:
        return self.weight(name, shape, VarianceScaling())

    def initial(self, trained) -> np.ndarray:
        """The vector of initial weights."""
        return np.concatenate(self._drawn[trained]).astype("float32")

    def relu(self, x):
        if x not in self._rectified:
            self._rectified[x] = self._node(Relu, x, x.channels, x.size)
        return self._rectified[x]

    def _node(self, kind, x, channels, size, *rest):
        y = Value(channels, size)
        self.nodes.append(kind(x, y, *rest))
        return y

    def add(self, x, other):
        y = Value(x.channels, x.size)
        self.nodes.append(Add(x, other, y))
        return y

    def zero(self, channels, size):
        self.nodes.append(Zero(Value(channels, size)))
        return self.nodes[-1].y

    def concatenate(self, values):
        if len(values) == 1:
            return values[0]
        y = Value(sum(value.channels for value in values), values[0].size)
        self.nodes.append(Concatenate(tuple(values), y))
        return y

    def convolve(self, x, number, seen):
        shape = self.trained[number].shape
        return self._node(Convolve, x, shape[-1], seen.out, number, seen)

    def depthwise(self, x, number, seen):
        return self._node(Depthwise, x, x.channels, seen.out, number, seen)

    def norm(self, x, numbers):
        return self._node(Norm, x, x.channels, x.size, *numbers)

    def pool(self, x, part):
        seen = windows.convolution(x.size, (part.size, part.size), (part.strides, part.strides))
        return self._node(Pool, x, x.channels, seen.out, part.kind, seen)

    def norm_weights(self, name, filters, between="."):
        """(gamma, beta, mean, variance)."""
        return (
            self.weight(f"{name}{between}gamma", (filters,), ones),
            self.weight(f"{name}{between}beta", (filters,), zeros),
            self.weight(f"{name}{between}moving_mean", (filters,), zeros, False),
            self.weight(f"{name}{between}moving_variance", (filters,), ones, False),
        )


def part_of(graph: Graph, name: str, part, channels: int):
    """A function of a Value that adds the nodes of `part`; its weights are asked for at once. Raises NotImplementedError."""
    if part is None:
        return lambda x: x
    if isinstance(part, Pooling):
        return lambda x: graph.pool(x, part)
    if isinstance(part, Convolution):
        return _conv_norm(graph, name, part, channels)
    if isinstance(part, Reduction):
        return _factorized_reduction(graph, name, part, channels)
    raise NotImplementedError(f"{name} is a {type(part).__name__}, which has no native operation")


def _conv_norm(graph, name, part, channels):
    if part.separable:
        depthwise = graph.kernel(f"{name}.depthwise_kernel", *part.kernel_size, channels, 1)
        kernel = graph.kernel(f"{name}.pointwise_kernel", 1, 1, channels, part.filters)
    else:
        kernel = graph.kernel(f"{name}.kernel", *part.kernel_size, channels, part.filters)
    norm = graph.norm_weights(name, part.filters)

    def apply(x):
        x = graph.relu(x) if part.relu else x
        seen = windows.convolution(x.size, part.kernel_size, part.strides, part.padding, part.dilation)
        if part.separable:
            x = graph.depthwise(x, depthwise, seen)
            seen = windows.Windows(x.size, x.size)
        return graph.norm(graph.convolve(x, kernel, seen), norm)

    return apply


def _factorized_reduction(graph, name, part, channels):
    half = part.filters // 2
    even = graph.kernel(f"{name}.even_kernel", 1, 1, channels, half) if half else None
    odd = graph.kernel(f"{name}.odd_kernel", 1, 1, channels, part.filters - half)
    norm = graph.norm_weights(name, part.filters)

    def apply(x):
        x = graph.relu(x) if part.relu else x
        kernels = [(first, kernel) for first, kernel in enumerate((even, odd)) if kernel is not None]
        halves = [graph.convolve(x, kernel, windows.every_second(x.size, first)) for first, kernel in kernels]
        return graph.norm(graph.concatenate(halves), norm)

    return apply


def classified(graph: Graph, x: Value, classes: int) -> Graph:
    """The graph, whole: ReLU of `x` and the weights of a classifier of its means, the last two that are trained."""
    graph.features = graph.relu(x)
    graph.weight("predictions/kernel", (x.channels, classes), VarianceScaling(1.0, "fan_avg", "uniform"))
    graph.weight("predictions/bias", (classes,), zeros)
    graph.nodes = _rectified_norms(graph.nodes)
    return graph


def _rectified_norms(nodes):
    """The nodes, those norms that only a ReLU reads together with it."""
    readers = Counter(value for node in nodes for value in read_by(node))
    relus = {node.x: node for node in nodes if isinstance(node, Relu) and readers[node.x] == 1}
    together = {node.y: relus[node.y] for node in nodes if isinstance(node, Norm) and node.y in relus}
    left = [node for node in nodes if not (isinstance(node, Relu) and node.x in together)]
    return [node._replace(y=together[node.y].y, rectify=True) if node.y in together else node for node in left]
