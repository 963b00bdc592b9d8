"""What `fit` is given, and whether a network without a framework can do it."""

from __future__ import annotations

import math

import numpy as np

from nasnet_tf.children.streams import is_dataset

__all__ = ["batch_size_of", "is_images_and_labels", "is_plain", "steps_of"]


# Of `keras.Model.fit`, in its order.
_FIT = ("x", "y", "batch_size", "epochs", "verbose", "callbacks")


def is_plain(args, kwargs, is_data) -> bool:
    """Whether `fit` is given only what `BareModel.fit` knows; of callbacks ours, as others want
    a Keras model.

    Args:
        is_data: whether an (x, y), or x alone where there is no y, is data it can be trained on.
    """
    given = dict(zip(_FIT, args, strict=False)) | kwargs
    x, y, validation = (given.get(name) for name in ("x", "y", "validation_data"))
    return (
        len(args) <= len(_FIT)
        and set(given) <= {*_FIT, "validation_data", "validation_freq", "shuffle"}
        and is_data(x if y is None else (x, y))
        and (validation is None or is_data(validation))
        and all(
            type(callback).__module__.startswith("nasnet_tf.")
            for callback in given.get("callbacks") or ()
        )
    )


def is_images_and_labels(data) -> bool:
    """Whether these are arrays of images and labels, or a `tf.data.Dataset` of batches of them,
    without weights.
    """
    if is_dataset(data):
        data = data.element_spec
    elif not (isinstance(data, tuple) and all(isinstance(part, np.ndarray) for part in data)):
        return False
    if not (isinstance(data, tuple) and len(data) == 2):
        return False
    images, labels = (part.shape for part in data)
    return len(images) == 4 and (len(labels) == 1 or (len(labels) == 2 and labels[1] == 1))


def batch_size_of(args, kwargs) -> int | None:
    """Of what `fit` is given; None where a data set does not say."""
    given = dict(zip(_FIT, args, strict=False)) | kwargs
    if is_dataset(given["x"]):
        images, *_ = given["x"].element_spec
        return images.shape[0]
    return given.get("batch_size") or 32


def steps_of(args, kwargs) -> int | None:
    """Steps of one epoch of `fit`, or None if its data does not say."""
    if kwargs.get("steps_per_epoch"):
        return kwargs["steps_per_epoch"]
    data = args[0] if args else kwargs.get("x")
    if hasattr(data, "cardinality"):
        count = int(data.cardinality())
        return count if count > 0 else None
    if hasattr(data, "shape"):
        count = round(data.shape[0] * (1 - kwargs.get("validation_split", 0.0)))
        return math.ceil(count / (kwargs.get("batch_size") or 32))
    return len(data) if hasattr(data, "__len__") else None
