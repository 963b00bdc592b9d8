"""The NASNet search space: two cells of B blocks, five decisions a block.

Decisions come in the paper's order: for each block the two inputs, their two operations, and how the results are combined; the
normal cell first, then the reduction cell. A cell concatenates the states that no block reads, which can include its inputs.

Source: Zoph et al. 2017, arXiv 1707.07012, section 3. With fewer operations it is the space of PNAS (arXiv 1712.00559).
"""

from __future__ import annotations

from nasnet_tf.genotype import COMBINATIONS, OPERATION_NAMES, Block, Cell, Genotype, check, unused

from .choices import Choices, Decision

__all__ = ["NASNetSpace"]

_PARTS = ("input_1", "input_2", "operation_1", "operation_2", "combine")  # the order in which they are decided


class NASNetSpace(Choices):
    """Genotypes of `num_blocks` blocks a cell (the paper's B), with the unused states concatenated."""

    def __init__(self, num_blocks: int = 5, operations=OPERATION_NAMES, combinations=("add", "concatenate")):
        if num_blocks < 1:
            raise ValueError(f"num_blocks is {num_blocks}; a cell needs at least one block, the paper has 5.")
        _refuse_unknown("operations", operations, OPERATION_NAMES)
        _refuse_unknown("combinations", combinations, COMBINATIONS)
        self.num_blocks, self.operations, self.combinations = num_blocks, tuple(operations), tuple(combinations)
        super().__init__(
            Decision(f"{cell}/{block}/{part}", options)
            for cell in Genotype._fields
            for block in range(num_blocks)
            for part, options in zip(_PARTS, self._options(block), strict=True)
        )

    def decode(self, choices) -> Genotype:
        """The genotype that the point stands for."""
        values = self.values(choices)
        return check(Genotype(*(self._cell(values, name) for name in Genotype._fields)))

    def encode(self, decoded: Genotype) -> tuple[int, ...]:
        """The point that stands for a genotype. Raises ValueError if the space has none."""
        values = {}
        for name, cell in check(decoded)._asdict().items():
            if len(cell.blocks) != self.num_blocks:
                raise ValueError(
                    f"{name} cell: {len(cell.blocks)} blocks; this space has {self.num_blocks}: use NASNetSpace({len(cell.blocks)})."
                )
            if tuple(cell.concat) != unused(cell.blocks):
                raise ValueError(
                    f"{name} cell: concat is {tuple(cell.concat)}; this space concatenates the unused states, {unused(cell.blocks)}."
                )
            values |= {f"{name}/{number}/{part}": getattr(block, part) for number, block in enumerate(cell.blocks) for part in _PARTS}
        return self.choices(values)

    def key(self, choices) -> str:
        """32 hex digits, equal exactly if the genotypes are the same up to naming."""
        return self.decode(choices).canonical_key()

    def _options(self, block: int) -> tuple[tuple, ...]:
        states = tuple(range(block + 2))
        return states, states, self.operations, self.operations, self.combinations

    def _cell(self, values: dict, name: str) -> Cell:
        blocks = tuple(Block(**{part: values[f"{name}/{number}/{part}"] for part in _PARTS}) for number in range(self.num_blocks))
        return Cell(blocks, unused(blocks))


def _refuse_unknown(what: str, names, known) -> None:
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"{what} are {tuple(names)}; choose from {', '.join(known)}.")
