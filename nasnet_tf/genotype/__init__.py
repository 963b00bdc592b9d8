"""What a network is made of, as frozen data: one file a kind of genotype, and one reader for the files of all. No Keras here."""

from .cells import (
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
from .dna import DNA
from .hierarchical import Hierarchical
from .kinds import KINDS, BaseGenotype, from_json, read_file
from .layerwise import Layer, Layerwise
from .nas_bench_201 import NASBench201
from .recurrent import NAS_CELL, RecurrentCell

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

NAMED = {**GENOTYPES, "nas_cell": NAS_CELL}  # published ones of every kind


def load(path):
    """The genotype in the file `path`, of whatever kind. Raises ValueError that names the file if it holds none."""
    return read_file(path, from_json, NAMED)
