"""Weights under their names in the original TF-slim code: a dict of arrays, or a checkpoint of
TensorFlow as the authors released.

Source: tensorflow/models research/slim/nets/nasnet; released as nasnet-a_mobile_04_10_2017.tar.gz
and nasnet-a_large_04_10_2017.tar.gz.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import pathlib
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping

import numpy as np

from nasnet_tf.files import open_regular
from nasnet_tf.zoo.source import SLIM, Refused, Source, Stored, stored

_AVERAGE = "/ExponentialMovingAverage"
_SLOT = re.compile(
    r".*/(Adadelta|Adagrad|Adam|ExponentialMovingAverage|Ftrl|Momentum|RMSProp)(_\d+)?|(.*/)?(beta[12]_power|global_step)"
)
_MOST_EXPANSION, _ALWAYS, _LARGEST_READ = (
    100,
    16 << 20,
    1 << 20,
)  # bytes for each one packed, bytes that are never too many
_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


def slim_source(arrays: dict[str, Stored]) -> Source:
    """Arrays by slim names; where there is the moving average of a variable, that is taken, as the
    authors evaluate.
    """
    averaged = {
        name.removesuffix(_AVERAGE): array
        for name, array in arrays.items()
        if name.endswith(_AVERAGE)
    }
    plain = {name: array for name, array in arrays.items() if not _SLOT.fullmatch(name)}
    return Source(
        {**plain, **averaged}, SLIM, bookkeeping=tuple(sorted(arrays.keys() - plain.keys()))
    )


def mapping_source(arrays: Mapping) -> Source:
    """A dict {slim name: array}."""
    wrong = [name for name in arrays if not isinstance(name, str)]
    if wrong:
        raise Refused(
            f"has the key {wrong[0]!r}; keys are slim variable names, such as 'cell_0/1x1/weights'."
        )
    return slim_source({name: stored(np.asarray(array)) for name, array in arrays.items()})


def checkpoint_source(prefix: pathlib.Path) -> Source:
    """A checkpoint by the path that its files have in common."""
    import tensorflow as tf  # heavy, and needed for these files alone

    reader = tf.train.load_checkpoint(str(prefix))
    shapes = reader.get_variable_to_shape_map()
    if "_CHECKPOINTABLE_OBJECT_GRAPH" in shapes:
        raise Refused(
            "is a checkpoint of objects, as tf.train.Checkpoint writes; only those by variable"
            " name, as tf_slim writes, can be read."
        )
    arrays = {
        name: Stored(tuple(shape), lambda name=name: reader.get_tensor(name))
        for name, shape in shapes.items()
    }
    return slim_source(arrays)._replace(verified="verified: CRC-32C of its arrays")


def prefix_of(path: pathlib.Path) -> pathlib.Path | None:
    """The prefix of the checkpoint that `path` is a file, the folder or already the prefix of; None
    if it is none of these.
    """
    if path.is_dir():
        return _single(path.glob("*.index"))
    prefix = path.with_name(_PART.sub("", path.name))
    index = prefix.with_name(prefix.name + ".index")
    return prefix if index.is_file() and (prefix != path or not path.is_file()) else None


@contextlib.contextmanager
def unpacked(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """The prefix of the one checkpoint in a tar file, unpacked while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        with (
            open_regular(path) as file,
            _unpacker(file) as stream,
            tarfile.open(fileobj=_Bounded(stream, path.stat().st_size), mode="r:") as archive,
        ):
            for member in archive:
                if (
                    member.isfile()
                    and _PART.search(member.name)
                    and not member.name.endswith(".meta")
                ):
                    archive.extract(member, folder, filter="data")
        yield _single(pathlib.Path(folder).rglob("*.index"))


def is_archive(path: pathlib.Path) -> bool:
    """Whether `path` is a tar file, plain or packed."""
    try:
        with open_regular(path) as file, _unpacker(file) as stream:
            block = stream.read(tarfile.BLOCKSIZE)
            return block[257:262] == b"ustar" or block == bytes(tarfile.BLOCKSIZE)  # an empty one
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


def _unpacker(file):
    """The file, or what is packed in it."""
    start = file.peek(6)[:6]
    for mark, opened in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open)):
        if start.startswith(mark):
            return opened(file)
    return file


class _Bounded(io.RawIOBase):
    """What is read of `stream`, as far as a file of `size` bytes may unpack to. Headers of tar are
    small, or else no headers.
    """

    def __init__(self, stream, size):
        self._stream, self._left = stream, max(_ALWAYS, _MOST_EXPANSION * size)

    def read(self, size=-1):
        if not 0 <= size <= _LARGEST_READ:
            raise Refused(f"has a header of {size:,} bytes: it is damaged.")
        self._left -= size
        if self._left < 0:
            raise Refused(
                f"unpacks to more than {_MOST_EXPANSION} times its size; unpack it yourself and"
                " give the folder."
            )
        return self._stream.read(size)

    def seek(self, place, whence=0):
        while (distance := place - self.tell()) > 0:
            if not self.read(min(distance, _LARGEST_READ)):
                break
        return self._stream.tell() if distance >= 0 else self._stream.seek(place)

    def tell(self):
        return self._stream.tell()

    def seekable(self):
        return True

    def readable(self):
        return True


def _single(indexes):
    prefixes = sorted(index.with_suffix("") for index in indexes)
    if len(prefixes) != 1:
        names = f": {', '.join(prefix.name for prefix in prefixes[:5])}" if prefixes else ""
        raise Refused(
            f"holds {len(prefixes)} checkpoints{names}; give a folder with one, or a checkpoint by"
            " its path without .index."
        )
    return prefixes[0]
