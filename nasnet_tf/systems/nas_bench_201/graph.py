"""The graph of a network of NAS-Bench-201. Source: Dong & Yang 2020, arXiv 2001.00326, section 2,
and its code.
"""

from __future__ import annotations

import functools

from nasnet_tf.graph import ConvSpec, Graph, Value, Window
from nasnet_tf.systems.nas_bench_201.genotype import NASBench201
from nasnet_tf.systems.stages import stage_cells

__all__ = ["cell_graph", "network_graph", "reduction_graph"]

# The operations on an edge by the names they have in cells; "none" is none.
_OPERATIONS = {
    "skip_connect": "identity",
    "nor_conv_1x1": "conv_1x1",
    "nor_conv_3x3": "nor_conv_3x3",
    "avg_pool_3x3": "avg_pool_3x3",
}


def cell_graph(graph: Graph, cell: NASBench201, x: Value) -> Value:
    """Adds a cell to `graph` and returns its output: every node is the sum of its edges.

    An edge of "none" brings its source times zero, as in the authors' code: so what leads nowhere
    has a gradient, which is zero.
    """
    edges = {}
    for (source, node), name in cell.edges.items():
        if name == "none":
            edges[source, node] = graph.zero
        else:
            edges[source, node] = graph.operation(
                f"edge_{source}_{node}", _OPERATIONS[name], x.channels, x.channels
            )
    nodes = [x]
    for node in (1, 2, 3):
        terms = [edges[source, node](nodes[source]) for source in range(node)]
        nodes.append(functools.reduce(graph.add, terms))
    return nodes[3]


def reduction_graph(graph: Graph, filters: int, x: Value) -> Value:
    """Adds a residual block that halves the size: two 3x3 convolutions beside a 2x2 average and a
    1x1 convolution without batch norm.
    """
    first = graph.part("first", ConvSpec(filters, (3, 3), (2, 2), padding=(1, 1)), x.channels)
    second = graph.part("second", ConvSpec(filters, (3, 3)), filters)
    shortcut = graph.weight("shortcut", (1, 1, x.channels, filters))
    y = second(first(x))
    return graph.add(y, graph.convolution(graph.pool(x, "avg", Window((2, 2), (2, 2))), shortcut))


def network_graph(
    genotype: NASBench201,
    num_cells=5,
    filters: int = 16,
    *,
    classes: int = 10,
    input_shape=(32, 32, 3),
    batch_norm_momentum=None,
    batch_norm_epsilon=None,
) -> Graph:
    """The graph of `nasnet_tf.systems.nas_bench_201.network.NASBench201Network` of the same
    arguments.
    """
    graph = Graph.of_images(input_shape, batch_norm_momentum, batch_norm_epsilon)
    with graph.layer("stem"):
        stem = ConvSpec(filters, (3, 3), relu=False)
        x = graph.part("convolution", stem, input_shape[2])(*graph.inputs)
    number = 0
    for stage, count in enumerate(stage_cells(num_cells)):
        if stage:
            with graph.layer(f"reduction_cell_{stage - 1}"):
                x = reduction_graph(graph, filters * 2**stage, x)
        for _ in range(count):
            with graph.layer(f"cell_{number}"):
                x = cell_graph(graph, genotype, x)
            number += 1
    x = graph.relu(graph.norm("last_norm", x.channels, "/")(x))
    return graph.classified(x, classes)
