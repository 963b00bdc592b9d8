"""The trials of a study by number, as their records and the schemas they began with tell them."""

from __future__ import annotations

import math
from typing import NamedTuple

from nasnet_tf.study.history import History
from nasnet_tf.study.schema import SearchSchema

__all__ = ["PARENT", "Outcome", "Records", "last_value"]

PARENT = "tuner/parent"  # value: the number of the trial whose weights a trial begins with
_LONGEST_MESSAGE = 10_000  # characters, of its end


class Outcome(NamedTuple):
    """What became of a trial.

    Args:
        status: "COMPLETED", "FAILED", or "INVALID": failed, and run again as often as the study
            allows.
        score: what the search optimizes; None where the trial failed.
        metrics: {name: [direction, [step, value, ...], ...]}.
        step: at which the score was reached.
        message: why it failed, or None.
        values: what it was trained with, where that is not what it began with.
    """

    status: str
    score: float | None = None
    metrics: dict | None = None
    step: int | None = None
    message: str | None = None
    values: dict | None = None


class Records:
    """What is known of the trials.

    Args:
        history: the `History` of the search, which grows.
        schemas: the schemas after 0, 1, 2, ... declarations; grows too.
    """

    def __init__(self, history: History, schemas: list[SearchSchema]):
        self._history, self._schemas = history, schemas
        self._values = {}  # number of a trial that has not ended: the values it began with

    def __contains__(self, number):
        return number in self._history.begun

    def keep(self, number: str, values: dict) -> None:
        """Keeps the values of a trial that begins, which are at hand."""
        self._values[number] = dict(values)

    def forget(self, number: str) -> None:
        """Lets go of the values of a trial that ended, or that is run again."""
        self._values.pop(number, None)

    def schema(self, number: str) -> SearchSchema:
        """The schema that a trial began with."""
        return self._schemas[self._history.begun[number].space]

    def score(self, number: str) -> float | None:
        """The score of a trial that completed, else None."""
        return self._history.score(number)

    def begin(self, number: str):
        """How a trial began, a `nasnet_tf.study.Begin`."""
        return self._history.begun[number]

    def values(self, number: str) -> dict:
        """The values a trial began with."""
        if number in self._values:
            return self._values[number]
        begin = self.begin(number)
        return (begin.values or self.schema(number).values(begin.point)) | self.parent_of(number)

    def parent_of(self, number: str) -> dict:
        """{PARENT: number of the trial whose weights it began with}, or nothing."""
        parent = self.begin(number).parent
        return {} if parent is None else {PARENT: parent}

    def end_record(self, number: str, outcome: Outcome, seconds, reused=None) -> dict:
        """The record of what became of a trial.

        Args:
            seconds: how long it took; None if that is not known.
            reused: number of the trial whose result it took over, or None.
        """
        score = outcome.score
        if score is not None:
            score = float(score) if math.isfinite(score) else None
        record = {
            "end": number,
            "status": outcome.status,
            "score": score,
            "step": outcome.step,
            "metrics": outcome.metrics or {},
            "message": outcome.message and outcome.message[-_LONGEST_MESSAGE:],
            "seconds": seconds,
        }
        if reused is not None:
            record["reused"] = reused
        if outcome.values is not None and outcome.values != self.values(number):
            record["values"] = outcome.values
        return record

    def reuse(self, number: str, metric: str, direction: str, without: tuple[str, ...]) -> Outcome:
        """The outcome of a trial that trains the same network as an ended one: the result of that.

        Args:
            number: of the trial that ended.
            metric, direction: of the score.
            without: beginnings of the names of metrics that are not taken over.
        """
        end = self._history.ended[number]
        step, metrics = end.get("step") or 0, {}
        for name, recorded in (end.get("metrics") or {}).items():
            if not name.startswith(without):
                metrics[name] = [recorded[0], [step, last_value(recorded)]]
        direction = metrics.get(metric, [direction])[0]
        metrics[metric] = [direction, [step, end["score"]]]
        message = f"the same network as trial {number}; its result was reused"
        return Outcome("COMPLETED", end["score"], metrics, step, message)


def last_value(recorded) -> float:
    """The value of a metric at its last step, of `[direction, [step, value, ...], ...]`."""
    _, *values = max(recorded[1:], key=lambda reported: reported[0] or 0)
    return sum(values) / len(values)
