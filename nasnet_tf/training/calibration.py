"""Probabilities that are as often right as they say.

Source: Guo et al. 2017, arXiv 1706.04599: temperature scaling (section 4.2) and the expected
calibration error (section 2). What is most probable stays so: the accuracy does not change.
"""

from __future__ import annotations

import keras
import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.training.scoring import predict

__all__ = ["calibrate", "calibrated_loss", "calibration_error", "temperature", "warmer"]

_SMALLEST = 1e-30  # probability that float32 still tells from 0
_RANGE = 10.0  # temperatures are from its inverse to it
_HALVINGS = 60


@checked
def calibrate(model, data) -> float:
    """Divides the logits of a trained network by the temperature at which the validation images are
    most probable. It stays in the classifier's weights: the network has no more layers than before.

    Args:
        model: a network of ours that ends in a softmax, such as `nasnet_tf.network.Network`.
        data: a `nasnet_tf.data.DataSet` with validation images.
    Returns: the temperature: above 1 where the network was too sure of itself.
    Raises: ValueError for a network with no such classifier.
    """
    classifier = model.get_layer("predictions")
    own = getattr(classifier, "activation", None) is keras.activations.softmax
    if not (own and hasattr(classifier, "kernel")):
        raise ValueError(
            f"{model.name} does not end in a dense layer with a softmax named predictions; there"
            " are no logits to divide."
        )
    found = temperature(predict(model, data.x_validation), data.y_validation)
    for variable in classifier.weights:
        variable.assign(variable / found)
    return found


def temperature(probabilities, labels) -> float:
    """The temperature at which the labels are most probable, from 0.1 to 10.

    Without it (at 1) the labels count as much as one more image would: of few images, all of them
    right, nothing else follows.

    Args:
        probabilities: (n, classes).
        labels: (n,), whole numbers.
    """
    logits = _logits(probabilities)
    own = logits[np.arange(len(labels)), labels]
    low, high = -np.log(_RANGE), np.log(_RANGE)  # of the logarithm of the inverse temperature

    def slope(sharpness):  # of the loss of all images, which is convex
        expected = (_softmax(np.exp(sharpness) * logits) * logits).sum(1)
        return np.exp(sharpness) * (expected - own).sum() + sharpness

    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))


def warmer(probabilities, temperature: float) -> np.ndarray:
    """Probabilities (n, classes) whose logits are divided by the temperature."""
    return _softmax(_logits(probabilities) / temperature)


def calibrated_loss(probabilities, labels) -> float:
    """The mean cross-entropy, in nats, at the temperature at which it is best.

    Args: as of `temperature`.
    """
    own = warmer(probabilities, temperature(probabilities, labels))[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, _SMALLEST)).mean())


def calibration_error(probabilities, labels, bins: int = 15) -> float:
    """How far, on average over the images, the probability of the most probable class is from how
    often it is right, by bins of equal width (the expected calibration error).

    Args:
        probabilities: (n, classes).
        labels: (n,), whole numbers.
    """
    sure, right = probabilities.max(1), probabilities.argmax(1) == labels
    bin_of = np.minimum((sure * bins).astype(int), bins - 1)
    apart = np.bincount(bin_of, sure - right, minlength=bins)
    return float(np.abs(apart).sum() / len(labels))


def _logits(probabilities):
    return np.log(np.clip(np.asarray(probabilities, float), _SMALLEST, 1.0))


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)
