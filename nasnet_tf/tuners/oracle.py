"""A study as a Keras Tuner oracle. What Keras Tuner 1.4.8 gets wrong is met here, each fault where
it bites.

An oracle carries a strategy over the choices of any hypermodel: `hp.Choice`, `hp.Boolean`, and
`hp.Int` or `hp.Float` with a step.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math

import keras_tuner
from keras_tuner.src.distribute import utils as dist_utils
from keras_tuner.src.engine import metrics_tracking
from keras_tuner.src.engine import oracle as kt_oracle

from nasnet_tf.signatures import passes_on
from nasnet_tf.study import Study
from nasnet_tf.tuners.display import OneLine, OracleListener, reason
from nasnet_tf.tuners.schemas import OracleSchemas
from nasnet_tf.tuners.trials import RunningTrials, Trials, afresh, no_trial, outcome_of

__all__ = ["MESSAGE", "LeaseLost", "PPOOracle", "StrategyOracle", "reason"]

MESSAGE = "tuner/message"  # value by which a worker tells its chief why a trial failed


class LeaseLost(Exception):
    """A worker reported on a trial that it does not hold, or not any more."""


def _synchronized(method):
    """One thread at a time. Keras Tuner's own lock is kept for ever when a method raises, and knows
    its owners by their names.
    """

    @functools.wraps(method)
    def call(self, *args, **kwargs):
        with self.study.lock:
            return method(self, *args, **kwargs)

    return call


def _of_study(name):
    """An attribute that is the study's. Keras Tuner sets some of them before there is one."""

    def read(self):
        return getattr(vars(self).get("study"), name, None)

    def write(self, value):
        if "study" in vars(self):
            setattr(self.study, name, value)

    return property(read, write)


