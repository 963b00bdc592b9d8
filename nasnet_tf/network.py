"""The network of a cell genotype: `Network`, and `plan`, the cells it is built of."""

from nasnet_tf.systems.cells.network import Network, plan

__all__ = ["Network", "plan"]
