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
from nasnet_tf.zoo.source import SLIM, Source, SourceError, Stored, stored

_AVERAGE = "/ExponentialMovingAverage"
_SLOT = re.compile(
    r".*/(Adadelta|Adagrad|Adam|ExponentialMovingAverage|Ftrl|Momentum|RMSProp)(_\d+)?"
    r"|(.*/)?(beta[12]_power|global_step)"
)
_MOST_EXPANSION = 100  # unpacked bytes for each packed one
_ALWAYS = 16 << 20  # unpacked bytes that are always allowed
_LARGEST_READ = 1 << 20
_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


def slim_source(arrays: dict[str, Stored]) -> Source:
    """Arrays by slim names; the moving average of a variable replaces it, as in the authors'
    evaluation.
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
        raise SourceError(
            f"has the key {wrong[0]!r}; keys are slim variable names, such as 'cell_0/1x1/weights'."
        )
    return slim_source({name: stored(np.asarray(array)) for name, array in arrays.items()})


def checkpoint_source(prefix: pathlib.Path) -> Source:
    """A checkpoint, given the common prefix of the paths of its files."""
    import tensorflow as tf  # slow to import, and needed for these files only

    reader = tf.train.load_checkpoint(str(prefix))
    shapes = reader.get_variable_to_shape_map()
    if "_CHECKPOINTABLE_OBJECT_GRAPH" in shapes:
        raise SourceError(
            "is a checkpoint of objects, as tf.train.Checkpoint writes; only those by variable"
            " name, as tf_slim writes, can be read."
        )
    arrays = {
        name: Stored(tuple(shape), lambda name=name: reader.get_tensor(name))
        for name, shape in shapes.items()
    }
    return slim_source(arrays)._replace(verified="verified: CRC-32C of its arrays")


def prefix_of(path: pathlib.Path) -> pathlib.Path | None:
    """The prefix of the checkpoint of which `path` is the prefix, a file or the folder; None if
    there is no such checkpoint.
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
    """A stream of the unpacked contents of the file."""
    start = file.peek(6)[:6]
    for mark, opened in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open)):
        if start.startswith(mark):
            return opened(file)
    return file


class _Bounded(io.RawIOBase):
    """A stream that raises SourceError when more is read than a packed file of `size` bytes may
    hold, or a tar header is too large.
    """

    def __init__(self, stream, size):
        self._stream, self._left = stream, max(_ALWAYS, _MOST_EXPANSION * size)

    def read(self, size=-1):
        if not 0 <= size <= _LARGEST_READ:
            raise SourceError(f"has a header of {size:,} bytes: it is damaged.")
        self._left -= size
        if self._left < 0:
            raise SourceError(
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
        raise SourceError(
            f"holds {len(prefixes)} checkpoints{names}; give a folder with one, or a checkpoint by"
            " its path without .index."
        )
    return prefixes[0]
