"""A training by the clock."""

from __future__ import annotations

import math
import time

import keras

_MOST_EPOCHS = 600
_WEIGHT = 0.2  # of the newest step in the average of how long a step takes


class Clock(keras.callbacks.Callback):
    """Ends a training in time, in the middle of an epoch too, and lets the rate fall along a cosine
    over the time.

    What comes after the last step, such as the last validation, is measured before the training and
    as it goes. A machine that has become slower since makes it longer in proportion to the steps.

    Args:
        learning_rate: the highest; None leaves the rate alone.
        steps: of one epoch.
        began: when the training began by the monotonic clock, as if it had never been interrupted.
        ends: when everything must be over, by the same clock.
        warmup: epochs over which the rate rises from 0 first.
        epochs: at most so many.
        after: seconds from the end of the last validation to the end of everything.
    """

    def __init__(
        self, learning_rate, steps, began, ends, warmup=0.0, epochs=_MOST_EPOCHS, after=0.0
    ):
        super().__init__()
        self.learning_rate, self.steps, self.warmup, self.epochs = (
            learning_rate,
            steps,
            warmup,
            epochs,
        )
        self.began, self.ends, self.after = began, ends, _Work(after)
        self.validation = _Work(0.0)
        self.step = None  # seconds a step takes; the first of a fit, which traces, does not count
        self.first, self.epoch, self.epoch_seconds = True, 0, 0.0

    def measured(self, validation: float, after: float) -> None:
        """Takes note of what one validation takes, and what comes after the last one, in
        seconds.
        """
        self.validation, self.after = _Work(validation), _Work(after)

    @property
    def is_over(self) -> bool:
        """Whether no step fits any more."""
        now = time.monotonic()
        return now >= self.ends or now + self._left() > self.ends

    def _left(self):
        """Seconds that one more step and all that comes after it take."""
        step = self.step or 0.0
        return step + self.validation.seconds(step) + self.after.seconds(step)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.epoch_began = epoch, time.monotonic()
        if (
            keras.backend.backend() != "tensorflow"
        ):  # JAX would move all weights to and fro, so an epoch has the rate of its middle
            self._set_rate(epoch + 0.5, self.epoch_seconds / 2)

    def on_train_batch_begin(self, batch, logs=None):
        self.step_began = time.monotonic()
        if keras.backend.backend() == "tensorflow":
            self._set_rate(self.epoch + batch / self.steps)

    def _set_rate(self, epochs_done, seconds=0.0):
        if self.learning_rate is None:
            return
        rising = min(epochs_done / self.warmup, 1) if self.warmup else 1
        falling = 0.5 * (1 + math.cos(math.pi * self.share_done(epochs_done, 0, seconds)))
        self.model.optimizer.learning_rate = self.learning_rate * rising * falling

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() != "tensorflow":
            for value in (logs or {}).values():
                keras.ops.convert_to_numpy(value)  # waits until the step is done
        seconds = time.monotonic() - self.step_began
        if not self.first:
            self.step = (
                seconds if self.step is None else self.step + _WEIGHT * (seconds - self.step)
            )
        self.first = False
        if self.is_over:
            self.model.stop_training = True

    def on_test_begin(self, logs=None):
        self.test_began = time.monotonic()

    def on_test_end(self, logs=None):
        self.validation = _Work(time.monotonic() - self.test_began, self.step)

    def on_epoch_end(self, epoch, logs=None):
        self.epoch_seconds = time.monotonic() - self.epoch_began
        if self.is_over or epoch + 1 >= self.epochs:
            self.model.stop_training = True

    def share_done(self, epoch: float, batch: int, seconds: float = 0.0) -> float:
        """How much of the training is behind in so many seconds, 0 to 1: of the time, or of the
        epochs where that is more.
        """
        time_done = (time.monotonic() + seconds - self.began) / max(
            self.ends - self._left() - self.began, 1e-9
        )
        return min(max(time_done, (epoch + batch / self.steps) / self.epochs), 1.0)


class _Work:
    """Something that takes so many seconds while a step takes `step`; longer in proportion where a
    step has become longer.
    """

    def __init__(self, seconds, step=None):
        self._seconds, self._step = seconds, step

    def seconds(self, step):
        if not step:
            return self._seconds
        self._step = self._step or step  # it was measured when steps took as long as the first one
        return self._seconds * max(step / self._step, 1.0)
