"""Cells as frozen data: blocks, cells, genotypes. No Keras here.

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

import hashlib
import itertools
import json
import os
from typing import NamedTuple

from nasnet_tf.contracts.genotype import KINDS, parsed, read_file
from nasnet_tf.files import write_whole

__all__ = [
    "COMBINATIONS",
    "GENOTYPES",
    "NASNET_OPERATIONS",
    "OPERATION_NAMES",
    "Block",
    "Cell",
    "Genotype",
    "canonical",
    "check",
    "from_darts",
    "get",
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
# All that a block can apply: DARTS' dilated convolutions are separable ones, unlike those above;
# NAS-Bench-201's 3x3 has no bottleneck.
OPERATION_NAMES = (*NASNET_OPERATIONS, "dil_sep_conv_3x3", "dil_sep_conv_5x5", "nor_conv_3x3")
COMBINATIONS = (
    "add",
    "concatenate",
    "add_layer_norm",
    "add_instance_norm",
)  # the last two in NASNet-B and C only (appendix B)

_VERSION = 1
_MAX_BLOCKS = 100
_FEW_BLOCKS = (
    15  # of larger cells fewer orders are looked at: each takes the cube of the blocks in time
)
_MAX_ORDERS = (
    5040  # looked at for a canonical name: enough for seven blocks that nothing tells apart
)


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
        if (
            not isinstance(data, dict)
            or set(data) != {"blocks", "concat"}
            or not all(isinstance(v, list) for v in data.values())
        ):
            raise ValueError(
                f'a cell must be an object with the lists "blocks" and "concat"; got {data!r:.80}.'
            )
        for number, block in enumerate(data["blocks"]):
            if not isinstance(block, list) or len(block) != len(Block._fields):
                raise ValueError(
                    f"block {number} must be a list of {', '.join(Block._fields)}; got"
                    f" {block!r:.80}."
                )
        return check(cls(tuple(Block(*block) for block in data["blocks"]), tuple(data["concat"])))


class Genotype(NamedTuple):
    """The two cells a network is stacked from. Hashable, comparable, JSON both ways."""

    normal: Cell
    reduction: Cell

    schema = "nasnet_tf.genotype"

    def to_json(self) -> str:
        """The genotype as JSON text, with the version of its schema."""
        cells = {name: cell.to_data() for name, cell in self._asdict().items()}
        return json.dumps({"schema": self.schema, "version": _VERSION, **cells})

    @classmethod
    def from_json(cls, text: str) -> Genotype:
        """The genotype in `text`, checked. Raises ValueError that says what is wrong and how to
        mend it.
        """
        data = parsed(text, cls.schema, _VERSION, cls._fields)
        cells = []
        for name in cls._fields:
            try:
                cells.append(Cell.from_data(data.get(name)))
            except ValueError as error:
                raise ValueError(f"{name} cell: {error}") from None
        return cls(*cells)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the genotype as JSON; the file is there whole or not at all."""
        write_whole(path, (self.to_json() + "\n").encode())

    @classmethod
    def load(cls, path: str | os.PathLike) -> Genotype:
        """The genotype in the file `path`. Raises ValueError that names the file if it holds
        none.
        """
        return read_file(path, cls.from_json, GENOTYPES)

    def canonical_key(self) -> str:
        """32 hex digits, equal for two genotypes exactly if they are the same two cells up to
        naming.

        Order of a block's inputs, order of the blocks, order of the concatenation and blocks that
        nothing reads are naming.
        """
        return hashlib.sha256(Genotype(*map(canonical, self)).to_json().encode()).hexdigest()[:32]

    def lines(self) -> list[str]:
        """The cells for a person to read, a block a line."""
        return [
            line
            for name, cell in self._asdict().items()
            for line in (f"{name} cell {_header(cell)}", *_block_lines(cell))
        ]


KINDS[Genotype.schema] = Genotype


