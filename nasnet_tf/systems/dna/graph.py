"""The graph of the network of a DNA. Source: Real et al. 2017, arXiv 1703.01041."""

from __future__ import annotations

import functools

from nasnet_tf.graph import Graph, Value, Window
from nasnet_tf.systems.dna.genotype import DNA

__all__ = ["network_graph"]


def network_graph(
    genotype: DNA,
    *,
    classes: int = 10,
    input_shape=(32, 32, 3),
    batch_norm_momentum=None,
    batch_norm_epsilon=None,
) -> Graph:
    """The graph of `nasnet_tf.systems.dna.network.DNANetwork` of the same arguments."""
    graph = Graph(
        Value(input_shape[2], input_shape[:2]),
        momentum=batch_norm_momentum,
        epsilon=batch_norm_epsilon,
    )
    states = {genotype.vertices[0].name: graph.inputs[0]}
    for vertex in genotype.vertices[1:]:
        x, *others = [
            _edge(graph, edge, states[edge.source]) for edge in genotype.incoming[vertex.name]
        ]
        x = functools.reduce(
            graph.add, [graph.resize(other, x.channels, x.size) for other in others], x
        )
        if vertex.activation == "bn_relu":
            with graph.layer(f"vertex_{vertex.name}"):
                x = graph.relu(graph.norm("norm", x.channels)(x))
        states[vertex.name] = x
    x = states[genotype.vertices[-1].name]
    graph.output = graph.dense("predictions", x.channels, classes)(graph.global_mean(x))
    return graph


def _edge(graph, edge, x):
    if edge.filter is None:
        return x
    kernel_size, strides = tuple(edge.filter.kernel_size), (edge.filter.strides,) * 2
    with graph.layer(f"edge_{edge.name}"):
        kernel = graph.weight("kernel", (*kernel_size, x.channels, edge.filter.filters))
    return graph.convolution(x, kernel, Window(kernel_size, strides))
