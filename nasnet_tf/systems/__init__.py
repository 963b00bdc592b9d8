"""The systems: how a genotype of each kind becomes a network. No Keras here."""

from nasnet_tf.systems import cells, dna, hierarchical, layerwise, nas_bench_201

__all__ = ["GRAPHS"]

# By the schema of a genotype: a function from it and sizes, as its Keras network takes them, to a `nasnet_tf.graph.Graph`.
GRAPHS = {
    "nasnet_tf.genotype": cells.network_graph,
    "nasnet_tf.nas_bench_201": nas_bench_201.network_graph,
    "nasnet_tf.hierarchical": hierarchical.network_graph,
    "nasnet_tf.layerwise": layerwise.network_graph,
    "nasnet_tf.dna": dna.network_graph,
}
