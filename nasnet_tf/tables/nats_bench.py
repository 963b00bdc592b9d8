"""NATS-Bench's own files of the trainings of NAS-Bench-201's cells: a folder with a compressed
pickle for each cell, read without running any code.

meta.pickle.pbz2 has the cells in order; 000000.pickle.pbz2 and so on have the metrics of each
training of a cell, epoch by epoch.

Source: Dong et al. 2021, arXiv 2009.00437; the files as exps/NATS-Bench/tss-collect.py of
    github.com/D-X-Y/AutoDL-Projects writes and nats_bench/api_utils.py of
    github.com/D-X-Y/NATS-Bench reads them.
"""

from __future__ import annotations

import bz2
import math
import os
import pathlib
from collections.abc import Callable, Iterator

from nasnet_tf.files import open_regular
from nasnet_tf.systems.nas_bench_201.genotype import NASBench201
from nasnet_tf.tables.pickled import load_plain

__all__ = ["META", "read_nats_bench"]

META = "meta.pickle.pbz2"
_LARGEST = 50_000_000  # bytes of a file, unpacked


def read_nats_bench(
    folder: str | os.PathLike, progress: Callable[[float], None] | None = None
) -> Iterator[tuple[NASBench201, tuple[float, float, float]]]:
    """Each cell with the means over its trainings on CIFAR-10, as published searches take them.

    These are the validation accuracy after 12 epochs in %, the test accuracy after 200 in %, and
    the seconds that the 12 epochs and one validation took.

    Args:
        folder: NATS-tss-v1_0-3ffb9-simple, unpacked.
        progress: called after each cell with the share that is read.
    Raises: ValueError that names the file.
    """
    folder = pathlib.Path(folder)
    meta = _unpickled(folder / META)
    names = meta.get("meta_archs") if isinstance(meta, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"{folder / META}: there is no list of cells in it; give the folder"
            " NATS-tss-v1_0-3ffb9-simple."
        )
    for number, name in enumerate(names):
        path = folder / f"{number:06d}.pickle.pbz2"
        try:
            cell = NASBench201.from_arch(name)
        except ValueError as error:
            raise ValueError(
                f"{folder / META}: {error} The space of sizes (sss) is not read."
            ) from None
        yield cell, _metrics(path, name, _unpickled(path))
        if progress is not None:
            progress((number + 1) / len(names))


def _metrics(path, name, results):
    try:
        if any(results[epochs]["arch_str"] != name for epochs in ("12", "200")):
            raise ValueError(f"it is not of {name}")
        short, whole = (results["12"], "cifar10-valid"), (results["200"], "cifar10")
        metrics = (
            _mean(*short, lambda training: _last(training, "x-valid", "eval_acc1es")),
            _mean(*whole, lambda training: _last(training, "ori-test", "eval_acc1es")),
            _mean(*short, _seconds),
        )
        if not (0 <= metrics[0] <= 100 and 0 <= metrics[1] <= 100 and 0 <= metrics[2] < math.inf):
            raise ValueError(f"accuracies and seconds are {metrics}")
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ValueError(
            f"{path}: not the results of a cell of NATS-Bench ({error!r:.120}); unpack the folder"
            " again."
        ) from None
    return metrics


def _mean(results, data, metric):
    seeds = results["dataset_seed"][data]
    return math.fsum(metric(results["all_results"][data, seed]) for seed in seeds) / len(seeds)


def _seconds(training):
    return math.fsum(training["train_times"].values()) + _last(training, "x-valid", "eval_times")


def _last(training, split, what):
    """After the last epoch."""
    return training[what][f"{split}@{training['epochs'] - 1}"]


def _unpickled(path):
    try:
        with open_regular(path) as packed, bz2.open(packed) as file:
            text = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise ValueError(
            f"{path}: no such file; give the folder NATS-tss-v1_0-3ffb9-simple, unpacked as a"
            " whole."
        ) from None
    except (OSError, EOFError) as error:
        raise ValueError(
            f"{path}: not a whole bzip2 file ({error}); unpack the folder again."
        ) from None
    if len(text) > _LARGEST:
        raise ValueError(
            f"{path}: more than {_LARGEST:,} bytes, which no file of the simple form has; give"
            " NATS-tss-v1_0-3ffb9-simple."
        )
    try:
        return load_plain(text)
    except ValueError as error:
        raise ValueError(
            f"{path}: not plain data as a pickle ({error!s:.200}); give NATS-tss-v1_0-3ffb9-simple,"
            " unpacked again."
        ) from None
