"""How good is a genotype: a child trained in a process of its own, shared weights, a table of
trainings, an untrained score, its cost.
"""

from nasnet_tf.children.worker import ChildFailed, Stopped, Worker, WorkerLost
from nasnet_tf.scores.limits import Limits, SoftLimit, pareto_front
from nasnet_tf.systems.layerwise import cubed_best
from nasnet_tf.systems.recurrent import inverse_square
from nasnet_tf.tables.table import Figures, Table
from nasnet_tf.tables.tabular import History, simulate

__all__ = [
    "ChildFailed",
    "Figures",
    "History",
    "Limits",
    "SoftLimit",
    "Stopped",
    "Table",
    "Worker",
    "WorkerLost",
    "cubed_best",
    "inverse_square",
    "pareto_front",
    "simulate",
]
