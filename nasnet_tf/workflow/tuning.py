"""The tuners of a search and of its random baseline. The only file of this room that knows Keras
Tuner.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import time

from nasnet_tf.strategies import STRATEGIES, rungs
from nasnet_tf.workflow.catalogue import reward_of
from nasnet_tf.workflow.table import BASELINE

__all__ = [
    "hypermodel",
    "make_tuner",
    "note_of",
    "reason",
    "settings_of",
    "share_cores",
    "simulate",
]

# of the search's time, with one-shot: the rest trains the best children by themselves
_SHARING_SHARE = 0.5
_BASELINE_SEED = 10_000  # more than the search's


def hypermodel(task):
    """The hypermodel of the children of a `PictureSearch` or a `TextSearch`."""
    from nasnet_tf.tuners import CellHyperModel, LanguageHyperModel

    if task.examples == "windows":
        return LanguageHyperModel(space=task.space, **task.child())
    return CellHyperModel(space=task.space, reward=reward_of(task.space), **task.child())


def share_cores(options, searches: int) -> tuple[int, int]:
    """(processes of each of so many searches side by side, threads of each process)."""
    from nasnet_tf.children.ray_worker import Cluster
    from nasnet_tf.tuners.hypermodel import accelerated

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if options.workers is not None:
        workers = max(options.workers // searches, 1)
    elif options.engine == "ray":
        return max(Cluster(options.address).processors // searches, 1), 1
    else:
        workers = 1 if accelerated() else max(cores // searches, 1)
    return workers, max(cores // (workers * searches), 1)


def settings_of(label, options) -> dict:
    """Settings of the strategy: how long it may train its children, if that is for it to decide."""
    decides = label in STRATEGIES and STRATEGIES[label].fidelity
    return {"epochs": rungs(options.child_epochs)} if decides else {}


def make_tuner(label, child, options, *, folder, limit, cores, screening, data):
    """The tuner of a search, whose log is open: no other process can be searching there.

    Args:
        label: the name of the strategy, or `BASELINE`.
        child: the hypermodel.
        folder: a `pathlib.Path`.
        limit: when the search ends, by the monotonic clock, or None.
        cores: see `share_cores`.
        screening: see `nasnet_tf.workflow.prescreen.prescreen`.
        data: the fingerprint of the data.
    """
    random = label == BASELINE
    place = {"directory": str(folder), "project_name": "baseline" if random else "search"}
    seed = options.seed + _BASELINE_SEED * random
    given = {"seed": seed, **place, **_workers(options, cores), **_screens(options, screening)}
    with contextlib.redirect_stdout(io.StringIO()):  # Keras Tuner prints what it reloads
        make = _class(label, options, limit)
        tuner = make(child, child.objective, options.max_trials, **given)
    tuner.oracle.data = tuner.data = data
    tuner.oracle.open()  # before anything is written: another process may be searching here
    if limit is not None:
        tuner.oracle.should_stop = lambda: (
            time.monotonic() > limit and (label != "one-shot" or tuner.oracle.end_order)
        )
    return tuner


def _workers(options, cores):
    """Arguments of a tuner about where and how children are trained."""
    engine = {name: getattr(options, name) for name in ("engine", "address", "gpus_per_trial")}
    side_by_side = {"workers": cores[0], "threads": cores[1], "retry_failed": options.retry_failed}
    return {"isolation": "process", **side_by_side, **engine}


def _screens(options, screening):
    """Arguments of a tuner about which children are trained, and how long."""
    from nasnet_tf.children.early import MedianStopping
    from nasnet_tf.tuners import Prejudge

    return {
        "prejudge": Prejudge(**screening) if screening else None,
        "stop_early": MedianStopping() if options.stop_early else None,
    }


def _class(label, options, limit):
    from nasnet_tf.tuners import OneShotSearch, StrategySearch

    if label != "one-shot":
        strategy = "random" if label == BASELINE else label
        settings = settings_of(label, options)
        return functools.partial(StrategySearch, strategy=strategy, settings=settings)
    seconds = None if limit is None else max(_SHARING_SHARE * (limit - time.monotonic()), 1.0)
    return functools.partial(
        OneShotSearch, share_epochs=options.share_epochs, share_minutes=seconds and seconds / 60
    )


def reason(trial) -> str | None:
    """Why a trial failed, or what there is to say of it."""
    from nasnet_tf.tuners.oracle import reason

    return reason(trial)


def note_of(trial) -> str:
    """The remark on a trial in the table."""
    from nasnet_tf.contracts.fidelity import EPOCHS
    from nasnet_tf.tuners.trials import PARENT

    values = trial.hyperparameters.values
    epochs, parent = values.get(EPOCHS), values.get(PARENT)
    length = f"epochs: {epochs}" if epochs else f"child of {parent}" if parent else ""
    return reason(trial) or length


def simulate(make, table, limits, seed):
    """The history of a search of a table that Keras Tuner carries.

    Args:
        make: a function from a space and a seed to the strategy.
    """
    from nasnet_tf.tuners.tabular import simulate

    return simulate(make, table, **limits, seed=seed, strategy_seed=seed)
