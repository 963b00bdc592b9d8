"""Spaces of cells made of blocks: two inputs, two operations and, where there is a choice, how the
results are combined.
"""

from __future__ import annotations

import functools

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision
from nasnet_tf.systems.cells.cell import COMBINATIONS, OPERATION_NAMES, Block, Cell
from nasnet_tf.systems.cells.genotype import CELLS, Genotype, check

__all__ = ["BlockSpace"]


class BlockSpace(CategoricalSpace):
    """Genotypes of `num_blocks` blocks a cell (the paper's B). A subclass says what is
    concatenated.

    Decisions come in NASNet's order: for each block the two inputs, their two operations, and the
    combination if there are several.

    Args:
        cells: names of the cells to decide: both, or one that serves as both.
        operations, combinations: names of `nasnet_tf.genotype`, in the order of the options.
        first: decisions that come before those of the blocks.
    """

    def __init__(self, num_blocks: int, operations, combinations, cells=CELLS, first=()):
        if num_blocks < 1:
            raise ValueError(
                f"num_blocks is {num_blocks}; a cell needs at least one block, the papers have 5."
            )
        _refuse_unknown("operations", operations, OPERATION_NAMES)
        _refuse_unknown("combinations", combinations, COMBINATIONS)
        self.num_blocks, self.cells = num_blocks, tuple(cells)
        self.operations, self.combinations = tuple(operations), tuple(combinations)
        decisions = list(first)
        for cell in self.cells:
            for block in range(num_blocks):
                for part, options in self._parts(block).items():
                    decisions.append(Decision(f"{cell}/{block}/{part}", options))
        super().__init__(decisions)

    def concat(self, blocks: tuple[Block, ...]) -> tuple[int, ...]:
        """The states that a cell of these blocks concatenates."""
        raise NotImplementedError

    def decode(self, point) -> Genotype:
        """The genotype that the point stands for."""
        values = self.values(point)
        cells = [self._cell(values, name) for name in self.cells]
        return check(Genotype(*(cells if len(cells) == 2 else cells * 2)))

    def encode(self, decoded: Genotype) -> tuple[int, ...]:
        """The point that stands for a genotype. Raises ValueError if the space has none."""
        if len(self.cells) == 1 and decoded.normal != decoded.reduction:
            raise ValueError(
                "the normal and the reduction cell differ; this space has one cell that serves as"
                " both."
            )
        values = {}
        for name, cell in zip(self.cells, check(decoded), strict=False):
            self._check(name, cell)
            values |= self._values(name, cell.blocks)
        return self.choices(values)

    def adapt(self, genotype: Genotype) -> tuple[int, ...]:
        """The point of a genotype, with the states concatenated that this space's rule says. Raises
        ValueError if the space has no such blocks.
        """
        cells = [Cell(cell.blocks, self.concat(cell.blocks)) for cell in genotype]
        return self.encode(Genotype(*cells))

    def key(self, point) -> str:
        """32 hex digits, equal exactly if the genotypes are the same up to naming."""
        return self.decode(point).canonical_key()

    def levels(self) -> list[tuple[int | None, ...]]:
        """Level b frees the first b blocks of each cell.

        The others stay at option 0: both inputs h, both operations the first. In the published
        spaces that is the identity twice, so an unfree block is 2h, which costs nothing in a normal
        cell. As any block that no other reads, it is concatenated and widens the cell.
        """
        blocks = [int(name.split("/")[1]) for name, _ in self.decisions]
        return [
            tuple(None if block < count else 0 for block in blocks)
            for count in range(1, self.num_blocks + 1)
        ]

    def _parts(self, block: int) -> dict[str, tuple]:
        """Part of a block -> its options, in the order they are decided."""
        states = tuple(range(block + 2))
        parts = {
            "input_1": states,
            "input_2": states,
            "operation_1": self.operations,
            "operation_2": self.operations,
        }
        return parts | ({"combine": self.combinations} if len(self.combinations) > 1 else {})

    def _cell(self, values: dict, name: str) -> Cell:
        blocks = tuple(
            self._block(values, f"{name}/{number}/") for number in range(self._count(values))
        )
        return Cell(blocks, self.concat(blocks))

    def _count(self, values: dict) -> int:
        return self.num_blocks

    @functools.cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self._parts(0))

    def _block(self, values: dict, prefix: str) -> Block:
        parts = {part: values[prefix + part] for part in self._names}
        return Block(**{"combine": self.combinations[0]} | parts)

    def _values(self, name: str, blocks) -> dict:
        values = {
            f"{name}/{number}/{part}": getattr(block, part)
            for number, block in enumerate(blocks)
            for part in self._names
        }
        for number, block in enumerate(blocks):
            if block.combine not in self.combinations:
                raise ValueError(
                    f"{name}/{number}/combine is {block.combine!r}; this space has"
                    f" {', '.join(self.combinations)}."
                )
        return values

    def _check(self, name: str, cell: Cell) -> None:
        if len(cell.blocks) != self.num_blocks:
            kind = type(self).__name__
            raise ValueError(
                f"{name} cell: {len(cell.blocks)} blocks; this space has {self.num_blocks}: use"
                f" {kind}({len(cell.blocks)})."
            )
        if tuple(cell.concat) != self.concat(cell.blocks):
            raise ValueError(
                f"{name} cell: concat is {tuple(cell.concat)}; this space concatenates"
                f" {self._rule}, {self.concat(cell.blocks)}."
            )

    _rule = "the unused states"


def _refuse_unknown(what: str, names, known) -> None:
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"{what} are {tuple(names)}; choose from {', '.join(known)}.")
