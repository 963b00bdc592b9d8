"""A training by the clock."""

from __future__ import annotations

import math
import time

import keras

_FEWEST_EPOCHS, _MOST_EPOCHS = 2, 600


class Clock(keras.callbacks.Callback):
    """Stops after the epochs that fit the time, 2 to 600, and lets the rate fall along a cosine over them.

    How many fit is planned after the second epoch, the first whose time says anything: the very first one traces. A training that
    goes on after two or more plans at once.

    Args:
        learning_rate: the highest; None leaves the rate alone.
        steps: of one epoch.
        minutes: how long, from now on.
        warmup: epochs over which the rate rises from 0 first.
        seconds: how long each epoch took that is done already.
        share: of the time of the whole training that is over already.
    """

    def __init__(self, learning_rate, steps, minutes, warmup=0.0, seconds=(), share=0.0):
        super().__init__()
        self.learning_rate, self.steps, self.warmup, self.share = learning_rate, steps, warmup, share
        self.first = len(seconds)
        self.began = time.monotonic()
        self.ends = self.began + 60 * minutes
        self.epochs = None if self.first < _FEWEST_EPOCHS else _planned(self.first + _fitting(60 * minutes, seconds))

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.epoch_began = epoch, time.monotonic()
        self._set_rate(epoch + 0.5)  # of its middle, where an epoch has one rate

    def on_train_batch_begin(self, batch, logs=None):
        if keras.backend.backend() == "tensorflow":  # JAX would move all weights to and fro
            self._set_rate(self.epoch + batch / self.steps)

    def _set_rate(self, epochs_done):
        if self.learning_rate is None:
            return
        after = max(epochs_done - self.warmup, 0)
        done = min(after / max(self.epochs - self.warmup, 1e-9), 1) if self.epochs else 0
        rising = min(epochs_done / self.warmup, 1) if self.warmup else 1
        self.model.optimizer.learning_rate = self.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * done))

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        if self.epochs is None and epoch > self.first:
            self.epochs = _planned(epoch + 1 + int((self.ends - now) / max(now - self.epoch_began, 1e-9)))
        if epoch + 1 >= (self.epochs or _MOST_EPOCHS) or (now >= self.ends and epoch + 1 >= _FEWEST_EPOCHS):
            self.model.stop_training = True

    def share_done(self, epoch: int, batch: int) -> float:
        """How much of the training is behind, 0 to 1: of the time, or of the epochs where that is more."""
        time_done = (time.monotonic() - self.began) / max(self.ends - self.began, 1e-9)
        epochs_done = (epoch + batch / self.steps) / self.epochs if self.epochs else 0
        return min(max(self.share + (1 - self.share) * time_done, epochs_done), 1.0)


def _planned(epochs):
    return min(max(epochs, _FEWEST_EPOCHS), _MOST_EPOCHS)


def _fitting(left, seconds):
    """Epochs that fit the seconds `left`, where the first takes as long as the longest before: it traces."""
    each = max(min(seconds), 1e-2)
    return 0 if left < each else max(1, 1 + int((left - max(seconds)) / each))
