"""Stronger augmentation the more a network has learned its training images by heart.

Source: the controller is that of Karras et al. 2020, arXiv 2006.06676, section 3 (adaptive
discriminator augmentation): the share of images that are changed rises or falls by a fixed step, by
the sign of a measure of overfitting. Here that is how much better the network does on training
images than on validation images.
"""

from __future__ import annotations

import keras

from nasnet_tf.training.follow import main_head

__all__ = ["Adapt"]

SHARE = "changed"  # in a history: the share of images that is changed from then on
_GAP = 0.05  # of the accuracies, up to which nothing is overfitted
_SPEED = 5.0  # the share rises from 0 to 1 within a fifth of the training


class Adapt(keras.callbacks.Callback):
    """Sets the share of training images that are changed strongly after every epoch.

    Args:
        share: a `nasnet_tf.data.strong.Share`.
        done: (epoch, batch) -> the share of the whole training that is done.
        history: the metrics of the epochs before.
    """

    async_safe = True

    def __init__(self, share, done, history):
        super().__init__()
        self.share, self.done = share, done
        self.share.value = history[-1].get(SHARE, 0.0) if history else 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = self.done(epoch, 0)

    def on_epoch_end(self, epoch, logs=None):
        found = main_head(logs)
        if "val_accuracy" not in found:
            return
        step = _SPEED * (self.done(epoch + 1, 0) - self._begun)
        overfitted = found["accuracy"] - found["val_accuracy"] > _GAP
        value = self.share.value + (step if overfitted else -step)
        logs[SHARE] = self.share.value = min(max(value, 0.0), 1.0)
