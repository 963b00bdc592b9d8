"""Statistics over many searches of one table: what they found in the end, and over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasnet_tf.tables.table import Table
from nasnet_tf.tables.tabular import History

__all__ = ["Curve", "curve", "seed_of", "summary"]

_POINTS = 200  # of a curve over seconds


class Curve(NamedTuple):
    """The incumbents of many searches over time: arrays of one length. Means are over the runs that
    have an incumbent by then.
    """

    at: np.ndarray  # trainings, or seconds
    runs: np.ndarray  # how many have an incumbent
    signal_mean: np.ndarray
    test_mean: np.ndarray
    test_sem: np.ndarray  # standard error of the mean; NaN for one run
    regret_mean: np.ndarray  # the table's best test less test_mean


def seed_of(seed: int, run: int) -> int:
    """The seed of run 0, 1, ..., the same for every strategy."""
    return int(np.random.SeedSequence((seed, run)).generate_state(1, np.uint64)[0] >> 1)


def summary(histories: Sequence[History], table: Table) -> dict[str, float | int | None]:
    """What many searches had found when they ended; None where there are too few runs.

    Returns:
        runs, failed_runs (in which no training succeeded), trainings and cost (means a run; cost in
        seconds), and of the incumbents signal_mean, signal_sem, test_mean, test_std (of one run),
        test_sem, test_best, regret_mean (the table's best test less test_mean) and best_found
        (share of the runs whose incumbent's test is the table's best).
    """
    ends = np.array([(h.signal[-1], h.test[-1]) for h in histories])
    signal, test = ends[~np.isnan(ends[:, 1])].T
    found = {
        "runs": len(histories),
        "failed_runs": len(histories) - len(test),
        "trainings": float(np.mean([len(h.test) for h in histories])),
        "cost": float(np.mean([h.cost[-1] for h in histories])) if table.timed else None,
    }
    for name, values in (("signal", signal), ("test", test)):
        found |= {
            f"{name}_mean": _mean(values),
            f"{name}_std": _std(values),
            f"{name}_sem": _std(values, len(values)),
        }
    found["test_best"] = float(test.max()) if len(test) else None
    found["regret_mean"] = table.best - _mean(test) if len(test) else None
    found["best_found"] = _mean(test == table.best)
    return found


def _mean(values):
    return float(np.mean(values)) if len(values) else None


def _std(values, shared_by=1):
    return float(np.std(values, ddof=1)) / math.sqrt(shared_by) if len(values) > 1 else None


def curve(histories: Sequence[History], table: Table, seconds: float | None = None) -> Curve:
    """The incumbents over trainings; or over seconds, up to `seconds`.

    A search over trainings that ended before the longest keeps its incumbent to the end.
    """
    if seconds is None:
        at: np.ndarray = np.arange(1, max(len(h.test) for h in histories) + 1)
        rows = [
            [h.signal[i], h.test[i]] for h in histories for i in [np.minimum(at, len(h.test)) - 1]
        ]
    else:
        at = np.linspace(0.0, seconds, _POINTS + 1)[1:]
        rows = [_by_then(h, at) for h in histories]
    signals, tests = np.array(rows, dtype=float).transpose(1, 0, 2)  # (runs, points) each
    runs = (~np.isnan(tests)).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        signal, test = np.nansum(signals, 0) / runs, np.nansum(tests, 0) / runs
        sem = np.sqrt(np.nansum((tests - test) ** 2, 0) / (runs - 1) / runs)
    return Curve(at, runs, signal, test, np.where(runs > 1, sem, np.nan), table.best - test)


def _by_then(history, at):
    """Signal and test of the incumbent at the times `at`; a training is known when it has ended."""
    known = np.searchsorted(history.cost, at, side="right")
    return [np.concatenate([[np.nan], values])[known] for values in (history.signal, history.test)]
