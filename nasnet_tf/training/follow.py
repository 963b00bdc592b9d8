"""The log, the checkpoint and the callbacks of a training after every epoch."""

from __future__ import annotations

import csv
import io
import math
import time

import keras

from nasnet_tf.files import write_whole

SPEED = "examples_per_second"
_SECONDS = 0.2  # between two updates of a progress bar


class Follow(keras.callbacks.Callback):
    """Collects the metrics of every epoch, writes log.csv and the checkpoint, and reports the
    progress.

    Args:
        phase: number of the phase.
        history: the metrics of the earlier epochs, a dict each; later ones are appended.
        share: (epoch, batch) -> the share of the whole training that is done.
        batch_size: examples of a step, by which the speed of training is told.
        checkpoint: a `Checkpoint`, or None.
        began: when the training began by the monotonic clock, without its interruptions.
        on_epoch, on_share: see `nasnet_tf.training.train`.
    """

    def __init__(self, phase, history, share, checkpoint, began, on_epoch, on_share, batch_size):
        super().__init__()
        self.phase, self.history, self.share, self.checkpoint = phase, history, share, checkpoint
        self.batch_size = batch_size
        self.on_epoch, self.on_share = on_epoch, on_share
        self.began, self._reported = began, 0.0

    def on_train_begin(self, logs=None):
        if self.checkpoint is not None:
            self.checkpoint.folder.mkdir(parents=True, exist_ok=True)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self._steps, self._trained = epoch, 0, None
        self._epoch_began = time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):
        self._steps, now = self._steps + 1, time.monotonic()
        if self.on_share and now - self._reported > _SECONDS:
            self._reported = now
            self.on_share(self.share(self.epoch, batch))

    def on_test_begin(self, logs=None):
        self._trained = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        seconds = round(now - self.began, 2)
        metrics = {name: float(value) for name, value in main_head(logs or {}).items()}
        trained = (self._trained or now) - self._epoch_began
        metrics[SPEED] = round(self._steps * self.batch_size / max(trained, 1e-9), 1)
        self.history.append(
            {"phase": self.phase, "epoch": epoch + 1, "seconds": seconds, **metrics}
        )
        if self.checkpoint is not None:  # the log first: a resumed training writes it again
            write_whole(self.checkpoint.folder / "log.csv", table(self.history).encode())
            if math.isfinite(metrics["loss"]):  # else the weights are useless
                is_last = self.model.stop_training or epoch + 1 == self.params["epochs"]
                self.checkpoint.save(
                    self.model,
                    self.phase,
                    epoch + 1,
                    self.history,
                    seconds,
                    force=self.checkpoint.keep and is_last,
                )
        if self.on_epoch:
            self.on_epoch(len(self.history), self.share(epoch + 1, 0), metrics)


def main_head(metrics):
    """The metrics of the main head under their names in a network without an auxiliary head."""
    return {
        name.replace("predictions_accuracy", "accuracy"): value for name, value in metrics.items()
    }


def table(history) -> str:
    """The metrics as CSV, a row for each epoch."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
