"""Strategies as Keras Tuner oracles. What Keras Tuner 1.4.8 gets wrong is met here, each fault where it bites.

An oracle carries a strategy over the choices of any hypermodel: `hp.Choice`, `hp.Boolean`, and `hp.Int` or `hp.Float` with a step.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import pathlib
import random
import threading
import time
import zipfile

import keras_tuner
import numpy as np
from keras_tuner.engine import hyperparameters as kt_hp
from keras_tuner.src.engine import oracle as kt_oracle
from keras_tuner.src.engine import trial as kt_trial

from nasnet_tf import strategies
from nasnet_tf.files import write_json
from nasnet_tf.spaces import EPOCHS, Choices, Decision, WithEpochs

EPOCH = "epoch_"  # with a number from 1: the metric that holds what a trial had reached after that epoch
_ENDED = ("COMPLETED", "FAILED")
_MOST_OPTIONS = 1000
_EPOCHS = (1, 3, 9)
_INACTIVE = "tuner/inactive"  # JSON of what a strategy chose for choices whose parent rules them out: it must hear of the point it proposed
_SAVE_EVERY = 50  # trials between two snapshots of the strategy; what came after is learned again


class StrategyOracle(keras_tuner.Oracle):
    """Asks a strategy what to try and tells it what came out.

    A trial is on disk, whole, before the strategy learns from it. After a restart the strategy learns the ended trials again, in
    the order they ended, so it proposes what it would have proposed; trials that were running are run again.

    Args:
        strategy: the name of a `nasnet_tf.strategies` strategy, or anything that makes one from a space and a seed.
        settings: further arguments of the strategy, such as `dict(learning_rate=0.00035)`. Of a strategy that decides how long a
            trial is trained (`fidelity`), `epochs` are what it may choose from, (1, 3, 9) by default; each trial's choice is the value
            "tuner/epochs", as with Keras Tuner's Hyperband.
        space: a `nasnet_tf.spaces` space with the choices' names, if two points of it can be the same network: such twins are then
            trained once. Without it only equal points are twins.
        objective, max_trials, hyperparameters, allow_new_entries, tune_new_entries, max_retries_per_trial,
            max_consecutive_failed_trials: as in every Keras Tuner oracle.
        seed: 0 counts as a seed.
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
        max_consecutive_failed_trials=10,
        **kwargs,
    ):
        super().__init__(objective, max_trials, seed=seed, max_consecutive_failed_trials=max_consecutive_failed_trials, **kwargs)
        if self.max_trials is not None and self.max_trials < 1:
            raise ValueError(f"max_trials is {self.max_trials}; give at least 1, or None for no limit.")
        self.seed = random.randrange(1, 10000) if seed is None else seed  # Keras Tuner takes 0 for no seed
        self.space = space
        self.should_stop = lambda: False
        self.on_end = lambda trial: None  # called with every trial that ended for good, reused ones too
        strategy, settings = strategies.get(strategy) if isinstance(strategy, str) else strategy, dict(settings or {})
        self._epochs = settings.pop("epochs", _EPOCHS) if getattr(strategy, "fidelity", False) else None
        self._make_strategy = functools.partial(strategy, **settings)
        self._strategy = self._choices = self._declared = None
        self._keys, self._remembered = {}, 0  # key of each network that was trained: its trial; how many ended trials are among them
        self._began = {}
        self._told = set()
        self._whole = True  # no trial's file is damaged
        self._display = OneLine(self)

    # What Keras Tuner calls.

    def create_trial(self, tuner_id):
        while True:
            if self.should_stop():
                return kt_trial.Trial(self.get_space(), trial_id=None, status="STOPPED")
            with self._unlocked_on_error():
                trial = super().create_trial(tuner_id)
            if trial.status != "RUNNING":
                return trial
            self._began[trial.trial_id] = time.monotonic()
            if trial.metrics.metrics:  # run again: Keras Tuner would keep the first run's result
                trial.metrics = type(trial.metrics)()
                trial.score = None
            twin = self._twin(trial)
            if twin is None:
                return trial
            self._take_over(trial, twin)

    def update_trial(self, trial_id, metrics, step=0):
        with self._unlocked_on_error():
            return super().update_trial(trial_id, metrics, step)

    def end_trial(self, trial, *args, **kwargs):
        with self._unlocked_on_error():
            super().end_trial(trial, *args, **kwargs)
        trial_id = getattr(trial, "trial_id", trial)  # Keras Tuner takes the number too
        if trial_id in self.end_order and trial_id not in self._told:
            self._told.add(trial_id)
            self.on_end(self.trials[trial_id])
        super()._check_consecutive_failures()  # raises, so not before everything is saved and the lock is free

    def _check_consecutive_failures(self):
        pass

    def get_best_trials(self, num_trials=1):
        """As Keras Tuner's. Other threads may add trials meanwhile, and a trial is completed before it has its score."""
        trials = list(self.trials.values())
        done = [trial for trial in trials if trial.status == "COMPLETED" and trial.score is not None]
        done.sort(key=lambda trial: trial.score, reverse=self.objective.direction == "max")
        others = [trial for trial in trials if trial.status != "COMPLETED"] if len(done) < num_trials else []
        return [*done, *others][:num_trials]

    def populate_space(self, trial_id):
        self._learn()
        pending = [self._point(trial) for trial in self.ongoing_trials.values()]
        proposal = self._strategy.propose(int(trial_id), pending)
        return {"status": "RUNNING", "values": self._values(proposal)}

    # Learning.

    def _learn(self):
        """Makes the strategy for the choices as they are now, and lets it learn every ended trial it has not."""
        choices = decisions_of(self.hyperparameters)
        if self._declared != choices.decisions:
            self._declared = choices.decisions
            if self.space is not None and choices.decisions != self.space.decisions:
                self.space = None  # the hypermodel has more to choose than the space knows
            space = self.space or choices
            self._choices = space if self._epochs is None else WithEpochs(space, self._epochs)
            self._strategy = self._make_strategy(self._choices, self.seed)
            self._keys, self._remembered = {}, 0
            self._restore_strategy()
        order = list(dict.fromkeys(self.end_order))
        for trial_id in order[self._strategy.observed :]:
            trial = self.trials[trial_id]
            self._strategy.observe(self._point(trial), self._reward(trial))
            if self._strategy.observed % _SAVE_EVERY == 0:
                self._save_strategy()
        for trial_id in order[self._remembered :]:
            if self._reward(self.trials[trial_id]) is not None:
                self._keys.setdefault(self._key(self.trials[trial_id]), trial_id)
        self._remembered = len(order)

    def _reward(self, trial):
        """What to maximise; None for a failed trial."""
        if trial.status != "COMPLETED" or trial.score is None or not math.isfinite(trial.score):
            return None
        return trial.score if self.objective.direction == "max" else -trial.score

    def _point(self, trial):
        """What the strategy proposed."""
        values = trial.hyperparameters.values
        return self._point_of({**json.loads(values.get(_INACTIVE, "{}")), **values})

    def _point_of(self, values):
        return tuple(d.options.index(values[d.name]) if values.get(d.name) in d.options else 0 for d in self._choices.decisions)

    def _values(self, point):
        """{name: value} of the choices that are active, a parent's value decided before its children's."""
        options = self._choices.values(point)
        hidden = {} if self._epochs is None else {EPOCHS: options[EPOCHS]}
        if not any(hp.conditions for hp in self.hyperparameters.space):
            return {hp.name: options.get(hp.name, hp.default) for hp in self.hyperparameters.space} | hidden
        active = kt_hp.HyperParameters()
        for hp in self.hyperparameters.space:
            active.merge([hp])
            if active.is_active(hp):
                active.values[hp.name] = options.get(hp.name, hp.default)
        inactive = {name: option for name, option in options.items() if name not in active.values | hidden}
        return active.values | hidden | ({_INACTIVE: json.dumps(inactive)} if inactive else {})

    # Twins.

    def _key(self, trial):
        return self._choices.key(self._point_of(trial.hyperparameters.values))

    def _twin(self, trial):
        """The trial that has trained the same network already, if any."""
        if self._choices is None:  # a trial that is run again, first thing after a restart
            self._learn()
        twin = self._keys.get(self._key(trial))
        return None if twin in (None, trial.trial_id) else self.trials[twin]

    def _take_over(self, trial, twin):
        step = twin.best_step or 0
        name = self.objective.name
        others = {other: twin.metrics.get_last_value(other) for other in twin.metrics.metrics if not other.startswith((EPOCH, "seconds"))}
        self.update_trial(trial.trial_id, {**others, name: twin.score}, step)
        trial.status, trial.message = "COMPLETED", f"the same network as trial {twin.trial_id}; its result was reused"
        self.end_trial(trial)

    # State on disk: written whole or not at all, read as far as it is whole.

    def _save_trial(self, trial):
        folder = pathlib.Path(self._project_dir) / f"trial_{trial.trial_id}"
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "trial.json", trial.get_state())

    def save(self):
        folder = pathlib.Path(self._project_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "oracle.json", self.get_state())

    def reload(self):
        """Takes up the trials that ended, queues those that had not, and passes over what cannot be read."""
        folder = pathlib.Path(self._project_dir)
        for path in sorted(folder.glob("trial_*/trial.json")):
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                trial = kt_trial.Trial.from_state(json.loads(path.read_text()))
                self.trials[trial.trial_id] = trial
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            self.set_state({**json.loads((folder / "oracle.json").read_text()), "ongoing_trials": {}})
        for trial in self.trials.values():  # what oracle.json knows too, if it is whole
            self.hyperparameters.merge(
                [hp for hp in trial.hyperparameters.space if not self.hyperparameters._exists(hp.name, hp.conditions)]
            )
        ended = [i for i in sorted(self.trials) if self.trials[i].status in _ENDED]
        self.end_order = _completed(self.end_order, ended)
        self.start_order = _completed(self.start_order, sorted(self.trials))
        self.ongoing_trials = {}
        self._retry_queue = sorted(set(self.trials) - set(ended), reverse=True)  # taken from the end
        self._bury_damaged()

    def _bury_damaged(self):
        """Failed trials, of which nothing is learned, in place of those whose file could not be read: their numbers are taken."""
        width = max(map(len, self.trials), default=0)
        missing = set(range(max(map(int, self.trials), default=0))) - set(map(int, self.trials))
        for number in sorted(missing):
            trial_id = f"{number:0{width}d}"
            message = f"{self._project_dir}/trial_{trial_id}/trial.json cannot be read; its result is lost"
            self.trials[trial_id] = kt_trial.Trial(self.get_space(), trial_id, "FAILED", message)
        self._whole = not missing

    def _strategy_file(self):
        return pathlib.Path(self._project_dir) / "strategy.npz"

    def _save_strategy(self):
        path = self._strategy_file()
        temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
        np.savez(temporary, **self._strategy.state())
        os.replace(temporary, path)

    def _restore_strategy(self):
        """From the snapshot, if it is whole and of these trials; else everything is learned again."""
        if not self._whole:
            return
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            with np.load(self._strategy_file(), allow_pickle=False) as saved:
                state = dict(saved)
            if int(state["observed"]) <= len(set(self.end_order)):
                self._strategy.restore(state)

    @contextlib.contextmanager
    def _unlocked_on_error(self):
        """Keras Tuner keeps its lock when a locked method raises; nobody else could ever go on."""
        mine = threading.current_thread().name
        held = kt_oracle.THREADS[self] == mine
        try:
            yield
        except BaseException:
            if not held and kt_oracle.THREADS[self] == mine:
                kt_oracle.THREADS[self] = None
                kt_oracle.LOCKS[self].release()
            raise


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
        best = next((t.score for t in self.oracle.get_best_trials() if t.status == "COMPLETED"), None)
        result = f"{trial.score:.4f}" if trial.status == "COMPLETED" else f"failed: {reason(trial)}"
        print(f"trial {trial.trial_id}  {result}  best {'-' if best is None else f'{best:.4f}'}  {seconds:.1f} s", flush=True)


