"""The folder of a search: what was asked, what came out, pictures of it."""

from __future__ import annotations

import json
import pathlib
import shutil

from nasnet_tf.contracts.genotype import from_json
from nasnet_tf.files import read_json, write_whole
from nasnet_tf.journal import TRIALS, read
from nasnet_tf.study import History
from nasnet_tf.study.project import clear, is_project
from nasnet_tf.workflow.budget import Budget, noted
from nasnet_tf.workflow.table import Shown, TrialTable

__all__ = [
    "BEST_SO_FAR",
    "CHOICE",
    "FINAL",
    "FINALISTS",
    "FINALISTS_PLAN",
    "MODEL",
    "SEARCHES",
    "SearchFolder",
    "read_config",
]

FINALISTS, FINALISTS_PLAN = "finalists", "finalists.json"
SEARCHES = ("search", "baseline", FINALISTS)  # folders, each a search's
# the folder of the training at the end, and which network that is of
FINAL, CHOICE = "model.training", "choice.json"
MODEL, BEST_SO_FAR = "model.keras", "best_so_far.json"  # the network, and how good an early one is
_CONFIG, _RESULT = "config.json", "result.json"
_BEFORE = {"child_image_size": 10**6}  # release 0.1, whose children saw the pictures as they are
_CLOCK = "clock.json"  # while a search by the clock runs
_PICTURES = ("cells.png", "search.png", "pareto.png", "report.html")
_FILES = (
    *(
        _CONFIG,
        _RESULT,
        _CLOCK,
        FINALISTS_PLAN,
        "trials.csv",
        "pareto.csv",
        "best.json",
        MODEL,
        BEST_SO_FAR,
    ),
    *_PICTURES,
)
_LENGTH = ("minutes", "max_trials", "epochs")
# may change when a search goes on
_BUDGET = (*_LENGTH, "workers", "engine", "address", "gpus_per_trial", "child_kernels")


def read_config(path: pathlib.Path) -> dict:
    """What the search in the folder was asked. Raises ValueError if there is none."""
    try:
        found = read_json(path / _CONFIG)
    except FileNotFoundError:
        raise ValueError(
            f"{path} holds no search to resume; leave `resume=True` out to begin one."
        ) from None
    if not isinstance(found, dict):
        raise ValueError(
            f"{path / _CONFIG} is damaged; restore a copy of it, or write into it what was asked"
            " for."
        )
    return _BEFORE | found


