"""Steps that a device computes while the next one is handed to it."""

import threading
import time

import pytest

from nasnet_tf.training.steps import NotFarAhead, StepTimes


class Device:
    """Computes steps one after the other, each for so long, and tells the callbacks of their ends
    in a thread of its own, as Keras does on JAX.
    """

    def __init__(self, callbacks, seconds):
        self.callbacks, self.seconds, self.handed = callbacks, seconds, []
        self.most, self.done, self._lock = 0, 0, threading.Lock()

    def step(self, number):
        for callback in self.callbacks:
            callback.on_train_batch_begin(number)
        self.handed.append(number)
        self.most = max(self.most, len(self.handed) - self.done)
        threading.Thread(target=self._computed, args=(number,)).start()

    def _computed(self, number):
        with self._lock:
            time.sleep(self.seconds)
            self.done += 1
            for callback in self.callbacks:
                callback.on_train_batch_end(number)


class Seen(StepTimes):
    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_step(self, seconds):
        self.seconds.append(seconds)


def handed(steps, seconds):
    """(the device that computes so many steps, what times them, what holds them back), when the
    last one was handed to it.
    """
    ahead, seen = NotFarAhead(2), Seen()
    device = Device([ahead, seen, ahead.done], seconds)
    ahead.on_epoch_begin(0)
    for number in range(steps):
        device.step(number)
    return device, seen, ahead


def test_a_device_has_the_next_step_at_hand_and_no_more_and_a_validation_waits_for_all():
    device, seen, ahead = handed(10, 0.02)
    assert device.most == 2
    ahead.on_test_begin()
    assert device.done == 10 and seen.computing == 0 and len(seen.seconds) == 10


def test_a_step_takes_as_long_as_the_device_computed_it_not_as_long_as_it_waited_there():
    _, seen, ahead = handed(5, 0.1)
    ahead.on_test_begin()
    assert sum(seen.seconds) == pytest.approx(0.5, abs=0.09)
    assert max(seen.seconds) < 0.19, "two steps wait there at a time, 0.2 s"


def test_a_step_whose_end_nobody_tells_of_does_not_hold_a_training_up_for_ever(monkeypatch):
    monkeypatch.setattr("nasnet_tf.training.steps._PATIENCE", 0.01)
    ahead = NotFarAhead(1)
    ahead.on_epoch_begin(0)
    began = time.monotonic()
    for number in range(3):
        ahead.on_train_batch_begin(number)
    assert 0.02 <= time.monotonic() - began < 5, "the second and the third waited for nothing"
