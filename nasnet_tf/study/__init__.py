"""A search as a fact: trials on disk, asked for and told, whole before the strategy learns from
them. Knows no Keras and no Keras Tuner.
"""

from nasnet_tf.study.failures import OF_THE_MACHINE, is_passing
from nasnet_tf.study.history import Begin, History
from nasnet_tf.study.leases import LEASED
from nasnet_tf.study.records import PARENT, Outcome
from nasnet_tf.study.schema import Parameter, SearchSchema
from nasnet_tf.study.stored import Ended, Listener, Trial
from nasnet_tf.study.study import EPOCH, MOST_LOST, Answer, Study

__all__ = [
    "EPOCH", "LEASED", "MOST_LOST", "OF_THE_MACHINE", "PARENT", "Answer", "Begin", "Ended",
    "History", "Listener", "Outcome", "Parameter", "SearchSchema", "Study", "Trial", "is_passing",
]  # fmt: skip
