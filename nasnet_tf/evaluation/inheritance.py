"""Weights that a child takes over from its parent: those of every layer that both have, of the same shape.

Source: Real et al. 2017, arXiv 1703.01041.
"""

from __future__ import annotations

import contextlib
import os
import zipfile

import numpy as np

from nasnet_tf.files import replacing

__all__ = ["inherit", "keep"]


def keep(model, path: str | os.PathLike) -> None:
    """Writes the weights of a Keras model by their paths; the file is there whole or not at all."""
    with replacing(path) as temporary:
        np.savez(temporary, **{variable.path: np.asarray(variable) for variable in model.variables})


def inherit(model, path: str | os.PathLike) -> list[str]:
    """Gives layers of `model` the weights that `keep` wrote of its parent, if the layer of that name has all of them in the same shapes.

    Returns: the names of these layers; none if there is no such file, or a damaged one.
    """
    saved = {}
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        with np.load(path, allow_pickle=False) as file:
            saved = dict(file)
    layers = [layer for layer in model.layers if layer.weights and all(_fits(variable, saved) for variable in layer.weights)]
    for layer in layers:
        for variable in layer.weights:
            variable.assign(saved[variable.path])
    return [layer.name for layer in layers]


def _fits(variable, saved):
    return variable.path in saved and saved[variable.path].shape == tuple(variable.shape)
