"""One name for all cells that are the same up to naming: order of a block's inputs, order of the
blocks, order of the concatenation, blocks that nothing reads. No Keras here.
"""

from __future__ import annotations

import itertools

from nasnet_tf.systems.cells.cell import Block, Cell

__all__ = ["canonical"]

# Orders that are looked at for a canonical name: enough for seven blocks that nothing tells apart.
_MAX_ORDERS = 5040
# Of larger cells fewer orders are looked at, since each takes the cube of the blocks in time.
_FEW_BLOCKS = 15


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
        read = {s for state in frontier for s in _inputs(cell.blocks[state - 2])}
        frontier = read - live - {0, 1}
    orders = _MAX_ORDERS
    if len(live) > _FEW_BLOCKS:
        orders = max(_MAX_ORDERS * _FEW_BLOCKS**3 // len(live) ** 3, 1)
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
        tied = list({_role(cell, state): state for state in tied}.values())
    for state in tied:
        others = {other: block for other, block in ready.items() if other != state}
        named = {**names, state: len(done) + 2}
        yield from _orders(cell, named, rest - {state}, others, (*done, least))


def _role(cell: Cell, state: int):
    """What reads the output of a block, and whether it is concatenated."""
    readers = []
    for number, block in enumerate(cell.blocks):
        one, two = block[:2], block[2:4]
        readers += [(number, one[1], two)] if one[0] == state else []
        readers += [(number, two[1], one)] if two[0] == state else []
    return tuple(sorted(readers)), state in cell.concat


def _renamed(block: Block, names: dict[int, int]) -> Block:
    input_1, operation_1, input_2, operation_2, combine = block
    one, two = (names[input_1], operation_1), (names[input_2], operation_2)
    return Block(*one, *two, combine) if one <= two else Block(*two, *one, combine)


def _inputs(block: Block) -> tuple[int, int]:
    return block.input_1, block.input_2
