"""The weights of the best epoch."""

from __future__ import annotations

import contextlib
import math
import pathlib

import keras
import numpy as np

from nasnet_tf.files import replacing
from nasnet_tf.npz import read_npz


class KeepBest(keras.callbacks.Callback):
    """Gives the model the weights of its best epoch when training ends: a network of many weights
    on a small text is at its best early.

    Args:
        figure: less of it is better.
        path: an .npz file where they stay while training, for one that goes on; it is gone at the
            end.
        resume: whether the training goes on; else what is in the file is forgotten.
    """

    def __init__(self, figure="val_perplexity", path=None, resume=False):
        super().__init__()
        self.figure, self.path, self.resume = (
            figure,
            None if path is None else pathlib.Path(path),
            resume,
        )
        self.best, self.weights = math.inf, None

    def on_train_begin(self, logs=None):
        if self.resume and self.path is not None:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                saved = read_npz(self.path)
                weights = [saved[str(number)] for number in range(len(self.model.weights))]
                if [w.shape for w in weights] == [tuple(w.shape) for w in self.model.weights]:
                    self.best, self.weights = float(saved["best"]), weights

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.figure, math.nan)
        if not value < self.best:
            return
        self.best, self.weights = value, [np.array(weight) for weight in self.model.get_weights()]
        if self.path is not None:
            with replacing(self.path) as temporary:
                np.savez(
                    temporary,
                    best=value,
                    **{str(number): weight for number, weight in enumerate(self.weights)},
                )

    def on_train_end(self, logs=None):
        if self.weights is not None:
            self.model.set_weights(self.weights)
        if self.path is not None:
            self.path.unlink(missing_ok=True)
