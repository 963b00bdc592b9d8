"""The operations of a space on one kind of input, (channels, strides), as one traced function to
which weights and operation are arguments.
"""

from __future__ import annotations

import functools

import tensorflow as tf

from nasnet_tf.graph import Graph
from nasnet_tf.layers import parts
from nasnet_tf.one_shot.flat import bound, views, weight_specs

# A call instead of a copy for each edge in one large graph, which takes three times as long.
_NOT_INLINED = {"_noinline": True}


def operation_graphs(operations, kind, filters: int) -> list[Graph]:
    """The graph of each operation on an input of `kind`, (channels, strides)."""
    channels, strides = kind

    def alone(name):
        return parts.graph_of(
            channels, lambda graph: graph.operation("", name, channels, filters, strides)
        )

    return [alone(name) for name in operations]


def traced_edge(operations, epsilon, kind, filters):
    """A function: (state, row of weights, number of the operation) -> its output. Traced once, and
    once for its gradient.

    The gradient computes the operation again. Otherwise every intermediate result of every
    operation would be an output of the switch, and returning some hundred empty ones takes longer
    than the operation.
    """

    def operate(graph, x, row):
        return bound(graph, iter(views(row, weight_specs(graph))), epsilon)(x)

    def gradients(branch, x, row, gradient):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([x, row])
            y = branch(x, row)
        return tape.gradient(y, [x, row], gradient, tf.UnconnectedGradients.ZERO)

    graphs = operation_graphs(operations, kind, filters)
    branches = [functools.partial(operate, graph) for graph in graphs]
    traced = functools.partial(tf.function, autograph=False, experimental_attributes=_NOT_INLINED)

    @traced
    def forward(x, row, operation):
        return tf.switch_case(operation, [functools.partial(branch, x, row) for branch in branches])

    @traced
    def backward(x, row, operation, gradient):
        return tf.switch_case(
            operation,
            [functools.partial(gradients, branch, x, row, gradient) for branch in branches],
        )

    @tf.custom_gradient
    def edge(x, row, operation):
        return forward(x, row, operation), lambda dy: (*backward(x, row, operation, dy), None)

    return edge
