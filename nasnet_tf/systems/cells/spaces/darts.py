"""The search space of DARTS as one of discrete decisions: what its continuous search can end at.

Two cells of four nodes; each node adds two operations on two different states before it. The eighth
operation of DARTS, zero, is only a weight in its continuous search: a derived cell never has it
(section 2.4).

Source: Liu et al. 2019, arXiv 1806.09055, sections 2.1, 2.4 and 3.1.1.
"""

from __future__ import annotations

import itertools

from nasnet_tf.systems.cells.cell import Block
from nasnet_tf.systems.cells.spaces.blocks import BlockSpace

__all__ = ["DARTS_OPERATIONS", "DARTSSpace"]

DARTS_OPERATIONS = (
    "identity",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_sep_conv_3x3",
    "dil_sep_conv_5x5",
    "max_pool_3x3",
    "avg_pool_3x3",
)


class DARTSSpace(BlockSpace):
    """Genotypes of two cells of `num_blocks` nodes; all nodes are concatenated.

    The two inputs of a node are one decision, of pairs such as "0,2", so that no two points differ
    in the order of a node's inputs.
    """

    def __init__(self, num_blocks: int = 4):
        super().__init__(num_blocks, DARTS_OPERATIONS, ("add",))

    def concat(self, blocks):
        return tuple(range(2, len(blocks) + 2))

    def _parts(self, block):
        pairs = tuple(f"{one},{two}" for one, two in itertools.combinations(range(block + 2), 2))
        return {"inputs": pairs, "operation_1": self.operations, "operation_2": self.operations}

    def _block(self, values, prefix):
        one, two = map(int, values[prefix + "inputs"].split(","))
        return Block(one, values[prefix + "operation_1"], two, values[prefix + "operation_2"])

    def _values(self, name, blocks):
        values = {}
        for number, block in enumerate(blocks):
            (one, first), (two, second) = sorted(
                [(block.input_1, block.operation_1), (block.input_2, block.operation_2)]
            )
            values |= dict(
                zip(
                    (f"{name}/{number}/{part}" for part in self._parts(0)),
                    (f"{one},{two}", first, second),
                    strict=True,
                )
            )
        return values

    _rule = "all nodes"
