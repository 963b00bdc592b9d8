"""What a graph costs."""

from __future__ import annotations

import math
from typing import NamedTuple

from nasnet_tf.graph.graph import Graph
from nasnet_tf.graph.nodes import Convolution, Dense, Depthwise

__all__ = ["Cost", "graph_cost"]


class Cost(NamedTuple):
    """Trainable parameters, all parameters (moving averages of batch norms too), multiply-adds for
    one image or word.
    """

    trainable: int
    parameters: int
    multiply_adds: int


def graph_cost(graph: Graph) -> Cost:
    """What the network of `graph` costs.

    Multiply-adds count convolutions, depthwise ones included, and the classifier, as the papers do;
    not batch norms, pools or additions, nor the auxiliary head, which is not there at inference.

    Raises: ValueError if a height or a width is not known.
    """
    weights = graph.weights + (graph.auxiliary.weights if graph.auxiliary else [])
    sizes = [(math.prod(weight.shape), weight.trainable) for weight in weights]
    trainable = sum(size for size, is_trained in sizes if is_trained)
    multiply_adds = sum(_multiply_adds(graph, node) for node in graph.nodes)
    return Cost(trainable, sum(size for size, _ in sizes), multiply_adds)


def _multiply_adds(graph, node):
    match node:
        case Dense():
            return math.prod(graph.weights[node.kernel].shape)
        case Convolution() | Depthwise():
            if None in node.y.size:
                raise ValueError(
                    f"the size of a feature map is {node.y.size}; multiply-adds need a known height"
                    " and width."
                )
            return math.prod(graph.weights[node.weight].shape) * math.prod(node.y.size)
    return 0
