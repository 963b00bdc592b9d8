"""`model.keras` while a search runs: the best network so far, whenever the search is killed."""

from __future__ import annotations

import contextlib
import math
import threading
import time

from nasnet_tf.files import read_json, replacing, write_json
from nasnet_tf.workflow.folder import BEST_SO_FAR, MODEL

__all__ = ["BestSoFar"]

_FIRST, _PERIOD = 25.0, 60.0  # seconds until the first one is written, and between two


class BestSoFar:
    """Writes the best network of a search on pictures now and then.

    What is judged by accuracy alone is compared: children on their pictures, the network at the end
    on its own.

    Args:
        folder: of the search.
        child: arguments -> the hypermodel that builds a child for pictures of the data's size.
    """

    def __init__(self, folder, child):
        self._note, self._out, self._child = folder / BEST_SO_FAR, folder / MODEL, child
        self._lock, self._waiting, self._next = threading.Lock(), None, time.monotonic() + _FIRST
        self._writing = threading.Lock()
        self._best = self._written()

    def _written(self):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if self._out.is_file():
                return float(read_json(self._note)["accuracy"])
        return -math.inf

    def trial(self, search, number, accuracy) -> None:
        """A child was trained: trial `number` of the `ChildSearch`."""
        if accuracy is not None and accuracy > self._best:
            with self._lock:
                if self._waiting is None or accuracy > self._waiting[0]:
                    self._waiting = accuracy, lambda: search.load_model(number, self._child())

    def tick(self) -> None:
        """Writes what is waiting, if it is time."""
        if self._waiting is None or time.monotonic() < self._next:
            return
        with self._lock:
            (accuracy, load), self._waiting = self._waiting, None
        # a better child may have taken the place of its weights: that one waits already
        with contextlib.suppress(OSError, ValueError, KeyError):
            self._write(load(), accuracy)

    def _write(self, model, accuracy):
        with self._writing:
            if accuracy <= self._best:
                return
            with replacing(self._out) as temporary:
                model.save(temporary)
            write_json(self._note, {"accuracy": accuracy})
            self._best, self._next = accuracy, time.monotonic() + _PERIOD

    def callback(self):
        """A callback that offers a network after every epoch of its training."""
        from nasnet_tf.training.keep import Offer

        return Offer(self._offer)

    def _offer(self, model, accuracy):
        if accuracy is not None and time.monotonic() > self._next:
            with contextlib.suppress(OSError):
                self._write(model, float(accuracy))

    def forget(self) -> None:
        """Deletes the note, once the network at the end is written."""
        self._note.unlink(missing_ok=True)
