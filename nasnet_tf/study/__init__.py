"""A search as facts: what the records of its log say of its trials. No Keras here."""

from nasnet_tf.study.failures import OF_THE_MACHINE, is_passing
from nasnet_tf.study.history import Begin, History

__all__ = ["OF_THE_MACHINE", "Begin", "History", "is_passing"]
