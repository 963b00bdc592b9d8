"""Opens a source of weights of any kind. The kind of a file is recognized by its content; its name
matters only if it is that of a published file.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator, Mapping

import keras

from nasnet_tf.files import open_regular
from nasnet_tf.saved import Damaged, verify
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.zoo import checkpoints, keras_files, official
from nasnet_tf.zoo.source import Source, SourceError

_ZIP, _HDF5 = b"PK", b"\x89HDF\r\n\x1a\n"


@contextlib.contextmanager
def open_source(source, model: Network | None = None) -> Iterator[tuple[str, Source]]:
    """The name of a path, a model or a dict, and its `Source`, which can be read within the block.

    Args:
        source: as in `nasnet_tf.zoo.weights.load_weights`, without "imagenet".
        model: the network that will have the weights, if there is one.
    Raises: ValueError that names the source, also for errors in the block; FileNotFoundError.
    """
    path = pathlib.Path(source).expanduser() if isinstance(source, str | os.PathLike) else None
    if path:
        name = str(path)
    elif isinstance(source, keras.Model):
        name = f"the model {source.name!r}"
    else:
        name = f"the {type(source).__name__}"
    try:
        with _file(path, model) if path else contextlib.nullcontext(_object(source)) as found:
            yield name, found
    except FileNotFoundError:
        raise
    except SourceError as error:
        raise ValueError(f"{name} {error}") from None
    except Damaged as error:
        raise ValueError(str(error)) from None
    # h5py, zipfile, tarfile, json and TensorFlow have different errors for a damaged file
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(
            f"{name} cannot be read ({reason:.300}); it is cut short, damaged or of another kind."
        ) from error


def _object(source):
    if isinstance(source, keras.Model):
        return keras_files.model_source(source)
    if isinstance(source, Mapping):
        return checkpoints.mapping_source(source)
    raise SourceError(
        "is no source of weights; give a path, a model, a dict of arrays by slim name, or"
        " 'imagenet'."
    )


@contextlib.contextmanager
def _file(path, model):
    prefix = checkpoints.prefix_of(path)
    if prefix is None and not path.is_file():
        if path.exists():
            raise SourceError(
                "is no file of weights; give a .h5, .keras or .tar.gz file, or a TensorFlow"
                " checkpoint."
            )
        raise FileNotFoundError(
            f"there is no file {path}; give the path of a .h5, .keras or .tar.gz file or of a"
            " TensorFlow checkpoint."
        )
    verified = None
    if path.is_file():
        verified = official.check(path) or verify(path)
    if prefix:
        yield checkpoints.checkpoint_source(prefix)
        return
    with open_regular(path) as file:
        start = file.read(len(_HDF5))
    if start == _HDF5:
        kind = keras_files.hdf5_source(path, model)
    elif start.startswith(_ZIP):
        kind = keras_files.archive_source(path, model)
    elif checkpoints.is_archive(path):
        kind, verified = _archived_checkpoint(path), None
    else:
        raise SourceError(
            "is no file of weights: neither HDF5, nor a .keras file, nor a TensorFlow checkpoint."
        )
    with kind as found:
        yield found if found.verified or verified is None else found._replace(verified=verified)


@contextlib.contextmanager
def _archived_checkpoint(path):
    with checkpoints.unpacked(path) as prefix:
        yield checkpoints.checkpoint_source(prefix)
