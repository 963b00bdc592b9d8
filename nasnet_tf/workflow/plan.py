"""What a run by the clock will do and how long each stage takes; and what it took."""

from __future__ import annotations

__all__ = ["COMPARED", "COMPARING", "Planned"]

SEARCHING, COMPARING, TRAINING, TESTING = "searching", "comparing", "training", "testing"
COMPARED = 0.24  # of the time after the search, for all that is compared
_LATEST = 0.45  # of the time: until then cells are tried at most
_LAST, _MARGIN, _BEGINNINGS = 5.0, 0.015, 0.3  # seconds, of the time, of what it takes to begin
_RECIPES = 3  # that are compared
_EPOCHS = 30  # of each, with which it shows whether a network learns its images by heart


class Planned:
    """`Stages` that say what is planned, before anything and once the first cells are timed, and
    note how long each stage took.

    Args:
        stages: that take the reports.
        has_init: whether a network with the weights of `init` is held against one without.
    Attributes: compares_recipes, whether there is time to hold ways to train against each other.
    """

    def __init__(self, stages, has_init=False):
        self._stages, self._has_init, self.compares_recipes = stages, has_init, False
        self._begun, self._ends = {}, {}  # seconds from the start, by stage

    def __getattr__(self, name):
        return getattr(self._stages, name)

    def __enter__(self):
        self._stages.__enter__()
        return self

    def __exit__(self, *error):
        self._stages.__exit__(*error)

    def begin(self, description):
        if description == SEARCHING and not self._begun:
            self._say_beginning()
        self._begun.setdefault(description, self.budget.spent)
        self._stages.begin(description)

    def _say_beginning(self):
        total = self.budget.seconds
        compared = ["ways to train, where there is time for enough epochs of each"]
        if self._has_init:
            compared.insert(0, "a network with the weights of `init` and one without")
        self.say(f"plan for {_minutes(total)}, before anything is timed:")
        self.say(
            f"  cells are tried, published ones first, for at most {_minutes(_LATEST * total)}:"
            " less where a network needs that time to be trained well"
        )
        self.say(f"  held against each other for equally long: {'; '.join(compared)}")
        self.say("  the winner is trained on what is left; the last moments are for the test")

    def planned(self, search_ends, epoch, tested):
        total, beginning = self.budget.seconds, self.budget.beginning
        last = tested + _LAST + _MARGIN * total + _BEGINNINGS * beginning
        compared = COMPARED * (total - search_ends)
        self.compares_recipes = bool(epoch) and compared / _RECIPES >= _EPOCHS * epoch
        ends = {SEARCHING: search_ends}
        if self._has_init or self.compares_recipes:
            ends[COMPARING] = search_ends + compared
        self._ends = ends | {TRAINING: total - last, TESTING: total}
        each = ", ".join(f"{stage} until {_clock(end)}" for stage, end in self._ends.items())
        self.say(f"plan, now that cells are timed: {each}")

    def table(self) -> list[dict]:
        """Each stage so far: {"stage", "planned_seconds", None where nothing was, "seconds"}."""
        begun = [*self._begun.items(), (None, self.budget.spent)]
        rows, before = [], begun[0][1] if self._begun else 0.0
        for (stage, start), (_, end) in zip(begun, begun[1:], strict=False):
            planned = self._ends.get(stage)
            lasts = None if planned is None else round(planned - before, 1)
            rows.append(
                {"stage": stage, "planned_seconds": lasts, "seconds": round(end - start, 1)}
            )
            before = end if planned is None else planned
        return rows


def _minutes(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.3g} minutes"


def _clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
