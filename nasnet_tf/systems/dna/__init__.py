"""Networks of any size, evolved by mutations of a graph. Source: Real et al. 2017, arXiv
1703.01041.
"""

from nasnet_tf.systems.dna.figure import dna_figure
from nasnet_tf.systems.dna.genotype import DNA
from nasnet_tf.systems.dna.graph import network_graph
from nasnet_tf.systems.dna.space import DNASpace
from nasnet_tf.systems.system import System

__all__ = ["SYSTEM"]


def _network():
    from nasnet_tf.systems.dna.network import DNANetwork

    return DNANetwork


SYSTEM = System(
    DNA,
    _network,
    spaces={"dna": DNASpace},
    graph=network_graph,
    figure=dna_figure,
    strategy="pairwise-evolution",
)
