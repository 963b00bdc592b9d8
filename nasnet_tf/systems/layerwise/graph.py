"""The graph of a network of a `Layerwise` genotype. Source: Zoph & Le 2017, arXiv 1611.01578; see
`nasnet_tf.systems.layerwise.plan`.
"""

from __future__ import annotations

from nasnet_tf.graph import Graph
from nasnet_tf.systems.layerwise.genotype import Layerwise
from nasnet_tf.systems.layerwise.plan import plan_layerwise

__all__ = ["network_graph"]


def network_graph(
    genotype: Layerwise,
    num_cells: int = 1,
    filters: int = 24,
    *,
    classes: int = 10,
    input_shape=(32, 32, 3),
    batch_norm_momentum=None,
    batch_norm_epsilon=None,
) -> Graph:
    """The graph of `nasnet_tf.systems.layerwise.network.LayerwiseNetwork` of the same arguments."""
    layers, last = plan_layerwise(genotype, num_cells, filters, input_shape)
    graph = Graph.of_images(input_shape, batch_norm_momentum, batch_norm_epsilon)
    outputs = list(graph.inputs)

    def joined(join):
        return graph.concatenate(
            [
                graph.zero_pad(outputs[number], padding)
                for number, padding in zip(join.outputs, join.paddings, strict=True)
            ]
        )

    for number, layer in enumerate(layers, start=1):
        x, found = joined(layer.reads), []
        for place, spec in enumerate(layer.convolutions, start=1):
            y = graph.concatenate([x, *found] if layer.dense or not found else found)
            with graph.layer(f"layer_{number}_convolution_{place}"):
                found.append(graph.relu(graph.part("convolution", spec, y.channels)(y)))
        y = graph.concatenate(found)
        outputs.append(graph.part("pool", layer.pool, y.channels)(y))
    x = joined(last)
    return graph.classified(x, classes)
