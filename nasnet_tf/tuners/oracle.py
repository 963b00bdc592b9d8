"""Strategies as Keras Tuner oracles. What Keras Tuner 1.4.8 gets wrong is met here, each fault
where it bites.

An oracle carries a strategy over the choices of any hypermodel: `hp.Choice`, `hp.Boolean`, and
`hp.Int` or `hp.Float` with a step.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import pathlib
import random
import time
import warnings

import keras_tuner
import numpy as np
from keras_tuner.src.distribute import utils as dist_utils
from keras_tuner.src.engine import metrics_tracking
from keras_tuner.src.engine import oracle as kt_oracle
from keras_tuner.src.engine import trial as kt_trial

from nasnet_tf import __version__, strategies
from nasnet_tf.signatures import passes_on
from nasnet_tf.study import History
from nasnet_tf.tuners.display import OneLine, reason
from nasnet_tf.tuners.learner import Learner
from nasnet_tf.tuners.leases import LEASED, Leases
from nasnet_tf.tuners.logbook import Logbook
from nasnet_tf.tuners.trials import (
    Declared,
    Trials,
    decisions_of,
    end_record,
    space_of,
    space_record,
)
from nasnet_tf.tuners.turns import Turns

__all__ = ["EPOCH", "LEASED", "MESSAGE", "MOST_LOST", "PPOOracle", "StrategyOracle", "reason"]

EPOCH = (  # with a number from 1: the metric that holds what a trial had reached after that epoch
    "epoch_"
)
_FORMAT = 1  # of the records in the log
_EPOCHS = (1, 3, 9)
MOST_LOST = 3  # processes that a trial may lose and be run again
# value in which a worker tells its chief why a trial failed: Keras Tuner sends no messages
MESSAGE = "tuner/message"


class LeaseLost(Exception):
    """A worker told its chief of a trial that it does not hold, or not any more."""


def _synchronized(method):
    """One thread at a time. Keras Tuner's own lock is kept for ever when a method raises, and tells
    its owners by their names.
    """

    @functools.wraps(method)
    def call(self, *args, **kwargs):
        with self._lock:
            return method(self, *args, **kwargs)

    return call


class StrategyOracle(keras_tuner.Oracle):
    """Asks a strategy what to try and tells it what came out.

    Trials are in the log `trials.log` of the project's folder (`nasnet_tf.journal`): when one
    begins and when it ends, whole, before the strategy learns from it. After a restart the strategy
    learns the ended trials again, in the order they ended, so it proposes what it would have
    proposed; trials that were running are run again, and those that failed because memory, the disk
    or their process was lost. A trial costs the same however many there were before.

    Args:
        strategy: the name of a `nasnet_tf.strategies` strategy, or anything that makes one from a
            space and a seed.
        settings: further arguments of the strategy, such as `dict(learning_rate=0.00035)`. Of a
            strategy that decides how long a trial is trained (`fidelity`), `epochs` are what it may
            choose from, (1, 3, 9) by default; each trial's choice is the value "tuner/epochs", as
            with Keras Tuner's Hyperband.
        space: a `nasnet_tf.spaces` space with the choices' names, if two points of it can be the
            same network: such twins are then trained once. Without it only equal points are twins.
            Of a space without decisions the hypermodel has no choices; it asks for the space's
            `values` as `hp.Fixed`.
        objective, max_trials, hyperparameters, allow_new_entries, tune_new_entries,
        max_retries_per_trial,
            max_consecutive_failed_trials: as in every Keras Tuner oracle.
        seed: 0 counts as a seed. None takes any, or that of the search in the folder.
        lease_seconds: in a chief, how long a worker may give no sign of life before its trial is
            given to another.
        repeats: whether a space of at most 10,000 points may be searched with repeats, as the
            strategies' papers do. By default no network of such a space is proposed twice, and the
            search ends when nothing new is left.
        retry_failed: whether all trials that failed before a search goes on are run again, whatever
            they failed of.

    `trials` makes the `Trial` of one that ended when it is asked for: changing it changes nothing.
    """

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
        if self.max_trials is not None and self.max_trials < 1:
            raise ValueError(
                f"max_trials is {self.max_trials}; give at least 1, or None for no limit."
            )
        self._any_seed = seed is None
        self.seed = (
            random.randrange(1, 10000) if seed is None else seed
        )  # Keras Tuner takes 0 for no seed
        self.space, self.repeats, self.retry_failed = space, repeats, retry_failed
        self.should_stop = lambda: False
        self.lease_seconds = lease_seconds
        self.data = None  # what the search is of, in JSON's words: another's log is refused
        self.on_end = lambda trial: (
            None
        )  # called with every trial that ended for good, reused ones too
        strategy, settings = (
            (strategies.get(strategy) if isinstance(strategy, str) else strategy),
            dict(settings or {}),
        )
        if space is not None and hasattr(strategy, "check"):
            strategy.check(space)
        self._asked = {"strategy": _name(strategy), "settings": _plain(settings)}
        self._epochs = (
            settings.pop("epochs", _EPOCHS) if getattr(strategy, "fidelity", False) else None
        )
        self._make_strategy = functools.partial(strategy, **settings)
        self._directions = {}  # of metrics; Keras Tuner takes long to find them
        self._log = Logbook(lambda: self._project_dir, self._head, self._replay)
        self._whole_space = not self.allow_new_entries  # whether all choices have been declared
        self._checked = False  # whether they are those of the log
        # Nobody who gives a sign of life waits for a strategy that thinks. Who has the second lock
        # never asks for the first.
        self._thinking, self._lock = Turns(), Turns()
        self._forget()
        self._display = OneLine(self)

    def _forget(self):
        """As before the first trial."""
        self.history = History(self.objective.direction)
        self._declared, self._newest = (
            [None],
            None,
        )  # the choices when they had been declared 0, 1, 2, ... times; as they are now
        self.trials, self._retry_queue = Trials(self.history, self._declared), []
        self.start_order, self.end_order, self._run_times = (
            self.history.start_order,
            self.history.end_order,
            self.history.runs,
        )
        self.leases = Leases(self.lease_seconds)
        self.ongoing_trials = self.leases.running
        self._told = 0  # how many choices are declared in the log
        # numbers of the trials that failed before and are run again when the search goes on
        self._again = []
        self.gave_up = None  # why the search was given up
        self.exhausted = None  # in words, once nothing new is left to try
        self._on_disk = 0  # how many of the trials that ended: of no other does the strategy learn
        self._learner = None

    # What Keras Tuner calls.

    def create_trial(self, tuner_id):
        with self._told_to_all():
            while True:
                trial, twin = self._next(tuner_id)
                self._log.flush()
                if twin is None:
                    return trial
                self._take_over(trial, twin)
        return self._stopped(tuner_id)

    @contextlib.contextmanager
    def _told_to_all(self):
        """In a chief, what cannot be gone on with ends the search for all workers; an exception
        would only kill the one that asked.
        """
        try:
            yield
        except (RuntimeError, ValueError) as error:
            if not dist_utils.is_chief_oracle():
                raise
            self.gave_up = self.gave_up or str(error)

    def _next(self, tuner_id):
        """The trial to run next, and the one that has trained the same network already, if any."""
        with self._thinking:
            while True:
                with self._lock.ahead():
                    if (trial := self._at_hand(tuner_id)) is not None:
                        return trial, None
                    number = (
                        None
                        if self._retry_queue
                        else f"{len(self.trials):0{len(str(self.max_trials))}d}"
                    )
                    learner, *rest = self._to_learn()
                learner.learn(*rest[:2])
                answer = None if number is None else self._answer(number, learner, rest[-1])
                with self._lock.ahead():
                    if learner is not self._learner or number is None and not self._retry_queue:
                        continue  # the log was opened again meanwhile, or the trial ended
                    if number is None:
                        trial = _afresh(self.trials[self._retry_queue.pop()])
                    elif answer["status"] == "RUNNING":
                        trial = self._begin(number, answer["values"])
                    else:
                        return self._nothing_left(tuner_id, answer["status"]), None
                    self._display.on_trial_begin(trial)
                    twin = learner.twin(trial.trial_id)
                    return self.leases.give(tuner_id, trial), twin and self.trials[twin]

    def _at_hand(self, tuner_id):
        """What the tuner gets without the strategy being asked; None if that must be."""
        if (
            self.should_stop()
            or self.gave_up is not None
            or self._is_spent()
            and not self.ongoing_trials
        ):
            return self._stopped(tuner_id)
        self.open()
        self.expire()
        self._run_failed_again()
        if tuner_id in self.ongoing_trials:
            return self.leases.give(tuner_id, _afresh(self.ongoing_trials[tuner_id]))
        self.tuner_ids.add(tuner_id)
        return (
            self._nothing_left(tuner_id, "STOPPED") if self._is_spent() else None
        )  # as the log says

    def _nothing_left(self, tuner_id, status):
        """What a tuner gets for which there is nothing to run now."""
        if status == "STOPPED" and not (self.leases and LEASED in tuner_id):
            return self._stopped(tuner_id)
        return _no_trial(
            "IDLE" if status == "STOPPED" else status
        )  # a trial of another worker may come back

    def _is_spent(self):
        return (
            bool(self.max_trials)
            and len(self.trials) >= self.max_trials
            and not (self._retry_queue or self._again)
        )

    def _stopped(self, tuner_id):
        self.tuner_ids.discard(tuner_id)
        if not self.ongoing_trials:
            self.close()
        return _no_trial("STOPPED")

    def _run_failed_again(self):
        """Queues the trials that had failed for a passing cause when the log was read."""
        again, self._again = self._again, []
        for number in again:
            self._write({"again": number})
            self.trials.drop(number)
        if again:
            self._learner, self._on_disk = (
                None,
                len(self.end_order),
            )  # it may have learned that they failed
            self._retry_queue = self.history.unfinished()[::-1]

    def populate_space(self, trial_id):
        """What the strategy proposes for the trial of that number, as Keras Tuner's. May be asked
        before any trial is begun.
        """
        with self._thinking:
            learner, running = self._learned()
            return self._proposed(trial_id, learner, running)

    def _answer(self, number, learner, running):
        own = getattr(self.populate_space, "__func__", None) is StrategyOracle.populate_space
        return self._proposed(number, learner, running) if own else self.populate_space(number)

    def _proposed(self, trial_id, learner, running):
        values = learner.propose(
            int(trial_id) if trial_id.isdecimal() else len(self.trials), running
        )
        if values is not None:
            return {"status": "RUNNING", "values": values}
        if self.exhausted is None:
            self.exhausted = (
                f"nothing new is left to try: {len(self.trials)} trials are all that the space has"
            )
            self._display.on_exhausted(self.exhausted)
        return {"status": "STOPPED", "values": None}

    def _learned(self):
        """(the learner, which has learned all trials that ended; numbers of those that are
        running). Other threads are not kept waiting.
        """
        with self._lock.ahead():
            learner, declared, count, running = self._to_learn()
        learner.learn(declared, count)
        return learner, running

    def _to_learn(self):
        """(the learner, the choices, how many trials it is to learn, numbers of those that are
        running).
        """
        if self._learner is None:
            file = (
                pathlib.Path(self._project_dir) / "strategy.npz"
                if hasattr(self, "_directory")
                else None
            )
            self._learner = Learner(
                self._make_strategy,
                self.space,
                self._epochs,
                self.seed,
                self.trials,
                self.end_order,
                self.objective.direction,
                file,
                self.repeats,
            )
        running = [*(trial.trial_id for trial in self.ongoing_trials.values()), *self._retry_queue]
        return self._learner, self._current(), self._on_disk, running

    def _current(self):
        """The choices as they are declared now."""
        if self._newest is None or len(self._newest.space) != len(self.hyperparameters.space):
            self._newest = Declared(self.hyperparameters, self._epochs, self.space)
        return self._newest

    def _begin(self, number, values):
        record = self._learner.begin(number, values)
        self._declare_on_disk()
        self._write(record)
        self.trials.keep(number, values)
        self.exhausted = None
        return self.trials[number]

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
            self._directions[name] = known or metrics_tracking.infer_metric_direction(name) or "min"
        return self._directions[name]

    def end_trial(self, trial=None, status="COMPLETED", trial_id=None):
        trial = trial_id if trial is None else trial
        if isinstance(trial, str):  # Keras Tuner takes the number too
            trial = self.trials[trial]
            trial.status = status
        self._end_for_all(trial)

    def _end_for_all(self, trial, reused=None):
        with self._told_to_all():
            ended = self._end(trial, reused)
            count = len(self.end_order)
            self._log.flush()
            self._on_disk = max(count, self._on_disk)
            if ended is not None:
                self.on_end(ended)
            if self.gave_up is not None:  # raised when all is on disk and the lock is free
                raise RuntimeError(self.gave_up)

    @_synchronized
    def _end(self, given, reused):
        """Writes what became of a trial. Returns it if it ended for good, now."""
        number = given.trial_id
        self.open()
        if self.trials.ended(number):  # by another worker
            return None
        trial = self.trials[number]
        trial.hyperparameters, trial.status, trial.message = (
            given.hyperparameters,
            given.status,
            given.message,
        )
        trial.message = trial.hyperparameters.values.pop(MESSAGE, None) or trial.message
        if not trial.metrics.metrics:  # the log was opened again meanwhile
            trial.metrics = given.metrics
        self.update_space(trial.hyperparameters)
        if trial.status == "COMPLETED":
            self.score_trial(trial)
            if trial.score is None or not math.isfinite(trial.score):
                trial.status = "INVALID"
        if trial.status == "INVALID" and self._run_times[number] < self.max_retries_per_trial:
            self._write({"retry": number, "message": trial.message})
            self._retry_queue.append(number)
            self.leases.end(number)
            return None
        trial.status = "FAILED" if trial.status == "INVALID" else trial.status
        began = self.leases.began.get(number)
        self._write(
            end_record(
                trial,
                self.trials.values_at_begin(number),
                began and round(time.monotonic() - began, 3),
                reused,
            )
        )
        self.trials.drop(number)
        if number in self._retry_queue:
            self._retry_queue.remove(number)
        most = self.max_consecutive_failed_trials or math.inf
        if self.history.failed_in_a_row >= most:
            self.gave_up = (
                "Number of consecutive failures exceeded the limit of"
                f" {most}.\n{trial.message or ''}"
            )
        self._display.on_trial_end(trial)
        self.leases.end(number)  # last: a chief ends when nobody is at work any more
        return trial

    @_synchronized
    def note_lost(self, trial_id, reason: str) -> int:
        """Keeps on disk that the process that ran a trial was lost. Returns how often that has
        happened to the trial.
        """
        self.open()
        self._write({"lost": trial_id, "message": reason})
        return self.history.lost[trial_id]

    @_synchronized
    def get_trial(self, trial_id):
        return self.trials[trial_id]

    @_synchronized
    def renew(self, trial_id, tuner_id):
        """A sign of life of the tuner that runs a trial. If it or the chief was away, it has its
        trial again, unless another has.
        """
        if trial_id in self._retry_queue and self.leases.may_return(tuner_id, trial_id):
            self._retry_queue.remove(trial_id)
            self.leases.give(tuner_id, self.trials[trial_id])
        self.leases.renew(tuner_id, trial_id)

    @_synchronized
    def expire(self):
        """Takes trials from workers that have given no sign of life for too long: others get them,
        but not for ever.
        """
        for number in self.leases.late():
            reason = f"its worker gave no sign of life for {self.lease_seconds:g} s"
            times = self.note_lost(number, reason)
            if times > MOST_LOST:
                trial = self.trials[number]
                trial.status, trial.message = "FAILED", f"{reason}, {times} times"
                self.end_trial(trial)
                continue
            self._retry_queue.append(number)
            self.tuner_ids -= set(self.leases.lose(number))

    @_synchronized
    def get_best_trials(self, num_trials=1):
        """The best trials, best first; where fewer have completed, others after them, as Keras
        Tuner does.
        """
        best = self.history.best(num_trials)
        if len(best) < num_trials:
            completed = set(best)
            best += itertools.islice(
                (number for number in self.trials if number not in completed),
                num_trials - len(best),
            )
        return [self.trials[number] for number in best]

    @_synchronized
    def original(self, trial_id) -> str:
        """Number of the trial that trained the network of this one: another where its result was
        reused, else its own.
        """
        return self.history.original(trial_id)

    def parents(self) -> set[str]:
        """Numbers of the trials whose weights another trial may still begin with, if the space has
        such.
        """
        with self._thinking, self._lock:
            unfinished = [
                *(trial.trial_id for trial in self.ongoing_trials.values()),
                *self._retry_queue,
            ]
            return set() if self._learner is None else self._learner.parents(unfinished)

    def best_score(self):
        """The best score so far; None before there is one."""
        best = self.history.best(1)
        return self.history.score(best[0]) if best else None

    @_synchronized
    def update_space(self, hyperparameters):
        self._whole_space = True
        super().update_space(hyperparameters)

    def _take_over(self, trial, twin):
        step = twin.best_step or 0
        name = self.objective.name
        others = {
            other: twin.metrics.get_last_value(other)
            for other in twin.metrics.metrics
            if not other.startswith((EPOCH, "seconds"))
        }
        self.update_trial(trial.trial_id, {**others, name: twin.score}, step)
        trial.status, trial.message = (
            "COMPLETED",
            f"the same network as trial {twin.trial_id}; its result was reused",
        )
        self._end_for_all(trial, twin.trial_id)

    # State on disk.

    def open(self):
        """Opens the log for writing, so that no other process can, and takes up what is in it.

        Raises: ValueError, a line that says what to do, if it is damaged, in use, or of another
            search.
        """
        if self._log.open(at_work=bool(self.ongoing_trials)):
            self._checked = True
            self._declare_on_disk()

    def close(self):
        """Lets another process go on with the search."""
        self._log.close()

    def save(self):
        """What has begun and ended is on disk already; of a search that has not begun, its
        choices.
        """
        if not self._log.begun:
            self.open()

    def reload(self):
        """Takes up the trials that ended, and queues those that had not. Errors as of `open`; other
        processes may be searching.
        """
        self._checked = self._log.read() or self._checked

    def _head(self, there):
        """Whose log it is. Choices that are not declared yet are those that are there."""
        if there is not None and self._any_seed:
            self.seed = there.get("seed", self.seed)
        objectives = getattr(self.objective, "objectives", [self.objective])
        free = (
            decisions_of(self.hyperparameters, self.space).decisions
            if self.hyperparameters.space
            else ()
        )
        decisions = {decision.name: list(decision.options) for decision in free}
        if there is not None and self._checked:  # once: later ones are records of their own
            decisions = there["decisions"]
        elif there is not None and not self._whole_space:
            decisions = {**there["decisions"], **decisions}
        directions = {one.name: one.direction for one in objectives}
        version = (there or {}).get("nasnet_tf", __version__)
        if version != __version__:
            warnings.warn(
                f"{self._log.path} was begun with nasnet_tf {version}; this is {__version__}, which"
                " may propose other things.",
                stacklevel=2,
            )
        head = {
            "format": _FORMAT,
            "nasnet_tf": version,
            "objective": directions,
            "seed": int(self.seed),
        }
        data = self.data if there is None or self.data is None else there.get("data") and self.data
        data = (
            (there or {}).get("data") if data is None else data
        )  # one that is not known on both sides is not held against the other
        return {
            **head,
            **self._asked,
            "decisions": decisions,
            **({} if data is None else {"data": data}),
        }

    def _declare_on_disk(self):
        space = self.hyperparameters.space
        if len(space) != self._told:
            self._write(space_record(space))
            self._declared.append(self._current())
            self._told = len(space)

    def _write(self, record):
        self._log.write(record)
        self.history.take(record)

    def _replay(self, log, path):
        """Becomes what the log says."""
        self._forget()
        self.history.replay(log, path, self._take_up)
        self._on_disk = len(self.end_order)
        self._retry_queue = self.history.unfinished()[::-1]  # taken from the end
        self.leases.expect(self._retry_queue)
        self._again = self.history.failed(passing=not self.retry_failed)

    def _take_up(self, record):
        """What a record of the log means for what Keras Tuner knows."""
        if "space" in record:
            self.hyperparameters, self._newest = space_of(record), None
            self._declared.append(self._current())
            self._told = len(record["space"])
        elif "begin" in record:
            begin = self.history.begun[record["begin"]]
            if self._declared[begin.space] is None:
                self._declared[begin.space] = self._current()
            self._declared[begin.space].check(begin.point)


def _no_trial(status):
    """What a worker gets that has nothing to run. To copy the choices into it, as Keras Tuner does,
    takes long.
    """
    return kt_trial.Trial(keras_tuner.HyperParameters(), None, status)


def _afresh(trial):
    """The trial, to be run again: Keras Tuner would keep the first run's result."""
    trial.metrics, trial.score, trial.message, trial.status = (
        metrics_tracking.MetricsTracker(),
        None,
        None,
        "RUNNING",
    )
    return trial


def _name(strategy):
    """Of a strategy, or of what makes one."""
    name = getattr(strategy, "name", None)
    if name and strategies.STRATEGIES.get(name, strategy) is strategy:
        return name
    return getattr(strategy, "__qualname__", type(strategy).__qualname__)


def _plain(settings):
    """`settings` as JSON has them; what it has no words for, by its type."""
    return json.loads(
        json.dumps(
            settings,
            default=lambda value: (
                value.item() if isinstance(value, np.generic) else type(value).__name__
            ),
        )
    )


class PPOOracle(StrategyOracle):
    """The controller of NASNet: an LSTM that proposes, trained by proximal policy optimization.

    Args: those of `StrategyOracle` but strategy; settings are of `nasnet_tf.strategies.PPO`.
    Source: Zoph et al. 2017, arXiv 1707.07012, appendix A.2.
    """

    @passes_on(StrategyOracle, without=("strategy",))
    def __init__(self, objective=None, max_trials=10, **kwargs):
        super().__init__("ppo", objective, max_trials, **kwargs)
