"""The graph of a network of NAS-Bench-201: `nasnet_tf.networks.nas_bench_201.NASBench201Network`."""

from __future__ import annotations

import functools

from nasnet_tf.genotype import NASBench201
from nasnet_tf.native import windows
from nasnet_tf.native.graph import Graph, classified, part_of
from nasnet_tf.plan import NAS_BENCH_201_PARTS, OPERATION_PARTS, Convolution, Pooling, stage_cells

__all__ = ["graph_of"]


def graph_of(
    genotype: NASBench201, *, num_cells=5, filters=16, classes=10, input_shape=(32, 32, 3), batch_norm_momentum=None,
    batch_norm_epsilon=None,
) -> Graph:  # fmt: skip
    """Arguments as `NASBench201Network`."""
    graph = Graph(
        input_shape,
        0.9 if batch_norm_momentum is None else batch_norm_momentum,
        1e-5 if batch_norm_epsilon is None else batch_norm_epsilon,
    )
    x = part_of(graph, "stem/convolution", Convolution(filters, (3, 3), relu=False), input_shape[-1])(graph.image)
    number = 0
    for stage, count in enumerate(stage_cells(num_cells)):
        if stage:
            x = _residual_reduction(graph, f"reduction_cell_{stage - 1}", filters * 2**stage, x)
        for _ in range(count):
            x = _cell(graph, f"cell_{number}", genotype, x)
            number += 1
    return classified(graph, graph.norm(x, graph.norm_weights("last_norm", x.channels, "/")), classes)


def _cell(graph, name, genotype, x):
    edges = {}
    for (source, node), operation in genotype.edges.items():
        if operation != "none":
            parts = OPERATION_PARTS[NAS_BENCH_201_PARTS[operation]](x.channels, x.channels, 1)
            edges[source, node] = [
                part_of(graph, f"{name}/edge_{source}_{node}.{number}", part, x.channels) for number, part in enumerate(parts, start=1)
            ]
    nodes = [x]
    for node in (1, 2, 3):
        brought = [
            functools.reduce(lambda value, part: part(value), edges[source, node], nodes[source])
            for source in range(node)
            if (source, node) in edges
        ]
        nodes.append(functools.reduce(graph.add, brought) if brought else graph.zero(x.channels, x.size))
    return nodes[3]


def _residual_reduction(graph, name, filters, x):
    halved = windows.convolution(x.size, (3, 3), (2, 2)).out
    first = graph.kernel(f"{name}/first.kernel", 3, 3, x.channels, filters)
    norm = graph.norm_weights(f"{name}/first", filters)
    second = part_of(graph, f"{name}/second", Convolution(filters, (3, 3)), filters)
    shortcut = graph.kernel(f"{name}/shortcut", 1, 1, x.channels, filters)
    padded = windows.Windows(x.size, halved, (3, 3), (2, 2), (1, 1))  # by one pixel on every side
    y = second(graph.norm(graph.convolve(graph.relu(x), first, padded), norm))
    return graph.add(y, graph.convolve(graph.pool(x, Pooling("avg", 2, 2)), shortcut, windows.Windows(halved, halved)))
