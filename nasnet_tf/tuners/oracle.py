"""Strategies as Keras Tuner oracles. What Keras Tuner 1.4.8 gets wrong is met here, each fault where it bites.

An oracle carries a strategy over the choices of any hypermodel: `hp.Choice`, `hp.Boolean`, and `hp.Int` or `hp.Float` with a step.
"""

from __future__ import annotations

import bisect
import collections
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
from nasnet_tf.journal import TRIALS, Journal, check_head, read
from nasnet_tf.tuners.learner import Learner
from nasnet_tf.tuners.trials import Declared, Trials, decisions_of, end_record, space_of, space_record
from nasnet_tf.tuners.turns import Turns

EPOCH = "epoch_"  # with a number from 1: the metric that holds what a trial had reached after that epoch
_FORMAT = 1  # of the records in the log
_EPOCHS = (1, 3, 9)
MOST_LOST = 3  # processes that a trial may lose and be run again
LEASED = "+lease"  # in the id of a tuner that gives signs of life
MESSAGE = "tuner/message"  # value in which a worker tells its chief why a trial failed: Keras Tuner sends no messages


def _synchronized(method):
    """One thread at a time. Keras Tuner's own lock is kept for ever when a method raises, and tells its owners by their names."""

    @functools.wraps(method)
    def call(self, *args, **kwargs):
        with self._lock:
            return method(self, *args, **kwargs)

    return call


