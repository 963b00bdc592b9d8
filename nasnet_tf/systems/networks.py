"""Genotypes of every kind as Keras models. Who builds through `build` never asks which kind it
carries.

A kind's network is entered in `NETWORKS` under the genotype's schema: a class or a function of the
genotype and keyword arguments, or "module:name" of one, which is imported when it is needed. All
take `input_shape` and `classes`, and those of genotypes that are not `sized` take `num_cells` and
`filters`.
"""

from __future__ import annotations

from nasnet_tf.contracts.genotype import call, fitting, imported

__all__ = ["NETWORKS", "build", "check", "import_all"]

NETWORKS = {
    "nasnet_tf.genotype": "nasnet_tf.systems.cells.network:Network",
    "nasnet_tf.layerwise": "nasnet_tf.systems.layerwise.network:LayerwiseNetwork",
    "nasnet_tf.nas_bench_201": "nasnet_tf.systems.nas_bench_201.network:NASBench201Network",
    "nasnet_tf.recurrent": "nasnet_tf.systems.recurrent.network:LanguageModel",
    "nasnet_tf.hierarchical": "nasnet_tf.systems.hierarchical.network:HierarchicalNetwork",
    "nasnet_tf.dna": "nasnet_tf.systems.dna.network:DNANetwork",
}


def build(genotype, **arguments):
    """The network of `genotype`, a `keras.Model`.

    Args:
        **arguments: of its network: num_cells, filters, input_shape, classes, mean, std, ... One
            that only networks of other kinds have (a stem, say) is left out if it asks for nothing:
            None, False or 0; num_cells and filters are left out of a kind that is `sized`.
    Raises: TypeError for an argument that no network has, with the nearest name; ValueError for one
        that this kind does not have and that asks for something, and for a kind without a network.
    """
    return call(NETWORKS, genotype, "network", arguments)


def check(genotype, arguments) -> None:
    """Raises what `build` would for arguments that the network of `genotype` does not have; nothing
    is built.
    """
    fitting(NETWORKS, genotype, "network", arguments)


def import_all() -> None:
    """Imports every network, which registers its layers with Keras: do this before a saved network
    of any kind is loaded.
    """
    for network in NETWORKS.values():
        imported(network)
