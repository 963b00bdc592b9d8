"""Genotypes that tests build networks of where any would do."""

from nasnet_tf.genotype import Block, Cell, Genotype

# One block a cell, so that a network has a tenth of the variables of NASNet-A's.
BRIEF = Genotype(*[Cell((Block(0, "sep_conv_5x5", 1, "max_pool_3x3"),), (2,))] * 2)
