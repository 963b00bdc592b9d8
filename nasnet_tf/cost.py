"""Parameters and multiply-adds of a network of any genotype, counted from its graph: nothing is
built.
"""

from nasnet_tf.systems.costs import Cost, cost, cost_of, counted_arguments, defaults_of

__all__ = ["Cost", "cost", "cost_of", "counted_arguments", "defaults_of"]
