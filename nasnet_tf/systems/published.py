"""Published genotypes of all systems by name, and the reader of genotype files."""

from __future__ import annotations

from nasnet_tf.contracts.genotype import from_json, read_file
from nasnet_tf.systems.cells.genotype import GENOTYPES
from nasnet_tf.systems.recurrent.genotype import NAS_CELL

__all__ = ["NAMED", "load"]

NAMED = {**GENOTYPES, "nas_cell": NAS_CELL}  # published ones of every kind


def load(path):
    """The genotype in the file `path`, of whatever kind. Raises ValueError that names the file if
    it holds none.
    """
    return read_file(path, from_json, NAMED)
