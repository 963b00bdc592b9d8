"""Keras layers: operations, drop path, heads, initializers, and what holds a part of a graph.
Channels last.
"""

from nasnet_tf.layers.drop_path import DropPath
from nasnet_tf.layers.heads import AuxiliaryHead
from nasnet_tf.layers.operations import ConvNorm, FactorizedReduction, GraphLayer, Operation, Pool

__all__ = [
    "AuxiliaryHead",
    "ConvNorm",
    "DropPath",
    "FactorizedReduction",
    "GraphLayer",
    "Operation",
    "Pool",
]
