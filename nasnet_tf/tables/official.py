"""Recognizes the files of published benchmarks."""

from __future__ import annotations

import os
import pathlib

from nasnet_tf.systems.nas_bench_201.space import NASBench201Space
from nasnet_tf.tables.nas_bench_101 import read_nas_bench_101
from nasnet_tf.tables.nats_bench import META, read_nats_bench
from nasnet_tf.tables.tfrecord import begins_a_tfrecord

__all__ = ["official_reader"]

_NATS = "the folder NATS-tss-v1_0-3ffb9-simple, unpacked"


def official_reader(path: str | os.PathLike):
    """A function: (path, progress) -> (space, metrics of a `Table`), by the content or the ending
    of `path`. None if it may be CSV.

    Raises: ValueError for a benchmark's file in a form that is not read, which says what to give
        instead.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        if not (path / META).is_file():
            raise ValueError(f"{path}: a folder without {META}; give a table as .csv, or {_NATS}.")
        return _nats_bench
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        head = file.read(512)
    if path.suffix == ".tfrecord" or begins_a_tfrecord(head):
        return read_nas_bench_101
    if path.suffix in (".pth", ".pt") or head.startswith((b"PK\3\4", b"\x80\2")):
        raise ValueError(
            f"{path}: PyTorch's files, zips and pickles are not read; by the benchmark's own code"
            " write a CSV with the columns arch, c10valid_12, c10_test_200 and c10_cost_12_s, or"
            f" give {_NATS}."
        )
    if head.startswith(b"BZh") or head[257:262] == b"ustar":
        raise ValueError(f"{path}: a packed file; give {_NATS}, with {META} in it.")
    return None


def _nats_bench(path, progress):
    space = NASBench201Space()
    return space, {space.encode(cell): metrics for cell, metrics in read_nats_bench(path, progress)}