def reason(trial) -> str:
    """Why a trial failed, or what it reused, in one line."""
    lines = (trial.message or "").strip().splitlines()
    return lines[-1].removeprefix("keras_tuner.src.errors.FailedTrialError: ") if lines else ""


def _completed(order, ids):
    """`ids` in the order `order` says, each once; those it does not know at the end."""
    known = [i for i in dict.fromkeys(order) if i in ids]
    return known + [i for i in ids if i not in known]


def decisions_of(hyperparameters) -> Choices:
    """The discrete choices among `hyperparameters`. Raises ValueError for a continuous one."""
    found = {}
    for hp in hyperparameters.space:
        if isinstance(hp, kt_hp.Fixed):
            continue
        options = _options(hp)
        found[hp.name] = tuple(dict.fromkeys((*found.get(hp.name, ()), *options)))  # one name may stand under several parents
    if not found:
        raise ValueError("the hypermodel makes no choices; its build(hp) must ask for at least one, such as hp.Choice('units', [16, 32]).")
    return Choices([Decision(name, options) for name, options in found.items()])


def _options(hp):
    if isinstance(hp, kt_hp.Choice):
        return tuple(hp.values)
    if isinstance(hp, kt_hp.Boolean):
        return (False, True)
    step = getattr(hp, "step", None)
    if isinstance(hp, kt_hp.Int) or step:
        values = list(hp.values)
        if len(values) <= _MOST_OPTIONS:
            return tuple(values)
    raise ValueError(
        f"{hp.name!r} is not a choice among few values ({type(hp).__name__}); use hp.Choice, or hp.Int or hp.Float with a step."
    )
