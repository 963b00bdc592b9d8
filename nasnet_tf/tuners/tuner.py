"""A Keras Tuner that trains each child in a process of its own."""

from __future__ import annotations

import copy
import os
import pathlib
import threading
import time

import keras
import keras_tuner
from keras_tuner.src.distribute import utils as dist_utils

from nasnet_tf.children.compiling import Compiling
from nasnet_tf.children.early import MedianStopping
from nasnet_tf.children.kept import KeptWeights
from nasnet_tf.children.runner import worker_maker
from nasnet_tf.children.worker import Stopped
from nasnet_tf.files import write_json
from nasnet_tf.fingerprint import of_arguments
from nasnet_tf.signatures import checked
from nasnet_tf.study import LEASED
from nasnet_tf.study.project import clear
from nasnet_tf.tuners.arguments import check_arguments
from nasnet_tf.tuners.child_trials import ChildTrials
from nasnet_tf.tuners.oracle import StrategyOracle

__all__ = ["CellTuner"]

_REQUESTS = 16  # that a chief answers at once


class CellTuner(ChildTrials):
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
        check_arguments(
            hypermodel if type(self).run_trial is CellTuner.run_trial else self, isolation,
            workers, engine, overwrite, executions_per_trial, distribution_strategy,
        )  # fmt: skip
        self.isolation = isolation if distribution_strategy is None else "none"
        self.keep_best, self.stop_early = keep_best, stop_early
        self.compiling = Compiling(optimizer, loss, metrics, max_model_size)
        self._make_worker = worker_maker(engine, address, threads, gpus_per_trial)
        self.worker, self.workers, self._others = self._make_worker(), workers, ()
        # Measures what is proposed to whichever worker; its process begins when it is needed.
        self.prescreen = self._make_worker()
        self._leads = True  # not one of those beside another
        self.data = None  # what the search is of, as JSON; by default what `search` is given
        self._policy = keras.config.dtype_policy()
        self._asked = False  # whether the last thing that was done was to ask for a trial
        self._inherits = getattr(getattr(hypermodel, "space", None), "inherits", False)
        if overwrite and isinstance(oracle, StrategyOracle):
            # Keras Tuner deletes whatever is there, also while another process searches.
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
        self._weights = KeptWeights(keep_best, pathlib.Path(self.project_dir), self._inherits)
        if self._is_worker():
            self.tuner_id += LEASED
            # Not at the top: Keras Tuner warns of inconsistent versions of protobuf.
            from nasnet_tf.tuners import chief

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
        other.tuner_id, other.workers = f"{self.tuner_id}-{number}", 1
        other._others, other._leads = (), False
        other.worker = self._make_worker()
        return other

    def _search(self, failures, args, kwargs):
        """`search` in a thread: what it raises is added to `failures`, which the main thread raises
        when it has ended too.
        """
        try:
            self.search(*args, **kwargs)
        except Exception as error:
            failures.append(error)
        except Stopped:
            pass
