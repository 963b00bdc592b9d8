"""What a network is made of, as frozen data: the genotypes of all systems, and one reader for their
files. No Keras here.
"""

from nasnet_tf.contracts.genotype import SCHEMAS as KINDS  # the name of release 0.1
from nasnet_tf.contracts.genotype import BaseGenotype, from_json
from nasnet_tf.systems import NAMED, load
from nasnet_tf.systems.cells.canonical import canonical
from nasnet_tf.systems.cells.cell import (
    COMBINATIONS,
    NASNET_OPERATIONS,
    OPERATION_NAMES,
    Block,
    Cell,
    unused,
)
from nasnet_tf.systems.cells.genotype import Genotype, check
from nasnet_tf.systems.cells.published import (
    AMOEBANET_A,
    GENOTYPES,
    NASNET_A,
    PNASNET_5,
    from_darts,
    get,
)
from nasnet_tf.systems.dna.genotype import DNA, Edge, Filter, Vertex
from nasnet_tf.systems.hierarchical.genotype import Hierarchical
from nasnet_tf.systems.layerwise.genotype import Layer, Layerwise
from nasnet_tf.systems.nas_bench_201.genotype import NASBench201
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
    "Edge",
    "Filter",
    "Genotype",
    "Hierarchical",
    "Layer",
    "Layerwise",
    "NASBench201",
    "RecurrentCell",
    "Vertex",
    "canonical",
    "check",
    "from_darts",
    "from_json",
    "get",
    "load",
    "unused",
]
