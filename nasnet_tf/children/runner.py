"""Children trained in workers: what may be lost on the way, and is tried again."""

from __future__ import annotations

import errno
import functools
import os
import pathlib
from collections.abc import Callable

import numpy as np

from nasnet_tf.children.compiling import Compiling
from nasnet_tf.children.kept import rename
from nasnet_tf.children.ray_worker import Cluster, RayWorker
from nasnet_tf.children.train import NUMBER, SECONDS, train_child
from nasnet_tf.children.worker import ChildFailed, Worker, WorkerLost
from nasnet_tf.study import MOST_LOST, OF_THE_MACHINE

__all__ = [
    "Lasting", "machine_failure", "run_again_if_lost", "seed_of", "train_executions",
    "worker_maker",
]  # fmt: skip

_BEST = "best_"  # before the names of the weights of the best training so far, of several


def worker_maker(
    engine: str, address: str | None, threads: int | None, gpus_per_trial: float
) -> Callable:
    """What makes workers of an engine, "local" or "ray". Arguments as of `CellTuner`."""
    if engine == "ray":
        return functools.partial(RayWorker, Cluster(address), threads, gpus_per_trial)
    return functools.partial(Worker, threads)


class Lasting:
    """Makes workers that outlast a search: once closed, a worker is there for the next search,
    which need not wait for another process to begin.

    Args:
        make: makes a worker, see `worker_maker`.
    """

    def __init__(self, make: Callable):
        self._make, self._idle = make, []

    def __call__(self):
        return _Borrowed(self._idle.pop(0) if self._idle else self._make(), self._idle)

    def close(self) -> None:
        """Ends the processes of all workers that are closed."""
        while self._idle:
            self._idle.pop().close()


class _Borrowed:
    """A worker that goes back to where it came from when it is closed, unless it was stopped."""

    def __init__(self, worker, idle):
        self._worker, self._idle, self.run = worker, idle, worker.run

    def stop(self):
        worker, self._idle = self._worker, None
        if worker is not None:  # it may have ended by itself meanwhile
            worker.stop()

    def close(self):
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if self._idle is None:
            worker.close()
        else:
            self._idle.append(worker)


def seed_of(seed: int, number: str) -> int:
    """The seed of a trial in a search of that seed."""
    return (seed * 1_000_003 + int(number)) % 2**31 if number.isdigit() else seed


def run_again_if_lost(worker, note_lost: Callable[[str], int], function, *args, **kwargs):
    """Calls the function in the worker, and again where the process was lost; not for ever: the
    child may be what kills it.

    Args:
        note_lost: of the reason; returns how often a process was lost, this time included.
    Raises: ChildFailed.
    """
    while True:
        try:
            return worker.run(function, *args, **kwargs)
        except WorkerLost as error:
            times = note_lost(str(error))
            if times > MOST_LOST:
                raise ChildFailed(f"{error}, {times} times") from None


def machine_failure(error, folder) -> str | None:
    """What to say of an error that is not the trial's fault, and that the next one would meet too:
    a full disk, say. None for any other error.
    """
    cause = next((cause for cause in OF_THE_MACHINE if cause in str(error)), None)
    if cause is None:
        return None
    is_full = cause in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
    mend = "make room" if is_full else "mend that"
    return (
        f"{folder}: {cause}; {mend}, then go on with --resume (in Python: the same script again)."
        f" What failed: {error}"
    )


def train_executions(
    run, child, given, values, *, seed, policy, folder, metric, better=None, count=1,
    compiling=None, args=(), kwargs=None,
):  # fmt: skip
    """(metrics, history) of a child: the means of `count` trainings, and the seconds of all. The
    weights of the best of them stay.

    Args:
        run: calls a function with arguments, such as `Worker.run`.
        child, given, values, policy, compiling: of `train_child`.
        seed: of the first training.
        folder: of the trial.
        metric: name of the score.
        better: of the metrics of two trainings, whether the first are better; of several alone.
    """
    folder = pathlib.Path(folder).absolute()
    outcomes, best = [], None
    for execution in range(count):
        job = (child, given, values, seed + execution, policy, str(folder))
        compiled = compiling or Compiling()
        metrics, history = run(train_child, *job, *args, compiling=compiled, **(kwargs or {}))
        if NUMBER in metrics:
            metrics[metric] = metrics.pop(NUMBER)
        outcomes.append((metrics, history))
        if count > 1 and (best is None or better(metrics, best)):
            best = metrics
            rename(folder, "", _BEST)
    rename(folder, _BEST, "")
    return outcomes[0] if count == 1 else _means(outcomes)


def _means(outcomes):
    """(metrics, history) of several trainings, for as many epochs as all of them had."""
    metrics, histories = zip(*outcomes, strict=True)
    means = {name: float(np.mean([each[name] for each in metrics])) for name in metrics[0]}
    if SECONDS in means:
        means[SECONDS] *= len(metrics)
    curves = {}
    for name in histories[0]:
        by_epoch = zip(*(each[name] for each in histories), strict=False)
        curves[name] = np.mean(list(by_epoch), axis=1).tolist()
    return means, curves
