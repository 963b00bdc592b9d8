"""A graph as the compiled kernels compute it: windows with their borders, weights as slices of flat
vectors, batch norms fused with the ReLU that follows them.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from nasnet_tf import graph as graphs
from nasnet_tf.graph import Value, nodes
from nasnet_tf.graph.nodes import Add, Concatenate, Relu  # the same in both graphs
from nasnet_tf.graph.windows import Windows, windows_of
from nasnet_tf.layers.initializers import INITIALIZERS


class Depthwise(NamedTuple):
    x: Value
    y: Value
    weight: int
    windows: Windows


class Convolve(NamedTuple):
    """A convolution without bias."""

    x: Value
    y: Value
    weight: int
    windows: Windows


class Norm(NamedTuple):
    """Batch norm, and ReLU after it if `rectify`. `mean` and `variance` number the weights that are
    not trained.
    """

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
    windows: Windows


class Zero(NamedTuple):
    """A feature map of zeros."""

    y: Value


def inputs_of(node) -> tuple[Value, ...]:
    """The values that a node reads."""
    match node:
        case Add():
            return node.x, node.other
        case Concatenate():
            return node.values
        case Zero():
            return ()
    return (node.x,)


def readers_of(graph_nodes) -> Counter:
    """{value: how many times it is read}."""
    return Counter(value for node in graph_nodes for value in inputs_of(node))


class WeightSlice(NamedTuple):
    """A weight: its path in a `Network`, and where it begins in the vector of all trained weights,
    or of all others.
    """

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def end(self):
        return self.start + math.prod(self.shape)

    def of(self, vector):
        """The weight as a view of the vector."""
        return vector[self.start : self.end].reshape(self.shape)


class LoweredGraph:
    """The nodes of a network's graph up to its global mean; the classifier's kernel and bias are
    the last two trained weights.

    Args:
        graph: a `nasnet_tf.graph.Graph` with a classifier.
    Attributes: image, features (Values); nodes; trained, moving (lists of `WeightSlice`); momentum,
        epsilon of the batch norms.
    Raises: NotImplementedError for a node that has no native operation.
    """

    def __init__(self, graph: graphs.Graph):
        *inside, mean, classifier = graph.nodes
        if graph.auxiliary or not (
            isinstance(mean, nodes.GlobalMean) and isinstance(classifier, nodes.Dense)
        ):
            raise NotImplementedError("a native network has one classifier, at its end.")
        (self.image,) = graph.inputs
        self.momentum, self.epsilon = graph.momentum, graph.epsilon
        self.trained, self.moving, self._numbers = [], [], []
        for weight in graph.weights:
            slices = self.trained if weight.trainable else self.moving
            self._numbers.append(len(slices))
            start = slices[-1].end if slices else 0
            slices.append(WeightSlice(weight.name, weight.shape, start))
        self._aliases, self._zeros = {}, set()
        lowered = [made for node in inside for made in self._lower(node)]
        self.features = self._resolved(mean.x)
        self.nodes = _fused_norms(_without_unread_zeros(lowered, self.features))
        self._weights = graph.weights

    def initial(self) -> tuple[np.ndarray, np.ndarray]:
        """Initial values of the trained weights and of the others, each as a flat vector. Drawn
        anew with every call.
        """
        drawn = {True: [], False: []}
        for weight in self._weights:
            values = INITIALIZERS[weight.initializer]()(weight.shape)
            drawn[weight.trainable].append(np.ravel(values))
        return tuple(np.concatenate(drawn[trained]).astype("float32") for trained in (True, False))

    def filled(self, values) -> tuple[np.ndarray, np.ndarray]:
        """`initial` with given values, {name: array}. Raises NotImplementedError unless they are
        those of all weights.
        """
        if values.keys() != {weight.name for weight in self._weights}:
            raise NotImplementedError("a native network has all weights of its genotype's network.")
        given = {True: [], False: []}
        for weight in self._weights:
            given[weight.trainable].append(np.ravel(values[weight.name]))
        return tuple(np.concatenate(given[trained]).astype("float32") for trained in (True, False))

    def _resolved(self, value):
        """The value itself, or the one that it is a copy of."""
        return self._aliases.get(value, value)

    def _lower(self, node):
        x, y, n = self._resolved(getattr(node, "x", None)), node.y, self._numbers
        match node:
            case nodes.Relu():
                return [Relu(x, y)]
            case nodes.Convolution():
                return [Convolve(x, y, n[node.weight], windows_of(node.window, x.size))]
            case nodes.Depthwise():
                return [Depthwise(x, y, n[node.weight], windows_of(node.window, x.size))]
            case nodes.BatchNorm(_, _, gamma, beta, mean, variance):
                return [Norm(x, y, n[gamma], n[beta], n[mean], n[variance])]
            case nodes.Pool(zero_padding=False):
                return [Pool(x, y, node.kind, windows_of(node.window, x.size))]
            case nodes.Concatenate():
                return [Concatenate(tuple(map(self._resolved, node.values)), y)]
            case nodes.DropPath():
                self._aliases[y] = x
                return []
            case nodes.Zero():
                self._zeros.add(y)
                return [Zero(y)]
            case nodes.Add():
                other = self._resolved(node.other)
                if other in self._zeros or x in self._zeros:
                    self._aliases[y] = x if other in self._zeros else other
                    return []
                return [Add(x, other, y)]
        raise NotImplementedError(f"a {type(node).__name__} has no native operation")


def _without_unread_zeros(lowered, features):
    readers = {*readers_of(lowered), features}
    return [node for node in lowered if not isinstance(node, Zero) or node.y in readers]


def _fused_norms(lowered):
    """The nodes; a norm that only a ReLU reads, fused with it."""
    readers = readers_of(lowered)
    norms = {node.y for node in lowered if isinstance(node, Norm) and readers[node.y] == 1}
    relus = {node.x: node.y for node in lowered if isinstance(node, Relu) and node.x in norms}
    fused = []
    for node in lowered:
        if isinstance(node, Norm) and node.y in relus:
            fused.append(node._replace(y=relus[node.y], rectify=True))
        elif not (isinstance(node, Relu) and node.x in relus):
            fused.append(node)
    return fused


def read_backward(graph_nodes):
    """Feature maps that the backward pass reads."""
    found = set()
    for node in graph_nodes:
        if isinstance(node, Depthwise | Convolve | Norm):
            found.add(node.x)
        if isinstance(node, Relu | Concatenate) or getattr(node, "rectify", False):
            found.add(node.y)
    return found


def parents(graph_nodes):
    """{value: the `Concatenate` that it is computed within}, of computed values that are
    concatenated once.
    """
    concatenations = [node for node in graph_nodes if isinstance(node, Concatenate)]
    times = Counter(value for node in concatenations for value in node.values)
    computed = {node.y for node in graph_nodes}
    return {
        value: node
        for node in concatenations
        for value in node.values
        if times[value] == 1 and value in computed
    }
