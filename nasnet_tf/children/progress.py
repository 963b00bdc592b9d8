"""A child's training on disk while it lasts, so that it goes on in the middle when its process or
the whole search was lost.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import time

import keras
import numpy as np

from nasnet_tf.layers.model import build_optimizer
from nasnet_tf.snapshot import read_snapshot, write_snapshot

__all__ = ["Progress"]


class Progress(keras.callbacks.Callback):
    """Writes weights, the optimizer's memory and the metrics so far after epochs, and begins after
    the last that was written.

    Args:
        path: the .npz file. One that is damaged, or of another training, is passed over.
        of: what is trained, in JSON's words: data, network, epochs and whatever else a training
            that goes on must have the same.
        others: the training's callbacks before this one. Those that can `remember` are told the
            metrics of before an interruption.
        seconds: epochs that end sooner than this after the last state was written are not written.

    The model is a compiled Keras model or a `nasnet_tf.native.NativeNetwork`. Only the first `fit`
    is kept: with another one, what is lost begins anew.

    Attributes:
        rows: the metrics of each epoch, also of those before an interruption.
        resumed: whether there was one.
        times: how many times as long as what was trained here the whole training is.
    """

    def __init__(self, path: str | os.PathLike, of, others=(), seconds: float = 30.0):
        super().__init__()
        self.path, self.seconds = pathlib.Path(path), seconds
        self.of = json.loads(json.dumps(of))  # as a file has it
        self.others = [callback for callback in others if hasattr(callback, "remember")]
        self.rows, self.resumed, self._fits, self._before = [], False, 0, 0

    @property
    def history(self) -> dict[str, list[float]]:
        """{metric: value after each epoch}"""
        return {
            name: [row[name] for row in self.rows if name in row]
            for name in dict.fromkeys(name for row in self.rows for name in row)
        }

    @property
    def times(self) -> float:
        return len(self.rows) / max(len(self.rows) - self._before, 1) if self.rows else 1.0

    def on_train_begin(self, logs=None):
        self._written, self._fits, self.rows = time.monotonic(), self._fits + 1, []
        if self._fits > 1:
            self.resumed, self._before = False, 0
            return self.remove()
        if not self.path.is_file():
            return
        with contextlib.suppress(OSError, ValueError, KeyError):
            values = self._values()
            saved, facts = read_snapshot(self.path, ["of", "rows"], like=values)
            if facts["of"] != self.of:
                return
            for number, value in enumerate(values):
                _assign(value, saved[str(number)])
            self.rows, self.resumed = facts["rows"], True
            self._before = len(self.rows)
            self.model._initial_epoch = len(self.rows)  # as Keras' BackupAndRestore does
            for callback, row in itertools.product(self.others, self.rows):
                callback.remember(row)

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append({name: float(value) for name, value in (logs or {}).items()})
        if self._fits == 1 and time.monotonic() - self._written >= self.seconds:
            write_snapshot(self.path, self._values(), of=self.of, rows=self.rows)
            self._written = time.monotonic()

    def remove(self) -> None:
        """Deletes the state."""
        self.path.unlink(missing_ok=True)

    def _values(self):
        """All that changes while the model is trained."""
        if not isinstance(self.model, keras.Model):
            return self.model.changing
        build_optimizer(self.model)
        return [*self.model.variables, *self.model.optimizer.variables]


def _assign(value, saved):
    if isinstance(value, np.ndarray):
        value[:] = saved
    else:
        value.assign(saved)
