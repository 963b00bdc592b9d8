"""The graph of the network of a DNA. Source: Real et al. 2017, arXiv 1703.01041."""

from __future__ import annotations

from nasnet_tf.graph import Graph, Value, Window
from nasnet_tf.systems.dna.genotype import DNA

__all__ = ["convolution_graph", "network_graph", "vertex_graph"]


def convolution_graph(graph: Graph, filters: int, kernel_size, strides: int, x: Value) -> Value:
    """Adds the convolution of an edge to `graph` and returns its output."""
    kernel = graph.weight("kernel", (*kernel_size, x.channels, filters))
    return graph.convolution(x, kernel, Window(tuple(kernel_size), (strides, strides)))


def vertex_graph(graph: Graph, activation: str, x: Value, *others: Value) -> Value:
    """Adds a vertex to `graph`, what its edges bring summed up, and returns its output; `x` is of
    the primary edge.
    """
    size = x.channels, x.size
    for other in others:
        x = graph.add(x, graph.resize(other, *size))
    return graph.relu(graph.norm("norm", x.channels)(x)) if activation == "bn_relu" else x


def network_graph(
    genotype: DNA,
    *,
    classes: int = 10,
    input_shape=(32, 32, 3),
    batch_norm_momentum=None,
    batch_norm_epsilon=None,
) -> Graph:
    """The graph of `nasnet_tf.systems.dna.network.DNANetwork` of the same arguments."""
    graph = Graph.of_images(input_shape, batch_norm_momentum, batch_norm_epsilon)
    states = {genotype.vertices[0].name: graph.inputs[0]}
    for vertex in genotype.vertices[1:]:
        terms = [_brought(graph, edge, states) for edge in genotype.incoming[vertex.name]]
        with graph.layer(f"vertex_{vertex.name}"):
            states[vertex.name] = vertex_graph(graph, vertex.activation, *terms)
    return graph.classified(states[genotype.vertices[-1].name], classes)


def _brought(graph, edge, states):
    """What an edge brings."""
    x, made = states[edge.source], edge.filter
    if made is None:
        return x
    with graph.layer(f"edge_{edge.name}"):
        return convolution_graph(graph, made.filters, made.kernel_size, made.strides, x)
