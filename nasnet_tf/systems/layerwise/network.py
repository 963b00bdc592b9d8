"""The network of a `Layerwise` genotype: its layers, and a classifier of the mean over the pixels
of what feeds no layer.

genotype.py and plan.py say what is repaired and what the paper does not state. Ours: batch norm
comes before the ReLU, and the classifier is one dense layer. Channels last.

Source: Zoph & Le 2017, arXiv 1611.01578, section 3.3.
"""

from __future__ import annotations

import keras
from keras import layers

from nasnet_tf.layers.model import GenotypeModel, arguments, check, classified, images, shared
from nasnet_tf.layers.operations import PACKAGE, ConvNorm, Pool
from nasnet_tf.systems.layerwise.genotype import Layerwise
from nasnet_tf.systems.layerwise.plan import plan_layerwise

__all__ = ["LayerwiseNetwork"]


@keras.saving.register_keras_serializable(PACKAGE)
class LayerwiseNetwork(GenotypeModel):
    """A network of layers.

    Inputs: images (batch, height, width, channels); in pixels if `mean` and `std` are given, else
        as preprocessed by you.
    Returns: (batch, classes) float32.

    Args:
        genotype: a `Layerwise`.
        num_cells: how many densely connected convolutions each layer stands for. In the paper 1; 3
            with pooling.
        filters: how many filters a layer has that has 24 in the genotype; the others have as many
            in proportion. In the paper 24.
        others: as `nasnet_tf.systems.cells.network.Network`; height and width are whole numbers.
    """

    def __init__(
        self,
        genotype,
        *,
        num_cells=1,
        filters=24,
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
        check(config, Layerwise, "classes")
        given = shared(config)
        inputs, x = images(input_shape, mean, std)
        plans, last = plan_layerwise(genotype, num_cells, filters, input_shape)
        outputs = [x]
        for number, plan in enumerate(plans, start=1):
            layer = f"layer_{number}"
            x = _joined(outputs, plan.reads, layer, given["dtype"])
            outputs.append(_layer(x, plan, layer, given))
        x = _joined(outputs, last, "last", given["dtype"])
        super().__init__(inputs, classified(x, config), config)


def _joined(outputs, join, name, dtype):
    """(batch, *join.size, join.channels)."""
    parts = []
    for number, padding in zip(join.outputs, join.paddings, strict=True):
        x = outputs[number]
        if padding != ((0, 0), (0, 0)):
            options = dict(data_format="channels_last", dtype=dtype)
            x = layers.ZeroPadding2D(padding, name=f"{name}_padding_{number}", **options)(x)
        parts.append(x)
    return _concatenated(parts, f"{name}_inputs", dtype)


def _layer(x, plan, name, given):
    dtype, found = given["dtype"], []
    for number, convolution in enumerate(plan.convolutions, start=1):
        reads = [x, *found] if plan.dense or not found else found
        y = _concatenated(reads, f"{name}_dense_{number}", dtype)
        y = ConvNorm(**convolution._asdict(), name=f"{name}_convolution_{number}", **given)(y)
        found.append(layers.ReLU(name=f"{name}_relu_{number}", dtype=dtype)(y))
    y = _concatenated(found, f"{name}_output", dtype)
    return Pool(*plan.pool, name=f"{name}_pool", dtype=dtype)(y) if plan.pool else y


def _concatenated(parts, name, dtype):
    return layers.Concatenate(name=name, dtype=dtype)(parts) if len(parts) > 1 else parts[0]
