"""What is told, logged and kept after every epoch."""

from __future__ import annotations

import csv
import io
import math
import time

import keras

from nasnet_tf.files import write_whole

_SECONDS = 0.2  # between two moves of a bar


class Follow(keras.callbacks.Callback):
    """Collects the figures of every epoch, writes log.csv, keeps the checkpoint, and tells how far
    the training is.

    Args:
        phase: number of the phase.
        history: figures of the epochs before, a dict each; this one appends to it.
        share: (epoch, batch) -> how much of the whole training is done.
        checkpoint: a `Checkpoint`, or None.
        began: when the training began by the monotonic clock, as if it had never been interrupted.
        on_epoch, on_share: see `nasnet_tf.training.train`.
    """

    def __init__(self, phase, history, share, checkpoint, began, on_epoch, on_share):
        super().__init__()
        self.phase, self.history, self.share, self.checkpoint = phase, history, share, checkpoint
        self.on_epoch, self.on_share = on_epoch, on_share
        self.began, self.told = began, 0.0

    def on_train_begin(self, logs=None):
        if self.checkpoint is not None:
            self.checkpoint.folder.mkdir(parents=True, exist_ok=True)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if self.on_share and now - self.told > _SECONDS:
            self.told = now
            self.on_share(self.share(self.epoch, batch + 1))

    def on_epoch_end(self, epoch, logs=None):
        seconds = round(time.monotonic() - self.began, 2)
        figures = {name: float(value) for name, value in main_head(logs or {}).items()}
        self.history.append(
            {"phase": self.phase, "epoch": epoch + 1, "seconds": seconds, **figures}
        )
        if (
            self.checkpoint is not None
        ):  # the log first: what goes on from the state writes it again
            write_whole(self.checkpoint.folder / "log.csv", table(self.history).encode())
            if math.isfinite(figures["loss"]):  # nobody goes on from weights that are no numbers
                is_last = self.model.stop_training or epoch + 1 == self.params["epochs"]
                self.checkpoint.save(
                    self.model,
                    self.phase,
                    epoch + 1,
                    self.history,
                    seconds,
                    force=self.checkpoint.stays and is_last,
                )
        if self.on_epoch:
            self.on_epoch(len(self.history), self.share(epoch + 1, 0), figures)


def main_head(figures):
    """Figures of the main head under the names they have without an auxiliary one."""
    return {
        name.replace("predictions_accuracy", "accuracy"): value for name, value in figures.items()
    }


def table(history) -> str:
    """The figures as CSV, a row an epoch."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
