"""The folder of a search: what was asked, what came out, pictures of it."""

from __future__ import annotations

import csv
import io
import json
import pathlib
import shutil
from typing import NamedTuple

from nasnet_tf.cli.budget import Budget, noted
from nasnet_tf.contracts.genotype import from_json
from nasnet_tf.files import read_json, write_whole
from nasnet_tf.journal import TRIALS, read
from nasnet_tf.spreadsheets import cell
from nasnet_tf.study import History
from nasnet_tf.study.project import clear, is_project
from nasnet_tf.systems.costs import cost_of

BASELINE = "random baseline"  # how its trials are labelled beside the search's
SEARCHES = ("search", "baseline")  # folders, each a search's
_FILES = (
    "config.json",
    "trials.csv",
    "pareto.csv",
    "best.json",
    "cells.png",
    "search.png",
    "pareto.png",
    "report.html",
    "model.keras",
    "result.json",
    "clock.json",
)
_FOLDERS = ("model.training",)
_BUDGET = (
    "minutes",
    "max_trials",
    "epochs",
    "workers",
    "engine",
    "address",
    "gpus_per_trial",
)  # may change when a search goes on
_LENGTH = ("minutes", "max_trials", "epochs")
FINAL, CHOICE = (
    "model.training",
    "choice.json",
)  # the folder of the training at the end, and which network that is of
_RESULT, _CLOCK = "result.json", "clock.json"  # the second while a search by the clock runs


class Shown(NamedTuple):
    """What tables and pictures of a search tell of a trial.

    Args:
        figure: the metric that children are judged by, a column of trials.csv.
        words: what it is called.
        reward: what the reward is called.
        priced: whether the cells of the space differ in what they cost.
        target: multiply-adds to mark, if there is a soft limit.
    """

    figure: str = "val_accuracy"
    words: str = "validation accuracy"
    reward: str = "validation accuracy"
    priced: bool = True
    target: float | None = None

    @property
    def columns(self):
        """Of trials.csv."""
        costs = ("parameters", "multiply_adds") if self.priced else ()
        return (
            "trial",
            "strategy",
            "status",
            self.figure,
            "reward",
            "seconds",
            *costs,
            "note",
            "genotype",
        )