class StrategyOracle(keras_tuner.Oracle):
    """Asks a strategy what to try and tells it what came out.

    Trials are in the log `trials.log` of the project's folder (`nasnet_tf.journal`): when one begins and when it ends, whole, before the
    strategy learns from it. After a restart the strategy learns the ended trials again, in the order they ended, so it proposes what it
    would have proposed; trials that were running are run again. A trial costs the same however many there were before.

    Args:
        strategy: the name of a `nasnet_tf.strategies` strategy, or anything that makes one from a space and a seed.
        settings: further arguments of the strategy, such as `dict(learning_rate=0.00035)`. Of a strategy that decides how long a
            trial is trained (`fidelity`), `epochs` are what it may choose from, (1, 3, 9) by default; each trial's choice is the value
            "tuner/epochs", as with Keras Tuner's Hyperband.
        space: a `nasnet_tf.spaces` space with the choices' names, if two points of it can be the same network: such twins are then
            trained once. Without it only equal points are twins. Of a space without decisions the hypermodel has no choices; it asks
            for the space's `values` as `hp.Fixed`.
        objective, max_trials, hyperparameters, allow_new_entries, tune_new_entries, max_retries_per_trial,
            max_consecutive_failed_trials: as in every Keras Tuner oracle.
        seed: 0 counts as a seed. None takes any, or that of the search in the folder.
        lease_seconds: in a chief, how long a worker may give no sign of life before its trial is given to another.

    `trials` makes the `Trial` of one that ended when it is asked for: changing it changes nothing.
    """

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
        max_consecutive_failed_trials=10,
        **kwargs,
    ):
        super().__init__(objective, max_trials, seed=seed, max_consecutive_failed_trials=max_consecutive_failed_trials, **kwargs)
        if self.max_trials is not None and self.max_trials < 1:
            raise ValueError(f"max_trials is {self.max_trials}; give at least 1, or None for no limit.")
        self._any_seed = seed is None
        self.seed = random.randrange(1, 10000) if seed is None else seed  # Keras Tuner takes 0 for no seed
        self.space = space
        self.should_stop = lambda: False
        self.lease_seconds = lease_seconds
        self.on_end = lambda trial: None  # called with every trial that ended for good, reused ones too
        strategy, settings = strategies.get(strategy) if isinstance(strategy, str) else strategy, dict(settings or {})
        if space is not None and hasattr(strategy, "check"):
            strategy.check(space)
        self._asked = {"strategy": _name(strategy), "settings": _plain(settings)}
        self._epochs = settings.pop("epochs", _EPOCHS) if getattr(strategy, "fidelity", False) else None
        self._make_strategy = functools.partial(strategy, **settings)
        self._directions = {}  # of metrics; Keras Tuner takes long to find them
        self._journal, self._recorded = None, 0  # the log; how many of its records are known here
        self._whole_space = not self.allow_new_entries  # whether all choices have been declared
        self._checked = False  # whether they are those of the log
        self._lock = Turns()
        self._forget()
        self._display = OneLine(self)

    def _forget(self):
        """As before the first trial."""
        self.trials, self.ongoing_trials, self.start_order, self.end_order, self._retry_queue = Trials(), {}, [], [], []
        self._run_times.clear()
        self._times_lost = collections.Counter()
        self._told = 0  # how many choices are declared in the log
        self._ranking = []  # (what to minimise, number, number as text) of the trials that completed, sorted
        self._failed_in_a_row, self.gave_up = 0, None  # why the search was given up
        self._heard = {}  # number of a trial that a worker with a lease runs: when it gave its last sign of life
        self._began = {}  # number of a running trial: when
        self._learner = None

    # What Keras Tuner calls.

    def create_trial(self, tuner_id):
        with self._told_to_all():
            while True:
                trial, twin = self._next(tuner_id)
                self._flush()
                if twin is None:
                    return trial
                self._take_over(trial, twin)
        return self._stopped(tuner_id)

    @contextlib.contextmanager
    def _told_to_all(self):
        """In a chief, what cannot be gone on with ends the search for all workers; an exception would only kill the one that asked."""
        try:
            yield
        except (RuntimeError, ValueError) as error:
            if not dist_utils.is_chief_oracle():
                raise
            self.gave_up = self.gave_up or str(error)

    @_synchronized
    def _next(self, tuner_id):
        """The trial to run next, and the one that has trained the same network already, if any."""
        if self.should_stop() or self.gave_up is not None or self._is_spent() and not self.ongoing_trials:
            return self._stopped(tuner_id), None
        self.open()
        self.expire()
        if tuner_id in self.ongoing_trials:
            return self._given(tuner_id, _afresh(self.ongoing_trials[tuner_id])), None
        self._learn()
        self.tuner_ids.add(tuner_id)
        if self._retry_queue:
            trial = _afresh(self.trials[self._retry_queue.pop()])
        elif self._is_spent() and self._heard and LEASED in tuner_id:  # a trial of another worker may come back
            return _no_trial("IDLE"), None
        elif self._is_spent():  # as the log says
            return self._stopped(tuner_id), None
        else:
            number = f"{len(self.trials):0{len(str(self.max_trials))}d}"
            answer = self.populate_space(number)
            if answer["status"] != "RUNNING":
                return _no_trial(answer["status"]), None
            trial = self._begin(number, answer["values"])
        self._display.on_trial_begin(trial)
        twin = self._learner.twin(trial.trial_id)
        return self._given(tuner_id, trial), None if twin is None else self.trials[twin]

    def _given(self, tuner_id, trial):
        """The trial, which that tuner runs from now on."""
        self.ongoing_trials[tuner_id] = trial
        self._began[trial.trial_id] = time.monotonic()
        if LEASED in tuner_id:
            self._heard[trial.trial_id] = time.monotonic()
        return trial

    def _is_spent(self):
        return bool(self.max_trials) and len(self.trials) >= self.max_trials and not self._retry_queue

    def _stopped(self, tuner_id):
        self.tuner_ids.discard(tuner_id)
        if not self.ongoing_trials:
            self.close()
        return _no_trial("STOPPED")

    def _learn(self):
        if self._learner is None:
            self._learner = Learner(
                self._make_strategy, self.space, self._epochs, self.seed, self.trials, self.end_order, self.objective.direction,
                pathlib.Path(self._project_dir) / "strategy.npz",
            )  # fmt: skip
        if self._learner.behind:
            self._flush()  # before the strategy learns of it
        self._learner.learn(self.hyperparameters)

    def _begin(self, number, values):
        record = self._learner.begin(number, values)
        self._declare_on_disk()
        self._write(record)
        self.start_order.append(number)
        self.trials.begin(self._learner.declared, record, values)
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
        with self._told_to_all():
            ended = self._end(trial)
            self._flush()
            if ended is not None:
                self.on_end(ended)
            if self.gave_up is not None:  # raised when all is on disk and the lock is free
                raise RuntimeError(self.gave_up)

    @_synchronized
    def _end(self, given):
        """Writes what became of a trial. Returns it if it ended for good, now."""
        number = given.trial_id
        self.open()
        if self.trials.ended(number):  # by another worker
            return None
        trial = self.trials[number]
        trial.hyperparameters, trial.status, trial.message = given.hyperparameters, given.status, given.message
        trial.message = trial.hyperparameters.values.pop(MESSAGE, None) or trial.message
        if not trial.metrics.metrics:  # the log was opened again meanwhile
            trial.metrics = given.metrics
        self.update_space(trial.hyperparameters)
        if trial.status == "COMPLETED":
            self.score_trial(trial)
            if trial.score is None or math.isnan(trial.score):
                trial.status = "INVALID"
        if trial.status == "INVALID" and self._run_times[number] < self.max_retries_per_trial:
            self._write({"retry": number, "message": trial.message})
            self._run_times[number] += 1
            self._retry_queue.append(number)
            self._leave(number)
            return None
        trial.status = "FAILED" if trial.status == "INVALID" else trial.status
        seconds = round(time.monotonic() - self._began[number], 3) if number in self._began else None
        record = end_record(trial, self.trials.values_at_begin(number), seconds)
        self._write(record)
        self._note_end(record)
        most = self.max_consecutive_failed_trials or math.inf
        if self._failed_in_a_row >= most:
            self.gave_up = f"Number of consecutive failures exceeded the limit of {most}.\n{trial.message or ''}"
        self._display.on_trial_end(trial)
        self._leave(number)  # last: a chief ends when nobody is at work any more
        return trial

    @_synchronized
    def note_lost(self, trial_id, reason: str) -> int:
        """Keeps on disk that the process that ran a trial was lost. Returns how often that has happened to the trial."""
        self.open()
        self._write({"lost": trial_id, "message": reason})
        self._times_lost[trial_id] += 1
        return self._times_lost[trial_id]

    @_synchronized
    def get_trial(self, trial_id):
        """As Keras Tuner's. In a chief, a sign of life of the worker that runs the trial."""
        trial = self.trials[trial_id]
        if dist_utils.is_chief_oracle() and not self.trials.ended(trial_id):
            if trial_id in self._retry_queue:  # the chief was away, or the worker
                self._retry_queue.remove(trial_id)
                self.ongoing_trials[f"{LEASED} {trial_id}"] = trial
            self._heard[trial_id] = time.monotonic()
        return trial

    @_synchronized
    def expire(self):
        """Takes trials from workers that have given no sign of life for too long: others get them, but not for ever."""
        late = [number for number, heard in self._heard.items() if time.monotonic() - heard > self.lease_seconds]
        for number in late:
            reason = f"its worker gave no sign of life for {self.lease_seconds:g} s"
            times = self.note_lost(number, reason)
            if times > MOST_LOST:
                trial = self.trials[number]
                trial.status, trial.message = "FAILED", f"{reason}, {times} times"
                self.end_trial(trial)
                continue
            self.tuner_ids -= {tuner_id for tuner_id, trial in self.ongoing_trials.items() if trial.trial_id == number}
            self._retry_queue.append(number)
            self._leave(number)

    def _leave(self, number):
        self._began.pop(number, None)
        self._heard.pop(number, None)
        for tuner_id in [tuner_id for tuner_id, trial in self.ongoing_trials.items() if trial.trial_id == number]:
            del self.ongoing_trials[tuner_id]

    def _note_end(self, record):
        """Keeps in memory that a trial ended."""
        number = record["end"]
        self.trials.end(record)
        self.end_order.append(number)
        if number in self._retry_queue:
            self._retry_queue.remove(number)
        self._failed_in_a_row = self._failed_in_a_row + 1 if record["status"] == "FAILED" else 0
        score = self.trials.score(number)
        if score is not None:
            bisect.insort(self._ranking, (-score if self.objective.direction == "max" else score, int(number), number))

    @_synchronized
    def get_best_trials(self, num_trials=1):
        best = [number for _, _, number in self._ranking[:num_trials]]
        if len(best) < num_trials:
            completed = set(best)
            best += itertools.islice((number for number in self.trials if number not in completed), num_trials - len(best))
        return [self.trials[number] for number in best]

    @_synchronized
    def parents(self) -> set[str]:
        """Numbers of the trials whose weights another trial may still begin with, if the space has such."""
        unfinished = [*(trial.trial_id for trial in self.ongoing_trials.values()), *self._retry_queue]
        return set() if self._learner is None else self._learner.parents(unfinished)

    def best_score(self):
        """The best score so far; None before there is one."""
        return self.trials.score(self._ranking[0][-1]) if self._ranking else None

    def update_space(self, hyperparameters):
        self._whole_space = True
        super().update_space(hyperparameters)

    def populate_space(self, trial_id):
        running = [trial.trial_id for trial in self.ongoing_trials.values()]
        return {"status": "RUNNING", "values": self._learner.propose(trial_id, running)}

    def _take_over(self, trial, twin):
        step = twin.best_step or 0
        name = self.objective.name
        others = {other: twin.metrics.get_last_value(other) for other in twin.metrics.metrics if not other.startswith((EPOCH, "seconds"))}
        self.update_trial(trial.trial_id, {**others, name: twin.score}, step)
        trial.status, trial.message = "COMPLETED", f"the same network as trial {twin.trial_id}; its result was reused"
        self.end_trial(trial)

    # State on disk.

    def open(self):
        """Opens the log for writing, so that no other process can, and takes up what is in it.

        Raises: ValueError, a line that says what to do, if it is damaged, in use, or of another search.
        """
        if self._journal is not None and (not self._journal.closed or self._journal.taken and self.ongoing_trials):
            return
        self._journal = Journal(self._log(), self._head)
        if len(self._journal.records) != self._recorded:
            self._replay(self._journal.records)
        self._journal.records, self._checked = (), True
        self._declare_on_disk()

    def close(self):
        """Lets another process go on with the search."""
        if self._journal is not None:
            self._journal.close()

    def save(self):
        """What has begun and ended is on disk already; of a search that has not begun, its choices."""
        if self._journal is None:
            self.open()

    def reload(self):
        """Takes up the trials that ended, and queues those that had not. Errors as of `open`; other processes may be searching."""
        log = read(self._log())
        if log.head is not None:
            check_head(self._log(), log.head, self._head(log.head))
            self._replay(log.records)
            self._checked = True

    def _log(self):
        folder = pathlib.Path(self._project_dir)
        if (folder / "oracle.json").exists():
            raise ValueError(f"{folder / 'oracle.json'} is of another oracle, or of an older version; begin anew in another folder.")
        return folder / TRIALS

    def _head(self, there):
        """Whose log it is. Choices that are not declared yet are those that are there."""
        if there is not None and self._any_seed:
            self.seed = there.get("seed", self.seed)
        objectives = getattr(self.objective, "objectives", [self.objective])
        free = decisions_of(self.hyperparameters, self.space).decisions if self.hyperparameters.space else ()
        decisions = {decision.name: list(decision.options) for decision in free}
        if there is not None and self._checked:  # once: later ones are records of their own
            decisions = there["decisions"]
        elif there is not None and not self._whole_space:
            decisions = {**there["decisions"], **decisions}
        directions = {one.name: one.direction for one in objectives}
        version = (there or {}).get("nasnet_tf", __version__)
        if version != __version__:
            warnings.warn(
                f"{self._log()} was begun with nasnet_tf {version}; this is {__version__}, which may propose other things.", stacklevel=2
            )
        head = {"format": _FORMAT, "nasnet_tf": version, "objective": directions, "seed": int(self.seed)}
        return {**head, **self._asked, "decisions": decisions}

    def _declare_on_disk(self):
        space = self.hyperparameters.space
        if len(space) != self._told:
            self._write(space_record(space))
            self._told = len(space)

    def _write(self, record):
        self._recorded, known = -1, self._recorded  # if this fails, the log is read again
        self._journal.write(record)
        self._recorded = known + 1

    def _flush(self):
        """What was written is on the disk. Workers that ask at the same time wait for the disk together."""
        try:
            if self._journal is not None:
                self._journal.flush()
        except RuntimeError:
            self._recorded = -1
            raise

    def _replay(self, records):
        """Becomes what the log says."""
        self._forget()
        declared = None
        for number, record in enumerate(records, start=2):
            try:
                declared = self._take_up(record, declared)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{self._log()}: line {number} does not fit those before it ({error!r}); restore a copy of the file."
                ) from None
        self._retry_queue = self.trials.unfinished()[::-1]  # taken from the end
        self._recorded = len(records)

    def _take_up(self, record, declared):
        """Does what the record says was done. Returns the choices as they are declared then."""
        if "space" in record:
            self.hyperparameters = space_of(record)
            self._told = len(record["space"])
            return Declared(self.hyperparameters, self._epochs, self.space)
        if "begin" in record:
            self.start_order.append(record["begin"])
            self.trials.begin(declared, record)
        elif "retry" in record:
            self._run_times[record["retry"]] += 1
        elif "lost" in record:
            self._times_lost[record["lost"]] += 1
        else:
            self._note_end(record)
        return declared


