"""Genotypes of every kind as Keras models. Who builds through `build` never asks which kind it carries.

A kind's network is entered in `NETWORKS` under the genotype's schema: a class or a function of the genotype and keyword arguments, or
"module:name" of one, which is imported when it is needed. All take `input_shape` and `classes`, and those of genotypes without a size of
their own `num_cells` and `filters`.
"""

from __future__ import annotations

import inspect

from nasnet_tf.genotype.kinds import call, entry, imported

__all__ = ["NETWORKS", "build", "has_size", "import_all"]

NETWORKS = {
    "nasnet_tf.genotype": "nasnet_tf.network:Network",
    "nasnet_tf.nas_bench_201": "nasnet_tf.networks.nas_bench_201:NASBench201Network",
    "nasnet_tf.dna": "nasnet_tf.networks.dna:DNANetwork",
}

_SIZE = ("num_cells", "filters")


def build(genotype, **arguments):
    """The network of `genotype`, a `keras.Model`.

    Args:
        **arguments: of its network: num_cells, filters, input_shape, classes, mean, std, ... One that this kind does not have (a
            stem, say) is left out if it asks for nothing: None, False or 0; num_cells and filters are left out of a kind that has a
            size of its own.
    Raises: ValueError for other arguments that it does not have, and for a kind without a network.
    """
    if has_size(genotype):
        arguments = {name: value for name, value in arguments.items() if name not in _SIZE}
    return call(entry(NETWORKS, genotype, "network"), genotype, arguments)


def has_size(genotype) -> bool:
    """Whether the genotype says how large its network is: `num_cells` and `filters` then mean nothing."""
    taken = inspect.signature(entry(NETWORKS, genotype, "network")).parameters
    return not any(name in _SIZE or parameter.kind is parameter.VAR_KEYWORD for name, parameter in taken.items())


def import_all() -> None:
    """Imports every network, which registers its layers with Keras: do this before a saved network of any kind is loaded."""
    for network in NETWORKS.values():
        imported(network)
