"""Tuners: `keras_tuner.Tuner`s that train each child in a process of its own and can name the
genotypes they found.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import functools
import inspect
import math
import os
import pathlib
import pickle
import threading
import time
import warnings

import keras
import keras_tuner
import numpy as np
from keras_tuner import errors
from keras_tuner.src.distribute import utils as dist_utils
from keras_tuner.src.engine import tuner_utils
from keras_tuner.src.engine.tuner import maybe_distribute

from nasnet_tf.children.early import MedianStopping, StopHopeless
from nasnet_tf.children.inheritance import inherit, keep
from nasnet_tf.children.ray_worker import Cluster, RayWorker
from nasnet_tf.children.streams import is_dataset
from nasnet_tf.children.worker import ChildFailed, Stopped, Worker, WorkerLost
from nasnet_tf.contracts.fidelity import EPOCHS
from nasnet_tf.files import remove_temporaries, write_json
from nasnet_tf.fingerprint import of_arguments
from nasnet_tf.npz import read_npz
from nasnet_tf.signatures import checked, passes_on
from nasnet_tf.study import EPOCH, LEASED, MOST_LOST, OF_THE_MACHINE, PARENT
from nasnet_tf.study.project import clear
from nasnet_tf.training.graph_rewriting import rewrite_graphs
from nasnet_tf.tuners.compiling import Compiling
from nasnet_tf.tuners.kept import NAMED, TRACED, KeptWeights, original_of
from nasnet_tf.tuners.oracle import MESSAGE, LeaseLost, StrategyOracle
from nasnet_tf.tuners.prejudge import Prejudge
from nasnet_tf.tuners.progress import Progress, Pulse

_REQUESTS = 16  # that a chief answers at once
_BEAT = 5.0  # seconds between two signs of life for a chief
_PROGRESS = "progress.npz"  # of a child that is being trained
_AS_IT_IS = Compiling()
_NUMBER = "number"  # a hypermodel that returns a number from `fit`: the objective
# before the names of the weights of the best training of a child so far, where there are several
_BEST = "best_"


class CellTuner(keras_tuner.Tuner):
    """A Keras Tuner whose trials cannot harm the search.

    Args:
        oracle, hypermodel, directory, project_name, overwrite, tuner_id, logger, max_model_size,
            optimizer, loss, metrics: as in `keras_tuner.Tuner`. The hypermodel may only be left out
            where `run_trial` is overridden.
        executions_per_trial: trainings of each child, from different random weights; its metrics
            are their means, the weights that are kept those of the best.
        distribution_strategy: a `tf.distribute.Strategy`; children are trained under it in this
            process, as with isolation "none".
        isolation: "process" trains every child in a process of its own, which is replaced when it
            has grown; "none" trains here, as Keras Tuner does. "auto" is "process" unless the
            hypermodel or a callback is defined in the running script or notebook, where another
            process cannot find it.
        keep_best: how many children's weights stay on disk; beside those that children to come may
            inherit, where the space `inherits`. (A worker of a chief keeps all of such a space.)
        threads: see `nasnet_tf.evaluation.Worker`.
        workers: how many children are trained side by side, each in a process of its own. With more
            than one, what is proposed depends on which child happens to end first.
        stop_early: a `MedianStopping`: children that fall behind are stopped, and their reward is
            what they had reached.
        engine: "local" trains children in processes of this machine, "ray" as tasks of a Ray
            cluster: each has `threads` processors and `gpus_per_trial` GPUs, `workers` are how many
            run at once, data is sent to the cluster once. The search's folder must be on a file
            system that all machines of the cluster see.
        address: of the Ray cluster; None starts one on this machine.
        gpus_per_trial: may be less than 1: children share a GPU then.
    """

    @checked
    def __init__(
        self,
        oracle,
        hypermodel=None,
        *,
        isolation="auto",
        keep_best=3,
        threads=None,
        workers=1,
        stop_early: MedianStopping | None = None,
        engine="local",
        address=None,
        gpus_per_trial=0.0,
        directory=None,
        project_name=None,
        overwrite=False,
        tuner_id=None,
        logger=None,
        max_model_size=None,
        optimizer=None,
        loss=None,
        metrics=None,
        executions_per_trial=1,
        distribution_strategy=None,
    ):
        if hypermodel is None and type(self).run_trial is CellTuner.run_trial:
            raise ValueError(
                "Received `hypermodel=None`, so nobody says what a trial is; give one, such as"
                " nasnet_tf.tuners.CellHyperModel, or override run_trial(trial, ...) in a subclass."
            )
        if not isinstance(executions_per_trial, int) or executions_per_trial < 1:
            raise ValueError(
                f"executions_per_trial is {executions_per_trial!r}; give how often each child is"
                " trained, at least 1."
            )
        if distribution_strategy is not None and (
            isolation == "process" or workers != 1 or engine != "local"
        ):
            raise ValueError(
                "distribution_strategy holds devices of this process, so children are trained here,"
                " one at a time; leave isolation, workers and engine out."
            )
        if isolation not in ("auto", "process", "none"):
            raise ValueError(f'isolation is {isolation!r}; give "auto", "process" or "none".')
        if not isinstance(workers, int) or workers < 1:
            raise ValueError(
                f"workers is {workers!r}; give how many children are trained side by side, at"
                " least 1."
            )
        if workers > 1 and isolation == "none":
            raise ValueError(
                f"workers is {workers}, which needs a process each; leave isolation out, or make"
                " workers 1."
            )
        if engine not in ("local", "ray"):
            raise ValueError(f'engine is {engine!r}; give "local" or "ray".')
        if engine == "ray" and isolation == "none":
            raise ValueError(
                'isolation is "none", which trains here; leave it out with engine "ray".'
            )
        if (
            overwrite
            and "KERASTUNER_ORACLE_IP" in os.environ
            and "chief" not in os.environ.get("KERASTUNER_TUNER_ID", "")
        ):
            raise ValueError(
                "overwrite=True on a worker would delete the trials of the whole search; set it on"
                " the chief alone."
            )
        self.isolation = isolation if distribution_strategy is None else "none"
        self.keep_best, self.stop_early = keep_best, stop_early
        self.compiling = Compiling(optimizer, loss, metrics, max_model_size)
        self._make_worker = functools.partial(Worker, threads)
        if engine == "ray":
            self._make_worker = functools.partial(
                RayWorker, Cluster(address), threads, gpus_per_trial
            )
        self.worker, self.workers, self._others = self._make_worker(), workers, ()
        self.prescreen = (
            self._make_worker()
        )  # measures what is proposed to whichever worker; its process begins when it is needed
        self._leads = True  # not one of those beside another
        self.data = (
            None  # what the search is of, in JSON's words; by default what `search` is given tells
        )
        self._policy = keras.config.dtype_policy()
        self._asked = False  # whether the last thing that was done was to ask for a trial
        self._inherits = getattr(getattr(hypermodel, "space", None), "inherits", False)
        if overwrite and isinstance(
            oracle, StrategyOracle
        ):  # Keras Tuner deletes whatever is there, also under who is searching
            with clear(pathlib.Path(directory or ".") / (project_name or "untitled_project")):
                overwrite = False
        super().__init__(
            oracle,
            hypermodel,
            max_model_size,
            optimizer,
            loss,
            metrics,
            distribution_strategy,
            directory,
            project_name,
            logger,
            tuner_id,
            overwrite,
            executions_per_trial,
        )
        folder = pathlib.Path(self.project_dir)
        there = (
            {file.parent.name.removeprefix("trial_") for file in folder.glob(f"trial_*/{NAMED}")}
            if self._inherits
            else ()
        )
        self._weights = KeptWeights(keep_best, lambda number: folder / f"trial_{number}", there)
        if self._is_worker():
            self.tuner_id += LEASED
            from nasnet_tf.tuners import (
                chief,
            )  # not at the top: Keras Tuner warns of inconsistent versions of protobuf

            chief.introduce(self.oracle, self.project_dir)

    def _populate_initial_space(self):
        """Where the hypermodel can declare its choices nothing needs to be built for that. Then
        what was searched before is taken up.
        """
        hp = self.oracle.get_space()
        declare = getattr(
            type(self.hypermodel),
            "declare_hyperparameters",
            keras_tuner.HyperModel.declare_hyperparameters,
        )
        if declare is not keras_tuner.HyperModel.declare_hyperparameters:
            declare(self.hypermodel, hp)
            self.oracle.update_space(hp)
        else:
            super()._populate_initial_space()
        if isinstance(self.oracle, StrategyOracle) and not self._is_worker():
            self.oracle.reload()

    def save(self):
        """Leaves the file by which Keras Tuner knows that there is something to reload, whole."""
        if not self._is_worker():
            self.oracle.save()
        if not os.path.exists(self._get_tuner_fname()):
            write_json(self._get_tuner_fname(), self.get_state())

    def reload(self):
        if not isinstance(self.oracle, StrategyOracle):
            return super().reload()
        self._populate_initial_space()  # so that the choices can be held against those of before

    def search(self, *args, **kwargs):
        """As `keras_tuner.Tuner.search`, by `workers` side by side. The worker processes end with
        it.
        """
        if self.workers > 1 and not self._isolated(args, kwargs):
            raise ValueError(
                f"workers is {self.workers}, which needs a process each: define the hypermodel and"
                " callbacks in a module."
            )
        if isinstance(self.oracle, StrategyOracle) and self._leads:
            self.oracle.data = self.data or of_arguments(args, kwargs)
        if dist_utils.is_chief_oracle():
            return self._lead(kwargs.get("verbose", "auto"))
        self._others, failures = [self._beside(number) for number in range(1, self.workers)], []
        threads = [
            threading.Thread(target=other._search, args=(failures, args, kwargs), daemon=True)
            for other in self._others
        ]
        try:
            for thread in threads:
                thread.start()
            super().search(*args, **kwargs)
            for thread in threads:
                thread.join()
        except BaseException:
            self._stop_others()
            raise
        finally:
            self.worker.close()
            if self._leads:
                self.prescreen.close()
                if isinstance(self.oracle, StrategyOracle):
                    self.oracle.close()
        if failures:
            raise failures[0]

    def _lead(self, verbose="auto"):
        """Serves the workers of a chief until the search is over."""
        from nasnet_tf.tuners import chief

        over, own = threading.Event(), isinstance(self.oracle, StrategyOracle)

        def look_after_leases():
            while not over.wait(1.0):
                self.oracle.expire()

        self.oracle.verbose = verbose
        self.save()
        if own:
            threading.Thread(target=look_after_leases, daemon=True).start()
        try:
            chief.serve(self.oracle, _REQUESTS if own else 1)
        finally:
            over.set()
            self.prescreen.close()
        if getattr(self.oracle, "gave_up", None) is not None:
            raise RuntimeError(self.oracle.gave_up)

    def pre_create_trial(self):
        """A worker that was told to wait does so: Keras Tuner would ask again at once."""
        if self._asked:
            time.sleep(1.0)
        self._asked = True

    def on_trial_begin(self, trial):
        self._asked = False
        super().on_trial_begin(trial)

    def stop(self):
        """Breaks off the children that are being trained, from another thread: they stay
        unfinished, and `search` raises `Stopped`.
        """
        self._stop_others()
        self.prescreen.stop()
        self.worker.stop()

    def _stop_others(self):
        """Ends what runs beside this thread; another `search` begins with others."""
        for other in self._others:
            other.worker.stop()
        if self._leads:
            self.prescreen.stop()
            self.prescreen = self._make_worker()

    def _beside(self, number):
        """A tuner that shares all with this one but the worker."""
        other = copy.copy(self)
        other.tuner_id, other.workers, other._others, other._leads = (
            f"{self.tuner_id}-{number}",
            1,
            (),
            False,
        )
        other.worker = self._make_worker()
        return other

    def _search(self, failures, args, kwargs):
        """`search` in a thread: what it raises is left in `failures` for the main one, which hears
        of a failure when it has ended too.
        """
        try:
            self.search(*args, **kwargs)
        except Exception as error:
            failures.append(error)
        except Stopped:
            pass

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
        stop = StopHopeless(
            self.stop_early.thresholds(self._curves()), objective.name, objective.direction
        )
        results, history = self._train(
            trial, *args, **{**kwargs, "callbacks": [*(kwargs.get("callbacks") or ()), stop]}
        )
        curve = history.get(objective.name, [])
        if 0 < len(curve) < kwargs.get("epochs", 1):
            trial.message = f"stopped early, after epoch {len(curve)}"
        reached = {f"{EPOCH}{number}": value for number, value in enumerate(curve, start=1)}
        return {**tuner_utils.convert_to_metrics_dict(results, objective), **reached}

    def _train(self, trial, *args, **kwargs):
        """What Keras Tuner expects of `run_trial`, and {figure: value after each epoch} if the
        training tells.
        """
        isolated = self._isolated(args, kwargs)
        if not (isolated or self._inherits):
            results = super().run_trial(trial, *args, **kwargs)
            return results, getattr(results[0], "history", {})
        began = time.monotonic()
        try:
            metrics, history = self._executions(
                trial,
                functools.partial(self._run_child, trial) if isolated else self._here,
                args,
                kwargs,
            )
        except ChildFailed as error:
            self._check_machine(error)
            raise errors.FailedTrialError(str(error)) from None
        return {**metrics, "seconds": round(time.monotonic() - began, 2)}, history

    def _check_machine(self, error):
        """Ends the search if a trial failed of what is not its fault, and the next one's too. The
        trial stays unfinished.
        """
        cause = next((cause for cause in OF_THE_MACHINE if cause in str(error)), None)
        if cause is not None:
            mend = (
                "make room"
                if cause in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
                else "mend that"
            )
            raise errors.FatalRuntimeError(
                f"{self.project_dir}: {cause}; {mend}, then go on with --resume (in Python: the"
                f" same script again). What failed: {error}"
            ) from None

    def _executions(self, trial, run, args, kwargs):
        """(metrics, history) of a child: the means of as many trainings as are asked for. The
        weights of the best of them stay.
        """
        folder, objective = (
            pathlib.Path(self.get_trial_dir(trial.trial_id)).absolute(),
            self.oracle.objective,
        )
        outcomes, best = [], None
        for execution in range(self.executions_per_trial):
            seed = self._seed(trial) + execution
            job = (self.hypermodel, trial.hyperparameters, seed, self._policy.name, str(folder))
            outcomes.append(run(train_child, *job, *args, compiling=self.compiling, **kwargs))
            if self.executions_per_trial > 1:
                metrics = outcomes[-1][0]
                value = metrics[_NUMBER] if _NUMBER in metrics else objective.get_value(metrics)
                if best is None or objective.better_than(value, best):
                    best = value
                    _rename(folder, "", _BEST)
        _rename(folder, _BEST, "")
        for metrics, _ in outcomes:
            if _NUMBER in metrics:
                metrics[objective.name] = metrics.pop(_NUMBER)
        return (outcomes[0][0], outcomes[0][1]) if len(outcomes) == 1 else _means(outcomes)

    def _here(self, function, *args, **kwargs):
        with maybe_distribute(self.distribution_strategy):
            return function(*args, **kwargs)

    @contextlib.contextmanager
    def _signs_of_life(self, trial):
        """A worker's chief hears that the trial is being run."""
        over = threading.Event()

        def tell():
            while not over.wait(_BEAT):
                with contextlib.suppress(Exception):  # a chief that is away may come back
                    self.oracle.get_trial(trial.trial_id)

        if self._is_worker():
            threading.Thread(target=tell, daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _run_child(self, trial, function, *args, **kwargs):
        """The function in the worker, and again where the process was lost; not for ever: it may be
        the child that kills it.
        """
        times = 0
        while True:
            try:
                return self.worker.run(function, *args, **kwargs)
            except WorkerLost as error:
                note = getattr(self.oracle, "note_lost", None)
                times = note(trial.trial_id, str(error)) if note else times + 1
                if times > MOST_LOST:
                    raise ChildFailed(f"{error}, {times} times") from None

    def _curves(self):
        """What each trial so far had reached after each of its epochs; more is better."""
        sign = -1 if self.oracle.objective.direction == "min" else 1
        for trial in self.oracle.get_best_trials(10**6):
            count = sum(name.startswith(EPOCH) for name in trial.metrics.metrics)
            yield [
                sign * trial.metrics.get_last_value(f"{EPOCH}{number}")
                for number in range(1, count + 1)
            ]

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
        seed = getattr(
            self.oracle, "_oracle", self.oracle
        ).seed  # a worker's own, where the oracle is the chief's
        return (
            (seed * 1_000_003 + int(trial.trial_id)) % 2**31 if trial.trial_id.isdigit() else seed
        )

    def load_model(self, trial):
        """The child of a trial as a Keras model, with the weights it was left with; of a duplicate,
        the child that was trained.

        Raises: ValueError if the weights are not there any more.
        """
        original = original_of(self.oracle, trial.trial_id)
        if original != trial.trial_id:
            trial = self.oracle.get_trial(original)
        folder = pathlib.Path(self.project_dir) / f"trial_{original}"
        file = folder / NAMED
        if not file.is_file() and not (folder / TRACED).is_file():
            raise ValueError(
                f"the weights of trial {original} are not in {folder}: keep_best is"
                f" {self._weights.count}; search with more."
            )
        if not file.is_file():
            return super().load_model(trial)
        model = self._try_build(trial.hyperparameters)
        weights = read_npz(file)
        missing = [
            variable.path for variable in model.trainable_variables if variable.path not in weights
        ]
        if missing:
            raise ValueError(
                f"{file} is of another network: it has no {missing[0]}; search again, or give the"
                " hypermodel it was of."
            )
        for variable in model.variables:
            if variable.path in weights:
                variable.assign(weights[variable.path])
        return model

    def _override_compile_args(self, model):
        with maybe_distribute(self.distribution_strategy):
            self.compiling.compile(model)

    def _build_hypermodel(self, hp):
        keras.config.set_dtype_policy(
            self._policy
        )  # Keras Tuner has just called clear_session(), which resets it
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
        with contextlib.suppress(OSError):  # nothing is lost if it stays
            folder = pathlib.Path(self.get_trial_dir(trial.trial_id))
            (folder / _PROGRESS).unlink(missing_ok=True)
            remove_temporaries(folder)
        self._weights.settle(trial.trial_id, self.oracle, self._parents)

    def _parents(self, kept):
        """Numbers of the trials whose weights a child may yet inherit; `kept` are all whose weights
        are there.
        """
        if not self._inherits:
            return set()
        told = getattr(self.oracle, "parents", None)  # a chief does not tell its workers
        return kept if told is None else told()

    def _configure_tensorboard_dir(self, callbacks, trial, execution=0):
        if any(
            type(callback).__name__ == "TensorBoard" for callback in callbacks
        ):  # else nothing needs tensorboard
            super()._configure_tensorboard_dir(callbacks, trial, execution)

    def get_best_models(self, num_models=1):
        """The children of the best trials that completed, best first, with their weights; of
        duplicates, the one that was trained.
        """
        return [
            self.load_model(trial)
            for trial in self.oracle.get_best_trials(num_models)
            if trial.status == "COMPLETED"
        ]

    def get_best_genotypes(self, num_trials=1):
        """The genotypes of the best trials that completed, best first."""
        trials = [
            trial
            for trial in self.oracle.get_best_trials(num_trials)
            if trial.status == "COMPLETED"
        ]
        return [self.hypermodel.genotype(trial.hyperparameters) for trial in trials]


def _rename(folder, old, new):
    """Gives the files of a child's weights another beginning of their names."""
    for name in (TRACED, NAMED):
        if (folder / f"{old}{name}").is_file():
            os.replace(folder / f"{old}{name}", folder / f"{new}{name}")


def _means(outcomes):
    """(metrics, history) of several trainings, for as many epochs as all of them had."""
    metrics, histories = zip(*outcomes, strict=True)
    means = {name: float(np.mean([each[name] for each in metrics])) for name in metrics[0]}
    return means, {
        name: np.mean(list(zip(*(each[name] for each in histories), strict=False)), axis=1).tolist()
        for name in histories[0]
    }


def train_child(hypermodel, hp, seed, policy, folder, /, *args, compiling=_AS_IT_IS, **kwargs):
    """Builds, trains and scores one child on what `fit` is given. Runs in the worker.

    Returns: {metric: value}, of the last epoch where the hypermodel returns a history, and
        "inherited", how many layers began with a parent's weights, if it has a parent; and that
        history, {metric: values}. The weights are in `folder`, where `CellTuner.load_model` finds
        them.
    Raises: ArithmeticError if a metric is no finite number.
    """
    keras.backend.clear_session()
    keras.config.set_dtype_policy(policy)
    rewrite_graphs(False)
    keras.utils.set_random_seed(seed)
    os.makedirs(folder, exist_ok=True)
    remove_temporaries(folder)
    others = kwargs.get("callbacks") or ()
    progress = Progress(
        os.path.join(folder, _PROGRESS),
        [hp.values, seed, policy, _described(args), _described(kwargs)],
        others,
    )
    kwargs["callbacks"] = [*others, progress, Pulse()]
    make_native = None if compiling.changes else getattr(hypermodel, "build_native", None)
    model = make_native and make_native(hp, args, kwargs)
    native = model is not None
    if not native:
        model = hypermodel.build(hp)
        compiling.compile(model)
    compiling.check_size(model)
    parent = hp.values.get(PARENT)
    inherited = (
        []
        if parent is None
        else inherit(model, os.path.join(os.path.dirname(folder), f"trial_{parent}", NAMED))
    )
    fitted = hypermodel.fit(hp, model, *args, **{"verbose": 0, **kwargs})
    if isinstance(fitted, int | float):
        fitted = {_NUMBER: fitted}
    history = (
        {} if isinstance(fitted, dict) else progress.history if progress.resumed else fitted.history
    )
    metrics = {
        name: float(value)
        for name, value in (fitted if isinstance(fitted, dict) else _last(history)).items()
    }
    wrong = [f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)]
    if wrong:
        raise ArithmeticError(f"training diverged: {', '.join(wrong)}")
    if getattr(getattr(hypermodel, "space", None), "inherits", False):
        keep(model, os.path.join(folder, NAMED))
    else:
        model.save_weights(os.path.join(folder, NAMED if native else TRACED))
    progress.remove()
    return metrics | ({} if parent is None else {"inherited": len(inherited)}), history


