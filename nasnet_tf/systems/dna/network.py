"""The network of a DNA: its graph, the average over the pixels of its last vertex, a classifier.

Source: Real et al. 2017, arXiv 1703.01041; weight decay is the paper's. Channels last.
"""

from __future__ import annotations

import keras
from keras import ops

from nasnet_tf.layers import parts
from nasnet_tf.layers.model import GenotypeModel, arguments, check, classified, images, shared
from nasnet_tf.layers.operations import PACKAGE, CellLayer, short_names
from nasnet_tf.layers.parts import halved
from nasnet_tf.systems.dna.genotype import DNA

__all__ = ["DNANetwork"]


@keras.saving.register_keras_serializable(PACKAGE)
class EdgeConvolution(CellLayer):
    """A convolution without bias, norm or activation.

    Returns: (batch, height / strides, width / strides, filters), rounded up.
    """

    def __init__(self, filters, kernel_size, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = filters, tuple(kernel_size), strides

    def build(self, input_shape):
        with short_names():
            self.kernel = parts.kernel(
                self, "kernel", *self.kernel_size, input_shape[-1], self.filters
            )

    def call(self, x):
        return ops.conv(
            x, ops.cast(self.kernel, x.dtype), self.strides, "same", data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, halved(height, self.strides), halved(width, self.strides), self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }


@keras.saving.register_keras_serializable(PACKAGE)
class VertexSum(CellLayer):
    """The sum of its inputs, all resized to the first; then batch norm and ReLU, or nothing.

    Args:
        activation: "bn_relu" or "linear".
    """

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation

    def build(self, input_shapes):
        with short_names():
            self.norm = None
            if self.activation == "bn_relu":
                channels = input_shapes[0][-1]
                self.norm = parts.Bound(
                    self, parts.graph_of(channels, lambda graph: graph.norm("norm", channels))
                )

    def call(self, inputs, training=None):
        x, *others = inputs
        x = sum((resized(y, *x.shape[1:]) for y in others), x)
        return x if self.norm is None else ops.relu(self.norm(x, training=training))

    def compute_output_shape(self, input_shapes):
        return tuple(input_shapes[0])

    def get_config(self):
        return {**super().get_config(), "activation": self.activation}


def resized(x, height, width, channels):
    """x (batch, any, any, any) as (batch, height, width, channels): zeroth-order interpolation;
    channels cut off, or zeros added.
    """
    for axis, size in ((1, height), (2, width)):
        old = x.shape[axis]
        if old != size:
            x = ops.take(x, [pixel * old // size for pixel in range(size)], axis=axis)
    missing = channels - x.shape[-1]
    return ops.pad(x, [[0, 0]] * 3 + [[0, missing]]) if missing > 0 else x[..., :channels]


@keras.saving.register_keras_serializable(PACKAGE)
class DNANetwork(GenotypeModel):
    """A network of a DNA, which has a size of its own: there are no `num_cells` and no `filters`.

    Inputs: images (batch, height, width, channels); in pixels if `mean` and `std` are given, else
        as preprocessed by you.
    Returns: (batch, classes) float32.

    Layers are named after the edges and vertices of the DNA, so that parent and child agree on what
    is the same layer.

    Args:
        genotype: a `DNA`.
        input_shape: (height, width, channels), all known.
        others: as `nasnet_tf.systems.cells.network.Network`.
    """

    def __init__(
        self,
        genotype,
        *,
        classes=10,
        input_shape=(32, 32, 3),
        classifier_activation="softmax",
        batch_norm_momentum=0.9,
        batch_norm_epsilon=1e-5,
        weight_decay=1e-4,
        mean=None,
        std=None,
        class_names=None,
        dtype=None,
        name="network",
    ):
        config = arguments(locals())
        check(config, DNA, "classes")
        inputs, x = images(input_shape, mean, std)
        if None in tuple(input_shape):
            raise ValueError(
                f"input_shape is {tuple(input_shape)}; the network of a DNA needs height and width."
            )
        given = shared(config)
        states = {genotype.vertices[0].name: x}
        for vertex in genotype.vertices[1:]:
            terms = [
                _edge(edge, given)(states[edge.source]) for edge in genotype.incoming[vertex.name]
            ]
            states[vertex.name] = VertexSum(
                vertex.activation, name=f"vertex_{vertex.name}", **given
            )(terms)
        super().__init__(inputs, classified(states[genotype.vertices[-1].name], config), config)


def _edge(edge, given):
    """What an edge does to a tensor."""
    if edge.filter is None:
        return lambda x: x
    return EdgeConvolution(
        edge.filter.filters,
        edge.filter.kernel_size,
        edge.filter.strides,
        name=f"edge_{edge.name}",
        **given,
    )
