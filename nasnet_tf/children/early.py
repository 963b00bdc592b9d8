"""The median stopping rule: children that fall behind are not trained to the end.

A child is stopped after an epoch if the best it has reached so far is worse than the median of what
the earlier children had reached on average up to the same epoch. So half of them must have done
better on average than it did at its best.

The reward of a stopped child is what it had reached, which is less than it would have reached: it
orders stopped children below the others, and says little more.

Source: Golovin et al. 2017 (Vizier), KDD, on automated early stopping (the median stopping rule).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import keras

from nasnet_tf.study import EPOCH

__all__ = ["MedianStopping", "StopBelowMedian", "StopHopeless", "reached"]


class MedianStopping:
    """The rule.

    Args:
        grace: epochs every child is given.
        fewest: earlier children that must have reached an epoch before a child is stopped after it.
    """

    def __init__(self, grace: int = 1, fewest: int = 10):
        if grace < 1 or fewest < 1:
            raise ValueError(
                f"grace is {grace} and fewest {fewest}; give at least 1 epoch and 1 child."
            )
        self.grace, self.fewest = grace, fewest

    def thresholds(self, curves: Iterable[Sequence[float]]) -> list[float]:
        """What a child must have reached after epoch 1, 2, ...; minus infinity where there is no
        threshold.

        Args:
            curves: of the earlier children, stopped ones too: the metric after epoch 1, 2, ...;
                higher is better.
        """
        averages = {}  # epoch: [average up to it of each child that reached it]
        for curve in curves:
            for epoch in range(1, len(curve) + 1):
                averages.setdefault(epoch, []).append(statistics.fmean(curve[:epoch]))
        judged = {
            epoch: found
            for epoch, found in averages.items()
            if epoch > self.grace and len(found) >= self.fewest
        }
        return [
            statistics.median(judged[epoch]) if epoch in judged else -float("inf")
            for epoch in range(1, len(averages) + 1)
        ]


def reached(curve: Sequence[float], epochs: int) -> tuple[str | None, dict[str, float]]:
    """(a remark if the training was stopped, {`EPOCH` and a number: value}) of what a child had
    reached after each of at most so many epochs.
    """
    stopped = 0 < len(curve) < epochs
    message = f"stopped early, after epoch {len(curve)}" if stopped else None
    return message, {f"{EPOCH}{number}": value for number, value in enumerate(curve, start=1)}


class StopBelowMedian(keras.callbacks.Callback):
    """Stops a training that is below its threshold.

    Args:
        thresholds: after epoch 1, 2, ..., see `MedianStopping.thresholds`; there are none after its
            end.
        monitor: the metric that is compared.
        direction: "max", or "min" if lower is better; then thresholds are of its negative.
    """

    def __init__(
        self, thresholds: Sequence[float], monitor: str = "val_accuracy", direction: str = "max"
    ):
        super().__init__()
        self.thresholds, self.monitor = list(thresholds), monitor
        self.sign = -1 if direction == "min" else 1

    def on_train_begin(self, logs=None):
        self.best = -float("inf")

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor not in (logs or {}):
            raise ValueError(
                f"training tells no {self.monitor!r} after an epoch, but {', '.join(logs or {})};"
                " give validation data."
            )
        self.remember(logs)
        if epoch < len(self.thresholds) and self.best < self.thresholds[epoch]:
            self.model.stop_training = True

    def remember(self, logs):
        """Updates the best value with the metrics of an epoch, which may have been before an
        interruption.
        """
        self.best = max(self.best, self.sign * logs[self.monitor])


StopHopeless = StopBelowMedian  # the name of release 0.1; to be deleted with release 0.3
