"""What a run by the clock will do and how long each stage takes; and what it took."""

from __future__ import annotations

__all__ = ["Planned"]

SEARCHING, COMPARING, TRAINING, TESTING = "searching", "comparing beginnings", "training", "testing"
_LATEST = 0.45  # of the time: until then cells are tried at most
_LAST = 0.03  # of the time, for validation, test and the page


class Planned:
    """`Stages` that say what is planned, before anything and once the first cells are timed, and
    note how long each stage took.

    Args:
        stages: that take the reports.
        compares: whether a network with the weights of `init` is held against one without.
    """

    def __init__(self, stages, compares=False):
        self._stages, self._compares = stages, compares
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
        self.say(f"plan for {_minutes(total)}, before anything is timed:")
        self.say(
            f"  cells are tried, published ones first, for at most {_minutes(_LATEST * total)}:"
            " less where a network needs that time to be trained well"
        )
        if self._compares:
            self.say(
                "  a network with the weights of `init` and one without are trained for equally"
                " long; the better one is trained on"
            )
        self.say("  the winner is trained on what is left; the last minutes are for the test")

    def planned(self, search_ends: float) -> None:
        """The first cells are timed: the search ends so many seconds from the start, its finalists
        included.
        """
        from nasnet_tf.workflow.hands_off import compared_until

        total = self.budget.seconds
        ends = {SEARCHING: search_ends}
        if self._compares:
            ends[COMPARING] = compared_until(search_ends, total)
        self._ends = ends | {TRAINING: (1 - _LAST) * total, TESTING: total}
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
