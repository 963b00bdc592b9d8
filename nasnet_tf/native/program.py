"""A graph written out for so many images at a time: a list of calls of kernels, on memory that is
laid out beforehand.

Running it is calling one kernel after the other. Where the calls read and write is decided once,
from when each feature map is wanted for the last time, so that a step asks the system for no
memory.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from nasnet_tf.native import kernels
from nasnet_tf.native import lowering as nodes
from nasnet_tf.native.windows import shares, spans, threes


class Place(NamedTuple):
    """A stretch of the memory, in numbers of four bytes."""

    start: int
    end: int  # rounded up, so that the next one begins with a line of the cache
    shape: tuple[int, ...]
    kind: str

    def rows(self, first, count):
        start, width = self.start + first * self.shape[1], self.shape[1]
        return Place(start, start + count * width, (count, width), self.kind)

    def of(self, memory):
        return (
            memory[self.start : self.end]
            .view(self.kind)[: math.prod(self.shape)]
            .reshape(self.shape)
        )


class _Layout:
    """Hands out places, each where there is room first."""

    def __init__(self):
        self.gaps, self.size = [(0, math.inf)], 0

    def take(self, *shape, kind="float32"):
        lines = -(-math.prod(shape) * np.dtype(kind).itemsize // 64)
        position, start, end = next(
            (n, a, b) for n, (a, b) in enumerate(self.gaps) if b - a >= 16 * lines
        )
        made = Place(start, start + 16 * lines, shape, kind)
        self.gaps[position : position + 1] = [(made.end, end)] if made.end < end else []
        self.size = max(self.size, made.end)
        return made

    def give(self, place):
        position = bisect.bisect(self.gaps, (place.start, place.end))
        around = [(place.start, place.end)]
        if position < len(self.gaps) and self.gaps[position][0] == place.end:
            around.append(self.gaps.pop(position))
        if position > 0 and self.gaps[position - 1][1] == place.start:
            position -= 1
            around.append(self.gaps.pop(position))
        self.gaps.insert(
            position, (min(start for start, _ in around), max(end for _, end in around))
        )


class Vectors(NamedTuple):
    """All numbers of a network, each a vector in the order of the graph's slots."""

    weights: np.ndarray
    slopes: np.ndarray
    moving: np.ndarray
    seen: np.ndarray  # of the last batch: what `moving` are the averages of