class Run:
    """`runs/NAME/`: config.json, trials.csv, pareto.csv, best.json, cells.png, search.png,
    pareto.png, report.html, model.keras. Without pareto.* where all cells cost the same.

    Args:
        path: the folder.
        config: what was asked, by name.
        resume: go on with the search in the folder, which must be of the same `config` but for the
            budget.
        overwrite: replace what is there.
        shown: a `Shown`; by default that of a search on pictures.
    Raises: ValueError if the folder does not suit.
    """

    def __init__(
        self,
        path: pathlib.Path,
        config: dict,
        resume=False,
        overwrite=False,
        shown: Shown | None = None,
    ):
        self.path, self.config, self.shown = path, config, shown or Shown()
        self.before = self._check_resumable() if resume else {}
        if not resume and path.exists() and not overwrite:
            raise ValueError(
                f"{path} exists already; add --resume to go on with its search, --overwrite to"
                " begin again, or --name for another."
            )
        self.rows, self._best = {}, None

    def claim(self, overwrite=False):
        """Makes the folder; if `overwrite`, deletes what a search has written there, and nothing
        else.

        Raises: ValueError if there is something else and no search, or another process is searching
            there.
        """
        if overwrite and self.path.exists():
            searches = [self.path / name for name in SEARCHES]
            if not is_project(searches[0]) and (
                not self.path.is_dir() or any(path not in searches for path in self.path.iterdir())
            ):
                raise ValueError(
                    f"{self.path} holds no search, so it is not overwritten; give another --name."
                )
            with clear(*searches):
                for name in _FILES:
                    (self.path / name).unlink(missing_ok=True)
                for name in _FOLDERS:
                    shutil.rmtree(self.path / name, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)

    def begin(self):
        """Writes what was asked, when the logs of the searches are open: then no other process can
        be searching there.
        """
        self.write("config.json", json.dumps(self.config, indent=1))
        (self.path / _RESULT).unlink(missing_ok=True)  # there will be another

    def _check_resumable(self):
        try:
            before = read_json(self.path / "config.json")
        except FileNotFoundError:
            raise ValueError(
                f"{self.path} holds no search to resume; leave --resume out to begin one."
            ) from None
        if not isinstance(before, dict):
            raise ValueError(
                f"{self.path / 'config.json'} is damaged; restore a copy of it, or write into it"
                " what was asked for."
            )
        if self.config.get("child_images") is None:
            self.config["child_images"] = before.get("child_images")
        for name in sorted(set(before) | set(self.config)):
            if name not in _BUDGET and before.get(name) != self.config.get(name):
                option = name.replace("_", "-")
                raise ValueError(
                    f"{self.path} was searched with {option} {before.get(name)}, now it is"
                    f" {self.config.get(name)}; resume with what it began with (only the budget may"
                    " change), or give another --name."
                )
        return before

    def budget_before(self) -> dict:
        """The budget that the search in the folder was given."""
        return {name: self.before.get(name) for name in _LENGTH}

    def nothing_left(self) -> dict | None:
        """The result of a search that ended and is not given more than it had; None if there is
        something to do.
        """
        try:
            result = read_json(self.path / _RESULT) if self.before else None
        except (OSError, ValueError):
            return None
        more = [
            name for name in _LENGTH if _is_more(name, self.before.get(name), self.config.get(name))
        ]
        return None if more or not isinstance(result, dict) or self._can_mend() else result

    def _can_mend(self):
        """Whether trials failed that may succeed another time, and there is no clock that has run
        out.
        """
        logs = [self.path / name / TRIALS for name in SEARCHES]
        try:
            failed = [
                History.of(read(log), log).failed(passing=True) for log in logs if log.is_file()
            ]
        except (OSError, ValueError):
            return False
        return self.config["minutes"] is None and any(failed)

    def budget(self, began: float, share: float) -> tuple[Budget, float | None]:
        """The time there is, less what was spent before an interruption, and when the search ends.

        Args:
            began: when the command began, by the monotonic clock.
            share: of the time that is for the search.
        """
        minutes, spent, ended = self.config["minutes"], 0.0, False
        if self.before:
            ended = (self.path / _RESULT).is_file()
            spent = noted(self.path / _RESULT) if ended else noted(self.clock)
        budget = Budget(minutes, began, spent)
        if not budget.is_limited:
            return budget, None
        start, length = (began, budget.seconds - spent) if ended else (budget.began, budget.seconds)
        return budget, start + share * max(length, 0.0)

    @property
    def clock(self) -> pathlib.Path:
        """The file in which is noted how much of the time is spent."""
        return self.path / _CLOCK

    def end(self, result: dict) -> None:
        """Writes what came of it all."""
        self.write(_RESULT, json.dumps(result, indent=1))
        self.clock.unlink(missing_ok=True)

    def record(self, strategy, trial, genotype, note, size):
        """Adds a Keras Tuner trial that ended.

        Args:
            size: arguments of `cost_of`, of the network whose costs are written.
        """
        side = cost_of(genotype, **size) if self.shown.priced else None
        seconds = (
            trial.metrics.get_best_value("seconds") if trial.metrics.exists("seconds") else None
        )
        score = trial.score if trial.status == "COMPLETED" else None
        figure = trial.metrics.get_last_value(self.shown.figure) if score is not None else None
        costs = (side and side.parameters, side and side.multiply_adds) if self.shown.priced else ()
        row = (
            trial.trial_id,
            strategy,
            trial.status.lower(),
            figure,
            score,
            seconds,
            *costs,
            note,
            genotype.to_json(),
        )
        row = self.rows[strategy, trial.trial_id] = dict(zip(self.shown.columns, row, strict=True))
        if score is not None and (self._best is None or _rank(row) > _rank(self._best)):
            self._best = row

    def save_table(self):
        """Writes trials.csv."""
        self._write_table("trials.csv", self.rows.values())

    def add_to_table(self, row):
        """Adds a row to trials.csv, which is written anew when a search goes on."""
        with open(self.path / "trials.csv", "a", newline="") as file:
            csv.DictWriter(file, self.shown.columns).writerow(_cells(row))

    def _write_table(self, name, rows):
        text = io.StringIO()
        table = csv.DictWriter(text, self.shown.columns)
        table.writeheader()
        table.writerows(map(_cells, rows))
        self.write(name, text.getvalue())

    def best(self):
        """The row of the best trial, the search's where it ties with the baseline; None before
        there is one.
        """
        return self._best

    def split(self):
        """The rows of the search and those of the baseline, each in the order the trials ended."""
        return [
            [row for row in self.rows.values() if (row["strategy"] == BASELINE) == of_baseline]
            for of_baseline in (False, True)
        ]

    def picture(self, facts):
        """Writes best.json, the pictures and the page of what there is so far. Returns the best
        genotype, or None.
        """
        from nasnet_tf.report import draw_genotype, draw_pareto, draw_search, write_page
        from nasnet_tf.scores.limits import pareto_front

        best = self.best()
        found = None if best is None else from_json(best["genotype"])
        title = self.path.name
        names = [name for name in self.shown.columns if name != "genotype"]
        search, baseline = (
            [{name: row[name] for name in names} for row in rows] for rows in self.split()
        )
        rewards = ([row["reward"] for row in rows] for rows in (search, baseline))
        draw_search(
            next(rewards),
            self.path / "search.png",
            baseline=next(rewards),
            title=title,
            ylabel=self.shown.reward,
        )
        if self.shown.priced:
            draw_pareto(
                search,
                self.path / "pareto.png",
                baseline=baseline,
                title=title,
                target=self.shown.target,
            )
            self._write_table("pareto.csv", pareto_front(list(self.rows.values())))
        if found is not None:
            found.save(self.path / "best.json")
            draw_genotype(found, self.path / "cells.png", title=title)
            figure = f"{self.shown.words} {best[self.shown.figure]:.4f}"
            facts = {"best cell": f"trial {best['trial']} ({best['strategy']}), {figure}", **facts}
        write_page(
            self.path / "report.html",
            title=f"Search on {title}",
            facts=facts,
            genotype=found,
            trials=search,
            baseline=baseline,
            target=self.shown.target,
        )
        return found

    def write(self, name, text):
        """Writes a file of the folder, whole or not at all."""
        write_whole(self.path / name, text.encode())


def _cells(row):
    return {name: cell(value) for name, value in row.items()}


def _is_more(name, before, now):
    """Whether a limit was raised or lifted; the epochs of the network at the end are no limit."""
    if name == "epochs":
        return now is not None and (before is None or now > before)
    return before is not None and (now is None or now > before)


def _rank(row):
    return row["reward"], row["strategy"] != BASELINE
