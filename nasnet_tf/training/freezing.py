"""Which layers of a network are trained."""

from __future__ import annotations

import keras

from nasnet_tf.layers.operations import CellLayer
from nasnet_tf.systems.cells.network import Network

HEADS = ("predictions", "auxiliary")


def freeze(model: Network, until: str | None = None, batch_norms: bool = False) -> Network:
    """Sets which layers of `model` are trained, whatever was set before; compile it afterwards.

    Args:
        until: name of the first layer that is trained, such as "reduction_cell_1"; all layers
            before it are frozen, batch norms included. "predictions" trains the classifier alone,
            None all layers.
        batch_norms: whether all batch norms are frozen, those of trained layers included.
    Raises: ValueError with the names of the layers.
    """
    names = [layer.name for layer in model.layers if layer.weights]
    if until is not None and until not in names:
        raise ValueError(f"no layer {until!r} to freeze until; there are {', '.join(names)}.")
    learns = until is None
    for layer in model.layers:
        learns = learns or layer.name == until
        layer.trainable = learns or (until in HEADS and layer.name in HEADS)
        if isinstance(layer, CellLayer):
            layer.freeze_batch_norms = batch_norms
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = layer.trainable and not batch_norms
    return model