class SearchFolder:
    """`runs/NAME/`: config.json, trials.csv, pareto.csv, best.json, cells.png, search.png,
    pareto.png, report.html, model.keras. Without pareto.* where all cells cost the same.

    Args:
        path: the folder.
        config: what was asked, by name: `SearchOptions.config`.
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
        self.before = read_config(path) if resume else {}
        if resume:
            self._check_same()
        elif path.exists() and not overwrite:
            raise ValueError(
                f"{path} exists already; add `resume=True` to go on with its search,"
                " `overwrite=True` to begin again, or `name` for another."
            )
        self.table = TrialTable(path, self.shown)

    def _check_same(self):
        before, now = self.before, _BEFORE | self.config
        for name in sorted(set(before) | set(now)):
            if name not in _BUDGET and before.get(name) != now.get(name):
                raise ValueError(
                    f"{self.path} was searched with {name.replace('_', '-')} {before.get(name)},"
                    f" now it is {now.get(name)}; resume with what it began with (only the budget"
                    " may change), or give another `name`."
                )

    def claim(self, overwrite=False):
        """Makes the folder; if `overwrite`, deletes what a search has written there, and nothing
        else.

        Raises: ValueError if there is something else and no search, or another process is searching
            there.
        """
        if overwrite and self.path.exists():
            self._delete(*(self.path / name for name in SEARCHES))
        self.path.mkdir(parents=True, exist_ok=True)

    def _delete(self, *searches):
        if not is_project(searches[0]) and (
            not self.path.is_dir() or any(path not in searches for path in self.path.iterdir())
        ):
            raise ValueError(
                f"{self.path} holds no search, so it is not overwritten; give another `name`."
            )
        with clear(*searches):
            for name in _FILES:
                (self.path / name).unlink(missing_ok=True)
            shutil.rmtree(self.path / FINAL, ignore_errors=True)

    def begin(self):
        """Writes what was asked, when the logs of the searches are open: then no other process can
        be searching there.
        """
        self.write(_CONFIG, json.dumps(self.config, indent=1))
        (self.path / _RESULT).unlink(missing_ok=True)  # there will be another

    def nothing_left(self) -> dict | None:
        """The result of a search that ended and is not given more than it had; None if there is
        something to do.
        """
        try:
            result = read_json(self.path / _RESULT) if self.before else None
        except (OSError, ValueError):
            return None
        more = any(_is_more(n, self.before.get(n), self.config.get(n)) for n in _LENGTH)
        return None if more or not isinstance(result, dict) or self._can_mend() else result

    def _can_mend(self):
        """Whether trials failed that may succeed another time, and there is no clock that has run
        out.
        """
        logs = [self.path / name / TRIALS for name in SEARCHES]
        try:
            histories = [History.of(read(log), log) for log in logs if log.is_file()]
        except (OSError, ValueError):
            return False
        failed = any(history.failed(passing=True) for history in histories)
        return self.config["minutes"] is None and failed

    def budget(self, began: float, share: float) -> tuple[Budget, float | None]:
        """The time there is, less what was spent before an interruption, and when the search ends.

        Args:
            began: when the work began, by the monotonic clock.
            share: of the time that is for the search.
        """
        ended = bool(self.before) and (self.path / _RESULT).is_file()
        spent = noted(self.path / _RESULT if ended else self.clock) if self.before else 0.0
        budget = Budget(self.config["minutes"], began, spent)
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

    def picture(self, facts, sections=()):
        """Writes best.json, the pictures and the page of what there is so far. Returns the best
        genotype, or None.

        Args:
            facts, sections: see `nasnet_tf.report.write_page`.
        """
        best = self.table.best()
        found = None if best is None else from_json(best["genotype"])
        search, baseline = self._without_genotypes()
        self._draw_search(search, baseline)
        if found is not None:
            self._draw_best(found)
            metric = f"{self.shown.words} {best[self.shown.metric]:.4f}"
            facts = {"best cell": f"trial {best['trial']} ({best['strategy']}), {metric}", **facts}
        self._write_page(found, facts, search, baseline, sections)
        return found

    def _without_genotypes(self):
        names = [name for name in self.shown.columns if name != "genotype"]
        return [
            [{name: row[name] for name in names} for row in rows] for rows in self.table.split()
        ]

    def _draw_search(self, search, baseline):
        from nasnet_tf.report import draw_pareto, draw_search
        from nasnet_tf.scores.limits import pareto_front

        title = self.path.name
        rewards, others = ([row["reward"] for row in rows] for rows in (search, baseline))
        path = self.path / "search.png"
        draw_search(rewards, path, baseline=others, title=title, ylabel=self.shown.reward)
        if self.shown.priced:
            marked = {"title": title, "target": self.shown.target}
            draw_pareto(search, self.path / "pareto.png", baseline=baseline, **marked)
            self.table.write("pareto.csv", pareto_front(list(self.table.rows.values())))

    def _draw_best(self, genotype):
        from nasnet_tf.report import draw_genotype

        genotype.save(self.path / "best.json")
        draw_genotype(genotype, self.path / "cells.png", title=self.path.name)

    def _write_page(self, genotype, facts, search, baseline, sections):
        from nasnet_tf.report import write_page

        write_page(
            self.path / "report.html",
            title=f"Search on {self.path.name}",
            facts=facts,
            genotype=genotype,
            trials=search,
            baseline=baseline,
            target=self.shown.target,
            sections=sections,
        )

    def write(self, name, text):
        """Writes a file of the folder, whole or not at all."""
        write_whole(self.path / name, text.encode())


def _is_more(name, before, now):
    """Whether a limit was raised or lifted; the epochs of the network at the end are no limit."""
    if name == "epochs":
        return now is not None and (before is None or now > before)
    return before is not None and (now is None or now > before)
