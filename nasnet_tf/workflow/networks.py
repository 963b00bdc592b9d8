"""Saved networks, and what they say of themselves."""

from __future__ import annotations

import logging

from nasnet_tf.workflow.notices import prepare, without_notices

__all__ = ["class_names_of", "classes_of", "image_size_of", "load_model", "start_keras"]


def start_keras():
    """Imports Keras, and TensorFlow without the notices its C++ side prints on standard error
    whatever the log level.
    """
    prepare()
    with without_notices():
        import keras

        keras.ops.zeros(1) + 1
    # through it Keras and TensorFlow Datasets give advice to programmers
    logging.getLogger("absl").setLevel(logging.ERROR)
    return keras


def load_model(path):
    """The saved network at `path`, in Keras' safe mode. Raises ValueError that names the file."""
    start_keras()

    from nasnet_tf.zoo.load import load_model

    try:
        return load_model(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give a network saved as .keras.") from None


def class_names_of(network, path):
    """The names of a network's classes in order; None if it does not know them.

    Raises: ValueError if there is not one for each class.
    """
    names, count = getattr(network, "class_names", None), classes_of(network)
    if names is not None and len(names) != count:
        raise ValueError(
            f"{path} tells {count} classes apart but has {len(names)} class_names; save it again"
            " with a name for each."
        )
    return names


def classes_of(network):
    """How many classes a network tells apart."""
    shape = network.output_shape
    return (shape["predictions"] if isinstance(shape, dict) else shape)[-1]


def image_size_of(network):
    """(height, width) of the pictures that a network takes; None if it takes any."""
    height, width = network.input_shape[1:3]
    return None if None in (height, width) else (height, width)
