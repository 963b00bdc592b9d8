"""The network of NAS-Bench-201: a stem, three stages of one cell at F, 2F and 4F, a residual block
of stride 2 between stages.

Source: Dong & Yang 2020, arXiv 2001.00326, section 2, and its code. Channels last.
"""

from __future__ import annotations

import keras
from keras import layers

from nasnet_tf.layers.model import GenotypeModel, arguments, check, classified, images, shared
from nasnet_tf.layers.operations import PACKAGE, ConvNorm, GraphLayer
from nasnet_tf.systems.nas_bench_201.genotype import NASBench201
from nasnet_tf.systems.nas_bench_201.graph import cell_graph, reduction_graph
from nasnet_tf.systems.stages import stage_cells

__all__ = ["NASBench201Network"]


@keras.saving.register_keras_serializable(PACKAGE)
class EdgesCell(GraphLayer):
    """A `NASBench201` cell: every node is the sum of its edges.

    Inputs and result: (batch, height, width, channels). An edge of "none" brings its source times
    zero, as in the authors' code: so what leads nowhere has a gradient, which is zero.
    """

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell

    def wire(self, graph, x):
        return cell_graph(graph, self.cell, x)

    def get_config(self):
        return {**super().get_config(), "cell": self.cell.to_arch()}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "cell": NASBench201.from_arch(config["cell"])})


@keras.saving.register_keras_serializable(PACKAGE)
class ResidualReduction(GraphLayer):
    """Two 3x3 convolutions, the first of stride 2, beside a 2x2 average and a 1x1 convolution
    without batch norm.

    Returns: (batch, height / 2, width / 2, filters), rounded up.
    """

    own = ("filters",)

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def wire(self, graph, x):
        return reduction_graph(graph, self.filters, x)


@keras.saving.register_keras_serializable(PACKAGE)
class NASBench201Network(GenotypeModel):
    """A network of a NAS-Bench-201 cell.

    Inputs: images (batch, height, width, channels); in pixels if `mean` and `std` are given, else
        as preprocessed by you.
    Returns: (batch, classes) float32.

    Args:
        genotype: a `NASBench201`.
        num_cells: cells a stage; three numbers give each stage its own. The benchmark has 5.
        filters: F, the width of the first stage. The benchmark has 16.
        others: as `nasnet_tf.systems.cells.network.Network`.
    """

    def __init__(
        self,
        genotype,
        *,
        num_cells=5,
        filters=16,
        classes=10,
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
        check(config, NASBench201, "filters", "classes")
        given = shared(config)
        inputs, x = images(input_shape, mean, std)
        x = ConvNorm(filters, (3, 3), relu=False, name="stem", **given)(x)
        number = 0
        for stage, count in enumerate(stage_cells(num_cells)):
            if stage:
                x = ResidualReduction(
                    filters * 2**stage, name=f"reduction_cell_{stage - 1}", **given
                )(x)
            for _ in range(count):
                x = EdgesCell(genotype, name=f"cell_{number}", **given)(x)
                number += 1
        x = layers.BatchNormalization(
            momentum=given["batch_norm_momentum"],
            epsilon=given["batch_norm_epsilon"],
            dtype=given["dtype"],
            name="last_norm",
        )(x)
        x = layers.ReLU(name="last_relu", dtype=given["dtype"])(x)
        super().__init__(inputs, classified(x, config), config)
