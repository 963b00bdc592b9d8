"""What a trial of Keras Tuner is on disk, as a record of a `nasnet_tf.study.History`, and in
memory, where thousands of them take little room.
"""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Mapping

from keras_tuner.src.engine import hyperparameters as kt_hp
from keras_tuner.src.engine import metrics_tracking
from keras_tuner.src.engine import trial as kt_trial

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision
from nasnet_tf.contracts.fidelity import EPOCHS
from nasnet_tf.contracts.space import Space
from nasnet_tf.study import History

__all__ = ["PARENT", "Declared", "Trials", "decisions_of", "end_record", "space_of", "space_record"]

PARENT = "tuner/parent"  # value: the number of the trial whose weights a trial begins with

_MOST_OPTIONS = 1000
_LONGEST_MESSAGE = 10_000  # characters, of its end
# JSON of what a strategy chose for choices whose parent rules them out: it must hear of the point
# it proposed
_INACTIVE = "tuner/inactive"


class Declared:
    """The choices of a hypermodel as they were declared at some time. Turns points into values and
    back.

    Args:
        hyperparameters: Keras Tuner's.
        epochs: what a strategy may choose from that decides how long a trial is trained; None for
            the others.
        space: the hypermodel's, if there is one: it counts if it has no decisions.
    Raises: ValueError if there is no choice, or a continuous one.
    """

    def __init__(self, hyperparameters, epochs=None, space=None):
        self.space = list(hyperparameters.space)
        self.free = decisions_of(hyperparameters, space)  # without the epochs
        self.choices = (
            self.free
            if epochs is None
            else CategoricalSpace([*self.free.decisions, Decision(EPOCHS, epochs)])
        )
        self._hps = {name: list(hps) for name, hps in hyperparameters._hps.items()}
        self._epochs = epochs
        self._defaults = [(hp.name, hp.default, hp.conditions) for hp in self.space]
        self._conditional = any(hp.conditions for hp in self.space)
        self._numbers = [
            (d.name, {option: number for number, option in enumerate(d.options)})
            for d in self.choices.decisions
        ]

    def hyperparameters(self, values):
        """Keras Tuner's hyperparameters with these values. What describes the choices is shared, so
        that it costs little.
        """
        hp = kt_hp.HyperParameters()
        hp._space = list(self.space)
        hp._hps.update((name, list(hps)) for name, hps in self._hps.items())
        hp.values = values
        return hp

    def values(self, point) -> dict:
        """{name: value} of the choices that are active, a parent's value decided before its
        children's.
        """
        options = self.choices.values(point)
        hidden = {} if self._epochs is None else {EPOCHS: options[EPOCHS]}
        if not self._conditional:
            return {
                name: options.get(name, default) for name, default, _ in self._defaults
            } | hidden
        active = {}
        for name, default, conditions in self._defaults:
            if all(condition.is_active(active) for condition in conditions):
                active[name] = options.get(name, default)
        active |= hidden
        inactive = {name: option for name, option in options.items() if name not in active}
        return active | ({_INACTIVE: json.dumps(inactive)} if inactive else {})

    def proposed(self, values) -> tuple[int, ...]:
        """The point that a strategy proposed, of the values made from it."""
        return self.point(
            {**json.loads(values[_INACTIVE]), **values} if _INACTIVE in values else values
        )

    def check(self, point) -> None:
        """Raises ValueError if a point of decisions is none of these choices."""
        if self.free.decisions:
            self.choices.checked(point)

    def point(self, values) -> tuple[int, ...]:
        """The point of these values: option 0 of what is not among them."""
        if not self.free.decisions:
            return self.free.choices(values)
        return tuple(numbers.get(values.get(name), 0) for name, numbers in self._numbers)


