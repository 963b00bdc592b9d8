"""Cells of blocks, stacked: NASNet, PNAS, AmoebaNet, DARTS."""

from functools import partial

from nasnet_tf.systems.cells.figure import genotype_figure
from nasnet_tf.systems.cells.genotype import Genotype
from nasnet_tf.systems.cells.graph import network_graph
from nasnet_tf.systems.cells.published import GENOTYPES
from nasnet_tf.systems.cells.spaces.amoeba import AmoebaNetSpace
from nasnet_tf.systems.cells.spaces.darts import DARTSSpace
from nasnet_tf.systems.cells.spaces.nasnet import NASNetSpace
from nasnet_tf.systems.cells.spaces.pnas import PNASSpace
from nasnet_tf.systems.system import System

__all__ = ["SYSTEM"]


def _network():
    from nasnet_tf.systems.cells.network import Network

    return Network


SYSTEM = System(
    Genotype,
    _network,
    spaces={
        "nasnet": NASNetSpace,
        "pnas": PNASSpace,
        "pnas-growing": partial(PNASSpace, growing=True),
        "amoeba": AmoebaNetSpace,
        "darts": DARTSSpace,
    },
    published=GENOTYPES,
    graph=network_graph,
    figure=genotype_figure,
    native=True,
)
