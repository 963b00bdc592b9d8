"""How a genotype of each system becomes a graph. No Keras here."""

from __future__ import annotations

from nasnet_tf.systems.cells import graph as cells
from nasnet_tf.systems.dna import graph as dna
from nasnet_tf.systems.hierarchical import graph as hierarchical
from nasnet_tf.systems.layerwise import graph as layerwise
from nasnet_tf.systems.nas_bench_201 import graph as nas_bench_201

__all__ = ["GRAPHS"]

# By the schema of a genotype: a function from it and sizes, as its Keras network takes them, to a
# `nasnet_tf.graph.Graph`.
GRAPHS = {
    "nasnet_tf.genotype": cells.network_graph,
    "nasnet_tf.nas_bench_201": nas_bench_201.network_graph,
    "nasnet_tf.hierarchical": hierarchical.network_graph,
    "nasnet_tf.layerwise": layerwise.network_graph,
    "nasnet_tf.dna": dna.network_graph,
}
