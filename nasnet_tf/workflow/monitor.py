"""What is done while a search runs: a line for each trial, the bar, trials.csv, and its end when
the time is over.
"""

from __future__ import annotations

import threading
import time

from nasnet_tf.study import Listener
from nasnet_tf.workflow import studies, wording

__all__ = ["RESUME_HINT", "Monitor"]

RESUME_HINT = "an interrupted search goes on with `resume=True`"
_PERIOD = 0.5  # seconds
# of the time for the network at the end: until then the search waits for its first trial
_FIRST_SHARE = 0.3


class Monitor:
    """Reports each trial that ends, and stops the children when their time is over.

    Args:
        folder: the `SearchFolder`.
        searches: the `ChildSearch`es by label.
        size: arguments of `cost_of`, of the network whose costs are written.
        clock: a `SearchClock`.
        first: the `FirstTrials`.
        max_trials: of each search, or None.
        stages: takes the reports.
        usable: the `BestSoFar`, or None.
    """

    def __init__(self, folder, searches, size, clock, first, max_trials, stages, usable=None):
        self.folder, self.table, self.searches = folder, folder.table, searches
        self.size, self.clock, self.first, self.stages = size, clock, first, stages
        self.usable = usable
        self.wanted = (max_trials or 0) * len(searches)
        self._lock, self._over = threading.Lock(), threading.Event()
        for label, search in searches.items():
            for number in search.study.history.end_order:
                self._record(label, search.study.ended(number))
            self.table.save()
            search.study.listener = _Reporter(self, label, search.study)
        threading.Thread(target=self._run, daemon=True).start()
        if usable is not None:
            threading.Thread(target=self._keep_usable, daemon=True).start()

    def trial_ended(self, label, trial):
        """Reports a trial, a `nasnet_tf.study.Ended`."""
        with self._lock:
            known = len(self.table.rows)
            row = self._record(label, trial)
            again = len(self.table.rows) == known
            self.table.save() if again else self.table.append(row)
            self.stages.say(self._line(trial, row))
        if row["seconds"] and trial.score is not None:
            search = self.searches[label]
            self.clock.trained(search.child.genotype(trial.values), row["seconds"])
            if self.usable is not None:
                self.usable.trial(search, trial.number, row["val_accuracy"])

    def _record(self, label, trial):
        genotype = self.searches[label].child.genotype(trial.values)
        label, note = self.first.label(int(trial.number), genotype, label)
        return self.table.record(label, trial, genotype, studies.note_of(trial) or note, self.size)

    def search_of(self, row):
        """The `ChildSearch` that trained the child of a row."""
        return self.searches.get(row["strategy"]) or next(iter(self.searches.values()))

    def _line(self, trial, row):
        failed = trial.status != "COMPLETED"
        outcome = f"failed: {trial.reason}" if failed else wording.number(trial.score)
        seconds = f"  {row['seconds']:.0f} s" if row["seconds"] else ""
        best = self.table.best()
        record = "-" if best is None else wording.number(best["reward"])
        return f"{row['strategy']} {trial.number}  {outcome}{seconds}  best {record}"

    def _run(self):
        while not self._over.wait(_PERIOD):
            if self.wanted:
                self.stages.share(min(len(self.table.rows) / self.wanted, 1.0))
            if self.clock.limit is not None and time.monotonic() > self._last_moment():
                for search in self.searches.values():
                    search.stop()

    def _keep_usable(self):
        while not self._over.wait(_PERIOD):
            self.usable.tick()

    def _last_moment(self):
        """Until when children may train: longer for the first trial, if there is time to deliver
        it.
        """
        if self.table.best() is not None:
            return self.clock.last_moment
        limit = self.clock.limit
        return limit + _FIRST_SHARE * max(self.stages.budget.ends - limit, 0)

    def close(self, facts, was_interrupted=False):
        """Writes the page. Returns the best genotype, or None."""
        self._over.set()
        for label, search in self.searches.items():
            if search.study.exhausted is not None:
                self.stages.say(f"{label}: {search.study.exhausted}")
        hint = f"; {RESUME_HINT}" if was_interrupted else ""
        self.stages.say(f"{len(self.table.rows)} trials in {self.folder.path}{hint}")
        return self.folder.picture(facts)


class _Reporter(Listener):
    """Reports the trials of one study to a monitor."""

    def __init__(self, monitor, label, study):
        self._monitor, self._label, self._study = monitor, label, study

    def ended(self, number):
        self._monitor.trial_ended(self._label, self._study.ended(number))