class Trials(Mapping):
    """The trials of a search by number, in the order they began.

    One that is running or to be run again is kept as Keras Tuner's `Trial`. Of one that ended the
    record is kept, and a `Trial` is made when it is asked for: changing it changes nothing.

    Args:
        history: the `nasnet_tf.study.History` of the search, which grows.
        declared: the choices as they had been declared 0, 1, 2, ... times; grows too.
    """

    def __init__(self, history: History, declared: list[Declared]):
        self._history, self._declared = history, declared
        self._running, self._made = {}, weakref.WeakValueDictionary()
        self._values = {}  # number of a trial that has not ended: the values it began with

    def __len__(self):
        return len(self._history.begun)

    def __iter__(self):
        return iter(self._history.begun)

    def __getitem__(self, number):
        kept = self._made if number in self._history.ended else self._running
        trial = kept.get(number)
        if trial is None:
            trial = kept[number] = self._trial(number)
        return trial

    def keep(self, number, values):
        """Keeps the values of a trial that begins, which are at hand."""
        self._values[number] = dict(values)

    def drop(self, number):
        """Lets go of a trial that ended, or that is run again."""
        self._running.pop(number, None)
        self._values.pop(number, None)
        self._made.pop(number, None)

    def ended(self, number) -> bool:
        """Whether the trial ended for good."""
        return number in self._history.ended

    def score(self, number):
        """The score of a trial that completed, else None."""
        return self._history.score(number)

    def began(self, number):
        """(choices as they were declared, point, key, values or None where they are those of the
        point) of a trial's begin.
        """
        begin = self._history.begun[number]
        return self._declared[begin.space], begin.point, begin.key, begin.values

    def values_at_begin(self, number) -> dict:
        """The values a trial began with."""
        declared, point, _, values = self.began(number)
        return self._values.get(number) or (values or declared.values(point)) | self.parent_of(
            number
        )

    def parent_of(self, number) -> dict:
        """{PARENT: number of the trial whose weights it began with}, or nothing."""
        parent = self._history.begun[number].parent
        return {} if parent is None else {PARENT: parent}

    def _trial(self, number):
        end = self._history.ended.get(number)
        values = end and end.get("values") or self.values_at_begin(number)
        trial = kt_trial.Trial(self.began(number)[0].hyperparameters(dict(values)), number)
        if end is not None:
            trial.status, trial.score, trial.message = (
                end["status"],
                self.score(number),
                end.get("message"),
            )
            trial.best_step, trial.metrics = end.get("step"), _metrics(end.get("metrics") or {})
        return trial


def space_record(space) -> dict:
    """The choices that Keras Tuner's hyperparameters declare, as a record."""
    return {"space": [{"class_name": type(hp).__name__, "config": hp.get_config()} for hp in space]}


def space_of(record):
    """Keras Tuner's hyperparameters of such a record, at their defaults."""
    hp = kt_hp.HyperParameters()
    hp.merge(kt_hp.HyperParameters.from_config({"space": record["space"], "values": {}}))
    return hp


def end_record(trial, before, seconds, reused=None) -> dict:
    """What became of a trial.

    Args:
        before: the values it began with.
        seconds: how long it took; None if that is not known.
        reused: number of the trial whose result it took over, or None.
    """
    metrics = {
        name: [
            history.direction,
            *([_whole(seen.step), *map(float, seen.value)] for seen in history.get_history()),
        ]
        for name, history in trial.metrics.metrics.items()
    }
    score = float(trial.score) if trial.score is not None and math.isfinite(trial.score) else None
    record = {
        "end": trial.trial_id,
        "status": trial.status,
        "score": score,
        "step": _whole(trial.best_step),
        "metrics": metrics,
    }
    record |= {"message": trial.message and trial.message[-_LONGEST_MESSAGE:], "seconds": seconds}
    record |= {} if reused is None else {"reused": reused}
    return (
        record
        if trial.hyperparameters.values == before
        else record | {"values": trial.hyperparameters.values}
    )


def _whole(step):
    return step if step is None else int(step)


def _metrics(recorded):
    tracker = metrics_tracking.MetricsTracker()
    for name, (direction, *history) in recorded.items():
        tracker.metrics[name] = metrics_tracking.MetricHistory(direction)
        for step, *values in history:
            tracker.metrics[name].update(values, step)
    return tracker


def decisions_of(hyperparameters, space=None) -> Space:
    """The discrete choices among `hyperparameters`; `space`, if that has no decisions. Raises
    ValueError for a choice it cannot be.
    """
    if space is not None and not space.decisions:
        for hp in hyperparameters.space:
            if not isinstance(hp, kt_hp.Fixed):
                raise ValueError(
                    f"{hp.name!r} is a choice beside those of a {type(space).__name__}, which has"
                    " no list of them; use hp.Fixed."
                )
        return space
    found = {}
    for hp in hyperparameters.space:
        if isinstance(hp, kt_hp.Fixed):
            continue
        options = _options(hp)
        found[hp.name] = tuple(
            dict.fromkeys((*found.get(hp.name, ()), *options))
        )  # one name may stand under several parents
    if not found:
        raise ValueError(
            "the hypermodel makes no choices; its build(hp) must ask for at least one, such as"
            " hp.Choice('units', [16, 32]). The choices of a run_trial() without hypermodel are"
            " declared before: give them as hyperparameters."
        )
    return CategoricalSpace([Decision(name, options) for name, options in found.items()])


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
        f"{hp.name!r} is not a choice among few values ({type(hp).__name__}); use hp.Choice, or"
        " hp.Int or hp.Float with a step."
    )
