"""A search and its random baseline, side by side until their time is over."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from typing import NamedTuple

from nasnet_tf.contracts.genotype import from_json
from nasnet_tf.fingerprint import of_data
from nasnet_tf.workflow import finalists, studies
from nasnet_tf.workflow.first_trials import FirstTrials
from nasnet_tf.workflow.monitor import Monitor
from nasnet_tf.workflow.search_clock import SearchClock
from nasnet_tf.workflow.sizes import Size, on_all_cores, tested_share
from nasnet_tf.workflow.table import BASELINE

__all__ = ["Found", "facts_of", "run_searches", "size_in_words"]

_NO_TRIAL = {"trial": None, "strategy": None}
_LEAST_SHARE = 0.12  # of the time
_PATIENCE = 10  # seconds, for the baseline to end


class Found(NamedTuple):
    """What a search found.

    Args:
        genotype: the best.
        search: that trained its child; None where no trial ended.
        best: the row of its trial.
        drawing: seconds that the pictures of it took.
        trial: the number of the child in `search`.
        size: of the child.
        finalists: what the best cells reached at full size, in words; None where none was tried.
    """

    genotype: object
    search: object
    best: dict
    drawing: float
    trial: str | None = None
    size: Size | None = None
    finalists: str | None = None


def run_searches(folder, task, options, limit, stages, usable=None) -> Found:
    """Runs the search and the random baseline side by side until `limit`, then the best cells.

    Args:
        usable: the `BestSoFar` of a search on pictures.
    """
    labels = _labels(options)
    workers = studies.workers_for(options, len(labels))
    try:
        return _run_searches(folder, task, options, limit, stages, usable, labels, workers)
    finally:
        workers.make.close()


def _run_searches(folder, task, options, limit, stages, usable, labels, workers):
    stages.begin("searching")
    child = studies.child_of(task)
    x, y, *validation_data = task.some(options.child_images, task.child_shape)
    first = FirstTrials.of(options, task.space)
    clock = SearchClock(
        time.monotonic() + _LEAST_SHARE * stages.budget.left,
        limit,
        stages.budget.ends,
        workers.all,
        task.final_seconds,
        stages.say,
        len(first.known),
        len(validation_data[0]) if options.is_hands_off else None,
        lambda limit: _tell(folder, task, options, workers, stages, limit),
    )
    searches = _searches(folder, task, options, labels, clock, first, workers, child, x)
    stages.budget.keep(folder.clock)
    folder.begin()
    if "one-shot" in searches:
        searches["one-shot"].ranking.on_share = stages.counter("sharing weights")
    monitor = Monitor(folder, searches, task.size, clock, first, options.max_trials, stages, usable)
    fit = {"epochs": options.child_epochs, "batch_size": options.child_batch_size, "verbose": 0}
    if task.is_judged_at_the_end:
        fit["validation_freq"] = options.child_epochs
    try:
        _train(searches, stages.say, x, y, validation_data=tuple(validation_data), **fit)
    except BaseException:
        # where the log cannot be written, pictures cannot be either
        with contextlib.suppress(OSError, ValueError):
            monitor.close(facts_of(task, options), was_interrupted=True)
        raise
    found = _found(folder, task, options, monitor)
    if found.search is None:
        return found
    return finalists.choose(folder, task, options, found, monitor, workers, stages)


def _tell(folder, task, options, workers, stages, limit):
    """Says when the search will end, its finalists included."""
    left = stages.budget.ends - limit
    rows = [row for row in folder.table.rows.values() if row["seconds"]]
    seconds = finalists.expected_seconds(task, options, workers, left, rows)
    epochs = [task.epoch_seconds(from_json(row["genotype"]), row["seconds"]) for row in rows]
    known = [epoch for epoch in epochs if epoch is not None]
    epoch = on_all_cores(statistics.median(known)) if known else None
    tested = 0.0 if epoch is None else epoch * tested_share(task.data)
    stages.planned(limit + seconds - stages.budget.began, epoch, tested)


def _labels(options):
    """The labels of the searches, the first before its baseline."""
    beside = options.baseline and not options.warm_start and options.strategy != "random"
    return [options.strategy, *([BASELINE] if beside else [])]


def _searches(folder, task, options, labels, clock, first, workers, child, x):
    """The searches by label."""
    data = of_data(task.data)
    return {
        label: studies.make_search(
            label,
            child,
            options,
            folder=folder.path,
            clock=clock,
            first=first,
            workers=workers,
            screening=task.prescreen(x, scored=label != BASELINE),
            data=data,
        )
        for label in labels
    }


def _train(searches, say, *args, **fit):
    """Runs the first search here and the others in threads, until all have ended."""
    first, *others = searches.values()
    failures = []
    threads = [
        threading.Thread(
            target=_beside, args=(failures, say, other, *args), kwargs=fit, daemon=True
        )
        for other in others
    ]
    try:
        for thread in threads:
            thread.start()
        studies.until_stopped(first.run, *args, **fit)
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
    except BaseException:
        for other in others:
            other.stop()
        for thread in threads:
            thread.join(timeout=_PATIENCE)
        raise


def _beside(failures, say, search, *args, **kwargs):
    """The baseline's search in a thread. What it raises is left in `failures` for the main one,
    unless only its own trials failed.
    """
    try:
        studies.until_stopped(search.run, *args, **kwargs)
    except Exception as error:
        if search.study.gave_up is None:
            failures.append(error)
        else:
            say(
                f"the {BASELINE} is given up, since one trial after the other failed"
                f" ({str(error).splitlines()[-1]}); the search goes on"
            )


def _found(folder, task, options, monitor):
    began = time.monotonic()
    genotype = monitor.close(facts_of(task, options))
    drawing = time.monotonic() - began
    if genotype is not None:
        best = folder.table.best()
        size = Size(options.child_cells, options.child_filters)
        return Found(genotype, monitor.search_of(best), best, drawing, best["trial"], size)
    if folder.table.rows:
        raise RuntimeError(f"no trial succeeded; the reasons are in {folder.path / 'trials.csv'}.")
    monitor.stages.say(
        "no trial ended in time, so the network is of the first cell that was proposed; give more"
        " `minutes` to search"
    )
    first = _first_proposed(monitor.searches, folder)
    return Found(first, None, _NO_TRIAL, 2 * drawing)


def _first_proposed(searches, folder):
    """The genotype that is trained where no trial has ended in time: the first that was
    proposed.
    """
    running = [
        (number, search)
        for search in searches.values()
        for number in search.study.leases.running.values()
    ]
    if not running:
        raise RuntimeError(
            "no trial began in the time there was; go on with `resume=True` and more `minutes`:"
            f" {folder.path}."
        )
    number, search = min(running, key=lambda one: one[0])
    found = search.genotype(number)
    found.save(folder.path / "best.json")
    return found


def facts_of(task, options) -> dict[str, str]:
    """What was asked, for the page."""
    return {
        "data": task.data.describe(),
        "space": options.space,
        "strategy": options.strategy,
        "seed": str(options.seed),
        "children": _children(task, options),
        **task.facts,
    }


def _children(task, options):
    rungs = studies.settings_of(options.strategy, options).get("epochs", (options.child_epochs,))
    return (
        f"{size_in_words(options.child_cells, options.child_filters)}{', '.join(map(str, rungs))}"
        f" epochs, at most {options.child_images} {task.examples}{_of_pixels(task)}"
    )


def _of_pixels(task):
    """The size of the pictures of children, where it is not that of the data."""
    shape = task.child_shape
    same = shape is None or shape == task.data.input_shape
    return "" if same else f" of {shape[0]}x{shape[1]} pixels"


def size_in_words(num_cells, filters) -> str:
    """N and F of a network, if it has them, and a comma."""
    return "" if num_cells is None else f"N = {num_cells}, F = {filters}, "
