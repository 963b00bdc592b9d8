"""Hierarchical representations: motifs of motifs. Source: Liu et al. 2018, arXiv 1711.00436."""

from functools import partial

from nasnet_tf.systems.hierarchical.genotype import Hierarchical
from nasnet_tf.systems.hierarchical.graph import network_graph
from nasnet_tf.systems.hierarchical.space import FLAT, HierarchicalSpace
from nasnet_tf.systems.system import System

__all__ = ["SYSTEM"]


def _network():
    from nasnet_tf.systems.hierarchical.network import HierarchicalNetwork

    return HierarchicalNetwork


SYSTEM = System(
    Hierarchical,
    _network,
    spaces={
        "hierarchical": HierarchicalSpace,
        "hierarchical-flat": partial(HierarchicalSpace, **FLAT),
    },
    graph=network_graph,
    native=True,
)
