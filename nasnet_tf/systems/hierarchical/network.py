"""The network of a hierarchical representation: a stem, three stages of one cell at C, 2C and 4C,
separable convolutions between cells.

Source: Liu et al. 2018, arXiv 1711.00436; what is the paper's and what is ours stands in `plan.py`.
    Channels last.
"""

from __future__ import annotations

import keras
from keras import layers

from nasnet_tf.layers.model import GenotypeModel, arguments, check, classified, images, shared
from nasnet_tf.layers.operations import PACKAGE, ConvNorm, GraphLayer
from nasnet_tf.systems.hierarchical import plan as motifs
from nasnet_tf.systems.hierarchical.genotype import Hierarchical
from nasnet_tf.systems.hierarchical.graph import cell_graph
from nasnet_tf.systems.stages import default_stem

__all__ = ["HierarchicalNetwork"]


@keras.saving.register_keras_serializable(PACKAGE)
class MotifCell(GraphLayer):
    """The cell of a `Hierarchical` genotype: its motif of the highest level.

    Inputs: (batch, height, width, channels). Returns: (batch, height, width, as many as come
        together at the sink).

    Args:
        filters: the paper's C.
    """

    own = ("filters",)

    def __init__(self, genotype, filters, **kwargs):
        super().__init__(**kwargs)
        self.genotype, self.filters = genotype, filters

    def wire(self, graph, x):
        return cell_graph(graph, self.genotype, self.filters, x)

    def get_config(self):
        return {**super().get_config(), "genotype": self.genotype.to_json()}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "genotype": Hierarchical.from_json(config["genotype"])})


@keras.saving.register_keras_serializable(PACKAGE)
class HierarchicalNetwork(GenotypeModel):
    """A network of a `Hierarchical` genotype, flat ones too.

    Inputs: images (batch, height, width, channels); in pixels if `mean` and `std` are given, else
        as preprocessed by you.
    Returns: (batch, classes) float32.

    Args:
        genotype: a `Hierarchical`.
        num_cells: cells a stage; three numbers give each stage its own.
        filters: the paper's c0, the width of the first stage.
        stem: "cifar" or "imagenet" (`nasnet_tf.systems.hierarchical.plan.plan`); None goes by the
            size of the images.
        others: as `nasnet_tf.network.Network`.
    """

    def __init__(
        self,
        genotype,
        *,
        num_cells=2,
        filters=64,
        classes=10,
        stem="cifar",
        input_shape=(32, 32, 3),
        classifier_activation="softmax",
        batch_norm_momentum=0.9,
        batch_norm_epsilon=1e-5,
        weight_decay=0.0,
        mean=None,
        std=None,
        class_names=None,
        dtype=None,
        name="network",
    ):
        config = arguments(locals())
        check(config, Hierarchical, "classes")
        given = shared(config)
        inputs, x = images(input_shape, mean, std)
        for step in motifs.plan(num_cells, filters, stem or default_stem(input_shape)):
            if step.part is None:
                x = MotifCell(genotype, step.filters, name=step.name, **given)(x)
            else:
                x = ConvNorm(*step.part, name=step.name, **given)(x)
                x = layers.ReLU(name=f"{step.name}_relu", dtype=given["dtype"])(x)
        super().__init__(inputs, classified(x, config), config)
