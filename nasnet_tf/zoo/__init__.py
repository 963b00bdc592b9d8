"""Published networks by name, and weights from every source. Cards and recipes are in the
repository's folder zoo/.
"""

from nasnet_tf.zoo.adapt import adapt
from nasnet_tf.zoo.classes import decode_predictions, preprocess_input
from nasnet_tf.zoo.keras_applications import from_keras_applications
from nasnet_tf.zoo.models import AmoebaNetA, NASNetA, PNASNet5, create_model, list_models
from nasnet_tf.zoo.weights import WeightsReport, load_weights

__all__ = [
    "AmoebaNetA",
    "NASNetA",
    "PNASNet5",
    "WeightsReport",
    "adapt",
    "create_model",
    "decode_predictions",
    "from_keras_applications",
    "list_models",
    "load_weights",
    "preprocess_input",
]
