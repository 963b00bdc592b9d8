"""The best cells of a search once more, at the size of the network at the end, before one is taken:
what a small child reaches in a few epochs says only roughly what its cell is worth.

By the clock all are trained for equally long, on more images the less a cell takes for one, as the
network at the end will be. The pictures are as small as those of the children.

Where the time is too short for that, the published cell that computes least is taken: of three that
are equally good once they are trained, the one that sees most images until then.

Zoph et al. 2017, arXiv 1707.07012, appendix A.3, train the best 250 cells of their search to the
end before they choose.
"""

from __future__ import annotations

import math
import shutil
import statistics
import threading
from typing import NamedTuple

from nasnet_tf.contracts.genotype import from_json
from nasnet_tf.files import read_json, write_json
from nasnet_tf.study import Listener, Study
from nasnet_tf.workflow import studies, wording
from nasnet_tf.workflow.first_trials import PUBLISHED, FirstTrials
from nasnet_tf.workflow.folder import FINALISTS, FINALISTS_PLAN
from nasnet_tf.workflow.search_clock import is_too_short
from nasnet_tf.workflow.sizes import Size
from nasnet_tf.workflow.table import BASELINE

__all__ = ["Plan", "best_rows", "cheapest_published", "choose", "expected_seconds", "plan_of"]

_SHARE = 0.15  # of the time that is left
_COUNTS = (4, 3, 2)  # cells, as many as get two epochs
_MOST_EPOCHS = 10
_PATIENCE = 1.5  # times the time that was planned


class Plan(NamedTuple):
    """Args:
    count: how many cells are trained.
    epochs: how long one that takes as long as most.
    seconds: that this is expected to take, None where it is not known.
    epoch: seconds of an epoch of such a one, None where all are trained for these epochs.
    """

    count: int
    epochs: int
    seconds: float | None
    epoch: float | None = None


_NO_PLAN = Plan(0, 0, 0.0)


def plan_of(seconds: float, epoch: float, workers: int, most: int, asked: int | None) -> Plan:
    """How many cells are trained for how long.

    Args:
        seconds: that are left of the whole time.
        epoch: seconds of an epoch of one of them.
        workers: how many are trained side by side.
        most: how many cells there are.
        asked: how many were asked for; None leaves it to the time.
    """
    for count in _COUNTS if asked is None else (asked,):
        each = epoch * math.ceil(count / workers)
        possible = _SHARE * seconds / each if each else _MOST_EPOCHS
        epochs = min(int(max(possible, 0)), _MOST_EPOCHS)
        if count <= most and epochs >= (1 if count in (2, asked) else 2):
            return Plan(count, epochs, epochs * each, epoch)
    return _NO_PLAN


class _Decision(NamedTuple):
    """How a cell is chosen.

    Args:
        trials: how many there were.
        cells: the finalists; without a plan for them the one cell that is taken, or none, where the
            best is. Their trials, in words.
        plan: of the finalists.
    """

    trials: int
    cells: list[str]
    plan: Plan


def best_rows(rows, count: int) -> list[dict]:
    """The rows of the best trials, best first; of published cells at least the best one."""
    rows = sorted((row for row in rows if row["reward"] is not None), key=_reward, reverse=True)
    found, published = [], None
    for row in rows:
        if row["genotype"] in [other["genotype"] for other in found]:
            continue
        found.append(row)
        if published is None and row["strategy"] == PUBLISHED:
            published = row
    best = found[:count]
    return best if published is None or published in best else [*best[:-1], published]


def _reward(row):
    return row["reward"]


def choose(folder, task, options, found, monitor, workers, stages):
    """What the search found, or the best of its best cells; a `Found`."""
    trained = {_name(row): row for row in folder.table.rows.values() if row["seconds"]}
    decision = _decided(folder, task, options, workers, stages, trained)
    rows, plan = [trained[name] for name in decision.cells], decision.plan
    if plan.count < 2:
        for row in rows:
            stages.say(f"of the published cells, {row['note']} sees most pictures: it is taken")
            found = _preferred(found, folder, monitor.search_of(row), row, row["trial"])
        return found
    points = {}
    for row in rows:
        search = monitor.search_of(row)
        points[_name(row)] = search.study.point(row["trial"])
    stages.say(
        f"the best {len(rows)} cells are trained for {_duration(plan)} at the size of the"
        " network at the end"
    )
    search = _search(folder, task, options, points, workers, plan, rows)
    _run(search, task, options, plan, rows, stages)
    best = search.study.best()
    if not best:
        return found
    size = Size(options.num_cells, options.filters)
    each = [f"{_name(rows[int(n)])} {wording.number(search.study.ended(n).score)}" for n in best]
    words = f"after {_duration(plan)} of {size}: {', '.join(each)}"
    taken = _preferred(found, folder, search, rows[int(best[0])], best[0])
    return taken._replace(size=size, finalists=words)


def _preferred(found, folder, search, row, trial):
    """`found` with the cell of another row, and of it the child that `search` trained."""
    folder.table.prefer(row)
    return found._replace(genotype=search.genotype(trial), search=search, best=row, trial=trial)


def _duration(plan):
    if plan.epoch is not None:
        return f"{plan.epochs * plan.epoch:.0f} s each"
    return f"{plan.epochs} epoch{'s' * (plan.epochs > 1)}"


def _name(row):
    return f"{row['strategy']} {row['trial']}"


