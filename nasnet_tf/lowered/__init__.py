"""A graph with its details worked out, as whatever computes it without a framework reads it; and
the training of what does so.
"""

from nasnet_tf.lowered.fitting import BareModel
from nasnet_tf.lowered.graph import LoweredGraph
from nasnet_tf.lowered.images import ImageModel, labels_of

__all__ = ["BareModel", "ImageModel", "LoweredGraph", "labels_of"]