class Program:
    """The calls for `images` images at a time, forward and, if `training`, back.

    Args:
        memory: a function from a size to a vector of at least that size, to work in.
    Attributes:
        image, features, slope: what to fill before running it, what comes of it, what to fill
            before running it back; (channels, height, width, images), `slope` only in training.
    """

    def __init__(self, graph: nodes.Lowered, images: int, vectors: Vectors, training: bool, memory):
        self._graph, self._images, self._vectors, self._epsilon = (
            graph,
            images,
            vectors,
            np.float32(graph.epsilon),
        )
        self._layout, self._data, self._slopes, self._taken = _Layout(), {}, {}, {}
        self._data[graph.image] = self._place(graph.image)
        forward, back = self._training() if training else (self._evaluation(), [])
        space = memory(self._layout.size)
        self.image, self.features = (
            self._data[v].of(space).reshape(v.channels, *v.size, images)
            for v in (graph.image, graph.features)
        )
        if training:
            self.slope = self._first_slope.of(space).reshape(self.features.shape)
        self._forward, self._back = (
            [
                (kernel, [a.of(space) if isinstance(a, Place) else a for a in given])
                for kernel, *given in calls
            ]
            for calls in (forward, back)
        )

    def forward(self):
        for kernel, given in self._forward:
            kernel(*given)

    def back(self):
        for kernel, given in self._back:
            kernel(*given)

    def _training(self):
        """Those feature maps are kept that the way back reads. Those that will stand in a row are
        made there.
        """
        forward, back = [], []
        whole, kept = (
            _whole(self._graph.nodes),
            {self._graph.image, self._graph.features} | _read_back(self._graph.nodes),
        )
        left, gone = (
            Counter(value for node in self._graph.nodes for value in nodes.read_by(node)),
            set(),
        )
        for node in self._graph.nodes:
            if node.y in whole and node.y not in self._data:
                stack = whole[node.y]
                self._data[stack.y] = self._data.get(stack.y) or self._place(stack.y)
                self._data |= {
                    value: rows
                    for value, rows in _stacked(stack.values, self._data[stack.y])
                    if value in whole
                }
            self._data[node.y] = self._data.get(node.y) or self._place(node.y)
            forward += self._forward_calls(node, training=True)
            for value in nodes.read_by(node):
                left[value] -= 1
                if (
                    left[value] == 0
                    and value not in kept
                    and value not in whole
                    and not isinstance(node, nodes.Concatenate)
                ):
                    kept.add(value)
                    gone.add(value)
                    self._layout.give(self._data[value])
        self._first_slope = self._slopes[self._graph.features] = self._place(self._graph.features)
        for node in reversed(self._graph.nodes):
            if node.y in self._slopes:  # else nothing read it
                back += self._back_calls(node)
            if isinstance(node, nodes.Concatenate):  # what was made there is still wanted
                for value, rows in _stacked(node.values, self._data[node.y]):
                    if self._data[value] != rows:
                        self._layout.give(rows)
                self._layout.give(_rest(node, self._data[node.y]))
            elif node.y not in gone:
                self._layout.give(self._data[node.y])
        return forward, back

    def _evaluation(self):
        """Every feature map is kept until its last reader, which may write over it if it takes
        number by number.
        """
        calls, left = (
            [],
            Counter(value for node in self._graph.nodes for value in nodes.read_by(node)),
        )
        for node in self._graph.nodes:
            if isinstance(node, nodes.Relu | nodes.Norm) and left[node.x] == 1:
                self._data[node.y] = self._data[node.x]
            else:
                self._data[node.y] = self._place(node.y)
            calls += self._forward_calls(node, training=False)
            for value in nodes.read_by(node):
                left[value] -= 1
                if left[value] == 0 and self._data[value] is not self._data[node.y]:
                    self._layout.give(self._data[value])
        return calls

    def _place(self, value):
        return self._layout.take(value.channels, math.prod(value.size) * self._images)

    def _windows(self, seen):
        return spans(seen, self._images)

    def _trained(self, number, *last):
        """A weight and its slope, the last axes of that size and one axis before them."""
        slot = self._graph.trained[number]
        both = (
            vector[slot.start : slot.end]
            for vector in (self._vectors.weights, self._vectors.slopes)
        )
        return (vector.reshape(-1, *last) for vector in both) if last else both

    def _statistics(self, node, of):
        return (
            of[slot.start : slot.end]
            for slot in (self._graph.moving[number] for number in (node.mean, node.variance))
        )

    def _forward_calls(self, node, training):
        x, y = (self._data.get(value) for value in (getattr(node, "x", None), node.y))
        match node:
            case nodes.Zero():
                return [(kernels.clear, y)]
            case nodes.Relu():
                return [(kernels.relu, x, y)]
            case nodes.Add():
                return [(kernels.plus, x, self._data[node.other], y)]
            case nodes.Concatenate():
                return [
                    (kernels.pass_on, self._data[v], rows, False)
                    for v, rows in _stacked(node.values, y)
                    if self._data[v] != rows
                ]
            case nodes.Norm():
                (gamma, _), (beta, _) = self._trained(node.gamma), self._trained(node.beta)
                kernel, of = (
                    (kernels.norm, self._vectors.seen)
                    if training
                    else (kernels.norm_by, self._vectors.moving)
                )
                return [
                    (
                        kernel,
                        x,
                        gamma,
                        beta,
                        self._epsilon,
                        node.rectify,
                        y,
                        *self._statistics(node, of),
                    )
                ]
            case nodes.Depthwise():
                weights, _ = self._trained(node.weight, node.x.channels)
                return [
                    (kernels.depthwise, x, weights, threes(node.windows, self._images), y, False)
                ]
            case nodes.Convolve():
                weights, _ = self._trained(node.weight, *node.matrices)
                return [(kernels.convolve, x, weights, self._windows(node.windows), y)]
            case nodes.Pool(kind="max"):
                taken = self._taken[node] = self._layout.take(*y.shape, kind="uint8")
                if not training:
                    self._layout.give(taken)
                return [(kernels.max_pool, x, self._windows(node.windows), y, taken)]
            case nodes.Pool():
                return [
                    (
                        kernels.average_pool,
                        x,
                        self._windows(node.windows),
                        shares(node.windows, self._images),
                        y,
                    )
                ]
        raise TypeError(node)

    def _back_calls(self, node):
        slope = self._slopes.pop(node.y)
        match node:
            # what it reads has no other reader, so its slope may stand where this one stood
            case nodes.Norm():
                self._slopes[node.x] = slope
                (gamma, to_gamma), (_, to_beta) = (
                    self._trained(node.gamma),
                    self._trained(node.beta),
                )
                x, y, seen = (
                    self._data[node.x],
                    self._data[node.y],
                    self._statistics(node, self._vectors.seen),
                )
                return [
                    (
                        kernels.norm_back,
                        x,
                        gamma,
                        self._epsilon,
                        node.rectify,
                        y,
                        *seen,
                        slope,
                        to_gamma,
                        to_beta,
                    )
                ]
            case nodes.Zero():
                calls = []
            case nodes.Relu():
                calls = [(kernels.relu_back, self._data[node.y], slope, *self._into(node.x))]
            case nodes.Add():
                calls = [(kernels.pass_on, slope, *self._into(node.other))]
                if node.x not in self._slopes:  # it may have this one's place
                    self._slopes[node.x] = slope
                    return calls
                calls.append((kernels.pass_on, slope, *self._into(node.x)))
            case nodes.Concatenate():
                calls = []
                for value, rows in _stacked(node.values, slope):
                    if value in self._slopes:
                        calls.append((kernels.pass_on, rows, *self._into(value)))
                        self._layout.give(rows)
                    else:
                        self._slopes[value] = rows
                slope = _rest(node, slope)
            case nodes.Depthwise():
                weights, to_weights = self._trained(node.weight, node.x.channels)
                there, back = (threes(node.windows, self._images, way) for way in (False, True))
                calls = [
                    (kernels.depthwise_weights_back, self._data[node.x], there, slope, to_weights),
                    (kernels.depthwise, slope, weights, back, *self._into(node.x)),
                ]
            case nodes.Convolve():
                weights, to_weights = self._trained(node.weight, *node.matrices)
                x, seen = self._data[node.x], self._windows(node.windows)
                if node.x is self._graph.image:
                    calls = [(kernels.convolve_weights_back, x, seen, slope, to_weights)]
                else:
                    calls = [
                        (
                            kernels.convolve_back,
                            x,
                            weights,
                            seen,
                            slope,
                            *self._into(node.x, to_weights),
                        )
                    ]
            case nodes.Pool(kind="max"):
                taken = self._taken[node]
                calls = [
                    (
                        kernels.max_pool_back,
                        taken,
                        self._windows(node.windows),
                        slope,
                        *self._into(node.x),
                    )
                ]
                self._layout.give(taken)
            case nodes.Pool():
                seen = self._windows(node.windows), shares(node.windows, self._images)
                calls = [(kernels.average_pool_back, *seen, slope, *self._into(node.x))]
        self._layout.give(slope)
        return calls

    def _into(self, value, *between):
        """Where the slope of `value` is, then `between`, and whether something stands there
        already.
        """
        add = value in self._slopes
        if not add:
            self._slopes[value] = self._place(value)
        return self._slopes[value], *between, add


def _read_back(graph_nodes):
    """Feature maps that undoing a node reads."""
    found = set()
    for node in graph_nodes:
        if isinstance(node, nodes.Depthwise | nodes.Convolve | nodes.Norm):
            found.add(node.x)
        if (
            isinstance(node, nodes.Relu | nodes.Concatenate)
            or isinstance(node, nodes.Norm)
            and node.rectify
        ):
            found.add(node.y)
    return found


def _whole(graph_nodes):
    """{value: the `Concatenate` that it may be made in}: it stands in no other, and only once."""
    stacks = [node for node in graph_nodes if isinstance(node, nodes.Concatenate)]
    times, made = (
        Counter(value for node in stacks for value in node.values),
        {node.y for node in graph_nodes},
    )
    return {
        value: node
        for node in stacks
        for value in node.values
        if times[value] == 1 and value in made
    }


def _rest(node, place):
    """What is left of a place behind the rows of a `Concatenate`."""
    return place._replace(
        start=place.start + sum(value.channels for value in node.values) * place.shape[1]
    )


def _stacked(values, place):
    """Each value and its rows of `place`."""
    first = 0
    for value in values:
        yield value, place.rows(first, value.channels)
        first += value.channels
