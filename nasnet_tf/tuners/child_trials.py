"""Trials that are children: trained in a worker, their weights kept while among the best."""

from __future__ import annotations

import contextlib
import functools
import pickle
import threading
import warnings

import keras
import keras_tuner
import numpy as np
from keras_tuner import errors
from keras_tuner.src.engine import tuner_utils
from keras_tuner.src.engine.tuner import maybe_distribute

from nasnet_tf.children import runner
from nasnet_tf.children.early import StopBelowMedian, reached
from nasnet_tf.children.kept import NAMED, load_named, remove_leftovers
from nasnet_tf.children.streams import is_dataset
from nasnet_tf.children.worker import ChildFailed
from nasnet_tf.contracts.fidelity import EPOCHS
from nasnet_tf.study import EPOCH
from nasnet_tf.tuners.oracle import MESSAGE, LeaseLost

__all__ = ["ChildTrials"]

_BEAT = 5.0  # seconds between two signs of life for a chief


class ChildTrials(keras_tuner.Tuner):
    """What a `CellTuner`, which has the attributes that are read here, does of each trial."""

    def run_trial(self, trial, *args, **kwargs):
        """Trains and scores; where the oracle has decided for how many epochs, for so many."""
        if EPOCHS in trial.hyperparameters.values:
            kwargs["epochs"] = trial.hyperparameters.values[EPOCHS]
        with self._signs_of_life(trial):
            try:
                return self._run_trial(trial, *args, **kwargs)
            except OSError as error:
                self._check_machine(error)
                raise

    def _run_trial(self, trial, *args, **kwargs):
        if self.stop_early is None:
            return self._train(trial, *args, **kwargs)[0]
        objective = self.oracle.objective
        thresholds = self.stop_early.thresholds(self._curves())
        stop = StopBelowMedian(thresholds, objective.name, objective.direction)
        kwargs["callbacks"] = [*(kwargs.get("callbacks") or ()), stop]
        results, history = self._train(trial, *args, **kwargs)
        curve = history.get(objective.name, [])
        message, by_epoch = reached(curve, kwargs.get("epochs", 1))
        trial.message = message or trial.message
        return {**tuner_utils.convert_to_metrics_dict(results, objective), **by_epoch}

    def _train(self, trial, *args, **kwargs):
        """What Keras Tuner expects of `run_trial`, and {metric: value after each epoch} if the
        training has a history.
        """
        isolated = self._isolated(args, kwargs)
        if not (isolated or self._inherits):
            results = super().run_trial(trial, *args, **kwargs)
            return results, getattr(results[0], "history", {})
        objective = self.oracle.objective
        run = functools.partial(self._run_child, trial) if isolated else self._here
        try:
            metrics, history = runner.train_executions(
                run, self.hypermodel, trial.hyperparameters, trial.hyperparameters.values,
                seed=self._seed(trial), policy=self._policy.name,
                folder=self.get_trial_dir(trial.trial_id), metric=objective.name,
                better=lambda one, other: objective.better_than(
                    objective.get_value(one), objective.get_value(other)
                ),
                count=self.executions_per_trial, compiling=self.compiling, args=args, kwargs=kwargs,
            )  # fmt: skip
        except ChildFailed as error:
            self._check_machine(error)
            raise errors.FailedTrialError(str(error)) from None
        return metrics, history

    def _check_machine(self, error):
        """Ends the search if a trial failed of what is not its fault, and the next one's too. The
        trial stays unfinished.
        """
        if (failure := runner.machine_failure(error, self.project_dir)) is not None:
            raise errors.FatalRuntimeError(failure) from None

    def _run_child(self, trial, function, *args, **kwargs):
        """The function in the worker, and again where the process was lost."""
        lost = []

        def note_lost(reason):
            note = getattr(self.oracle, "note_lost", None)
            lost.append(reason)
            return note(trial.trial_id, reason) if note else len(lost)

        return runner.run_again_if_lost(self.worker, note_lost, function, *args, **kwargs)

    def _here(self, function, *args, **kwargs):
        with maybe_distribute(self.distribution_strategy):
            return function(*args, **kwargs)

    @contextlib.contextmanager
    def _signs_of_life(self, trial):
        """A worker tells its chief now and then that it runs the trial."""
        over = threading.Event()

        def renew():
            while not over.wait(_BEAT):
                with contextlib.suppress(Exception):  # a chief that is away may come back
                    self.oracle.get_trial(trial.trial_id)

        if self._is_worker():
            threading.Thread(target=renew, daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _curves(self):
        """What each trial so far had reached after each of its epochs; more is better."""
        sign = -1 if self.oracle.objective.direction == "min" else 1
        for trial in self.oracle.get_best_trials(10**6):
            metrics = trial.metrics
            count = sum(name.startswith(EPOCH) for name in metrics.metrics)
            names = [f"{EPOCH}{number}" for number in range(1, count + 1)]
            yield [sign * metrics.get_last_value(name) for name in names]

    def _isolated(self, args, kwargs):
        if self.isolation == "none":
            return False
        plain = [
            a
            for a in (*args, *kwargs.values())
            if not isinstance(a, np.ndarray) and not is_dataset(a)
        ]
        try:
            if b"__main__" in pickle.dumps((self.hypermodel, plain)):
                raise TypeError("the hypermodel or a callback is defined in the running script")
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            if self.isolation == "process":
                raise errors.FatalTypeError(
                    f"isolation='process' is not possible: {error}; import it from a module, or"
                    " take 'none'."
                ) from None
            return False
        return True

    def _seed(self, trial):
        # A worker has a seed of its own, and an oracle that is the chief's.
        return runner.seed_of(getattr(self.oracle, "_oracle", self.oracle).seed, trial.trial_id)

    def load_model(self, trial):
        """The child of a trial as a Keras model, with the weights it was left with; of a duplicate,
        the child that was trained.

        Raises: ValueError if the weights are not there any more.
        """
        original = self._original(trial.trial_id)
        if original != trial.trial_id:
            trial = self.oracle.get_trial(original)
        file = self._weights.find(original)
        if file.name != NAMED:
            return super().load_model(trial)
        model = self._try_build(trial.hyperparameters)
        load_named(model, file)
        return model

    def _original(self, number):
        """The trial that trained the network of this one. Keras Tuner's own oracles know no
        duplicates, and a chief does not tell of them.
        """
        original = getattr(self.oracle, "original", None)
        return number if original is None else original(number)

    def _override_compile_args(self, model):
        with maybe_distribute(self.distribution_strategy):
            self.compiling.compile(model)

    def _build_hypermodel(self, hp):
        # Keras Tuner has just called clear_session(), which resets it.
        keras.config.set_dtype_policy(self._policy)
        return super()._build_hypermodel(hp)

    def on_trial_end(self, trial):
        if self._is_worker() and trial.message:
            trial.hyperparameters.values[MESSAGE] = trial.message[-2000:]
        try:
            super().on_trial_end(trial)
        except LeaseLost as error:
            warnings.warn(
                f"{error}. It was given to another worker, as this one was taken for lost.",
                stacklevel=2,
            )
            return
        remove_leftovers(self._weights.folder_of(trial.trial_id))
        self._weights.settle(trial.trial_id, self._best, self._parents)

    def _best(self, count):
        return [self._original(trial.trial_id) for trial in self.oracle.get_best_trials(count)]

    def _parents(self, kept):
        """Numbers of the trials whose weights a child may yet inherit; `kept` are all whose weights
        are there.
        """
        if not self._inherits:
            return set()
        parents = getattr(self.oracle, "parents", None)  # a chief does not tell its workers
        return kept if parents is None else parents()

    def _configure_tensorboard_dir(self, callbacks, trial, execution=0):
        if any(type(callback).__name__ == "TensorBoard" for callback in callbacks):
            # Else nothing needs tensorboard.
            super()._configure_tensorboard_dir(callbacks, trial, execution)

    def get_best_models(self, num_models=1):
        """The children of the best trials that completed, best first, with their weights; of
        duplicates, the one that was trained.
        """
        return [self.load_model(trial) for trial in self._completed(num_models)]

    def get_best_genotypes(self, num_trials=1):
        """The genotypes of the best trials that completed, best first."""
        trials = self._completed(num_trials)
        return [self.hypermodel.genotype(trial.hyperparameters) for trial in trials]

    def _completed(self, count):
        trials = self.oracle.get_best_trials(count)
        return [trial for trial in trials if trial.status == "COMPLETED"]
