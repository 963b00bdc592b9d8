"""What is done while a search runs: a line for each trial, the bar, trials.csv, and its end when
the time is over.
"""

from __future__ import annotations

import threading
import time

from nasnet_tf.workflow import tuning
from nasnet_tf.workflow.wording import number

__all__ = ["RESUME_HINT", "Monitor"]

RESUME_HINT = "an interrupted search goes on with `resume=True`"
_PERIOD = 0.5  # seconds
# of the time for the network at the end: until then the search waits for its first trial
_FIRST_SHARE = 0.3


class Monitor:
    """Reports each trial that ends, and stops the children when their time is over.

    Args:
        folder: the `SearchFolder`.
        tuners: the tuners by label.
        child: the hypermodel.
        size: arguments of `cost_of`, of the network whose costs are written.
        limit: when the search ends, by the monotonic clock, or None.
        max_trials: of each tuner, or None.
        stages: takes the reports.
    """

    def __init__(self, folder, tuners, child, size, limit, max_trials, stages):
        self.folder, self.table, self.tuners = folder, folder.table, tuners
        self.child, self.size, self.limit, self.stages = child, size, limit, stages
        self.wanted = (max_trials or 0) * len(tuners)
        self._lock, self._over = threading.Lock(), threading.Event()
        for label, tuner in tuners.items():
            for trial_id in tuner.oracle.end_order:
                self._record(label, tuner.oracle.trials[trial_id])
            self.table.save()
            tuner.oracle.on_end = lambda trial, label=label: self._trial_ended(label, trial)
        threading.Thread(target=self._run, daemon=True).start()

    def _trial_ended(self, label, trial):
        with self._lock:
            again = (label, trial.trial_id) in self.table.rows
            row = self._record(label, trial)
            self.table.save() if again else self.table.append(row)
            self.stages.say(self._line(label, trial, row))

    def _record(self, label, trial):
        genotype = self.child.genotype(trial.hyperparameters)
        return self.table.record(label, trial, genotype, tuning.note_of(trial), self.size)

    def _line(self, label, trial, row):
        failed = trial.status != "COMPLETED"
        outcome = f"failed: {tuning.reason(trial)}" if failed else number(trial.score)
        seconds = f"  {row['seconds']:.0f} s" if row["seconds"] else ""
        best = self.table.best()
        record = "-" if best is None else number(best["reward"])
        return f"{label} {trial.trial_id}  {outcome}{seconds}  best {record}"

    def _run(self):
        while not self._over.wait(_PERIOD):
            if self.wanted:
                self.stages.share(min(len(self.table.rows) / self.wanted, 1.0))
            if self.limit is not None and time.monotonic() > self._last_moment():
                for tuner in self.tuners.values():
                    tuner.stop()

    def _last_moment(self):
        """Until when children may train: longer for the first trial, if there is time to deliver
        it.
        """
        if self.table.best() is not None:
            return self.limit
        return self.limit + _FIRST_SHARE * max(self.stages.budget.ends - self.limit, 0)

    def close(self, facts, was_interrupted=False):
        """Writes the page. Returns the best genotype, or None."""
        self._over.set()
        for label, tuner in self.tuners.items():
            if tuner.oracle.exhausted is not None:
                self.stages.say(f"{label}: {tuner.oracle.exhausted}")
        hint = f"; {RESUME_HINT}" if was_interrupted else ""
        self.stages.say(f"{len(self.table.rows)} trials in {self.folder.path}{hint}")
        return self.folder.picture(facts)
