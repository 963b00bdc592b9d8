"""Weights that a child inherits from its parent: those of every layer that both have in the same
shapes.

Source: Real et al. 2017, arXiv 1703.01041.
"""

from __future__ import annotations

import os

from nasnet_tf.npz import read_npz
from nasnet_tf.snapshot import write_snapshot

__all__ = ["inherit", "keep"]


def keep(model, path: str | os.PathLike) -> None:
    """Writes the weights of a Keras model by their paths as an .npz, whole or not at all."""
    write_snapshot(path, {variable.path: variable for variable in model.variables})


def inherit(model, path: str | os.PathLike) -> list[str]:
    """Assigns the weights that `keep` wrote to those layers of `model` that have all of theirs in
    the file, in the same shapes.

    Returns: the names of these layers; none if there is no such file.
    Raises: ValueError that names the file if it is damaged.
    """
    try:
        saved = read_npz(path)
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ValueError(
            f"the parent's weights are lost: {error} Delete the file, and its children begin anew."
        ) from None
    layers = [
        layer
        for layer in model.layers
        if layer.weights and all(_fits(variable, saved) for variable in layer.weights)
    ]
    for layer in layers:
        for variable in layer.weights:
            variable.assign(saved[variable.path])
    return [layer.name for layer in layers]


def _fits(variable, saved):
    return variable.path in saved and saved[variable.path].shape == tuple(variable.shape)
