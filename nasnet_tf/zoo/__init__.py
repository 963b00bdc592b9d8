"""Published networks by name, and weights from where they exist. Cards for people stand in the folder zoo/ of the repository."""

from nasnet_tf.zoo.keras_applications import from_keras_applications
from nasnet_tf.zoo.nasnet import NASNetA
from nasnet_tf.zoo.slim import load_slim_weights

__all__ = ["NASNetA", "from_keras_applications", "load_slim_weights"]
