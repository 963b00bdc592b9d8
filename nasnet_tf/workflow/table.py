"""The trials of a search as rows: trials.csv, pareto.csv."""

from __future__ import annotations

import csv
import io
import pathlib
from typing import NamedTuple

from nasnet_tf.files import write_whole
from nasnet_tf.spreadsheets import cell, read
from nasnet_tf.workflow.catalogue import cost_of

__all__ = ["BASELINE", "Shown", "TrialTable", "read_trials"]

BASELINE = "random baseline"  # how its trials are labelled beside the search's
_TEXT = ("trial", "strategy", "status", "note", "genotype")  # other columns are numbers


class Shown(NamedTuple):
    """What tables and pictures of a search show of a trial.

    Args:
        metric: what children are compared by, a column of trials.csv.
        words: what it is called.
        reward: what the reward is called.
        priced: whether the cells of the space differ in what they cost.
        target: multiply-adds to mark, if there is a soft limit.
    """

    metric: str = "val_accuracy"
    words: str = "validation accuracy"
    reward: str = "validation accuracy"
    priced: bool = True
    target: float | None = None

    @property
    def columns(self):
        """Of trials.csv."""
        costs = ("parameters", "multiply_adds") if self.priced else ()
        results = ("status", self.metric, "reward", "seconds", *costs)
        return ("trial", "strategy", *results, "note", "genotype")


class TrialTable:
    """The trials of a search and of its baseline that have ended.

    Args:
        folder: where trials.csv is written.
        shown: a `Shown`.
    """

    def __init__(self, folder: pathlib.Path, shown: Shown):
        self.folder, self.shown = folder, shown
        self.rows, self._best = {}, None

    def record(self, strategy, trial, genotype, note, size) -> dict:
        """Adds a trial that ended; returns its row.

        Args:
            trial: a `nasnet_tf.study.Ended`.
            size: arguments of `cost_of`, of the network whose costs are written.
        """
        score, seconds = trial.score, trial.metrics.get("seconds")
        metric = None if score is None else trial.metrics.get(self.shown.metric)
        results = (trial.status.lower(), metric, score, seconds, *self._costs(genotype, size))
        values = (trial.number, strategy, *results, note, genotype.to_json())
        row = dict(zip(self.shown.columns, values, strict=True))
        self.rows[strategy, trial.number] = row
        if score is not None and (self._best is None or _rank(row) > _rank(self._best)):
            self._best = row
        return row

    def _costs(self, genotype, size):
        if not self.shown.priced:
            return ()
        cost = cost_of(genotype, **size)
        return (None, None) if cost is None else (cost.parameters, cost.multiply_adds)

    def prefer(self, row: dict) -> None:
        """Takes the row for the best one, whatever its reward: more is known of its cell."""
        self._best = row

    def best(self) -> dict | None:
        """The row of the best trial, the search's where it ties with the baseline; None before
        there is one.
        """
        return self._best

    def split(self) -> list[list[dict]]:
        """The rows of the search and those of the baseline, each in the order the trials ended."""
        return [
            [row for row in self.rows.values() if (row["strategy"] == BASELINE) == of_baseline]
            for of_baseline in (False, True)
        ]

    def save(self) -> None:
        """Writes trials.csv."""
        self.write("trials.csv", self.rows.values())

    def append(self, row) -> None:
        """Adds a row to trials.csv, which is written anew when a search goes on."""
        with open(self.folder / "trials.csv", "a", newline="") as file:
            csv.DictWriter(file, self.shown.columns).writerow(_cells(row))

    def write(self, name, rows) -> None:
        """Writes rows as a file of that name."""
        text = io.StringIO()
        table = csv.DictWriter(text, self.shown.columns)
        table.writeheader()
        table.writerows(map(_cells, rows))
        write_whole(self.folder / name, text.getvalue().encode())


def read_trials(folder: pathlib.Path) -> tuple[dict, ...]:
    """The rows of the trials.csv in a folder, numbers as numbers, None for what is empty."""
    return tuple(
        {name: _value(name, text) for name, text in row.items()}
        for row in read(folder / "trials.csv")
    )


def _value(name, text):
    if name in _TEXT:
        return text
    return None if not text else int(text) if text.isdigit() else float(text)


def _cells(row):
    return {name: cell(value) for name, value in row.items()}


def _rank(row):
    return row["reward"], row["strategy"] != BASELINE
