"""The records of a TFRecord file, each checked against its checksum.

A record is its length (8 bytes), a masked CRC-32C of these, the data, a masked CRC-32C of the data;
all little-endian. Read here without TensorFlow, which takes longer to start than most tables take
to read, and whose errors do not say which record is damaged.
"""

from __future__ import annotations

import os
import pathlib
import struct
from collections.abc import Callable, Iterator

import numpy as np

from nasnet_tf.files import open_regular

__all__ = ["begins_a_tfrecord", "records"]

_SHORTEST, _LONGEST = 4, 10_000  # bytes of data that a record may have
_BATCH = 4096  # records whose checksums are computed at once
_HEAD = struct.Struct("<QI")


def begins_a_tfrecord(head: bytes) -> bool:
    """Whether `head`, 12 bytes or more, begins with a length and its sum."""
    return len(head) >= _HEAD.size and int(_sums([head[:8]])[0]) == _HEAD.unpack_from(head)[1]


def records(
    path: str | os.PathLike, progress: Callable[[float], None] | None = None
) -> Iterator[tuple[int, bytes]]:
    """(number from 1, data) of each record; at most 40 MB are held.

    Args:
        progress: called regularly with the share of the file that is read.
    Raises: ValueError that names the file and the record, when a damaged one is reached.
    """
    path = pathlib.Path(path)
    size = path.stat().st_size or 1
    number, fault = 0, None
    with open_regular(path) as file:
        while not fault:
            heads, texts, sums, fault = _batch(file)
            if not heads and not fault:
                return
            for parts, given in zip((heads, texts), sums, strict=True):
                if len(wrong := np.flatnonzero(_sums(parts) != np.array(given, np.uint32))):
                    del heads[wrong[0] :], texts[wrong[0] :]
                    fault = "its sum does not match"
                    break
            for text in texts:
                number += 1
                yield number, text
            if progress is not None:
                progress(file.tell() / size)
    raise ValueError(
        f"{path}, record {number + 1}: damaged or not a TFRecord ({fault}); copy the file again."
    )


def _batch(file):
    """The next records: lengths as bytes, data, (checksums of the former, of the latter), what is
    wrong with the record after them.
    """
    heads, texts, sums = [], [], ([], [])
    while len(heads) < _BATCH and (head := file.read(_HEAD.size)):
        if len(head) < _HEAD.size:
            return heads, texts, sums, "the file ends in it"
        length, sum_of_length = _HEAD.unpack(head)
        if not _SHORTEST <= length <= _LONGEST:
            return heads, texts, sums, f"its length is {length:,}"
        text = file.read(length + 4)
        if len(text) < length + 4:
            return heads, texts, sums, "the file ends in it"
        heads.append(head[:8])
        texts.append(text[:-4])
        sums[0].append(sum_of_length)
        sums[1].append(int.from_bytes(text[-4:], "little"))
    return heads, texts, sums, None


def _crc_table():
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table


_TABLE = _crc_table()


def _sums(texts):
    """Masked CRC-32C of each of `texts`, of 4 bytes or more: all of them at once, byte by byte.

    They end together, zeros before the shorter ones. A sum that begins at 0 stays 0 over zeros; to
    begin at 0 instead of at all ones is to begin with the first four bytes inverted.
    """
    if not texts:
        return np.zeros(0, np.uint32)
    lengths = np.array([len(text) for text in texts])
    longest = int(lengths.max())
    rows = np.frombuffer(b"".join(text.rjust(longest, b"\0") for text in texts), np.uint8).reshape(
        len(texts), longest
    )
    columns = np.array(rows.T, order="C")
    columns[longest - lengths + np.arange(4)[:, None], np.arange(len(texts))] ^= 255
    sums = np.zeros(len(texts), np.uint32)
    for column in columns:
        sums = _TABLE[(sums ^ column) & 255] ^ (sums >> 8)
    sums = ~sums
    return ((sums >> 15) | (sums << 17)) + np.uint32(0xA282EAD8)
