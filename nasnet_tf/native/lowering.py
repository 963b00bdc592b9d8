"""A graph as what the compiled kernels run: windows with their borders, weights as places in flat
vectors, norms together with the ReLU that follows them.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from nasnet_tf import graph as graphs
from nasnet_tf.graph import Value, nodes
from nasnet_tf.graph.nodes import Add, Concatenate, Relu  # run as they stand
from nasnet_tf.layers.initializers import INITIALIZERS
from nasnet_tf.native import windows


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
    """Batch norm, and ReLU after it if `rectify`. mean and variance are numbers of weights that are
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
    windows: windows.Windows


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
    """A weight: its path in a `Network`, and its place in the vector of all weights that are
    trained, or of those that are not.
    """

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def end(self):
        return self.start + math.prod(self.shape)


class Lowered:
    """The nodes of a network's graph up to its global mean; the classifier's kernel and bias are
    the last two weights that are trained.

    Args:
        graph: a `nasnet_tf.graph.Graph` with a classifier.
    Attributes: image, features (Values); nodes; trained, moving (lists of `Slot`); momentum,
        epsilon of the batch norms.
    Raises: NotImplementedError for what has no native operation.
    """

    def __init__(self, graph: graphs.Graph):
        *inside, mean, classifier = graph.nodes
        if graph.auxiliary or not (
            isinstance(mean, nodes.GlobalMean) and isinstance(classifier, nodes.Dense)
        ):
            raise NotImplementedError("a native network has one classifier, at its end.")
        (self.image,), self.features = graph.inputs, mean.x
        self.momentum, self.epsilon = graph.momentum, graph.epsilon
        self.trained, self.moving, self._numbers = [], [], []
        for weight in graph.weights:
            slots = self.trained if weight.trainable else self.moving
            self._numbers.append(len(slots))
            slots.append(Slot(weight.name, weight.shape, slots[-1].end if slots else 0))
        self._same, self._zeros = {}, {}  # values that are others, or that are nothing but zero
        lowered = [made for node in inside for made in self._lower(node)]
        self.features = self._of(self.features)
        self.nodes = _rectified_norms(_read(lowered, self.features))
        self._weights = graph.weights

    def initial(self) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of initial values, of weights that are trained and of those that are not. Drawn
        anew with every call.
        """
        drawn = {True: [], False: []}
        for weight in self._weights:
            drawn[weight.trainable].append(
                np.ravel(INITIALIZERS[weight.initializer]()(weight.shape))
            )
        return tuple(np.concatenate(drawn[trained]).astype("float32") for trained in (True, False))

    def _of(self, value):
        return self._same.get(value, value)

    def _lower(self, node):
        x, y, n = self._of(getattr(node, "x", None)), node.y, self._numbers
        match node:
            case nodes.Relu():
                return [Relu(x, y)]
            case nodes.Convolution() | nodes.Depthwise():
                kind = Convolve if isinstance(node, nodes.Convolution) else Depthwise
                return [kind(x, y, n[node.weight], windows.of(node.window, x.size))]
            case nodes.BatchNorm():
                return [
                    Norm(
                        x,
                        y,
                        n[node.gamma],
                        n[node.beta],
                        n[node.moving_mean],
                        n[node.moving_variance],
                    )
                ]
            case nodes.Pool(zero_padding=False):
                return [Pool(x, y, node.kind, windows.of(node.window, x.size))]
            case nodes.Concatenate():
                return [Concatenate(tuple(map(self._of, node.values)), y)]
            case nodes.DropPath():
                self._same[y] = x
                return []
            case nodes.Zero():
                self._zeros[y] = True
                return [Zero(y)]
            case nodes.Add():
                other = self._of(node.other)
                if other in self._zeros or x in self._zeros:  # an addition of nothing
                    self._same[y] = x if other in self._zeros else other
                    return []
                return [Add(x, other, y)]
        raise NotImplementedError(f"a {type(node).__name__} has no native operation")


def _read(lowered, features):
    """The nodes, those zeros that something reads."""
    readers = {value for node in lowered for value in read_by(node)} | {features}
    return [node for node in lowered if not isinstance(node, Zero) or node.y in readers]


def _rectified_norms(lowered):
    """The nodes, those norms that only a ReLU reads together with it."""
    readers = Counter(value for node in lowered for value in read_by(node))
    relus = {node.x: node for node in lowered if isinstance(node, Relu) and readers[node.x] == 1}
    together = {
        node.y: relus[node.y] for node in lowered if isinstance(node, Norm) and node.y in relus
    }
    left = [node for node in lowered if not (isinstance(node, Relu) and node.x in together)]
    return [
        node._replace(y=together[node.y].y, rectify=True) if node.y in together else node
        for node in left
    ]
