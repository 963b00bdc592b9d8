"""Training for a given time instead of a number of epochs."""

from __future__ import annotations

import math
import time

import keras

from nasnet_tf.training.steps import StepTimes

_MOST_EPOCHS = 600
_WEIGHT = 0.2  # of the newest step in the average of how long a step takes


class Clock(StepTimes):
    """Ends a training in time, within an epoch if necessary, and decays the learning rate along a
    cosine over the time.

    The work after the last step, such as the last validation, and what is done between two epochs
    are timed before and during the training. If the machine slows down, it is taken to slow down in
    proportion to the steps.

    Args:
        learning_rate: the highest; None does not change the rate.
        steps: per epoch.
        began: when the training began by the monotonic clock, without its interruptions.
        ends: when everything must be finished, by the same clock.
        warmup: epochs over which the rate first rises from 0.
        after: seconds from the end of the last validation to the end of everything.
        part: of the cosine, that this training takes: where it begins and ends, from 0 to 1.
    """

    def __init__(
        self, learning_rate, steps, began, ends, warmup=0.0, after=0.0, part=(0.0, 1.0)
    ):  # fmt: skip
        super().__init__()
        self.learning_rate, self.steps, self.warmup = learning_rate, steps, warmup
        self.part = part
        self.began, self.ends, self.after = began, ends, _Work(after)
        self.validation, self.between = _Work(0.0), _Work(0.0)
        self.step = None  # seconds per step, without the first of a fit, which traces
        self.validated = None  # when the last validation ended, until the next step begins
        self.first, self.epoch, self.epoch_seconds = True, 0, 0.0

    def measured(self, validation: float, after: float) -> None:
        """Sets the seconds of one validation, and of the work after the last one."""
        self.validation, self.after = _Work(validation), _Work(after)

    @property
    def is_over(self) -> bool:
        """Whether there is no time for another step."""
        now = time.monotonic()
        return now >= self.ends or now + self._left() > self.ends

    def _left(self):
        """Seconds of one more step, those before that are not done, and all the work after it."""
        step = self.step or 0.0
        return step * (1 + self.computing) + sum(
            work.seconds(step) for work in (self.validation, self.between, self.after)
        )

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.epoch_began = epoch, time.monotonic()
        # JAX would copy all weights at every step, so an epoch has the rate of its middle
        if keras.backend.backend() != "tensorflow":
            self._set_rate(epoch + 0.5, self.epoch_seconds / 2)

    def on_train_batch_begin(self, batch, logs=None):
        if self.validated is not None:
            pause, self.validated = _Work(time.monotonic() - self.validated, self.step), None
            # the longest, as the state is written after some epochs only, and after the last
            self.between = max(self.between, pause, key=lambda work: work.seconds(self.step))
        if keras.backend.backend() == "tensorflow":
            self._set_rate(self.epoch + batch / self.steps)
        super().on_train_batch_begin(batch)

    def _set_rate(self, epochs_done, seconds=0.0):
        if self.learning_rate is None:
            return
        rising = min(epochs_done / self.warmup, 1) if self.warmup else 1
        first, last = self.part
        along = first + (last - first) * self.share_done(epochs_done, 0, seconds)
        falling = 0.5 * (1 + math.cos(math.pi * along))
        self.model.optimizer.learning_rate = self.learning_rate * rising * falling

    def on_step(self, seconds):
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
        self.validated = time.monotonic()
        self.validation = _Work(self.validated - self.test_began, self.step)

    def on_epoch_end(self, epoch, logs=None):
        self.epoch_seconds = time.monotonic() - self.epoch_began
        if self.is_over or epoch + 1 >= _MOST_EPOCHS:
            self.model.stop_training = True

    def share_done(self, epoch: float, batch: int, seconds: float = 0.0) -> float:
        """The share of the training that is done in `seconds` from now, 0 to 1: the larger of the
        shares of the time and of the epochs.
        """
        time_done = (time.monotonic() + seconds - self.began) / max(
            self.ends - self._left() - self.began, 1e-9
        )
        return min(max(time_done, (epoch + batch / self.steps) / _MOST_EPOCHS), 1.0)


class _Work:
    """Work of so many seconds while a step takes `step` seconds; if steps become slower, it takes
    longer in proportion.
    """

    def __init__(self, seconds, step=None):
        self._seconds, self._step = seconds, step

    def seconds(self, step):
        if not step:
            return self._seconds
        self._step = self._step or step  # measured before the first step
        return self._seconds * max(step / self._step, 1.0)
