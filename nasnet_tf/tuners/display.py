"""What an oracle does as trials end: a printed line a trial, and the caller's `on_end`."""

from __future__ import annotations

from keras_tuner.src.engine import oracle as kt_oracle

from nasnet_tf.study import Listener
from nasnet_tf.study.failures import reason_in

__all__ = ["OneLine", "OracleListener", "reason"]


class OneLine(kt_oracle.Display):
    """One line a trial, in place of Keras Tuner's table of every choice."""

    def on_trial_begin(self, trial):
        pass

    def on_trial_end(self, trial):
        if self.verbose < 1:
            return
        best = self.oracle.best_score()
        best = "-" if best is None else f"{best:.4f}"
        result = f"{trial.score:.4f}" if trial.status == "COMPLETED" else f"failed: {reason(trial)}"
        seconds = self.oracle.history.ended[trial.trial_id].get("seconds") or 0.0
        print(f"trial {trial.trial_id}  {result}  best {best}  {seconds:.1f} s", flush=True)

    def on_exhausted(self, text):
        """The search ends because nothing new is left to try."""
        if self.verbose >= 1:
            print(text, flush=True)


class OracleListener(Listener):
    """Tells an oracle what happens in its study."""

    def __init__(self, oracle):
        self._oracle = oracle

    def reset(self):
        self._oracle._take_up()

    def forget(self, number):
        self._oracle.trials.forget(number)

    def ended(self, number):
        trial = self._oracle.trials[number]
        self._oracle._display.on_trial_end(trial)
        self._oracle.on_end(trial)

    def exhausted(self, reason):
        self._oracle._display.on_exhausted(reason)


def reason(trial) -> str:
    """Why a trial failed, or what it reused, in one line."""
    return reason_in(trial.message)
