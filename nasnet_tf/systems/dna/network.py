"""The network of a DNA: its graph, the average over the pixels of its last vertex, a classifier.

Source: Real et al. 2017, arXiv 1703.01041; weight decay is the paper's. Channels last.
"""

from __future__ import annotations

import keras

from nasnet_tf.layers.model import GenotypeModel, arguments, check, classified, images, shared
from nasnet_tf.layers.operations import PACKAGE, GraphLayer
from nasnet_tf.systems.dna.genotype import DNA
from nasnet_tf.systems.dna.graph import convolution_graph, vertex_graph

__all__ = ["DNANetwork"]


@keras.saving.register_keras_serializable(PACKAGE)
class EdgeConvolution(GraphLayer):
    """A convolution without bias, norm or activation.

    Returns: (batch, height / strides, width / strides, filters), rounded up.
    """

    own = ("filters", "kernel_size", "strides")

    def __init__(self, filters, kernel_size, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = filters, tuple(kernel_size), strides

    def wire(self, graph, x):
        return convolution_graph(graph, self.filters, self.kernel_size, self.strides, x)


@keras.saving.register_keras_serializable(PACKAGE)
class VertexSum(GraphLayer):
    """The sum of its inputs, all resized to the first; then batch norm and ReLU, or nothing.

    Args:
        activation: "bn_relu" or "linear".
    """

    own = ("activation",)

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation

    def wire(self, graph, *inputs):
        return vertex_graph(graph, self.activation, *inputs)


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
    filters, kernel_size, strides = (
        edge.filter.filters,
        edge.filter.kernel_size,
        edge.filter.strides,
    )
    return EdgeConvolution(filters, kernel_size, strides, name=f"edge_{edge.name}", **given)
