"""Whether a network is small enough for the time it has."""

from __future__ import annotations

import statistics
import time

import keras

_STEPS = range(3, 8)  # that are timed; those before them trace, or fill caches
_FIRST_STEP = 1.5  # times what it took to come so far that the first step takes, which traces


class TooSlow(Exception):
    """So few steps fit the time.

    Attributes: `steps`, how many; 0 where the first would end too late.
    """

    def __init__(self, steps: float):
        super().__init__(f"only {steps:.0f} steps fit the time")
        self.steps = steps


class Pace(keras.callbacks.Callback):
    """Raises `TooSlow` where a training would be of no use, as early as that is known.

    That is before the first step where that would end too late, by how long it took to come so far;
    and after the first steps where fewer than `enough` fit, if there is time for another network:
    twice what it took so far.

    Args:
        enough: steps; 0 for a network that there is no smaller one of.
        ends: when the last step must be done, by the monotonic clock.
    """

    def __init__(self, enough: float, ends: float):
        super().__init__()
        self.enough, self.ends, self.made, self.taken = enough, ends, time.monotonic(), []

    def on_train_begin(self, logs=None):
        now = time.monotonic()
        if self.ends - now < _FIRST_STEP * (now - self.made):
            raise TooSlow(0)

    def on_train_batch_begin(self, batch, logs=None):
        self.began = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if len(self.taken) >= _STEPS.stop:
            return
        now = time.monotonic()
        self.taken.append(now - self.began)
        if len(self.taken) == _STEPS.stop and self.ends - now > 2 * (now - self.made):
            steps = (self.ends - now) / max(statistics.median(self.taken[_STEPS.start :]), 1e-9)
            if steps < self.enough:
                raise TooSlow(steps)
