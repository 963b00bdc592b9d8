"""The auxiliary classifier of a network of cells, as a graph."""

from __future__ import annotations

from nasnet_tf.graph.graph import Graph
from nasnet_tf.graph.nodes import Value, Window
from nasnet_tf.graph.specs import ConvSpec

__all__ = ["AUXILIARY_POOL", "auxiliary_features"]

AUXILIARY_POOL = Window((5, 5), (3, 3), "valid")


def auxiliary_features(graph: Graph, x: Value, size) -> Value:
    """Adds the second classifier, used in training, up to what it classifies, which it returns.

    Args:
        size: height and width after its average pool, which its second convolution covers.
    Source: appendix A.7; sizes of the authors' nasnet.py.
    """
    projection = graph.part("projection", ConvSpec(128, relu=False), x.channels)
    convolution = graph.part("convolution", ConvSpec(768, size, padding="valid"), 128)
    y = graph.pool(graph.relu(x), "avg", AUXILIARY_POOL)
    return graph.relu(convolution(projection(y)))
