"""Whether a network can be trained in the time there is."""

from __future__ import annotations

import statistics
import time

from nasnet_tf.training.steps import StepTimes

_STEPS = range(3, 8)  # that are timed; earlier ones trace, or fill caches
_FIRST_STEP = 1.5  # estimated time of the first step, which traces, over that of the work before it


class TooSlow(Exception):
    """The time is enough for a few steps only.

    Attributes: `steps`, how many; 0 if the first would end too late.
    """

    def __init__(self, steps: float):
        super().__init__(f"only {steps:.0f} steps fit the time")
        self.steps = steps


class Pace(StepTimes):
    """Raises `TooSlow` as early as possible if there is not enough time for a training.

    It does so before the first step if that step would end too late, judging by the time since this
    object was made; and after the first steps if there is time for fewer than `enough` steps, but
    for another network: twice the time that has passed.

    Args:
        enough: steps; 0 if there is no smaller network.
        ends: when the last step must be done, by the monotonic clock.
        times: steps that are worth one, of those that `TooSlow` tells.
    """

    def __init__(self, enough: float, ends: float, times: float = 1.0):
        super().__init__()
        super().__init__()
        self.times = times
        self.enough, self.ends, self.made, self.taken = enough, ends, time.monotonic(), []

    def on_train_begin(self, logs=None):
        now = time.monotonic()
        if self.ends - now < _FIRST_STEP * (now - self.made):
            raise TooSlow(0)

    def on_step(self, seconds):
        if len(self.taken) >= _STEPS.stop:
            return
        now = time.monotonic()
        self.taken.append(seconds)
        if len(self.taken) == _STEPS.stop and self.ends - now > 2 * (now - self.made):
            steps = (self.ends - now) / max(statistics.median(self.taken[_STEPS.start :]), 1e-9)
            if steps < self.enough:
                raise TooSlow(steps / self.times)
