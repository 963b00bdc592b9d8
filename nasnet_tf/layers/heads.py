"""The auxiliary classifier of a network of cells, as a Keras layer."""

from __future__ import annotations

import keras
from keras import ops

from nasnet_tf.graph.heads import auxiliary_features
from nasnet_tf.layers.operations import PACKAGE, GraphLayer
from nasnet_tf.layers.parts import dense


@keras.saving.register_keras_serializable(PACKAGE)
class AuxiliaryHead(GraphLayer):
    """A second classifier two thirds of the way up, used in training with a loss weight of 0.4.

    Args:
        size: height and width of the input after the 5x5 average pool of stride 3; its second
            convolution covers all of it.
    Returns: (batch, classes), float32.
    Source: Zoph et al. 2017, appendix A.7; sizes of the authors' nasnet.py (_build_aux_head).
    """

    own = ("classes", "size", "activation")

    def __init__(self, classes, size, activation="softmax", **kwargs):
        super().__init__(**kwargs)
        self.classes, self.size, self.activation = classes, tuple(size), activation
        self.dense = dense(classes, activation, self.weight_decay, "dense")

    def wire(self, graph, x):
        return auxiliary_features(graph, x, self.size)

    def build(self, input_shape):
        super().build(input_shape)
        self.dense.build((None, self.bound.graph.output.channels))

    def call(self, x, training=None):
        features = self.bound(x, training=training)
        return self.dense(ops.reshape(features, (-1, features.shape[-1])))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.classes)

    def compute_output_spec(self, x, training=None):
        return keras.KerasTensor((x.shape[0], self.classes), dtype="float32")
