"""The graph of a network of a hierarchical representation: `nasnet_tf.networks.hierarchical.HierarchicalNetwork`, by the same plan."""

from __future__ import annotations

import functools

from nasnet_tf import motifs
from nasnet_tf.genotype import Hierarchical
from nasnet_tf.native import windows
from nasnet_tf.native.graph import Graph, classified, part_of
from nasnet_tf.plan import Pooling, default_stem

__all__ = ["graph_of"]


def graph_of(
    genotype: Hierarchical, *, num_cells=2, filters=64, classes=10, stem="cifar", input_shape=(32, 32, 3), batch_norm_momentum=None,
    batch_norm_epsilon=None,
) -> Graph:  # fmt: skip
    """Arguments as `HierarchicalNetwork`."""
    graph = Graph(
        input_shape,
        0.9 if batch_norm_momentum is None else batch_norm_momentum,
        1e-5 if batch_norm_epsilon is None else batch_norm_epsilon,
    )
    x = graph.image
    for step in motifs.plan(num_cells, filters, stem or default_stem(input_shape)):
        if step.part is None:
            x = _cell(graph, step, genotype, x)
        else:
            last = part_of(graph, f"{step.name}/convolution", step.part, x.channels)(x)
            x = graph.relu(last)
    return classified(graph, last, classes)


def _cell(graph, step, genotype, x):
    joined = functools.cache(graph.concatenate)
    maps = [(x,)]  # values that are concatenated only where they are read, so that no concatenation stands in another
    for made in motifs.feature_maps(genotype, step.filters, x.channels):
        read = tuple(value for source in made.sources for value in maps[source])
        if made.part is not None:
            read = (_part(graph, f"{step.name}/{made.name}", made.part, joined(read)),)
        maps.append(read)
    return joined(maps[-1]) if len(maps) > 1 else graph.zero(x.channels, x.size)


def _part(graph, name, part, x):
    if isinstance(part, Pooling):
        return graph.pool(x, part)
    if isinstance(part, motifs.Depthwise):
        kernel, norm = graph.kernel(f"{name}.depthwise_kernel", *part.kernel_size, x.channels, 1), graph.norm_weights(name, x.channels)
        return graph.relu(graph.norm(graph.depthwise(x, kernel, windows.convolution(x.size, part.kernel_size)), norm))
    return graph.relu(part_of(graph, name, part, x.channels)(x))
