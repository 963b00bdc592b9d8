"""NASNets of `keras.applications`, as objects and as the files that Keras writes; and the way in to our own networks in such files."""

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

from nasnet_tf.genotype import NASNET_A
from nasnet_tf.network import Network
from nasnet_tf.zoo import hdf5, keras_config, own_files
from nasnet_tf.zoo.keras_layers import by_role
from nasnet_tf.zoo.source import KERAS, Layer, Refused, Source, stored

_MOST_EXPANSION = 100
_WEIGHTS, _CONFIG = "model.weights.h5", "config.json"


def model_source(model: keras.Model) -> Source:
    """A model in memory: our network, alone or as a layer of another model, or a NASNet of `keras.applications`."""
    layers = [model] if isinstance(model, Network) else list(_layers(model))
    ours = [layer for layer in layers if isinstance(layer, Network)]
    if len(ours) == 1:
        return own_files.network_source(ours[0])
    return _keras_source([Layer(layer.name, tuple(map(stored, layer.weights))) for layer in layers], model.get_config)


def _layers(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model) and not isinstance(layer, Network):
            yield from _layers(layer)
        else:
            yield layer


def _keras_source(layers, get_config):
    arrays, foreign = by_role(layers)
    config = get_config()
    return Source(arrays, KERAS, {"genotype": NASNET_A, **keras_config.skip_reduction(config)}, config, foreign)


@contextlib.contextmanager
def hdf5_source(path: pathlib.Path, model: Network | None, config: dict | None = None) -> Iterator[Source]:
    """An HDF5 file in one of Keras' layouts, open while the block runs.

    Args:
        model: the network that the weights are wanted for, if there is one.
        config: the configuration of the saved model, where it is known from elsewhere.
    """
    with hdf5.datasets(path) as (root, found):
        if hdf5.is_legacy(root):
            yield _legacy(root, found)
        elif own_files.is_ours(found):
            yield own_files.file_source(path, found, _wanted(model), config if config and "genotype" in config else None)
        else:
            names = keras_config.group_names(config or {})
            yield _keras_source(hdf5.checkpoint_layers(root, found, names), lambda: config or {})


def _legacy(root, found):
    layers = hdf5.legacy_layers(root, found)
    if any(re.fullmatch(r"cell_\d+", layer.name) for layer in layers):
        raise Refused('is a nasnet_tf network in the legacy layout, which is not read; save it with model.save("name.keras").')
    return _keras_source(layers, lambda: hdf5.legacy_config(root))


def _wanted(model):
    if model is None:
        raise Refused("is no NASNet of keras.applications but a network of nasnet_tf; open it with keras.saving.load_model.")
    return model


@contextlib.contextmanager
def archive_source(path: pathlib.Path, model: Network | None) -> Iterator[Source]:
    """A `.keras` file: a zip of a configuration and of weights. Nothing in it is run."""
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        absent = {_CONFIG, _WEIGHTS} - set(archive.namelist())
        if absent:
            raise Refused(f"is a zip without {' and '.join(sorted(absent))}: no model that Keras saved as .keras.")
        saved = json.loads(_unpacked(archive, _CONFIG, folder).read_text(encoding="utf-8"))
        config = saved["config"]
        if "nasnet_tf>Network" in json.dumps(config):
            raise Refused("is a model around a network of nasnet_tf; open it with keras.saving.load_model and give the model.")
        with hdf5_source(_unpacked(archive, _WEIGHTS, folder), model, config) as source:
            yield source


def _unpacked(archive, name, folder):
    """A member as a file; reading the whole of it is what checks its checksum."""
    member = archive.getinfo(name)
    if member.file_size > _MOST_EXPANSION * member.compress_size:
        raise Refused(f"has {name} unpack to more than {_MOST_EXPANSION} times its size: it is damaged.")
    target = pathlib.Path(folder, name)
    with archive.open(member) as packed, open(target, "wb") as file:
        shutil.copyfileobj(packed, file)
    return target
