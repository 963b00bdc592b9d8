"""NASNets of `keras.applications`, as objects and in files that Keras writes, and our own networks
in such files.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator

import keras

from nasnet_tf.saved import WEIGHTS, archive_config
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.systems.cells.published import NASNET_A
from nasnet_tf.zoo import hdf5, keras_config, own_files
from nasnet_tf.zoo.keras_layers import by_role
from nasnet_tf.zoo.source import KERAS, Layer, Source, SourceError, stored


def model_source(model: keras.Model) -> Source:
    """A model in memory: our network, alone or as a layer of another model, or a NASNet of
    `keras.applications`.
    """
    layers = [model] if isinstance(model, Network) else list(_layers(model))
    ours = [layer for layer in layers if isinstance(layer, Network)]
    if len(ours) == 1:
        return own_files.network_source(ours[0])
    return _keras_source(
        [Layer(layer.name, tuple(map(stored, layer.weights))) for layer in layers], model.get_config
    )


def _layers(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model) and not isinstance(layer, Network):
            yield from _layers(layer)
        else:
            yield layer


def _keras_source(layers, get_config):
    arrays, foreign = by_role(layers)
    config = get_config()
    return Source(
        arrays,
        KERAS,
        {"genotype": NASNET_A, **keras_config.skip_reduction(config)},
        config,
        foreign,
    )


@contextlib.contextmanager
def hdf5_source(
    path: pathlib.Path, model: Network | None, config: dict | None = None
) -> Iterator[Source]:
    """An HDF5 file in one of Keras' layouts, open while the block runs.

    Args:
        model: the network that will have the weights, if there is one.
        config: the configuration of the saved model, if it is known from elsewhere.
    """
    with hdf5.datasets(path) as (root, found):
        if hdf5.is_legacy(root):
            source = _legacy(root, found)
        elif own_files.is_ours(found):
            source = own_files.file_source(
                path, found, _wanted(model), config if config and "genotype" in config else None
            )
        else:
            names = keras_config.group_names(config or {})
            source = _keras_source(hdf5.checkpoint_layers(root, found, names), lambda: config or {})
        yield source._replace(
            verified="verified: Fletcher-32 of its arrays" if hdf5.has_checksums(found) else ""
        )


def _legacy(root, found):
    layers = hdf5.legacy_layers(root, found)
    if any(re.fullmatch(r"cell_\d+", layer.name) for layer in layers):
        raise SourceError(
            "is a nasnet_tf network in the legacy layout, which is not read; save it with"
            ' model.save("name.keras").'
        )
    return _keras_source(layers, lambda: hdf5.legacy_config(root))


def _wanted(model):
    if model is None:
        raise SourceError(
            "is no NASNet of keras.applications but a network of nasnet_tf; open it with"
            " keras.saving.load_model."
        )
    return model


@contextlib.contextmanager
def archive_source(path: pathlib.Path, model: Network | None) -> Iterator[Source]:
    """A `.keras` file: a zip of a configuration and of weights. No code in it is run."""
    config = archive_config(path)["config"]
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        if "nasnet_tf>Network" in json.dumps(config):
            raise SourceError(
                "is a model around a network of nasnet_tf; open it with keras.saving.load_model and"
                " give the model."
            )
        with hdf5_source(_unpacked(archive, WEIGHTS, folder), model, config) as source:
            yield source


def _unpacked(archive, name, folder):
    """The path of a member that is unpacked to the folder."""
    target = pathlib.Path(folder, name)
    with archive.open(name) as packed, open(target, "wb") as file:
        shutil.copyfileobj(packed, file)
    return target
