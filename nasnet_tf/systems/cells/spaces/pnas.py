"""The search space of PNAS: one cell of at most B blocks, used as it is and, at stride 2, as the
reduction cell.

Source: Liu et al. 2018, arXiv 1712.00559, section 3.1. Its operations are AmoebaNet's.
"""

from __future__ import annotations

from nasnet_tf.contracts.categorical import Decision
from nasnet_tf.systems.cells.spaces.amoeba import EIGHT_OPERATIONS
from nasnet_tf.systems.cells.spaces.blocks import BlockSpace

__all__ = ["PNASSpace"]


class PNASSpace(BlockSpace):
    """Genotypes of one cell. A cell concatenates all its blocks, whether or not another block reads
    them, as in PNASNet-5.

    Args:
        num_blocks: the paper's B.
        growing: a first decision, "blocks", says how many of the blocks there are; the decisions of
            the others mean nothing. PNAS grows its cells so, block by block. Without it every cell
            has `num_blocks`.
    """

    def __init__(self, num_blocks: int = 5, growing: bool = False):
        self.growing = growing
        first = (Decision("blocks", range(1, num_blocks + 1)),) if growing else ()
        super().__init__(num_blocks, EIGHT_OPERATIONS, ("add",), cells=("cell",), first=first)

    def concat(self, blocks):
        return tuple(range(2, len(blocks) + 2))

    def levels(self):
        """Level b has exactly b blocks and frees them, if the space is growing; else see
        `BlockSpace.levels`.
        """
        if not self.growing:
            return super().levels()
        each = len(self._parts(0))
        return [
            (b - 1, *(None if n < b * each else 0 for n in range(self.num_blocks * each)))
            for b in range(1, self.num_blocks + 1)
        ]

    def _count(self, values):
        return values["blocks"] if self.growing else self.num_blocks

    def _values(self, name, blocks):
        if not self.growing:
            return super()._values(name, blocks)
        rest = {decision.name: decision.options[0] for decision in self.decisions}
        return rest | {"blocks": len(blocks)} | super()._values(name, blocks)

    def _check(self, name, cell):
        if not (
            self.growing
            and len(cell.blocks) <= self.num_blocks
            and tuple(cell.concat) == self.concat(cell.blocks)
        ):
            super()._check(name, cell)

    _rule = "all blocks"
