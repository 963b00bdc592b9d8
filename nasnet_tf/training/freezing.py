"""Which layers of a network learn."""

from __future__ import annotations

import keras

from nasnet_tf.layers.operations import CellLayer
from nasnet_tf.systems.cells.network import Network

HEADS = ("predictions", "auxiliary")


def freeze(model: Network, until: str | None = None, batch_norms: bool = False) -> Network:
    """Says which layers of `model` learn, whatever was said before; compile it afterwards.

    Args:
        until: name of the first layer that learns, such as "reduction_cell_1"; those before it stay
            as they are, batch norms too. "predictions" leaves the classifier alone to learn. None:
            all learn.
        batch_norms: batch norms keep their averages and learn nothing, in layers that learn as
            well.
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
