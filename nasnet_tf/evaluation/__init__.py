"""How good is a genotype: a child network trained in a process of its own, a score of it untrained, what it costs."""

from nasnet_tf.evaluation.limits import Limits, SoftLimit, pareto_front
from nasnet_tf.evaluation.worker import ChildFailed, Stopped, Worker

__all__ = ["ChildFailed", "Limits", "SoftLimit", "Stopped", "Worker", "pareto_front"]
