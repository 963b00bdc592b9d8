"""Loads a saved model by Keras, after checking checksums and sizes of the file's contents."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import tempfile
import zipfile

import keras

from nasnet_tf.contracts.genotype import from_json
from nasnet_tf.layers.operations import PACKAGE
from nasnet_tf.saved import WEIGHTS, Damaged, archive_config, verify
from nasnet_tf.systems.costs import cost_of, counted_arguments
from nasnet_tf.systems.networks import import_all
from nasnet_tf.zoo import hdf5
from nasnet_tf.zoo.source import SourceError

__all__ = ["load_model"]

_MORE = 2_000_000  # parameters that a network may have beyond those in its file


def load_model(path: str | os.PathLike) -> keras.Model:
    """The model saved at `path` as `.keras` or `.h5`, not compiled, in Keras' safe mode.

    Raises: FileNotFoundError; ValueError that names the file if it is damaged or no saved model.
    """
    import_all()
    path = pathlib.Path(path)
    verify(path)
    try:
        if zipfile.is_zipfile(path):
            config = archive_config(path)
            with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
                with (
                    archive.open(WEIGHTS) as packed,
                    open(pathlib.Path(folder, WEIGHTS), "wb") as file,
                ):
                    shutil.copyfileobj(packed, file)
                with hdf5.datasets(file.name) as (_, found):
                    _check_network(config, sum(dataset.size for dataset in found.values()))
        else:
            with hdf5.datasets(path):
                pass
        return keras.saving.load_model(path, compile=False)
    except Damaged:
        raise
    except SourceError as error:
        raise ValueError(f"{path} {error}") from None
    except Exception as error:  # the zip, HDF5 and JSON readers of Keras raise their own
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path}: not a whole .keras file ({type(error).__name__}: {reason:.300}); give one"
            " that nasnet-tf or model.save() wrote."
        ) from error


def _check_network(config, held):
    """Raises SourceError if the configuration is that of a network of ours with more parameters
    than the file has: Keras would build it before reading them.
    """
    if (
        not str(config.get("registered_name")).startswith(f"{PACKAGE}>")
        or "genotype" not in config["config"]
    ):
        return
    arguments = dict(config["config"])
    genotype = from_json(json.dumps(arguments.pop("genotype")))
    if arguments.get("input_shape") is not None:
        arguments["input_shape"] = [side or 64 for side in arguments["input_shape"]]
    counted = counted_arguments(genotype)
    found = cost_of(
        genotype,
        **{
            name: value
            for name, value in arguments.items()
            if name in counted and value is not None
        },
    )
    if found is not None and found.parameters > held + _MORE:
        raise SourceError(
            f"is said to be a network of {found.parameters:,} parameters, but holds {held:,}"
            " numbers: it is damaged."
        )
