"""How good is a genotype: a child network trained in a process of its own, or one that runs on weights all children share."""

from nasnet_tf.evaluation.worker import ChildFailed, Stopped, Worker

__all__ = ["ChildFailed", "Stopped", "Worker"]
