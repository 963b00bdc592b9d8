"""The NASNet search space: two cells of B blocks, five decisions a block.

Source: Zoph et al. 2017, arXiv 1707.07012, section 3.
"""

from __future__ import annotations

from nasnet_tf.systems.cells.cell import NASNET_OPERATIONS, unused
from nasnet_tf.systems.cells.spaces.blocks import BlockSpace

__all__ = ["NASNetSpace"]


class NASNetSpace(BlockSpace):
    """Genotypes of `num_blocks` blocks a cell. A cell concatenates the states that no block reads,
    which can include its inputs.

    With one combination there is nothing to decide, and four decisions a block.
    """

    def __init__(
        self, num_blocks: int = 5, operations=NASNET_OPERATIONS, combinations=("add", "concatenate")
    ):
        super().__init__(num_blocks, operations, combinations)

    def concat(self, blocks):
        return unused(blocks)
