"""What became of the trials of a search, by the records of its log. Whoever goes on with a search
or only looks at it reads by this.

Records, in the order things happened:
- `{"space": [...]}`: the choices as they are declared from here on.
- `{"begin": number, "point": [...], "key": ...}`: a trial begins; with "values" if they are not
  those of the point, with "parent" if it begins with that trial's weights. Numbers count from 0.
- `{"retry": number}`: a run that failed and is repeated. `{"lost": number}`: one whose process was
  lost.
- `{"end": number, "status": ..., "score": ..., "metrics": {...}}`: what became of it; with "reused"
  if an earlier trial trained the same network.
- `{"again": number}`: a trial that had failed is run again; it counts as if it had not ended.
"""

from __future__ import annotations

import bisect
import collections
import math
import re
from typing import NamedTuple

from nasnet_tf.study.failures import is_passing

__all__ = ["Begin", "History"]

# The message of versions that had no "reused".
_REUSED = re.compile(r"the same network as trial (\d+);")


class Begin(NamedTuple):
    """How a trial began.

    Args:
        space: how many times choices had been declared.
        point: what was proposed.
        key: trials with equal keys train the same network. None where the record does not say.
        values: None where they are those of the point.
        parent: number of the trial whose weights it began with, or None.
    """

    space: int
    point: tuple
    key: str | None
    values: dict | None
    parent: str | None