def _header(cell: Cell) -> str:
    return f"(0 is h, 1 is p; concatenates {', '.join(map(str, cell.concat))})"


def _block_lines(cell: Cell):
    for number, (one, first, two, second, combine) in enumerate(cell.blocks, start=2):
        yield f"  {number} = {combine}({first} of {one}, {second} of {two})"


def check(value):
    """Returns the genotype or cell `value` unchanged if it is sound, else raises ValueError that
    says the mend.
    """
    if isinstance(value, Genotype):
        for name, cell in value._asdict().items():
            try:
                check(cell)
            except ValueError as error:
                raise ValueError(f"{name} cell: {error}") from None
        return value
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


def canonical(cell: Cell) -> Cell:
    """The representative of all cells that are `cell` up to naming: live blocks only, least in
    lexicographic order.

    Blocks with equal operations on equal inputs stay two blocks: they learn two sets of weights.
    With more than seven of those in a cell, or in one of more than 15 blocks, two names for it may
    come out different; two cells never get the same one.
    """
    live, frontier = set(), {state for state in cell.concat if state >= 2}
    while frontier:
        live |= frontier
        frontier = {
            s for state in frontier for s in _inputs(cell.blocks[state - 2]) if s >= 2
        } - live
    orders = (
        _MAX_ORDERS
        if len(live) <= _FEW_BLOCKS
        else max(_MAX_ORDERS * _FEW_BLOCKS**3 // len(live) ** 3, 1)
    )
    return min(itertools.islice(_orders(cell, {0: 0, 1: 1}, live, {}, ()), orders))


def _orders(
    cell: Cell,
    names: dict[int, int],
    rest: set[int],
    ready: dict[int, Block],
    done: tuple[Block, ...],
):
    """All ways to finish naming the blocks `rest`, least block first; only blocks that tie are
    branched on.

    Args:
        ready: those of the rest whose inputs have names, as they are called then; others are added.
    """
    if not rest:
        yield Cell(done, tuple(sorted(names[state] for state in cell.concat)))
        return
    for state in rest:
        block = cell.blocks[state - 2]
        if state not in ready and block.input_1 in names and block.input_2 in names:
            ready[state] = _renamed(block, names)
    least = min(ready.values())
    tied = [state for state, block in ready.items() if block == least]
    if len(tied) > 1:  # twins that are read by the same blocks in the same way need no second try
        tied = {_role(cell, state): state for state in tied}.values()
    for state in tied:
        others = {other: block for other, block in ready.items() if other != state}
        yield from _orders(
            cell, {**names, state: len(done) + 2}, rest - {state}, others, (*done, least)
        )


def _role(cell: Cell, state: int):
    readers = [
        (number, operation, other)
        for number, b in enumerate(cell.blocks)
        for source, operation, other in (
            (b.input_1, b.operation_1, (b.input_2, b.operation_2)),
            (b.input_2, b.operation_2, (b.input_1, b.operation_1)),
        )
        if source == state
    ]
    return tuple(sorted(readers)), state in cell.concat


def _renamed(block: Block, names: dict[int, int]) -> Block:
    input_1, operation_1, input_2, operation_2, combine = block
    one, two = (names[input_1], operation_1), (names[input_2], operation_2)
    return Block(*one, *two, combine) if one <= two else Block(*two, *one, combine)


def _inputs(block: Block) -> tuple[int, int]:
    return block.input_1, block.input_2


def _is_state(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_DARTS_NAMES = {
    "skip_connect": "identity",
    "conv_7x1_1x7": "conv_1x7_7x1",
    "dil_conv_3x3": "dil_sep_conv_3x3",
    "dil_conv_5x5": "dil_sep_conv_5x5",
}


def from_darts(normal, normal_concat, reduce, reduce_concat) -> Genotype:
    """A genotype from DARTS' notation: lists of (operation, state), two a node; state 0 is p and 1
    is h there.

    Source: Liu et al. 2019, arXiv 1806.09055, and the index order of its published code
        (cnn/genotypes.py).
    """

    def state(index):
        return {0: 1, 1: 0}.get(index, index)

    def cell(edges, concat):
        if len(edges) % 2:
            raise ValueError(f"DARTS lists two edges a node; got an odd number, {len(edges)}.")
        named = [
            (state(source), _DARTS_NAMES.get(operation, operation)) for operation, source in edges
        ]
        blocks = tuple(Block(*one, *two) for one, two in zip(named[::2], named[1::2], strict=True))
        return Cell(blocks, tuple(state(index) for index in concat))

    return check(Genotype(cell(normal, normal_concat), cell(reduce, reduce_concat)))


def get(name: str) -> Genotype:
    """The published genotype of that name. Raises ValueError with the names there are."""
    try:
        return GENOTYPES[name]
    except KeyError:
        raise ValueError(
            f"no genotype {name!r}; there are {', '.join(GENOTYPES)}; one in a file is read by"
            " Genotype.load(path)."
        ) from None


# Zoph et al. 2017; wiring and output masks of the authors' code (slim/nets/nasnet/nasnet_utils.py).
NASNET_A = check(
    Genotype(
        normal=Cell(
            (
                Block(0, "sep_conv_5x5", 1, "sep_conv_3x3"),
                Block(1, "sep_conv_5x5", 1, "sep_conv_3x3"),
                Block(0, "avg_pool_3x3", 1, "identity"),
                Block(1, "avg_pool_3x3", 1, "avg_pool_3x3"),
                Block(0, "sep_conv_3x3", 0, "identity"),
            ),
            concat=(1, 2, 3, 4, 5, 6),
        ),
        reduction=Cell(
            (
                Block(0, "sep_conv_5x5", 1, "sep_conv_7x7"),
                Block(0, "max_pool_3x3", 1, "sep_conv_7x7"),
                Block(0, "avg_pool_3x3", 1, "sep_conv_5x5"),
                Block(3, "identity", 2, "avg_pool_3x3"),
                Block(2, "sep_conv_3x3", 0, "max_pool_3x3"),
            ),
            concat=(3, 4, 5, 6),
        ),
    )
)

# Liu et al. 2018, arXiv 1712.00559; one cell, its stride-2 version reduces
# (slim/nets/nasnet/pnasnet.py).
_PNASNET_5_CELL = Cell(
    (
        Block(1, "sep_conv_5x5", 1, "max_pool_3x3"),
        Block(0, "sep_conv_7x7", 0, "max_pool_3x3"),
        Block(0, "sep_conv_5x5", 0, "sep_conv_3x3"),
        Block(4, "sep_conv_3x3", 0, "max_pool_3x3"),
        Block(1, "sep_conv_3x3", 0, "identity"),
    ),
    concat=(2, 3, 4, 5, 6),
)
PNASNET_5 = check(Genotype(_PNASNET_5_CELL, _PNASNET_5_CELL))

# Real et al. 2019, arXiv 1802.01548, in DARTS' notation.
AMOEBANET_A = from_darts(
    normal=[
        ("avg_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_5x5", 2),
        ("sep_conv_3x3", 0),
        ("avg_pool_3x3", 3),
        ("sep_conv_3x3", 1),
        ("skip_connect", 1),
        ("skip_connect", 0),
        ("avg_pool_3x3", 1),
    ],
    normal_concat=[4, 5, 6],
    reduce=[
        ("avg_pool_3x3", 0),
        ("sep_conv_3x3", 1),
        ("max_pool_3x3", 0),
        ("sep_conv_7x7", 2),
        ("sep_conv_7x7", 0),
        ("avg_pool_3x3", 1),
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("conv_7x1_1x7", 0),
        ("sep_conv_3x3", 5),
    ],
    reduce_concat=[3, 4, 6],
)

GENOTYPES = {"nasnet_a": NASNET_A, "pnasnet_5": PNASNET_5, "amoebanet_a": AMOEBANET_A}
