"""Recurrent cells for language models. Source: Zoph & Le 2017, arXiv 1611.01578, section 3.4."""

from collections.abc import Sequence

from nasnet_tf.graph import Cost
from nasnet_tf.systems.recurrent.figure import tree_figure
from nasnet_tf.systems.recurrent.genotype import NAS_CELL, RecurrentCell
from nasnet_tf.systems.recurrent.space import RecurrentSpace
from nasnet_tf.systems.system import System

__all__ = ["SYSTEM", "inverse_square", "recurrent_cost"]


def _network():
    from nasnet_tf.systems.recurrent.network import LanguageModel

    return LanguageModel


def recurrent_cost(
    genotype: RecurrentCell,
    num_cells=2,
    filters: int = 200,
    *,
    classes: int = 10_000,
    input_shape=(None,),
    tied: bool = True,
) -> Cost:
    """What the `LanguageModel` of the same arguments costs for one word. All cells of a base cost
    the same.
    """
    layer = genotype.base * filters * (filters + filters)
    vectors = classes * filters
    parameters = vectors * (1 if tied else 2) + classes + num_cells * layer
    return Cost(parameters, parameters, num_cells * layer + vectors)


def inverse_square(perplexities: Sequence[float], scale: float = 80.0) -> float:
    """scale / perplexity^2 of the last epoch: Zoph & Le 2017, arXiv 1611.01578, section 4.2;
    `scale` is the paper's c, usually 80.
    """
    return scale / perplexities[-1] ** 2


SYSTEM = System(
    RecurrentCell,
    _network,
    spaces={"recurrent": RecurrentSpace},
    published={"nas_cell": NAS_CELL},
    cost=recurrent_cost,
    figure=tree_figure,
    reward=inverse_square,
    native=True,
)
