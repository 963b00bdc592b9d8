"""What networks compute, as data: operations, nodes, weights by name, and what they cost. No
framework, no arithmetic.

A system, such as that of cells, writes its wiring once, as a function from a genotype and sizes to
a `Graph`. Keras layers, the compiled kernels and the count of parameters and multiply-adds read it.
"""

from nasnet_tf.graph.cost import Cost, graph_cost
from nasnet_tf.graph.graph import Graph
from nasnet_tf.graph.nodes import Value, WeightSpec, Window
from nasnet_tf.graph.operations import COMBINATION_SPECS, OPERATION_SPECS
from nasnet_tf.graph.specs import ConvSpec, DepthwiseSpec, NormSpec, PoolSpec, ReductionSpec

__all__ = [
    "COMBINATION_SPECS",
    "OPERATION_SPECS",
    "ConvSpec",
    "Cost",
    "DepthwiseSpec",
    "Graph",
    "NormSpec",
    "PoolSpec",
    "ReductionSpec",
    "Value",
    "WeightSpec",
    "Window",
    "graph_cost",
]
