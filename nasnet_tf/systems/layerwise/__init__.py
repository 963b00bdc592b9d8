"""Networks layer by layer. Source: Zoph & Le 2017, arXiv 1611.01578."""

from collections.abc import Sequence
from functools import partial

from nasnet_tf.systems.layerwise.genotype import Layerwise
from nasnet_tf.systems.layerwise.graph import network_graph
from nasnet_tf.systems.layerwise.space import LayerwiseSpace
from nasnet_tf.systems.system import System

__all__ = ["SYSTEM", "cubed_best"]

# The paper goes on to 20 layers and more, with thousands of trials.
_SPACE = partial(LayerwiseSpace, 12, fewest=6)


def _network():
    from nasnet_tf.systems.layerwise.network import LayerwiseNetwork

    return LayerwiseNetwork


def cubed_best(accuracies: Sequence[float]) -> float:
    """The best of the last five epochs, cubed: Zoph & Le 2017, arXiv 1611.01578, section 4.1."""
    return max(accuracies[-5:]) ** 3


SYSTEM = System(
    Layerwise,
    _network,
    spaces={
        "layerwise": _SPACE,
        "layerwise-strides": partial(_SPACE, strides=True),
        "layerwise-pooling": partial(_SPACE, pooling=True),
    },
    graph=network_graph,
    reward=cubed_best,
)
