"""The graph of a network of a hierarchical representation. Source: Liu et al. 2018, arXiv
1711.00436; what is the paper's and what is ours stands in `nasnet_tf.systems.hierarchical.plan`.
"""

from __future__ import annotations

import functools

from nasnet_tf.graph import Graph, PoolSpec, Value
from nasnet_tf.systems.hierarchical import plan as motifs
from nasnet_tf.systems.hierarchical.genotype import Hierarchical
from nasnet_tf.systems.stages import default_stem

__all__ = ["cell_graph", "network_graph"]


def cell_graph(graph: Graph, genotype: Hierarchical, filters: int, x: Value) -> Value:
    """Adds the cell of `genotype` to `graph` and returns its output.

    Feature maps are concatenated only where they are read, so that no concatenation stands in
    another.

    Args:
        filters: the paper's C.
    """
    made = motifs.feature_maps(genotype, filters, x.channels)
    if not made:
        return graph.zero(x)
    widths = [x.channels, *(feature_map.channels for feature_map in made)]
    parts = [graph.part(m.name, m.part, widths[m.sources[0]]) for m in made]
    joined = functools.cache(graph.concatenate)
    values: list[tuple[Value, ...]] = [(x,)]
    for feature_map, part in zip(made, parts, strict=True):
        read = tuple(value for source in feature_map.sources for value in values[source])
        if feature_map.part is not None:
            y = part(joined(read))
            read = (y if isinstance(feature_map.part, PoolSpec) else graph.relu(y),)
        values.append(read)
    return joined(values[-1])


def network_graph(
    genotype: Hierarchical,
    num_cells=2,
    filters: int = 64,
    *,
    classes: int = 10,
    stem: str | None = "cifar",
    input_shape=(32, 32, 3),
    batch_norm_momentum=None,
    batch_norm_epsilon=None,
) -> Graph:
    """The graph of `nasnet_tf.systems.hierarchical.network.HierarchicalNetwork` of the same
    arguments.
    """
    graph = Graph.of_images(input_shape, batch_norm_momentum, batch_norm_epsilon)
    (x,) = graph.inputs
    for step in motifs.plan(num_cells, filters, stem or default_stem(input_shape)):
        with graph.layer(step.name):
            if step.part is None:
                x = cell_graph(graph, genotype, step.filters, x)
            else:
                x = graph.relu(graph.part("convolution", step.part, x.channels)(x))
    return graph.classified(x, classes)