def _decided(folder, task, options, workers, stages, trained):
    """The `_Decision` for these trials, {name: row}. It stays what it was where a search goes on
    with less time, and finalists go on if they are the same.
    """
    file = folder.path / FINALISTS_PLAN
    before = _made_before(file, trained)
    if before is not None and before.trials == len(trained):
        return before
    decision = _decision(task, options, workers, stages, list(trained.values()))
    if before is not None and before.cells == decision.cells:
        decision = before._replace(trials=len(trained))
    else:
        shutil.rmtree(folder.path / FINALISTS, ignore_errors=True)
    if stages.budget.is_limited or decision.plan.count > 1:
        write_json(file, decision._asdict())
    return decision


def _made_before(file, trained):
    """The `_Decision` in a file; None where there is none of these trials."""
    try:
        before = _Decision(**read_json(file))
        before = before._replace(plan=Plan(*before.plan))
        return before if set(before.cells) <= trained.keys() else None
    except (OSError, ValueError, TypeError):
        return None


def _decision(task, options, workers, stages, rows):
    if options.finalists is None and _is_too_short(task, options, stages.budget.left, rows):
        searched = any(row["strategy"] not in (PUBLISHED, BASELINE) for row in rows)
        row = None if searched else cheapest_published(rows)
        return _Decision(len(rows), [] if row is None else [_name(row)], _NO_PLAN)
    plan = _planned(task, options, workers, stages.budget.left, rows)
    best = best_rows(rows, plan.count) if plan.count > 1 else []
    return _Decision(len(rows), [_name(row) for row in best], plan)


def _is_too_short(task, options, left, rows):
    """Whether the network at the end has not half the time it needs."""
    if not rows or options.num_cells is None or left == math.inf:
        return False
    needed = task.final_seconds(from_json(rows[0]["genotype"]), rows[0]["seconds"])
    return bool(needed) and is_too_short(left, needed)


def cheapest_published(rows) -> dict | None:
    """The row of the published cell that computes least; None if there is none."""
    published = [
        row
        for row in rows
        if row["strategy"] == PUBLISHED and row["reward"] is not None and row.get("multiply_adds")
    ]
    return min(published, key=lambda row: row["multiply_adds"], default=None)


def expected_seconds(task, options, workers, left, rows) -> float:
    """Seconds that the finalists will take where so many of the whole time are left, by the rows of
    the trials so far.
    """
    if options.finalists is None and _is_too_short(task, options, left, rows):
        return 0.0
    return _planned(task, options, workers, left, rows).seconds or 0.0


def _planned(task, options, workers, left, rows):
    """The `Plan`; of no cells where they have no size of their network or nothing is known of
    it.
    """
    asked = options.finalists
    if not rows or options.num_cells is None or asked is not None and asked < 2:
        return _NO_PLAN
    if left == math.inf:
        return Plan(min(asked, len(rows)), options.child_epochs, None) if asked else _NO_PLAN
    epochs = [_epoch_seconds(task, row) for row in best_rows(rows, _COUNTS[0])]
    if None in epochs:
        return _NO_PLAN
    return plan_of(left, statistics.median(epochs), workers.all, len(rows), asked)


def _epoch_seconds(task, row):
    """Seconds of an epoch of the cell of a row; None where that is not known."""
    return task.epoch_seconds(from_json(row["genotype"]), row["seconds"], small=True)


def _shares(task, plan, rows):
    """{genotype: share of the images of the planned epochs}, where the time is equal."""
    if plan.epoch is None:
        return {}
    return {row["genotype"]: plan.epoch / _epoch_seconds(task, row) for row in rows}


def _search(folder, task, options, points, workers, plan, rows):
    """The `ChildSearch` of the cells, at the size of the network at the end."""
    from nasnet_tf.children.search import ChildSearch

    size = {"num_cells": options.num_cells, "filters": options.filters}
    child = studies.child_of(task, shares=_shares(task, plan, rows), **size)
    first, path = FirstTrials(task.space, points), folder.path / FINALISTS
    study = Study(
        first.in_front_of("auto"),
        task.space,
        len(points),
        folder=path,
        metric=child.metric,
        seed=options.seed,
    )
    study.open()
    return ChildSearch(
        child, study, path, workers=min(workers.all, len(points)), make_worker=workers.make
    )


def _run(search, task, options, plan, rows, stages):
    """Trains the cells, at most for somewhat longer than was planned."""
    x, y, *validation_data = task.some(None, task.child_shape)
    search.study.listener = _Reporter(search.study, rows, stages)
    timer = threading.Timer(_PATIENCE * (plan.seconds or 0.0), search.stop)
    timer.daemon = True
    if plan.seconds is not None:
        timer.start()
    try:
        studies.until_stopped(
            search.run,
            x,
            y,
            validation_data=tuple(validation_data),
            epochs=plan.epochs,
            batch_size=options.child_batch_size,
            verbose=0,
        )
    finally:
        timer.cancel()


class _Reporter(Listener):
    """Says how each cell does."""

    def __init__(self, study, rows, stages):
        self._study, self._rows, self._stages = study, rows, stages

    def ended(self, number):
        trial, row = self._study.ended(number), self._rows[int(number)]
        outcome = f"failed: {trial.reason}" if trial.score is None else wording.number(trial.score)
        self._stages.say(f"finalist, {_name(row)}  {outcome}")
