"""What a trained network says, and how often it is right."""

from __future__ import annotations

import numpy as np

_IMAGES = 4096  # at a time, so that pictures which are files need not all be decoded at once


def accuracy(model, x, y, batch_size: int = 128) -> dict[str, float]:
    """{"accuracy", "loss", "images"} of `model` on images in pixels; the loss is the mean cross-entropy."""
    probabilities = predict(model, x, batch_size)
    right = probabilities.argmax(-1) == y
    true = np.clip(probabilities[np.arange(len(y)), y], 1e-7, 1.0)
    return {"accuracy": float(right.mean()), "loss": float(-np.log(true).mean()), "images": len(y)}


def predict(model, x, batch_size: int = 128) -> np.ndarray:
    """(n, classes): the main head's probabilities."""
    found = []
    for start in range(0, len(x), _IMAGES):
        output = model.predict(np.asarray(x[start : start + _IMAGES], "float32"), batch_size=batch_size, verbose=0)
        found.append(output["predictions"] if isinstance(output, dict) else output)
    return np.concatenate(found)
