"""The two cells that a network is stacked from, as frozen data. No Keras here.

Source: Zoph et al. 2017, arXiv 1707.07012, section 2.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator

from nasnet_tf.contracts.genotype import VERSION, BaseGenotype, parsed
from nasnet_tf.systems.cells.canonical import canonical
from nasnet_tf.systems.cells.cell import Cell, check_cell

__all__ = ["CELLS", "Genotype", "check"]

CELLS = ("normal", "reduction")


@dataclasses.dataclass(frozen=True)
class Genotype(BaseGenotype, schema="nasnet_tf.genotype"):
    """The two cells a network is stacked from. Hashable, comparable, JSON both ways; iterating over
    it gives the normal cell and the reduction cell.
    """

    normal: Cell
    reduction: Cell

    def __iter__(self) -> Iterator[Cell]:
        return iter((self.normal, self.reduction))

    def to_json(self) -> str:
        """The genotype as JSON text, with the version of its schema."""
        cells = {name: cell.to_data() for name, cell in zip(CELLS, self, strict=True)}
        return json.dumps({"schema": self.schema, "version": VERSION, **cells})

    @classmethod
    def from_json(cls, text: str) -> Genotype:
        """The genotype in `text`, checked. Raises ValueError that says what is wrong and how to
        mend it.
        """
        data = parsed(text, cls, CELLS)
        return cls(*(_of(name, Cell.from_data, data.get(name)) for name in CELLS))

    def canonical_key(self) -> str:
        """32 hex digits, equal for two genotypes exactly if they are the same two cells up to
        naming.

        Order of a block's inputs, order of the blocks, order of the concatenation and blocks that
        nothing reads are naming.
        """
        return hashlib.sha256(Genotype(*map(canonical, self)).to_json().encode()).hexdigest()[:32]

    def lines(self) -> list[str]:
        """The cells for a person to read, a block a line."""
        lines = []
        for name, cell in zip(CELLS, self, strict=True):
            concatenated = ", ".join(map(str, cell.concat))
            lines.append(f"{name} cell (0 is h, 1 is p; concatenates {concatenated})")
            for number, (one, first, two, second, combine) in enumerate(cell.blocks, start=2):
                lines.append(f"  {number} = {combine}({first} of {one}, {second} of {two})")
        return lines


def check(value):
    """Returns the genotype or cell `value` unchanged if it is sound. Raises ValueError that says
    what is wrong and how to mend it.
    """
    if not isinstance(value, Genotype):
        return check_cell(value)
    for name, cell in zip(CELLS, value, strict=True):
        _of(name, check_cell, cell)
    return value


def _of(name, function, cell):
    """`function(cell)`; its errors begin with the name of the cell."""
    try:
        return function(cell)
    except ValueError as error:
        raise ValueError(f"{name} cell: {error}") from None
