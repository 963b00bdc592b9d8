"""A cell as frozen data: blocks, and what is concatenated of them. No Keras here.

States of a cell: 0 is `h`, the output of the previous cell; 1 is `p`, the output of the cell before
that; 2, 3, ... are the blocks in order. This is the numbering of the original code; DARTS swaps 0
and 1 (`from_darts` converts).

A block applies one operation to each of two earlier states and combines the results. A cell also
stores which states it concatenates into its output, because the released NASNet-A breaks the
paper's rule ("all unused states"): its normal cell concatenates `p` although blocks read it, its
reduction cell concatenates state 3 although block 5 reads it.

Source: Zoph et al. 2017, arXiv 1707.07012, section 3 and appendix A; wiring of NASNet-A from the
    authors' TF-slim code.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "COMBINATIONS",
    "NASNET_OPERATIONS",
    "OPERATION_NAMES",
    "Block",
    "Cell",
    "check_cell",
    "unused",
]

# The 13 operations of the paper's search space, under the names the field uses for them.
NASNET_OPERATIONS = (
    "identity",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
# All that a block can apply. Unlike those above, DARTS' dilated convolutions are separable, and
# NAS-Bench-201's 3x3 has no bottleneck.
OPERATION_NAMES = (*NASNET_OPERATIONS, "dil_sep_conv_3x3", "dil_sep_conv_5x5", "nor_conv_3x3")
# The last two in NASNet-B and C only (appendix B).
COMBINATIONS = ("add", "concatenate", "add_layer_norm", "add_instance_norm")

_MAX_BLOCKS = 100


class Block(NamedTuple):
    """`combine(operation_1(state input_1), operation_2(state input_2))`."""

    input_1: int
    operation_1: str
    input_2: int
    operation_2: str
    combine: str = "add"


class Cell(NamedTuple):
    """Blocks in order, and the states whose outputs are concatenated (in this order) into the
    cell's output.
    """

    blocks: tuple[Block, ...]
    concat: tuple[int, ...]

    def to_data(self) -> dict:
        """The cell as JSON's objects and lists."""
        return {"blocks": [list(block) for block in self.blocks], "concat": list(self.concat)}

    @classmethod
    def from_data(cls, data) -> Cell:
        """The inverse of `to_data`, checked. Raises ValueError that says what is wrong."""
        known = isinstance(data, dict) and set(data) == {"blocks", "concat"}
        if not known or not all(isinstance(value, list) for value in data.values()):
            raise ValueError(
                f'a cell must be an object with the lists "blocks" and "concat"; got {data!r:.80}.'
            )
        for number, block in enumerate(data["blocks"]):
            if not isinstance(block, list) or len(block) != len(Block._fields):
                raise ValueError(
                    f"block {number} must be a list of {', '.join(Block._fields)}; got"
                    f" {block!r:.80}."
                )
        blocks = tuple(Block(*block) for block in data["blocks"])
        return check_cell(cls(blocks, tuple(data["concat"])))


def check_cell(value) -> Cell:
    """Returns the cell unchanged if it is sound. Raises ValueError that says what is wrong and how
    to mend it.
    """
    if not isinstance(value, Cell):
        raise ValueError(
            f"expected a Genotype or a Cell, got {type(value).__name__}: {value!r:.80}."
        )
    if not value.blocks:
        raise ValueError("a cell needs at least one block; got none.")
    if len(value.blocks) > _MAX_BLOCKS:
        raise ValueError(
            f"a cell of {len(value.blocks)} blocks is too large; give at most {_MAX_BLOCKS}."
        )
    for number, block in enumerate(value.blocks):
        if not isinstance(block, Block):
            raise ValueError(f"block {number} is {block!r:.80}; make it a Block.")
        for state, operation in (
            (block.input_1, block.operation_1),
            (block.input_2, block.operation_2),
        ):
            if not _is_state(state) or state > number + 1:
                raise ValueError(
                    f"block {number} reads state {state!r}; it can read 0 to {number + 1} (0 is h,"
                    " 1 is p, then the blocks before it)."
                )
            if operation not in OPERATION_NAMES:
                raise ValueError(
                    f"block {number} has operation {operation!r:.60}; there are"
                    f" {', '.join(OPERATION_NAMES)}."
                )
        if block.combine not in COMBINATIONS:
            raise ValueError(
                f"block {number} combines with {block.combine!r:.60}; there are"
                f" {', '.join(COMBINATIONS)}."
            )
    last = len(value.blocks) + 1
    if not value.concat:
        raise ValueError(
            f"a cell must concatenate at least one state into its output; choose from 0 to {last}."
        )
    for state in value.concat:
        if not _is_state(state) or state > last:
            raise ValueError(f"concat names state {state!r}; there are 0 to {last}.")
    if len(set(value.concat)) != len(value.concat):
        raise ValueError(f"concat names a state twice: {value.concat}; name each once.")
    if max(value.concat) < 2:
        raise ValueError(
            f"concat {value.concat} holds no block, so the cell would compute nothing; add one of 2"
            f" to {last}."
        )
    return value


def unused(blocks: tuple[Block, ...]) -> tuple[int, ...]:
    """The states no block reads: what the paper concatenates into a cell's output (section 3)."""
    read = {state for block in blocks for state in (block.input_1, block.input_2)}
    return tuple(state for state in range(len(blocks) + 2) if state not in read)


def _is_state(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
