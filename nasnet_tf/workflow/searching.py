"""`search`: from data to a trained network of a genotype that was searched on them."""

from __future__ import annotations

import time

from nasnet_tf.signatures import passes_on
from nasnet_tf.workflow import catalogue, first_trials
from nasnet_tf.workflow.best_so_far import BestSoFar
from nasnet_tf.workflow.folder import FINAL, MODEL, SearchFolder, read_config
from nasnet_tf.workflow.monitor import RESUME_HINT
from nasnet_tf.workflow.networks import start_keras
from nasnet_tf.workflow.notices import prepare
from nasnet_tf.workflow.options import SearchOptions
from nasnet_tf.workflow.paths import check_name
from nasnet_tf.workflow.pictures import PictureSearch
from nasnet_tf.workflow.results import SearchResult
from nasnet_tf.workflow.side_by_side import facts_of, run_searches, size_in_words
from nasnet_tf.workflow.studies import hint_of
from nasnet_tf.workflow.texts import TextSearch

__all__ = ["resolve", "run_search", "search"]

_SEARCHES = {"images": PictureSearch, "text": TextSearch}  # by what the genotypes of a space read
_SEARCH_SHARE = 0.45  # of the time: the rest trains the network


@passes_on(SearchOptions, without=("data",))
def search(data, *, verbose: int = 1, progress=None, **options) -> SearchResult:
    """Searches a cell, or what else `space` holds, on data; scales it up, trains it.

    The test part of the data is looked at once, at the end. Everything is written to a folder,
    RUNS_DIR/NAME.

    Args:
        data: digits (real 8x8 digits that come along), an .npz file, a folder of class folders,
            tfds:NAME or a text file; a data set or text of `nasnet_tf.data`; or arrays,
            ((x_train, y_train), (x_test, y_test)).
        verbose: 1 shows a bar and lines on standard error, 0 nothing.
        progress: what makes a `nasnet_tf.workflow.Stages` of a time budget, in place of these.
        **options: see `nasnet_tf.workflow.SearchOptions`; `nasnet-tf search --help` lists them.
    Returns: a `SearchResult`: genotype, model, trials, accuracy, folder, facts.
    Raises: TypeError, ValueError for what cannot be, before anything is begun.
    """
    from nasnet_tf.workflow.progress import progress_of

    return run_search(SearchOptions(data=data, **options), progress_of(verbose, progress))


def run_search(
    options: SearchOptions, make_stages, began: float | None = None, make_final=None
) -> SearchResult:
    """The search that the options ask for.

    Args:
        make_stages: a function from a `Budget` to the `Stages` that take the reports.
        began: when the time began, by the monotonic clock; now if None.
        make_final: makes what delivers the network, of the arguments of `FinalTraining`; None is
            that.
    """
    began = time.monotonic() if began is None else began
    prepare()
    space = catalogue.make_space(options.space, options.blocks)
    kind = _SEARCHES[catalogue.reads(space.decode(space.first))]
    options = resolve(options, kind, space)
    task = kind(options, space)  # raises before anything is begun
    path = options.runs_dir / (task.data.name if options.name is None else options.name)
    options = task.options = task.options.with_budget(read_config(path) if options.resume else {})
    first_trials.check(options)
    first_trials.FirstTrials.of(options, space)  # reads the cell of `init`
    folder = SearchFolder(path, options.config(), options.resume, options.overwrite, task.shown)
    result = folder.nothing_left()
    if result is not None and not options.retry_failed:
        return SearchResult(result, is_new=False, folder=path)
    folder.claim(options.overwrite)
    result = _searched(folder, task, options, make_stages, began, make_final)
    return SearchResult(result, folder=path)