class StrategyOracle(keras_tuner.Oracle):
    """Asks a strategy what to try and tells it what came out: a `nasnet_tf.study.Study` for Keras
    Tuner.

    Args:
        strategy, settings, seed, lease_seconds, repeats, retry_failed: of the `Study`. In a trial,
            the epochs that a strategy with fidelity has chosen are the value "tuner/epochs", as
            with Keras Tuner's Hyperband. The lease counts in a chief.
        space: a `nasnet_tf.spaces` space with the choices' names, if two points of it can be the
            same network: such duplicates are trained once. Without it only equal points are
            duplicates. Of a space without decisions the hypermodel has no choices; it asks for the
            space's `values` as `hp.Fixed`.
        objective, max_trials, hyperparameters, allow_new_entries, tune_new_entries,
            max_retries_per_trial, max_consecutive_failed_trials: as in every Keras Tuner oracle.

    `trials` makes the `Trial` of one that ended when it is asked for: changing it changes nothing.
    """

    data, exhausted, gave_up = map(_of_study, ("data", "exhausted", "gave_up"))
    max_trials, seed, should_stop = map(_of_study, ("max_trials", "seed", "should_stop"))
    history, leases, tuner_ids = map(_of_study, ("history", "leases", "workers"))

    @passes_on(keras_tuner.Oracle)
    def __init__(
        self,
        strategy="ppo",
        objective=None,
        max_trials=10,
        *,
        settings=None,
        space=None,
        seed=None,
        lease_seconds=60.0,
        repeats=False,
        retry_failed=False,
        max_consecutive_failed_trials=10,
        **kwargs,
    ):
        super().__init__(
            objective,
            max_trials,
            seed=seed,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
            **kwargs,
        )
        self.space = space
        self.on_end = lambda trial: None  # called with every trial that ended for good
        self._directions = {}  # of metrics; Keras Tuner takes long to find them
        self._display = OneLine(self)
        schemas = OracleSchemas(self, is_whole=not self.allow_new_entries)
        objectives = getattr(self.objective, "objectives", [self.objective])
        self.study = Study(
            strategy,
            space,
            max_trials,
            folder=self._folder,
            metric=self.objective.name,
            direction=self.objective.direction,
            objectives={one.name: one.direction for one in objectives},
            seed=seed,
            settings=settings,
            schemas=schemas,
            lease_seconds=lease_seconds,
            repeats=repeats,
            retry_failed=retry_failed,
            max_retries=self.max_retries_per_trial,
            max_failures=max_consecutive_failed_trials,
        )
        schemas.epochs = self.study.epochs
        self.study.listener = OracleListener(self)
        self._take_up()

    def _folder(self):
        return self._project_dir if hasattr(self, "_directory") else None

    def _take_up(self):
        """The trials of the study, of which there are others after its log was read."""
        history = self.study.history
        self.trials = Trials(self.study)
        self.ongoing_trials = RunningTrials(self.study, self.trials)
        self.start_order, self.end_order = history.start_order, history.end_order
        self._run_times = history.runs

    @contextlib.contextmanager
    def _told_to_all_workers(self):
        """In a chief, what ends the search ends it for all workers; an exception would only end the
        one that asked.
        """
        try:
            yield
        except (RuntimeError, ValueError) as error:
            if not dist_utils.is_chief_oracle():
                raise
            self.gave_up = self.gave_up or str(error)

    # What Keras Tuner calls.

    def create_trial(self, tuner_id):
        own = getattr(self.populate_space, "__func__", None) is StrategyOracle.populate_space
        self.study.proposer = None if own else self.populate_space
        answer = None
        with self._told_to_all_workers():
            answer = self.study.next(tuner_id)
        if answer is None:
            answer = self.study.stop(tuner_id)
        if answer.number is None:
            return no_trial(answer.status)
        return afresh(self.trials[answer.number])

    def populate_space(self, trial_id):
        """What the strategy proposes for the trial of that number, as Keras Tuner's. May be asked
        before any trial is begun.
        """
        return self.study.propose(trial_id)

    @_synchronized
    def update_trial(self, trial_id, metrics, step=0):
        trial = self.trials[trial_id]
        if self.trials.ended(trial_id):  # by another worker
            return trial
        self._check_objective_found(metrics)
        for name, value in metrics.items():
            if not trial.metrics.exists(name):
                trial.metrics.register(name, self._direction(name))
            trial.metrics.metrics[name].update(float(value), step)
        return trial

    def _direction(self, name):
        if name not in self._directions:
            known = kt_oracle._maybe_infer_direction_from_objective(self.objective, name)
            known = known or metrics_tracking.infer_metric_direction(name)
            self._directions[name] = known or "min"
        return self._directions[name]

    def end_trial(self, trial=None, status="COMPLETED", trial_id=None):
        trial = trial_id if trial is None else trial
        if isinstance(trial, str):  # Keras Tuner takes the number too
            trial = self.trials[trial]
            trial.status = status
        with self._told_to_all_workers():
            outcome = self._outcome(trial)
            if outcome is not None:
                self.study.finish(trial.trial_id, outcome)

    @_synchronized
    def _outcome(self, given):
        """What became of a trial; None if another worker has ended it."""
        self.open()
        if self.trials.ended(given.trial_id):
            return None
        trial = self.trials[given.trial_id]
        trial.hyperparameters, trial.status = given.hyperparameters, given.status
        trial.message = trial.hyperparameters.values.pop(MESSAGE, None) or given.message
        if not trial.metrics.metrics:  # the log was opened again meanwhile
            trial.metrics = given.metrics
        self.update_space(trial.hyperparameters)
        if trial.status == "COMPLETED":
            self.score_trial(trial)
            if trial.score is None or not math.isfinite(trial.score):
                trial.status = "INVALID"
        return outcome_of(trial)

    @_synchronized
    def get_trial(self, trial_id):
        return self.trials[trial_id]

    def note_lost(self, trial_id, reason: str) -> int:
        """As `Study.note_lost`."""
        return self.study.note_lost(trial_id, reason)

    def renew(self, trial_id, tuner_id) -> None:
        """As `Study.renew`."""
        self.study.renew(trial_id, tuner_id)

    def expire(self) -> None:
        """As `Study.expire`."""
        self.study.expire()

    @_synchronized
    def get_best_trials(self, num_trials=1):
        """The best trials, best first; where fewer have completed, others after them, as Keras
        Tuner does.
        """
        best = self.study.best(num_trials)
        if len(best) < num_trials:
            completed = set(best)
            others = (number for number in self.trials if number not in completed)
            best += itertools.islice(others, num_trials - len(best))
        return [self.trials[number] for number in best]

    def original(self, trial_id) -> str:
        """As `Study.original`."""
        return self.study.original(trial_id)

    def parents(self) -> set[str]:
        """As `Study.parents`."""
        return self.study.parents()

    def best_score(self) -> float | None:
        """As `Study.best_score`."""
        return self.study.best_score()

    @_synchronized
    def update_space(self, hyperparameters):
        self.study.schemas.is_whole = True
        super().update_space(hyperparameters)

    # State on disk.

    def open(self) -> None:
        """As `Study.open`."""
        self.study.open()

    def close(self) -> None:
        """As `Study.close`."""
        self.study.close()

    def save(self):
        """What has begun and ended is on disk already; of a search that has not begun, its
        choices.
        """
        if not self.study.begun:
            self.open()

    def reload(self) -> None:
        """As `Study.reload`."""
        self.study.reload()


class PPOOracle(StrategyOracle):
    """The controller of NASNet: an LSTM that proposes, trained by proximal policy optimization.

    Args: those of `StrategyOracle` but strategy; settings are of `nasnet_tf.strategies.PPO`.
    Source: Zoph et al. 2017, arXiv 1707.07012, appendix A.2.
    """

    @passes_on(StrategyOracle, without=("strategy",))
    def __init__(self, objective=None, max_trials=10, **kwargs):
        super().__init__("ppo", objective, max_trials, **kwargs)
