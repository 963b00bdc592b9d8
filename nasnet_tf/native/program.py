"""A graph compiled for a fixed number of images: a list of kernel calls on memory that is laid out
beforehand.

Running it is calling one kernel after the other. Where each call reads and writes is decided once,
from when each feature map is read for the last time, so that a step allocates no memory.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nasnet_tf.lowered import graph as nodes
from nasnet_tf.native import convolutions, depthwise, kernels
from nasnet_tf.native.calls import bound, groups, is_pixelwise
from nasnet_tf.native.lists import CallList
from nasnet_tf.native.memory import Allocator, workspace
from nasnet_tf.native.threads import Crew
from nasnet_tf.native.windows import inverse_counts, spans, unrolled_spans


class Vectors(NamedTuple):
    """All numbers of a network as flat vectors, in the order of the graph's weights."""

    weights: np.ndarray
    gradients: np.ndarray
    moving: np.ndarray
    batch_statistics: np.ndarray  # of the last batch: what `moving` are the averages of


class Program:
    """The kernel calls for `images` images at a time, forward and, if `training`, backward.

    Attributes: image, features, gradient: the input, the output and, in training, the gradient with
        respect to the output, to be written before `backward`; (channels, height, width, images).

    Args:
        crew: the threads that run it.
    """

    def __init__(
        self, graph: nodes.LoweredGraph, images: int, vectors: Vectors, training: bool, crew: Crew
    ):
        self._graph, self._images, self._vectors = graph, images, vectors
        self._epsilon, self._allocator = np.float32(graph.epsilon), Allocator()
        self._data, self._gradients, self._argmax = {}, {}, {}
        self._data[graph.image] = self._allocate(graph.image)
        forward, backward = self._plan_training() if training else (self._plan_inference(), [])
        memory = workspace(self._allocator.size)
        image, features = graph.image, graph.features
        shape = (features.channels, *features.size, images)
        self.image = self._data[image].view(memory).reshape(image.channels, *image.size, images)
        self.features = self._data[features].view(memory).reshape(shape)
        if training:
            self.gradient = self._output_gradient.view(memory).reshape(shape)
        self._crew = crew
        self._forward, self._backward = (
            CallList(groups(bound(calls, memory), crew.threads)) for calls in (forward, backward)
        )

    def forward(self):
        self._crew.run(self._forward)

    def backward(self):
        self._crew.run(self._backward)

    @property
    def calls(self):
        """All calls: (kernel, arguments)."""
        return *self._forward, *self._backward

    def _plan_training(self):
        """The calls forward and backward. Feature maps that the backward pass reads are kept; those
        that are concatenated are computed within the concatenation.
        """
        features, freed, forward, backward = self._graph.features, set(), [], []
        parents = nodes.parents(self._graph.nodes)
        kept = {self._graph.image, features, *parents} | nodes.read_backward(self._graph.nodes)
        reads = nodes.readers_of(self._graph.nodes)
        for node in self._graph.nodes:
            if node.y in parents and node.y not in self._data:
                parent = parents[node.y]
                for value, rows in _rows(parent.values, self._buffer(parent.y)):
                    if value in parents:
                        self._data[value] = rows
            self._buffer(node.y)
            forward += self._forward_calls(node, training=True)
            for value in nodes.inputs_of(node):
                reads[value] -= 1
                concatenated = isinstance(node, nodes.Concatenate)
                if reads[value] == 0 and value not in kept and not concatenated:
                    freed.add(value)
                    self._allocator.free(self._data[value])
        self._output_gradient = self._gradients[features] = self._allocate(features)
        for node in reversed(self._graph.nodes):
            if node.y in self._gradients:  # else nothing reads it
                backward += self._backward_calls(node)
            buffer = self._data[node.y]
            if isinstance(node, nodes.Concatenate):  # what was computed within it is still read
                for value, rows in _rows(node.values, buffer):
                    if self._data[value] != rows:
                        self._allocator.free(rows)
                self._allocator.free(_rest(node, buffer))
            elif node.y not in freed:
                self._allocator.free(buffer)
        return forward, backward

    def _plan_inference(self):
        """The calls forward. A feature map is kept until its last reader, which overwrites it if it
        is an elementwise operation.
        """
        calls = []
        reads = nodes.readers_of(self._graph.nodes)
        for node in self._graph.nodes:
            if isinstance(node, nodes.Relu | nodes.Norm) and reads[node.x] == 1:
                self._data[node.y] = self._data[node.x]
            else:
                self._data[node.y] = self._allocate(node.y)
            calls += self._forward_calls(node, training=False)
            for value in nodes.inputs_of(node):
                reads[value] -= 1
                if reads[value] == 0 and self._data[value] is not self._data[node.y]:
                    self._allocator.free(self._data[value])
        return calls

    def _allocate(self, value):
        return self._allocator.allocate(value.channels, math.prod(value.size) * self._images)

    def _buffer(self, value):
        """The buffer of a feature map, allocated if there is none yet."""
        if value not in self._data:
            self._data[value] = self._allocate(value)
        return self._data[value]

    def _trained(self, number, *last):
        """A trained weight and its gradient, reshaped to (-1, *last)."""
        weight, vectors = self._graph.trained[number], self._vectors
        both = weight.of(vectors.weights), weight.of(vectors.gradients)
        return (view.reshape(-1, *last) for view in both)

    def _statistics(self, node, vector):
        """Mean and variance of a norm in a vector of such."""
        return (self._graph.moving[number].of(vector) for number in (node.mean, node.variance))

    def _forward_calls(self, node, training):
        x, y = self._data.get(getattr(node, "x", None)), self._data[node.y]
        match node:
            case nodes.Zero():
                return [(kernels.clear, y)]
            case nodes.Relu():
                return [(kernels.relu, x, y)]
            case nodes.Add():
                return [(kernels.sum_of_two, x, self._data[node.other], y)]
            case nodes.Concatenate():
                return [
                    (kernels.copy_or_add, self._data[value], rows, False)
                    for value, rows in _rows(node.values, y)
                    if self._data[value] != rows
                ]
            case nodes.Norm():
                kernel, vector = kernels.batch_norm_inference, self._vectors.moving
                if training:
                    kernel, vector = kernels.batch_norm, self._vectors.batch_statistics
                (gamma, _), (beta, _) = self._trained(node.gamma), self._trained(node.beta)
                statistics = self._statistics(node, vector)
                return [(kernel, x, gamma, beta, self._epsilon, node.rectify, y, *statistics)]
            case nodes.Depthwise():
                weights, _ = self._trained(node.weight, node.x.channels)
                unrolled = unrolled_spans(node.windows, self._images)
                return [(depthwise.depthwise, x, weights, unrolled, y, False)]
        covered = spans(node.windows, self._images)
        match node:
            case nodes.Convolve():
                weights, _ = self._trained(node.weight, node.x.channels, node.y.channels)
                return [(convolutions.convolve, x, weights, covered, is_pixelwise(covered, y), y)]
            case nodes.Pool(kind="max"):
                argmax = self._argmax[node] = self._allocator.allocate(*y.shape, dtype="uint8")
                if not training:
                    self._allocator.free(argmax)
                return [(kernels.max_pool, x, covered, y, argmax)]
            case nodes.Pool():
                inverse = inverse_counts(node.windows, self._images)
                return [(kernels.average_pool, x, covered, inverse, y)]
        raise TypeError(node)

    def _backward_calls(self, node):
        dy, calls = self._gradients.pop(node.y), []
        match node:
            case nodes.Norm():
                # `x` has no other reader, so its gradient overwrites that of `y`.
                self._gradients[node.x] = dy
                (gamma, dgamma), (_, dbeta) = self._trained(node.gamma), self._trained(node.beta)
                x, y = self._data[node.x], self._data[node.y]
                statistics = self._statistics(node, self._vectors.batch_statistics)
                arguments = (x, gamma, self._epsilon, node.rectify, y, *statistics)
                return [(kernels.batch_norm_backward, *arguments, dy, dgamma, dbeta)]
            case nodes.Relu():
                y = self._data[node.y]
                calls = [(kernels.relu_backward, y, dy, *self._accumulator(node.x))]
            case nodes.Add():
                calls = [(kernels.copy_or_add, dy, *self._accumulator(node.other))]
                if node.x not in self._gradients:  # it takes over the buffer
                    self._gradients[node.x] = dy
                    return calls
                calls.append((kernels.copy_or_add, dy, *self._accumulator(node.x)))
            case nodes.Concatenate():
                for value, rows in _rows(node.values, dy):
                    if value in self._gradients:
                        calls.append((kernels.copy_or_add, rows, *self._accumulator(value)))
                        self._allocator.free(rows)
                    else:
                        self._gradients[value] = rows
                dy = _rest(node, dy)
            case nodes.Depthwise():
                weights, dweights = self._trained(node.weight, node.x.channels)
                x, dx = self._data[node.x], self._accumulator(node.x)
                unrolled = unrolled_spans(node.windows, self._images)
                transposed = unrolled_spans(node.windows, self._images, backward=True)
                calls = [
                    (depthwise.depthwise_weights_backward, x, unrolled, dy, dweights),
                    (depthwise.depthwise, dy, weights, transposed, *dx),
                ]
            case nodes.Convolve():
                weights, dweights = self._trained(node.weight, node.x.channels, node.y.channels)
                x, covered = self._data[node.x], spans(node.windows, self._images)
                calls = [(convolutions.convolve_weights_backward, x, covered, dy, dweights)]
                if node.x is not self._graph.image:
                    dx, add = self._accumulator(node.x)
                    arguments = (weights, covered, is_pixelwise(covered, dx), dy, dx, add)
                    calls.append((convolutions.convolve_backward, *arguments))
            case nodes.Pool(kind="max"):
                argmax, covered = self._argmax[node], spans(node.windows, self._images)
                dx = self._accumulator(node.x)
                calls = [(kernels.max_pool_backward, argmax, covered, dy, *dx)]
                self._allocator.free(argmax)
            case nodes.Pool():
                covered = spans(node.windows, self._images)
                inverse = inverse_counts(node.windows, self._images)
                dx = self._accumulator(node.x)
                calls = [(kernels.average_pool_backward, covered, inverse, dy, *dx)]
        self._allocator.free(dy)
        return calls

    def _accumulator(self, value):
        """The buffer of the gradient with respect to `value`, and whether it holds a part of it
        already.
        """
        add = value in self._gradients
        if not add:
            self._gradients[value] = self._allocate(value)
        return self._gradients[value], add


def _rest(node, buffer):
    """What is left of a buffer behind the rows of a `Concatenate`: its padding."""
    channels = sum(value.channels for value in node.values)
    return buffer._replace(start=buffer.start + channels * buffer.shape[1])


def _rows(values, buffer):
    """Each value and its rows of `buffer`."""
    first = 0
    for value in values:
        yield value, buffer.rows(first, value.channels)
        first += value.channels