class History:
    """Takes up the records of a log one after the other, and refuses what does not fit those
    before.

    Args:
        direction: "max" or "min", of the scores.

    Attributes:
        begun: {number: `Begin`} in the order they began.
        ended: {number: record} of those that ended.
        end_order: their numbers, in the order they ended.
        runs, lost: how often a trial was run again after it failed, and how often its process was
            lost.
        failed_in_a_row: how many of the last trials that ended failed.
    """

    def __init__(self, direction: str = "max"):
        self._sign = -1 if direction == "max" else 1
        self.begun, self.ended, self.start_order, self.end_order = {}, {}, [], []
        self.runs, self.lost = collections.Counter(), collections.Counter()
        self.spaces = self.failed_in_a_row = 0
        # (what to minimise, number, number as text) of the trials that completed, sorted
        self._ranking = []

    @classmethod
    def of(cls, log, path) -> History:
        """The history that a `nasnet_tf.journal.Log` tells; arguments and errors as of `replay`."""
        try:
            history = cls(direction_of(log.head))
        except ValueError as error:
            raise ValueError(
                f"{path}: line 1 does not begin the log of a search: {error}; restore a copy of the"
                " file."
            ) from None
        history.replay(log, path)
        return history

    def replay(self, log, path, told=lambda record: None) -> None:
        """Takes up all records of a `nasnet_tf.journal.Log`.

        Args:
            path: of the log, for the message.
            told: called with each record after it was taken up. May raise ValueError.
        Raises: ValueError that names the line which does not fit those before it.
        """
        for number, record in enumerate(log.records, start=2):
            try:
                self.take(record)
                told(record)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                why = error if type(error) is ValueError else repr(error)
                raise ValueError(
                    f"{path}: line {number} does not fit those before it: {why}; restore a copy of"
                    " the file."
                ) from None

    def take(self, record: dict) -> None:
        """Does what the record says was done. Raises ValueError, and changes nothing, if it does
        not fit those before.
        """
        if not isinstance(record, dict):
            raise ValueError(f"{record!r:.40} is no record")
        kind = next(
            (
                kind
                for kind in ("space", "begin", "retry", "lost", "again", "end")
                if kind in record
            ),
            None,
        )
        if kind is None:
            raise ValueError(f"a record of {', '.join(map(str, record)) or 'nothing'} is not known")
        getattr(self, f"_take_{kind}")(record)

    def unfinished(self) -> list[str]:
        """Numbers of the trials that have not ended."""
        return [number for number in self.begun if number not in self.ended]

    def score(self, number: str) -> float | None:
        """The score of a trial that completed with a finite one, else None: a failure is never the
        best.
        """
        return _score(self.ended[number])

    def best(self, count: int | None = None) -> list[str]:
        """Numbers of the best trials, best first; of equal ones the earlier is first."""
        return [number for _, _, number in self._ranking[:count]]

    def failed(self, passing: bool = False) -> list[str]:
        """Numbers of the trials that ended without a score, in the order they began; if `passing`,
        those that may succeed another time.
        """
        numbers = [
            number for number in self.begun if number in self.ended and self.score(number) is None
        ]
        return [
            number
            for number in numbers
            if not passing or is_passing(self.ended[number].get("message"))
        ]

    def original(self, number: str) -> str:
        """The trial that trained the network of this one: another if its result was reused, else
        itself.
        """
        while (of := _reused(self.ended.get(number, {}))) is not None:
            number = of
        return number

    def _take_space(self, record):
        space = record["space"]
        if not isinstance(space, list) or not all(
            isinstance(part, dict) and {"class_name", "config"} <= set(part) for part in space
        ):
            raise ValueError("its choices are not whole")
        self.spaces += 1

    def _take_begin(self, record):
        number, point, values = record["begin"], record.get("point"), record.get("values")
        if not (isinstance(number, str) and number.isdecimal() and int(number) == len(self.begun)):
            raise ValueError(
                f"trial {number!r:.40} begins, where it is the turn of trial {len(self.begun)}"
            )
        if not isinstance(point, list) or not all(
            isinstance(choice, int | str) and not isinstance(choice, bool) for choice in point
        ):
            raise ValueError(f"the point of trial {number} is {point!r:.40}")
        if not isinstance(values, dict | None):
            raise ValueError(f"the values of trial {number} are {values!r:.40}")
        key, parent = record.get("key"), record.get("parent")
        if not (isinstance(key, str | None) and (parent is None or parent in self.begun)):
            raise ValueError(
                f"trial {number} has the key {key!r:.40} and the parent {parent!r:.40}"
            )
        self.begun[number] = Begin(self.spaces, tuple(point), key, values, parent)
        self.start_order.append(number)

    def _take_end(self, record):
        number = self._running(record["end"])
        status, score, of = record.get("status"), record.get("score"), record.get("reused")
        if not isinstance(status, str) or not _is_number(
            score, None if status != "COMPLETED" else 0.0
        ):
            raise ValueError(
                f"trial {number} ends with the status {status!r:.40} and the score {score!r:.40}"
            )
        seconds = record.get("seconds")
        if not (
            isinstance(record.get("metrics", {}), dict)
            and _is_number(seconds)
            and math.isfinite(seconds or 0.0)
        ):
            raise ValueError(f"the figures of trial {number} are not whole")
        if not (
            isinstance(record.get("message"), str | None)
            and isinstance(record.get("values"), dict | None)
        ):
            raise ValueError(f"the message or the values of trial {number} are not whole")
        if of is not None and of not in self.ended:
            raise ValueError(
                f"trial {number} reuses the result of trial {of!r:.40}, which has not ended"
            )
        self.ended[number] = record
        self.end_order.append(number)
        score = _score(record)
        self.failed_in_a_row = self.failed_in_a_row + 1 if status == "FAILED" else 0
        if score is not None:
            bisect.insort(self._ranking, (self._sign * score, int(number), number))

    def _take_retry(self, record):
        self.runs[self._running(record["retry"])] += 1

    def _take_lost(self, record):
        self.lost[self._running(record["lost"])] += 1

    def _take_again(self, record):
        number = record["again"]
        if number not in self.ended or self.score(number) is not None:
            raise ValueError(f"trial {number!r:.40} is run again, which had not failed")
        del self.ended[number]
        self.end_order.remove(number)
        self.runs.pop(number, None)
        self.lost.pop(number, None)
        self.failed_in_a_row = 0

    def _running(self, number):
        """The number of a trial that has begun and not ended. Raises ValueError if it is none."""
        if not isinstance(number, str) or number not in self.begun or number in self.ended:
            raise ValueError(
                f"trial {number!r:.40}"
                f" {'has ended before' if number in self.ended else 'has not begun'}"
            )
        return number


def direction_of(head) -> str:
    """ "max" or "min", of the scores of a search; of several objectives their sum is minimised.
    Raises ValueError for what is no head.
    """
    if head is None:
        return "max"
    objective = head.get("objective") if isinstance(head, dict) else None
    if not isinstance(objective, dict) or not all(
        direction in ("max", "min") for direction in objective.values()
    ):
        raise ValueError(f"its objective is {objective!r:.40}")
    return "max" if [*objective.values()] == ["max"] else "min"


def _is_number(value, default=None):
    """Whether it is a number; or None, if `default` is."""
    return (
        value is None
        and default is None
        or isinstance(value, int | float)
        and not isinstance(value, bool)
    )


def _score(record):
    score = record.get("score")
    return score if record["status"] == "COMPLETED" and math.isfinite(score) else None


def _reused(record):
    if "reused" in record:
        return record["reused"]
    found = _REUSED.match(record.get("message") or "")
    return found and found[1]