def _no_trial(status):
    """What a worker gets that has nothing to run. To copy the choices into it, as Keras Tuner does, takes long."""
    return kt_trial.Trial(keras_tuner.HyperParameters(), None, status)


def _afresh(trial):
    """The trial, to be run again: Keras Tuner would keep the first run's result."""
    trial.metrics, trial.score, trial.message, trial.status = metrics_tracking.MetricsTracker(), None, None, "RUNNING"
    return trial


def _name(strategy):
    """Of a strategy, or of what makes one."""
    name = getattr(strategy, "name", None)
    if name and strategies.STRATEGIES.get(name, strategy) is strategy:
        return name
    return getattr(strategy, "__qualname__", type(strategy).__qualname__)


def _plain(settings):
    """`settings` as JSON has them; what it has no words for, by its type."""
    return json.loads(json.dumps(settings, default=lambda value: value.item() if isinstance(value, np.generic) else type(value).__name__))


class PPOOracle(StrategyOracle):
    """The controller of NASNet: an LSTM that proposes, trained by proximal policy optimization.

    Args: those of `StrategyOracle` but strategy; settings are of `nasnet_tf.strategies.PPO`.
    Source: Zoph et al. 2017, arXiv 1707.07012, appendix A.2.
    """

    def __init__(self, objective=None, max_trials=10, **kwargs):
        super().__init__("ppo", objective, max_trials, **kwargs)


class OneLine(kt_oracle.Display):
    """One line a trial, in place of Keras Tuner's table of every choice."""

    def on_trial_begin(self, trial):
        pass

    def on_trial_end(self, trial):
        if self.verbose < 1:
            return
        seconds = time.monotonic() - self.oracle._began.get(trial.trial_id, time.monotonic())
        best = self.oracle.best_score()
        result = f"{trial.score:.4f}" if trial.status == "COMPLETED" else f"failed: {reason(trial)}"
        print(f"trial {trial.trial_id}  {result}  best {'-' if best is None else f'{best:.4f}'}  {seconds:.1f} s", flush=True)


def reason(trial) -> str:
    """Why a trial failed, or what it reused, in one line."""
    lines = (trial.message or "").strip().splitlines()
    return lines[-1].removeprefix("keras_tuner.src.errors.FailedTrialError: ") if lines else ""
