"""ImageNet's inputs and classes: `preprocess_input`, `decode_predictions`, the thousand names.
Works without a network connection.

Source of the names: the class index that `keras.applications` downloads
(imagenet_class_index.json), from WordNet 3.0.
"""

from __future__ import annotations

import functools
import pathlib

import keras
import numpy as np

from nasnet_tf.signatures import checked

_FILE = pathlib.Path(__file__).with_name("imagenet_classes.txt")


@checked
def preprocess_input(x, data_format=None):
    """Pixels 0..255 as the ImageNet networks take them, x / 127.5 - 1.

    Args:
        x: images (batch, height, width, 3) or one (height, width, 3); a NumPy array is not changed.
        data_format: None or "channels_last"; the scale is the same for all channels.
    Returns: float32, an array for an array, else a tensor.
    """
    if data_format not in (None, "channels_last"):
        raise ValueError(f"data_format is {data_format!r}; this package is channels last.")
    if isinstance(x, np.ndarray | list | tuple):
        return np.asarray(x, np.float32) / np.float32(127.5) - np.float32(1)
    return keras.ops.cast(x, "float32") / 127.5 - 1.0


@checked
def decode_predictions(preds, top: int = 5):
    """The most likely ImageNet classes.

    Args:
        preds: (batch, 1000) probabilities; with 1001 columns the first is the original code's
            background class.
        top: how many, 1 to 1000.
    Returns: for each image a list of (WordNet id, name, probability), most likely first.
    Raises: ValueError for another shape.
    """
    probabilities = keras.ops.convert_to_numpy(preds)
    if probabilities.ndim != 2 or probabilities.shape[1] not in (1000, 1001):
        raise ValueError(
            f"preds has shape {probabilities.shape}; give (batch, 1000), the output of a network"
            " with ImageNet's classes."
        )
    if not 1 <= top <= 1000:
        raise ValueError(f"top is {top!r}; give a whole number from 1 to 1000.")
    classes, probabilities = _classes(), probabilities[:, -1000:]
    return [
        [(*classes[n], float(row[n])) for n in np.argsort(-row, kind="stable")[:top]]
        for row in probabilities
    ]


def class_names() -> tuple[str, ...]:
    """The names of ImageNet's classes, in order."""
    return tuple(name for _, name in _classes())


def class_aliases() -> tuple[tuple[str, str], ...]:
    """(name, WordNet id) of ImageNet's classes, in order: folders of ImageNet are named by the
    ids.
    """
    return tuple((name, identity) for identity, name in _classes())


@functools.cache
def _classes():
    return tuple(
        tuple(line.split(" ", 1)) for line in _FILE.read_text(encoding="utf-8").splitlines()
    )
