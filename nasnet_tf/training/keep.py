"""What is kept of a training while it runs: the weights of its best epoch, or what others want."""

from __future__ import annotations

import contextlib
import math
import pathlib

import keras
import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.snapshot import read_snapshot, write_snapshot
from nasnet_tf.training.follow import main_head


class Offer(keras.callbacks.Callback):
    """Offers the model after every epoch.

    Args:
        offer: a function from the model and its validation accuracy, None where it has none.
    """

    async_safe = True

    def __init__(self, offer):
        super().__init__()
        self.offer = offer

    def on_epoch_end(self, epoch, logs=None):
        self.offer(self.model, main_head(logs).get("val_accuracy"))


class KeepBest(keras.callbacks.Callback):
    """Gives the model the weights of its best epoch when training ends: a network of many weights
    on a small text is at its best early.

    Args:
        metric: lower is better.
        path: an .npz file with these weights, for a training that can be resumed; deleted at the
            end of the training.
        resume: whether to begin with the weights in that file.
        figure: the former name of `metric`.
    """

    @checked
    def __init__(self, metric="val_perplexity", path=None, resume=False, *, figure=None):
        super().__init__()
        self.metric = metric if figure is None else figure
        self.path = None if path is None else pathlib.Path(path)
        self.resume = resume
        self.best, self.weights = math.inf, None

    def on_train_begin(self, logs=None):
        if not self.resume or self.path is None:
            return
        with contextlib.suppress(OSError, ValueError):  # without the file, it keeps what is to come
            arrays, facts = read_snapshot(self.path, ["best"], like=self.model.weights)
            self.weights = [arrays[str(number)] for number in range(len(arrays))]
            self.best = facts["best"]

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.metric, math.nan)
        if not value < self.best:
            return
        self.best = float(value)
        self.weights = [np.array(weight) for weight in self.model.get_weights()]
        if self.path is not None:
            write_snapshot(self.path, self.weights, best=self.best)

    def on_train_end(self, logs=None):
        if self.weights is not None:
            self.model.set_weights(self.weights)
        if self.path is not None:
            self.path.unlink(missing_ok=True)
