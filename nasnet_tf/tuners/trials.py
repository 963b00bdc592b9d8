"""The trials of a study as Keras Tuner's `Trial`s, thousands of which would take much room."""

from __future__ import annotations

import weakref
from collections.abc import Mapping

import keras_tuner
from keras_tuner.src.engine import metrics_tracking
from keras_tuner.src.engine import trial as kt_trial

from nasnet_tf.study import Outcome, Study

__all__ = ["RunningTrials", "Trials", "afresh", "no_trial", "outcome_of"]


class Trials(Mapping):
    """The trials of a search by number, in the order they began.

    One that is running or to be run again is kept as Keras Tuner's `Trial`. Of one that ended the
    record is kept, and a `Trial` is made when it is asked for: changing it changes nothing.
    """

    def __init__(self, study: Study):
        self._study = study
        self._running, self._made = {}, weakref.WeakValueDictionary()

    def __len__(self):
        return len(self._study.history.begun)

    def __iter__(self):
        return iter(self._study.history.begun)

    def __getitem__(self, number):
        kept = self._made if self.ended(number) else self._running
        trial = kept.get(number)
        if trial is None:
            trial = kept[number] = self._trial(number)
        return trial

    def forget(self, number) -> None:
        """Lets go of a trial that ended, or that is run again."""
        self._running.pop(number, None)
        self._made.pop(number, None)

    def ended(self, number) -> bool:
        """Whether the trial ended for good."""
        return number in self._study.history.ended

    def _trial(self, number):
        history, records = self._study.history, self._study.records
        end = history.ended.get(number)
        values = end and end.get("values") or records.values(number)
        trial = kt_trial.Trial(records.schema(number).hyperparameters(dict(values)), number)
        if end is not None:
            trial.status, trial.score = end["status"], history.score(number)
            trial.message, trial.best_step = end.get("message"), end.get("step")
            trial.metrics = _tracker(end.get("metrics") or {})
        return trial


class RunningTrials(Mapping):
    """{id of a tuner: the trial it runs}, as Keras Tuner's `Oracle.ongoing_trials`."""

    def __init__(self, study: Study, trials: Trials):
        self._numbers, self._trials = study.leases.running, trials

    def __len__(self):
        return len(self._numbers)

    def __iter__(self):
        return iter(tuple(self._numbers))

    def __getitem__(self, tuner_id):
        return self._trials[self._numbers[tuner_id]]


def outcome_of(trial) -> Outcome:
    """What a trial of Keras Tuner tells of how it ended."""
    metrics = {
        name: [
            history.direction,
            *([_whole(one.step), *map(float, one.value)] for one in history.get_history()),
        ]
        for name, history in trial.metrics.metrics.items()
    }
    values = trial.hyperparameters.values
    step = _whole(trial.best_step)
    return Outcome(trial.status, trial.score, metrics, step, trial.message, values)


def no_trial(status: str):
    """What a worker gets that has nothing to run. To copy the choices into it, as Keras Tuner does,
    takes long.
    """
    return kt_trial.Trial(keras_tuner.HyperParameters(), None, status)


def afresh(trial):
    """The trial, to be run: Keras Tuner would keep the result of an earlier run."""
    trial.metrics, trial.score = metrics_tracking.MetricsTracker(), None
    trial.message, trial.status = None, "RUNNING"
    return trial


def _whole(step):
    return step if step is None else int(step)


def _tracker(recorded):
    tracker = metrics_tracking.MetricsTracker()
    for name, (direction, *history) in recorded.items():
        tracker.metrics[name] = metrics_tracking.MetricHistory(direction)
        for step, *values in history:
            tracker.metrics[name].update(values, step)
    return tracker
