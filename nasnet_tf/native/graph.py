"""A network as a list of nodes, each an operation on feature maps, in order of computation. No arithmetic here.

`graph_of` walks the same plan as `nasnet_tf.network.Network` and asks for weights in the same order under the same names, so the same
seed gives the same initial weights.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from nasnet_tf.genotype import Genotype
from nasnet_tf.initializers import VarianceScaling, ones, zeros
from nasnet_tf.native import windows
from nasnet_tf.plan import Convolution, Pooling, Reduction, plan, plan_cell, stem_convolution


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


def read_by(node) -> tuple[Value, ...]:
    """What a node reads."""
    match node:
        case Add():
            return node.x, node.other
        case Concatenate():
            return node.values
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

    Attributes: image, features (Values); nodes; trained, moving (lists of `Slot`); initial, initial_moving (vectors).
    """

    def __init__(self):
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

    def norm_weights(self, name, filters):
        return (
            self.weight(f"{name}.gamma", (filters,), ones),
            self.weight(f"{name}.beta", (filters,), zeros),
            self.weight(f"{name}.moving_mean", (filters,), zeros, False),
            self.weight(f"{name}.moving_variance", (filters,), ones, False),
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


def _cell(graph, step, cell, h, p, residual):
    """The output of one cell."""
    made = plan_cell(cell, step.filters, step.strides, step.adapt, h.channels, p.channels, residual)
    base = part_of(graph, f"{step.name}/base", made.base, h.channels)
    previous = part_of(graph, f"{step.name}/previous", made.previous, p.channels)
    channels = [step.filters, p.channels if made.previous is None else step.filters] + [step.filters] * len(cell.blocks)
    read = itertools.chain.from_iterable((block.input_1, block.input_2) for block in cell.blocks)
    edges = []
    for edge, (state, parts) in enumerate(zip(read, made.operations, strict=True)):
        site, width, row = f"{step.name}/{('left', 'right')[edge % 2]}_{edge // 2 + 2}", channels[state], []
        for number, part in enumerate(parts, start=1):
            row.append(part_of(graph, f"{site}.{number}", part, width))
            width = getattr(part, "filters", width)
        edges.append((state, row))
    combines = [part_of(graph, f"{step.name}/combine_{n}", part, 2 * step.filters) for n, part in enumerate(made.combines, start=2)]
    outputs = [
        (state, part_of(graph, f"{step.name}/output_{state}", part, channels[state]))
        for state, part in zip(cell.concat, made.outputs, strict=True)
    ]
    shortcut = part_of(graph, f"{step.name}/shortcut", made.residual, h.channels)

    def operate(edge):
        state, row = edges[edge]
        x = states[state]
        for part in row:
            x = part(x)
        return x

    states = [base(h), previous(p)]
    for number, block in enumerate(cell.blocks):
        one, two = operate(2 * number), operate(2 * number + 1)
        states.append(combines[number](graph.concatenate([one, two]) if block.combine == "concatenate" else graph.add(one, two)))
    out = graph.concatenate([part(states[state]) for state, part in outputs])
    return graph.add(out, shortcut(h)) if residual else out


def graph_of(
    genotype: Genotype, *, num_cells, filters, classes, stem, input_shape, skip_reduction, residual, stem_filters, stem_cell_filters
) -> Graph:
    """The graph of `Network(genotype, ...)`, up to the last ReLU; and its classifier's weights, the last two that are trained.

    Raises: NotImplementedError for a part that has no native operation.
    """
    graph, part = Graph(), stem_convolution(stem, filters, stem_filters)
    graph.image = Value(input_shape[-1], tuple(input_shape[:2]))
    outputs = [part_of(graph, "stem/convolution", part, input_shape[-1])(graph.image)]
    for step in plan(genotype, num_cells, filters, stem, skip_reduction, stem_cell_filters):
        outputs.append(_cell(graph, step, getattr(genotype, step.kind), outputs[step.h], outputs[step.p], residual))
    graph.features = graph.relu(outputs[-1])
    graph.weight("predictions/kernel", (outputs[-1].channels, classes), VarianceScaling(1.0, "fan_avg", "uniform"))
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
