"""How good is a genotype: a child network trained in a process of its own, or a table of trainings done before."""

from nasnet_tf.evaluation.table import Figures, Table
from nasnet_tf.evaluation.tabular import History, simulate
from nasnet_tf.evaluation.worker import ChildFailed, Stopped, Worker

__all__ = ["ChildFailed", "Figures", "History", "Stopped", "Table", "Worker", "simulate"]
