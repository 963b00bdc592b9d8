"""Tables of finished trainings: a space and the metrics of its points, on which a search takes no
training.
"""

from __future__ import annotations

import functools
import math
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from nasnet_tf.contracts.categorical import CategoricalSpace
from nasnet_tf.systems.cells.cell import COMBINATIONS, OPERATION_NAMES
from nasnet_tf.systems.cells.genotype import Genotype
from nasnet_tf.systems.cells.spaces.nasnet import NASNetSpace
from nasnet_tf.systems.nas_bench_201.genotype import NASBench201
from nasnet_tf.systems.nas_bench_201.space import NASBench201Space
from nasnet_tf.tables.official import official_reader
from nasnet_tf.tables.rows import read_rows

__all__ = ["DIGITS", "Figures", "Metrics", "Table"]

DIGITS = pathlib.Path(__file__).with_name("digits.csv.gz")  # made by benchmarks/digits_table.py
_MOST_OPTIONS = 1000


class Metrics(NamedTuple):
    """Of one training; higher is better."""

    signal: float  # what a search observes
    test: float  # what is reported
    cost: float  # seconds of training


Figures = Metrics  # the name of release 0.1; to be deleted with release 0.3


class Table:
    """A space and the metrics of its points; a point without metrics is a failed training.

    Args:
        space: a `nasnet_tf.spaces` space.
        metrics: point -> `Metrics`. A point that is missing has those of the first one with the
            same `space.key`, if any. Or key -> `Metrics`.
        name: a short one, for reports.
        timed: whether the costs are known; else they are 0.
    Raises: ValueError if there are no metrics.
    """

    def __init__(
        self, space: CategoricalSpace, metrics: Mapping[tuple[int, ...] | str, Metrics],
        name: str = "table", timed: bool = True,
    ):  # fmt: skip
        if not metrics:
            raise ValueError(f"{name}: a table needs at least one row; got none.")
        self.space, self.name, self.timed = space, name, timed
        self._metrics = {
            at if isinstance(at, str) else space.checked(at): Metrics(*values)
            for at, values in metrics.items()
        }
        self.best = max(values.test for values in self._metrics.values())
        self.mean_cost = sum(values.cost for values in self._metrics.values()) / len(self._metrics)

    def __len__(self) -> int:
        """Number of networks that were trained."""
        return len(self._metrics)

    def get(self, point: tuple[int, ...]) -> Metrics | None:
        """The metrics of `point`; None if its training fails."""
        if point in self._metrics or type(self.space).key is CategoricalSpace.key:
            return self._metrics.get(point)
        return self._by_key.get(self.space.key(point))

    @functools.cached_property
    def _by_key(self):
        """key -> metrics, those of the first of several points with that key."""
        return {
            at if isinstance(at, str) else self.space.key(at): self._metrics[at]
            for at in reversed(self._metrics)
        }

    @classmethod
    def read(
        cls,
        path: str | os.PathLike,
        signal: str | None = None,
        test: str | None = None,
        cost: str | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Table:
        """Reads a CSV file, plain or gzipped, whose first line names the columns; or a benchmark's
        own file (official.py).

        The other columns of a CSV decide how the points are read:
        - `genotype` alone: each row a genotype as JSON, whose cells concatenate their unused
          states. The space is the NASNet space of that many blocks, of the operations and
          combinations that occur.
        - `arch` among them, with strings of NAS-Bench-201: its space; all other columns are
          ignored. Isomorphic networks were trained separately there, and have metrics of their own.
        - else each is a decision; its distinct values are the options, in order of appearance.

        Args:
            signal, test, cost: the columns with these metrics, by default "signal", "test"
                ("signal" if there is none) and "cost" (0); of NAS-Bench-201 the columns for
                CIFAR-10: validation accuracy after 12 epochs, test accuracy after 200, seconds of
                the 12.
            progress: called with the share of a benchmark's own file that is read, which can take
                minutes.
        Raises: ValueError that says what is wrong, and names the line.
        """
        path = pathlib.Path(path)
        if official := official_reader(path):
            if signal or test or cost:
                raise ValueError(
                    f"{path}: signal, test and cost are columns of a CSV; leave them out for a"
                    " benchmark's own file."
                )
            space, metrics = official(path, progress)
            return cls(space, metrics, path.resolve().name.removesuffix(".tfrecord"))
        names, lines = read_rows(path)
        rows = list(lines)
        nas_bench_201 = "arch" in names and all(
            fields[names.index("arch")].startswith("|") for _, fields in rows[:1]
        )
        default = (
            _NAS_BENCH_201 if nas_bench_201 else dict(signal="signal", test="test", cost="cost")
        )
        given = {"signal": signal, "test": test, "cost": cost}
        columns = {metric: given[metric] or name for metric, name in default.items()}
        for metric, name in columns.items():
            if name not in names and (given[metric] or metric == "signal"):
                there = ", ".join(names)
                raise ValueError(
                    f"{path}, line 1: there is no column {name!r:.80} for the {metric}; there are"
                    f" {there:.200}."
                )
        others = [name for name in names if name not in {*columns.values(), *default.values()}]
        if nas_bench_201:
            read = _read_nas_bench_201
        elif not others:
            raise ValueError(
                f"{path}, line 1: there are only metrics; give a column for each decision, or one"
                " named genotype."
            )
        else:
            read = _read_genotypes if others == ["genotype"] else _read_decisions
        space, points = read(path, names, others, rows)
        metrics, first = {}, {}
        key = (
            (lambda point: point)
            if nas_bench_201 or type(space).key is CategoricalSpace.key
            else space.key
        )
        for (line, fields), point in zip(rows, points, strict=True):
            if (same := first.setdefault(key(point), line)) != line:
                raise ValueError(
                    f"{path}, line {line}: the same network as line {same}; give each once, such as"
                    " the mean of both."
                )
            metrics[point] = _metrics(
                f"{path}, line {line}", dict(zip(names, fields, strict=True)), columns
            )
        return cls(
            space,
            metrics,
            path.name.removesuffix(".gz").removesuffix(".csv"),
            timed=columns["cost"] in names,
        )


def _metrics(where, row, columns):
    def number(metric, default):
        name = columns[metric]
        return _number(where, name, row[name]) if name in row else default

    signal, cost = number("signal", None), number("cost", 0.0)
    if cost < 0:
        raise ValueError(f"{where}: {columns['cost']} is {cost:g}; give seconds of at least 0.")
    return Metrics(signal, number("test", signal), cost)


def _number(where, name, text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(
            f"{where}: {name} is {text!r:.80}; give a number, or leave the row out if the training"
            " failed."
        )
    return value


def _converted(path, rows, convert):
    """`convert` of each row; a ValueError that it raises gets the file and the line."""
    found = []
    for line, row in rows:
        try:
            found.append(convert(row))
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from None
    return found


def _read_decisions(path, names, others, rows):
    places = [names.index(name) for name in others]
    options = [{} for _ in others]

    def point(fields):
        choices = []
        for place, numbers in zip(places, options, strict=True):
            value = fields[place]
            if not value:
                raise ValueError(f"{names[place]} is empty; give the option that was chosen.")
            choices.append(numbers.setdefault(value, len(numbers)))
            if len(numbers) > _MOST_OPTIONS:
                raise ValueError(
                    f"{names[place]} has more than {_MOST_OPTIONS} distinct values; take the column"
                    " out if it is no decision."
                )
        return tuple(choices)

    points = _converted(path, rows, point)
    return CategoricalSpace(zip(others, options, strict=True)), points


def _read_genotypes(path, names, others, rows):
    place = names.index("genotype")
    found = _converted(path, rows, lambda fields: Genotype.from_json(fields[place]))
    blocks = [block for genotype in found for cell in genotype for block in cell.blocks]
    operations = {block.operation_1 for block in blocks} | {block.operation_2 for block in blocks}
    combinations = {block.combine for block in blocks}
    space = NASNetSpace(
        len(found[0].normal.blocks),
        [name for name in OPERATION_NAMES if name in operations],
        [name for name in COMBINATIONS if name in combinations],
    )
    lines = [line for line, _ in rows]
    return space, _converted(path, zip(lines, found, strict=True), space.encode)


_NAS_BENCH_201 = dict(signal="c10valid_12", test="c10_test_200", cost="c10_cost_12_s")


def _read_nas_bench_201(path, names, others, rows):
    space, place = NASBench201Space(), names.index("arch")
    return space, _converted(
        path, rows, lambda fields: space.encode(NASBench201.from_arch(fields[place]))
    )