def _described(value):
    """Arguments of `fit` in JSON's words: data by its shape, callbacks by their kind."""
    if isinstance(value, dict):
        return {name: _described(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_described(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return [type(value).__name__, list(getattr(value, "shape", ()))]


def _last(history):
    return {name: values[-1] for name, values in history.items()}


class StrategySearch(CellTuner):
    """Searches with any of `nasnet_tf.strategies`.

    Args:
        hypermodel: a `CellHyperModel`, or any hypermodel of discrete choices.
        strategy, objective, max_trials, seed, settings, hyperparameters, ...: of `StrategyOracle`.
        prejudge: a `Prejudge`: what breaks its limits is not trained, and of several cells the best
            by an untrained score is.
        directory, project_name, overwrite, isolation, keep_best, threads, workers, stop_early,
            optimizer, ...: of `CellTuner`.
    """

    @passes_on(StrategyOracle, CellTuner, without=("space", "oracle"))
    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=10,
        *,
        strategy="ppo",
        prejudge: Prejudge | None = None,
        **kwargs,
    ):
        of_tuner = {
            name: kwargs.pop(name)
            for name in inspect.signature(CellTuner).parameters
            if name in kwargs
        }
        if prejudge is not None:
            strategy = prejudge.in_front_of(strategy, hypermodel, self._measure)
        oracle = StrategyOracle(
            strategy, objective, max_trials, space=getattr(hypermodel, "space", None), **kwargs
        )
        super().__init__(oracle, hypermodel, **of_tuner)

    def _measure(self, function, *args, **kwargs):
        return (
            function(*args, **kwargs)
            if self.isolation == "none"
            else self.prescreen.run(function, *args, **kwargs)
        )


class PPOSearch(StrategySearch):
    """Searches with NASNet's controller trained by PPO. Arguments as `StrategySearch` but strategy.

    Source: Zoph et al. 2017, arXiv 1707.07012, section 3 and appendix A.
    """

    @passes_on(StrategySearch, without=("strategy",))
    def __init__(self, hypermodel=None, objective=None, max_trials=10, **kwargs):
        super().__init__(hypermodel, objective, max_trials, strategy="ppo", **kwargs)
