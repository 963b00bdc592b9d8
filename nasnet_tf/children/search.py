"""A search whose trials are children: workers ask a study, train what it says, and tell it the
result.
"""

from __future__ import annotations

import functools
import pathlib
import threading

import keras

from nasnet_tf.children.early import MedianStopping, StopBelowMedian, reached
from nasnet_tf.children.kept import NAMED, KeptWeights, load_named, remove_leftovers
from nasnet_tf.children.runner import machine_failure, run_again_if_lost, seed_of, train_executions
from nasnet_tf.children.worker import ChildFailed, Stopped, Worker
from nasnet_tf.contracts.fidelity import EPOCHS
from nasnet_tf.study import EPOCH, Outcome, Study

__all__ = ["ChildSearch"]


class ChildSearch:
    """Trains the children of a study's trials, each in a process of its own.

    Args:
        child: a `CellChild`.
        study: a `Study` of the child's space; its metric is `child.metric`.
        folder: where each child has a folder of its own, `trial_NUMBER`.
        keep_best: how many children's weights stay on disk; besides those that children to come may
            inherit, where the space `inherits`.
        workers: how many children are trained side by side. With more than one, what is proposed
            depends on which child happens to end first.
        stop_early: a `MedianStopping`: children that fall behind are stopped, and their reward is
            what they had reached.
        ranking: a `nasnet_tf.one_shot.ranking.Ranking` that the study's strategy reads: it is made
            first.
        make_worker: makes what trains a child, see `nasnet_tf.children.runner.worker_maker`.
        prescreen: a worker in which the study's strategy measures genotypes, closed at the end.
    """

    def __init__(
        self,
        child,
        study: Study,
        folder,
        *,
        keep_best: int = 3,
        workers: int = 1,
        stop_early: MedianStopping | None = None,
        ranking=None,
        make_worker=Worker,
        prescreen=None,
    ):
        self.child, self.study, self.folder = child, study, pathlib.Path(folder)
        self.workers, self.stop_early, self.ranking = workers, stop_early, ranking
        self._make_worker = make_worker
        self._measuring = [] if prescreen is None else [prescreen]
        self._running = []  # workers
        self._inherits = child.space.inherits
        self._weights = KeptWeights(keep_best, self.folder, self._inherits)
        self._policy = keras.config.dtype_policy().name

    def genotype(self, number: str):
        """The genotype of a trial."""
        return self.child.genotype(self.study.records.values(number))

    def run(self, *args, **kwargs) -> None:
        """Searches until the study is over. Arguments as of `keras.Model.fit`.

        Raises: Stopped after `stop`; what made one of the workers end; RuntimeError if the study
            is given up.
        """
        if self.ranking is not None:
            self.ranking.make(*args, **kwargs)
        self._running, failures = [self._make_worker() for _ in range(self.workers)], []
        threads = [
            threading.Thread(
                target=self._work, args=(f"worker-{number}", worker, failures, args, kwargs),
                daemon=True,
            )
            for number, worker in enumerate(self._running)
        ]  # fmt: skip
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():  # a join without end is not interrupted everywhere
                    thread.join(1.0)
        except BaseException:
            self.stop()
            raise
        finally:
            for worker in (*self._running, *self._measuring):
                worker.close()
            self.study.close()
        if failures:
            raise failures[0]

    def stop(self) -> None:
        """Breaks off the children that are being trained, from another thread: they stay
        unfinished, and `run` raises `Stopped`.
        """
        for worker in (*self._measuring, *self._running):
            worker.stop()

    def load_model(self, number: str, child=None):
        """The child of a trial as a Keras model, with the weights it was left with; of a duplicate,
        the child that was trained.

        Args:
            child: what builds it, for pictures of another size; None is this search's.
        Raises: ValueError if the weights are not there any more.
        """
        number = self.study.original(number)
        file = self._weights.find(number)
        model = (child or self.child).build(self.study.records.values(number))
        load_named(model, file) if file.name == NAMED else model.load_weights(file)
        return model

    def _work(self, name, worker, failures, args, kwargs):
        """One worker's part. What ends it early is added to `failures`; the others end with it."""
        try:
            while not failures and (trial := self.study.ask(name)) is not None:
                self._try(worker, trial, args, kwargs)
        except (Exception, Stopped) as error:
            failures.append(error)
            if not isinstance(error, Stopped):
                for other in self._running:
                    if other is not worker:
                        other.stop()

    def _try(self, worker, trial, args, kwargs):
        """Trains the child of a trial, and tells the study."""
        number = trial.number
        try:
            outcome = self._trained(worker, trial, args, kwargs)
        except (ChildFailed, OSError) as error:
            if (failure := machine_failure(error, self.folder)) is not None:
                raise RuntimeError(failure) from None
            if not isinstance(error, ChildFailed):
                raise
            outcome = Outcome("FAILED", message=str(error), step=None)
        self.study.finish(number, outcome)
        remove_leftovers(self._weights.folder_of(number))
        self._weights.settle(number, self._best, self._parents)

    def _trained(self, worker, trial, args, kwargs):
        kwargs, metric = dict(kwargs), self.study.metric
        if EPOCHS in trial.values:
            kwargs["epochs"] = trial.values[EPOCHS]
        if self.stop_early is not None:
            thresholds = self.stop_early.thresholds(self._curves())
            stop = StopBelowMedian(thresholds, metric, self.study.direction)
            kwargs["callbacks"] = [*(kwargs.get("callbacks") or ()), stop]
        note_lost = functools.partial(self.study.note_lost, trial.number)
        metrics, history = train_executions(
            functools.partial(run_again_if_lost, worker, note_lost),
            self.child, trial.values, trial.values, seed=seed_of(self.study.seed, trial.number),
            policy=self._policy, folder=self._weights.folder_of(trial.number), metric=metric,
            args=args, kwargs=kwargs,
        )  # fmt: skip
        message = None
        if self.stop_early is not None:
            message, by_epoch = reached(history.get(metric, []), kwargs.get("epochs", 1))
            metrics |= by_epoch
        recorded = {name: [self._direction(name), [0, metrics[name]]] for name in metrics}
        return Outcome("COMPLETED", metrics[metric], recorded, 0, message)

    def _direction(self, name):
        return self.study.direction if name == self.study.metric else _direction_of(name)

    def _curves(self):
        """What each trial that completed had reached after each of its epochs; more is better."""
        sign = -1 if self.study.direction == "min" else 1
        for number in self.study.best():
            metrics = self.study.history.ended[number].get("metrics") or {}
            count = sum(name.startswith(EPOCH) for name in metrics)
            values = (metrics[f"{EPOCH}{epoch}"][-1][1] for epoch in range(1, count + 1))
            yield [sign * value for value in values]

    def _best(self, count):
        return [self.study.original(number) for number in self.study.best(count)]

    def _parents(self, kept):
        return self.study.parents() if self._inherits else set()


def _direction_of(name):
    """In which direction a metric is better, as Keras Tuner infers it."""
    return "max" if "accuracy" in name else "min"
