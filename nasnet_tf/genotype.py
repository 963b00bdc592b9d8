"""What a network is made of, as frozen data: one file a kind of genotype, and one reader for the
files of all. No Keras here.
"""

from nasnet_tf.contracts.genotype import KINDS, BaseGenotype, from_json
from nasnet_tf.systems.cells.genotype import (
    AMOEBANET_A,
    COMBINATIONS,
    GENOTYPES,
    NASNET_A,
    NASNET_OPERATIONS,
    OPERATION_NAMES,
    PNASNET_5,
    Block,
    Cell,
    Genotype,
    canonical,
    check,
    from_darts,
    get,
    unused,
)
from nasnet_tf.systems.dna.genotype import DNA
from nasnet_tf.systems.hierarchical.genotype import Hierarchical
from nasnet_tf.systems.layerwise.genotype import Layer, Layerwise
from nasnet_tf.systems.nas_bench_201.genotype import NASBench201
from nasnet_tf.systems.published import NAMED, load
from nasnet_tf.systems.recurrent.genotype import NAS_CELL, RecurrentCell

__all__ = [
    "AMOEBANET_A",
    "COMBINATIONS",
    "DNA",
    "GENOTYPES",
    "KINDS",
    "NAMED",
    "NASNET_A",
    "NAS_CELL",
    "NASNET_OPERATIONS",
    "OPERATION_NAMES",
    "PNASNET_5",
    "BaseGenotype",
    "Block",
    "Cell",
    "Genotype",
    "Hierarchical",
    "Layer",
    "Layerwise",
    "NASBench201",
    "RecurrentCell",
    "canonical",
    "check",
    "from_darts",
    "from_json",
    "get",
    "load",
    "unused",
]