def resolve(options: SearchOptions, kind, space) -> SearchOptions:
    """The options with what follows from the space in place of what is left open.

    Args:
        kind: of the search, `PictureSearch` or `TextSearch`.
    Raises: ValueError for options that do not suit it or each other.
    """
    if options.name is not None:
        check_name(options.name)
    if options.retry_failed and not options.resume:
        raise ValueError("`retry_failed` is for a search that goes on; add `resume=True`.")
    found = options.filled(**kind.defaults(options, space))
    strategy = catalogue.strategy_for(options.strategy, space)
    return found.replaced(strategy=strategy)


def _searched(folder, task, options, make_stages, began, make_final):
    """Searches and trains; returns what result.json says."""
    budget, limit = folder.budget(began, _SEARCH_SHARE)
    start_keras()
    with make_stages(budget) as stages:
        stages.say(task.data.describe())
        if (hint := hint_of(options, task.space)) is not None:
            stages.say(hint)
        budget.has_begun()
        if (warning := budget.warning(_SEARCH_SHARE)) is not None:
            stages.say(
                f"{warning}; few cells will be tried, and the network may be one of those as it was"
                " trained."
            )
        usable = _best_so_far(folder, task)
        found = run_searches(folder, task, options, limit, stages, usable)
        try:
            return _deliver(folder, task, options, found, stages, usable, make_final)
        except KeyboardInterrupt:
            stages.say(RESUME_HINT)
            raise


def _best_so_far(folder, task):
    """The `BestSoFar` of a search on pictures; None of a text."""
    if task.examples != "images":
        return None
    from nasnet_tf.workflow import studies

    return BestSoFar(folder.path, lambda: studies.child_of(task, **task.whole_pictures))


def _deliver(folder, task, options, found, stages, usable, make_final):
    """Trains the network at the end, or takes the best child where that is better; returns how it
    does, as in result.json.
    """
    from nasnet_tf.workflow.final import FinalTraining

    data = task.whole()
    final = (make_final or FinalTraining)(
        found.genotype,
        _best_child(found, data, task),
        data,
        task.recipe,
        options,
        folder.path / FINAL,
        stages,
        found.drawing,
        grows=_is_short_of_time(found, task, stages.budget),
        usable=usable,
    )
    result = final.deliver(folder.path / MODEL)
    stages.begin("drawing")
    stages.budget.close()
    finalists = {} if found.finalists is None else {"finalists": found.finalists}
    facts = {**_facts_at_the_end(task, result), **finalists, **facts_of(task, options)}
    folder.picture(facts, final.sections)
    result = {**result, **finalists, **_best(folder, task, found)}
    result["seconds"] = round(stages.budget.spent, 1)
    folder.end(result)
    final.forget()
    if usable is not None:
        usable.forget()
    return result


def _is_short_of_time(found, task, budget) -> bool:
    """Whether the time is too short for the network at the end to have all the epochs that do it
    good.
    """
    seconds, genotype = found.best and found.best.get("seconds"), found.genotype
    needed = seconds and task.final_seconds(genotype, seconds)
    return bool(needed) and budget.is_limited and needed > budget.left


def _best(folder, task, found):
    best, metric = found.best, task.shown.metric
    return {
        "trials": len(folder.table.rows),
        "best_trial": best["trial"],
        "best_strategy": best["strategy"],
        metric: best.get(metric),
    }


def _facts_at_the_end(task, result):
    size = size_in_words(result["num_cells"], result["filters"])
    return {
        **task.tested(result),
        "network": f"{size}{result['parameters']:,} parameters: model.keras",
        "why this network": result["why"],
    }


def _best_child(found, data, task):
    """The best child with its weights, with how it does on the validation part of `data`; None if
    they are lost.
    """
    from nasnet_tf.workflow import studies
    from nasnet_tf.workflow.sizes import score_child

    if found.search is None:
        return None
    try:
        child = studies.child_of(task, **found.size._asdict(), **task.whole_pictures)
        model = found.search.load_model(found.trial, child)
    except (OSError, ValueError, KeyError):
        return None
    trial = f"trial {found.best['trial']} ({found.best['strategy']})"
    return score_child(model, trial, found.size, data)
