"""The arguments of a network of cells, checked."""

from __future__ import annotations

import keras

from nasnet_tf.layers.model import image_shape
from nasnet_tf.layers.parts import halved

__all__ = ["auxiliary_size", "check_rates", "given_tensor", "shape_for"]

INPUT_SIZE = {"cifar": 32, "imagenet": 224}


def given_tensor(given, input_shape):
    """(the tensor, its shape without the batch), of a Keras tensor or of what `Network.get_config`
    makes of one.
    """
    if isinstance(given, dict):
        given = keras.saving.deserialize_keras_object(given).output
    if not isinstance(given, keras.KerasTensor):
        raise ValueError(
            f"input_tensor is a {type(given).__name__}; give a keras.Input, or what layers make of"
            " one."
        )
    shape = tuple(given.shape[1:])
    if input_shape is not None and tuple(input_shape) != shape:
        raise ValueError(
            f"input_shape is {tuple(input_shape)}, but input_tensor has the shape {shape}; leave"
            " input_shape out."
        )
    return given, shape


def shape_for(input_shape, stem):
    """(height, width, channels); by the stem if `input_shape` is None. Raises ValueError."""
    shape = image_shape(
        (INPUT_SIZE.get(stem, 32),) * 2 + (3,) if input_shape is None else input_shape
    )
    smallest = 3 if stem == "imagenet" else 1
    if any(size is not None and size < smallest for size in shape[:2]):
        raise ValueError(
            f"input_shape is {shape}; the {stem} stem needs at least {smallest} pixels each way."
        )
    return shape


def check_rates(classes, pooling, drop_path_rate, dropout_rate):
    """Raises ValueError that names the argument if one of these is out of its range."""
    if not isinstance(classes, int) or classes < 1:
        raise ValueError(f"classes is {classes!r}; give a whole number of at least 1.")
    if pooling not in (None, "avg", "max"):
        raise ValueError(f'pooling is {pooling!r}; give None, "avg" or "max".')
    for name, rate in (("drop_path_rate", drop_path_rate), ("dropout_rate", dropout_rate)):
        if not 0 <= rate < 1:
            raise ValueError(f"{name} is {rate!r}; give a number of at least 0 and below 1.")


def auxiliary_size(shape, stem):
    """Height and width after the auxiliary head's average pool, from the size of the image."""
    sizes = []
    for size in shape[1:3]:
        if size is None:
            raise ValueError(
                f"input_shape is {tuple(shape[1:])}; the auxiliary head needs a fixed height"
                " and width."
            )
        at_head = (
            halved(halved(halved((size - 3) // 2 + 1, 2), 2), 2)
            if stem == "imagenet"
            else halved(size, 2)
        )
        if at_head < 5:
            raise ValueError(
                f"input_shape is {tuple(shape[1:])}: too small for the auxiliary head; set"
                " auxiliary_head=False."
            )
        sizes.append((at_head - 5) // 3 + 1)
    return tuple(sizes)
