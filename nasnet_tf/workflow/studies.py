"""The searches that a search consists of: a study and the children it trains."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from typing import NamedTuple

from nasnet_tf import gpus
from nasnet_tf.contracts.fidelity import EPOCHS
from nasnet_tf.cores import cores
from nasnet_tf.strategies import STRATEGIES, rungs
from nasnet_tf.study import PARENT, Study
from nasnet_tf.systems import system_of
from nasnet_tf.workflow.catalogue import make_space, reward_of
from nasnet_tf.workflow.table import BASELINE

__all__ = [
    "Workers", "check_kernels", "child_of", "hint_of", "make_search", "note_of", "settings_of",
    "share_cores", "until_stopped", "workers_for",
]  # fmt: skip

# of the search's time, with one-shot: the rest trains the best children by themselves
_SHARING_SHARE = 0.5
_BASELINE_SEED = 10_000  # more than the search's


def child_of(task, shares=None, **size):
    """The children of a `PictureSearch` or a `TextSearch`, of their size or another; with `shares`
    an `EqualTimeChild`, of pictures.
    """
    from nasnet_tf.children.cells import CellChild
    from nasnet_tf.children.equal_time import EqualTimeChild
    from nasnet_tf.children.texts import LanguageChild

    given = {"space": task.space, **task.child(), **size}
    if task.examples == "windows":
        return LanguageChild(**given)
    given["reward"] = reward_of(task.space)
    return EqualTimeChild(shares=shares, **given) if shares else CellChild(**given)


class Workers(NamedTuple):
    """The processes that train the children of searches side by side.

    Args:
        each: how many a search has.
        all: how many there are.
        make: makes one, a `nasnet_tf.children.runner.Lasting`.
    """

    each: int
    all: int
    make: object


def share_cores(options, searches: int) -> tuple[int, int]:
    """(processes of each of so many searches side by side, threads of each process)."""
    from nasnet_tf.children.ray_worker import Cluster
    from nasnet_tf.training.devices import accelerated

    if options.workers is not None:
        workers = max(options.workers // searches, 1)
    elif options.engine == "ray":
        return max(Cluster(options.address).processors // searches, 1), 1
    else:
        space = make_space(options.space, options.blocks)
        traced = options.child_kernels == "keras" or not _has_kernels(space)
        workers = 1 if traced and accelerated() else max(cores() // searches, 1)
    return workers, max(cores() // (workers * searches), 1)


def check_kernels(options, space) -> None:
    """Raises ValueError where what is to train the children cannot."""
    asked = options.child_kernels
    if asked in (None, "keras"):
        return
    if not _has_kernels(space):
        raise ValueError(
            f"child_kernels={asked} is nothing for the space {options.space}: Keras trains its"
            " networks; leave it out."
        )
    if asked == "jax" and importlib.util.find_spec("jax") is None:
        raise ValueError(
            "child_kernels=jax needs JAX, which is not installed: pip install 'nasnet-tf[jax-gpu]'."
        )


def hint_of(options, space) -> str | None:
    """In a line, what would make the search faster: where there is a GPU that children could be
    trained on, and nothing that does it.
    """
    from nasnet_tf.training.devices import jax_has_accelerator

    of_pictures = space.decode(space.first).reads == "images" and _has_kernels(space)
    decided = options.child_kernels is not None or options.strategy == "one-shot"
    if decided or not of_pictures:
        return None
    if not gpus.visible() or jax_has_accelerator():
        return None
    return (
        "There is a GPU, but no JAX that uses it, so cells are trained on the processor; with"
        " pip install 'nasnet-tf[jax-gpu]' they are trained where it is faster."
    )


def _has_kernels(space):
    return system_of(space.decode(space.first)).native


def workers_for(options, searches: int) -> Workers:
    """Those of so many searches side by side."""
    from nasnet_tf.children.runner import Lasting, worker_maker

    each, threads = share_cores(options, searches)
    make = worker_maker(options.engine, options.address, threads, options.gpus_per_trial)
    return Workers(each, each * searches, Lasting(make))


def settings_of(label, options) -> dict:
    """Settings of the strategy: how long it may train its children, if that is for it to decide."""
    decides = label in STRATEGIES and STRATEGIES[label].fidelity
    return {"epochs": rungs(options.child_epochs)} if decides else {}


def make_search(label, child, options, *, folder, clock, first, workers, screening, data):
    """A `ChildSearch` whose log is open: no other process can be searching there.

    Args:
        label: the name of the strategy, or `BASELINE`.
        child: a `CellChild`.
        folder: a `pathlib.Path`.
        clock: the `SearchClock`.
        first: the `FirstTrials`.
        workers: its `Workers`.
        screening: see `nasnet_tf.workflow.prescreen.prescreen`.
        data: the fingerprint of the data.
    """
    from nasnet_tf.children.early import MedianStopping
    from nasnet_tf.children.search import ChildSearch

    folder = folder / ("baseline" if label == BASELINE else "search")
    strategy, ranking = _strategy(label, child, options, folder, clock.limit)
    prescreen = workers.make()  # its process begins when it is needed
    if screening:
        from nasnet_tf.children.prescreen import Prescreen

        strategy = Prescreen(**screening).in_front_of(strategy, child.size, prescreen.run)
    if label != BASELINE:
        strategy = first.in_front_of(strategy)
    study = Study(
        strategy,
        child.space,
        options.max_trials,
        folder=folder,
        metric=child.metric,
        seed=options.seed + _BASELINE_SEED * (label == BASELINE),
        settings=settings_of(label, options),
        retry_failed=options.retry_failed,
        lag=2 * workers.each if options.warm_start and workers.each > 1 else None,
    )
    study.data = data
    study.open()  # before anything is written: another process may be searching here
    if clock.limit is not None:
        study.should_stop = lambda: clock.is_over and (ranking is None or study.history.end_order)
    return ChildSearch(
        child,
        study,
        folder,
        workers=workers.each,
        stop_early=MedianStopping() if options.stop_early else None,
        ranking=ranking,
        make_worker=workers.make,
        prescreen=prescreen,
    )


def _strategy(label, child, options, folder, limit):
    """(the strategy, and what must be made before it is asked, or None)."""
    if label != "one-shot":
        return ("random" if label == BASELINE else label), None
    from nasnet_tf.one_shot.ranking import Ranking
    from nasnet_tf.strategies import OneShot

    Ranking.check(child)
    seconds = None if limit is None else max(_SHARING_SHARE * (limit - time.monotonic()), 1.0)
    ranking = Ranking(
        child,
        folder / "one_shot",
        options.seed,
        epochs=options.share_epochs,
        minutes=seconds and seconds / 60,
    )

    def one_shot(space, seed):
        return OneShot(space, seed, ranking=[child["choices"] for child in ranking.read()])

    one_shot.name = "OneShotSearch._strategy"  # as the logs of release 0.1 have it
    return one_shot, ranking


def until_stopped(function, *args, **kwargs):
    """Calls the function. A trial that was broken off because the time is up stays unfinished: it
    is run again when the search goes on.
    """
    from nasnet_tf.children.worker import Stopped

    with contextlib.suppress(Stopped):
        function(*args, **kwargs)


def note_of(trial) -> str:
    """The remark on a trial in the table.

    Args:
        trial: a `nasnet_tf.study.Ended`.
    """
    epochs, parent = trial.values.get(EPOCHS), trial.values.get(PARENT)
    length = f"epochs: {epochs}" if epochs else f"child of {parent}" if parent else ""
    return trial.reason or length
