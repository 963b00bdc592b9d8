"""The search space of AmoebaNet: NASNet's with eight operations, and sums only.

Source: Real et al. 2019, arXiv 1802.01548, section 3.
"""

from __future__ import annotations

from nasnet_tf.systems.cells.spaces.nasnet import NASNetSpace

__all__ = ["EIGHT_OPERATIONS", "AmoebaNetSpace"]

# The identity is first: what a level of the space leaves undecided does nothing. See
# `BlockSpace.levels`.
EIGHT_OPERATIONS = (
    "identity",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_conv_3x3",
    "conv_1x7_7x1",
)


class AmoebaNetSpace(NASNetSpace):
    """Genotypes of two cells of `num_blocks` blocks; each adds its two results."""

    def __init__(self, num_blocks: int = 5):
        super().__init__(num_blocks, EIGHT_OPERATIONS, ("add",))
