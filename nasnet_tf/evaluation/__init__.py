"""How good is a genotype: for now, a child network trained in a process of its own."""

from nasnet_tf.evaluation.worker import ChildFailed, Stopped, Worker

__all__ = ["ChildFailed", "Stopped", "Worker"]
