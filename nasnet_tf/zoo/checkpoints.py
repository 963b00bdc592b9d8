"""Weights under their names in the original TF-slim code: a dict of arrays, or a checkpoint of TensorFlow as the authors released.

Source: tensorflow/models research/slim/nets/nasnet; released as nasnet-a_mobile_04_10_2017.tar.gz and nasnet-a_large_04_10_2017.tar.gz.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping

import numpy as np

from nasnet_tf.zoo.source import SLIM, Refused, Source, Stored, stored

_AVERAGE = "/ExponentialMovingAverage"
_SLOT = re.compile(r".*/(Adadelta|Adagrad|Adam|ExponentialMovingAverage|Ftrl|Momentum|RMSProp)(_\d+)?|(.*/)?(beta[12]_power|global_step)")
_MOST_EXPANSION = 100
_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


def slim_source(arrays: dict[str, Stored]) -> Source:
    """Arrays by slim names; where there is the moving average of a variable, that is taken, as the authors evaluate."""
    averaged = {name.removesuffix(_AVERAGE): array for name, array in arrays.items() if name.endswith(_AVERAGE)}
    plain = {name: array for name, array in arrays.items() if not _SLOT.fullmatch(name)}
    return Source({**plain, **averaged}, SLIM, bookkeeping=tuple(sorted(arrays.keys() - plain.keys())))


def mapping_source(arrays: Mapping) -> Source:
    """A dict {slim name: array}."""
    wrong = [name for name in arrays if not isinstance(name, str)]
    if wrong:
        raise Refused(f"has the key {wrong[0]!r}; keys are slim variable names, such as 'cell_0/1x1/weights'.")
    return slim_source({name: stored(np.asarray(array)) for name, array in arrays.items()})


def checkpoint_source(prefix: pathlib.Path) -> Source:
    """A checkpoint by the path that its files have in common."""
    import tensorflow as tf  # heavy, and needed for these files alone

    reader = tf.train.load_checkpoint(str(prefix))
    shapes = reader.get_variable_to_shape_map()
    if "_CHECKPOINTABLE_OBJECT_GRAPH" in shapes:
        raise Refused(
            "is a checkpoint of objects, as tf.train.Checkpoint writes; only those by variable name, as tf_slim writes, can be read."
        )
    return slim_source({name: Stored(tuple(shape), lambda name=name: reader.get_tensor(name)) for name, shape in shapes.items()})


def prefix_of(path: pathlib.Path) -> pathlib.Path | None:
    """The prefix of the checkpoint that `path` is a file, the folder or already the prefix of; None if it is none of these."""
    if path.is_dir():
        return _single(path.glob("*.index"))
    prefix = path.with_name(_PART.sub("", path.name))
    index = prefix.with_name(prefix.name + ".index")
    return prefix if index.is_file() and (prefix != path or not path.is_file()) else None


@contextlib.contextmanager
def unpacked(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """The prefix of the one checkpoint in a tar file, unpacked while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(path) as archive:
            members = [member for member in archive if member.isfile() and _PART.search(member.name) and not member.name.endswith(".meta")]
            if sum(member.size for member in members) > _MOST_EXPANSION * path.stat().st_size:
                raise Refused(f"unpacks to more than {_MOST_EXPANSION} times its size; unpack it yourself and give the folder.")
            archive.extractall(folder, members, filter="data")
        yield _single(pathlib.Path(folder).rglob("*.index"))


def _single(indexes):
    prefixes = sorted(index.with_suffix("") for index in indexes)
    if len(prefixes) != 1:
        names = f": {', '.join(prefix.name for prefix in prefixes[:5])}" if prefixes else ""
        raise Refused(f"holds {len(prefixes)} checkpoints{names}; give a folder with one, or a checkpoint by its path without .index.")
    return prefixes[0]
