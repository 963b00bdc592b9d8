"""Steps that a device computes while the next ones are handed to it.

Keras waits for every step where a callback wants to know of its end, unless all callbacks say that
they are safe to be called by another thread (`async_safe`); then it calls them when the device is
done (on JAX).
"""

from __future__ import annotations

import threading
import time

import keras

_AHEAD = 2  # steps that the device has, at most
_PATIENCE = 60.0  # seconds, after which a step whose end is not told of holds nothing up


class StepTimes(keras.callbacks.Callback):
    """A callback that learns how long each step took: `on_step(seconds)`, called in order, perhaps
    by another thread.
    """

    async_safe = True

    def __init__(self):
        super().__init__()
        self._handed, self._lock, self._last_end = {}, threading.Lock(), 0.0

    def on_train_batch_begin(self, batch, logs=None):
        self._handed[batch] = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        with self._lock:
            now = time.monotonic()
            began = max(self._handed.pop(batch, 0.0), self._last_end)
            self._last_end = now
            self.on_step(now - began)

    @property
    def computing(self) -> int:
        """How many steps were handed to the device and are not done."""
        return len(self._handed)

    def on_step(self, seconds: float) -> None:
        """A step is done."""


class NotFarAhead(keras.callbacks.Callback):
    """Hands a device the next step while it computes one, and no more: batches lie in its memory,
    and a training must end in time. A validation begins when all steps are done.

    It is the first of the callbacks, its `done` the last: then all others know of the steps.
    """

    async_safe = True

    def __init__(self, ahead: int = _AHEAD):
        super().__init__()
        self.ahead, self._computing, self._changed = ahead, 0, threading.Condition()
        self.done = keras.callbacks.LambdaCallback(on_train_batch_end=self._one_less)
        self.done.async_safe = True

    def on_epoch_begin(self, epoch, logs=None):
        with self._changed:
            self._computing = 0

    def on_train_batch_begin(self, batch, logs=None):
        self._wait(self.ahead - 1)
        with self._changed:
            self._computing += 1

    def on_test_begin(self, logs=None):
        self._wait(0)

    def _wait(self, most):
        with self._changed:
            self._changed.wait_for(lambda: self._computing <= most, _PATIENCE)

    def _one_less(self, batch, logs=None):
        with self._changed:
            self._computing -= 1
            self._changed.notify()


class Finite(keras.callbacks.TerminateOnNaN):
    """Ends a training whose loss is no longer a number."""

    async_safe = True
