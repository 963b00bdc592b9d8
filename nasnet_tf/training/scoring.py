"""Predictions of a trained network, and its metrics."""

from __future__ import annotations

import math
import time

import numpy as np

from nasnet_tf.training.devices import accelerated
from nasnet_tf.training.trainers import kernels_of

_IMAGES = 4096  # at a time, so that not all picture files are decoded at once
_BATCH = 64  # of a native network


def accuracy(model, x, y, batch_size: int = 128) -> dict[str, float]:
    """{"accuracy", "loss", "images"} of `model` on images in pixels; the loss is the mean
    cross-entropy.
    """
    return _accuracy(predict(model, x, batch_size), y)


def _accuracy(probabilities, y):
    right = probabilities.argmax(-1) == y
    true = np.clip(probabilities[np.arange(len(y)), y], 1e-7, 1.0)
    return {"accuracy": float(right.mean()), "loss": float(-np.log(true).mean()), "images": len(y)}


def report(model, data, parts=("test",), batch_size: int = 128) -> dict:
    """The metrics of `model` on parts of `data`, also for each class.

    Returns: "accuracy", "loss" and "images" as `accuracy`; "balanced_accuracy", the mean accuracy
        of the classes with images; "classes", for each {"name", "images", "accuracy"}, None without
        images; "confusion", at [i][j] the number of images of class i that were predicted as class
        j.
    """
    found, labels = [], []
    for part in parts:
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        if len(x):
            found.append(predict(model, x, batch_size))
            labels.append(y)
    if not found:
        raise ValueError(
            f"{data.name} has no images in its {' and '.join(parts)} part; choose another part."
        )
    return report_of(np.concatenate(found), np.concatenate(labels), data.class_names)


def report_of(probabilities, labels, class_names) -> dict:
    """What `report` returns, of probabilities (n, classes) and labels (n,)."""
    count = probabilities.shape[-1]
    pairs = labels.astype(np.int64) * count + probabilities.argmax(-1)
    confusion = np.bincount(pairs, minlength=count * count).reshape(count, count)
    images, right = confusion.sum(axis=1), confusion.diagonal()
    shares = [float(hits / of) if of else None for hits, of in zip(right, images, strict=True)]
    each = zip(class_names, images.tolist(), shares, strict=True)
    return {
        **_accuracy(probabilities, labels),
        "balanced_accuracy": float(np.mean([share for share in shares if share is not None])),
        "classes": [
            {"name": name, "images": count, "accuracy": share} for name, count, share in each
        ],
        "confusion": confusion.tolist(),
    }


def interval(accuracy: float, images: int) -> tuple[float, float]:
    """Where the accuracy on all such images lies with a probability of 95 %, by that on some of
    them (Wilson's score interval).
    """
    z, n = 1.959964, max(images, 1)
    middle = (accuracy + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(accuracy * (1 - accuracy) / n + (z / (2 * n)) ** 2)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def perplexity(model, words, following, batch_size: int = 20) -> dict[str, float]:
    """{"perplexity", "loss", "words"} of a language model on windows (n, steps) and the words that
    follow each of theirs; the loss is in nats per word.
    """
    total = 0.0
    for start in range(0, len(words), batch_size):
        some, right = words[start : start + batch_size], following[start : start + batch_size]
        filled = np.resize(some, (batch_size, some.shape[1]))  # one shape is traced once
        probabilities = model.predict_on_batch(filled)[: len(some)]
        total -= np.log(
            np.clip(np.take_along_axis(probabilities, right[..., None], -1), 1e-7, 1.0)
        ).sum(dtype=float)
    loss = total / max(words.size, 1)
    return {"perplexity": float(np.exp(loss)), "loss": loss, "words": int(words.size)}


def scores(model, data, part: str = "test", batch_size: int | None = None) -> dict[str, float]:
    """The metrics of `model` on a part of `data`, "train", "validation" or "test": `accuracy` of
    images, `perplexity` of a text, with "bits_per_character" if it is one of characters.
    """
    size = {} if batch_size is None else {"batch_size": batch_size}
    if not hasattr(data, "windows"):
        return accuracy(model, getattr(data, f"x_{part}"), getattr(data, f"y_{part}"), **size)
    found = perplexity(model, *data.windows(part), **size)
    return found | (
        {"bits_per_character": found["loss"] / float(np.log(2))}
        if data.level == "character"
        else {}
    )


def examples(data, part: str) -> int:
    """The number of images, or windows, of that part of `data`."""
    return (
        len(data.windows(part)[0]) if hasattr(data, "windows") else len(getattr(data, f"x_{part}"))
    )


def seconds_to_score(model, data, parts=("test",)) -> float:
    """The estimated duration of `scores` on all of `parts`, without tracing, from that of a few
    examples.
    """
    if hasattr(data, "windows"):
        count, (words, following) = 20, data.windows("validation")

        def once():
            perplexity(model, words[:count], following[:count])

    else:
        count = 128

        def once():
            predict(model, data.x_validation[:count])

    once()
    began = time.monotonic()
    once()
    taken = time.monotonic() - began
    return sum(taken * -(-examples(data, part) // count) for part in parts)


def predict(model, x, batch_size: int = 128) -> np.ndarray:
    """(n, classes): the main head's probabilities. Computed by the compiled kernels that train the
    model, where there are such: nothing is traced.
    """
    probabilities, found = _natively(model) or _by_keras(model, batch_size), []
    for start in range(0, len(x), _IMAGES):
        found.append(probabilities(np.asarray(x[start : start + _IMAGES], "float32")))
    return np.concatenate(found)


def _by_keras(model, batch_size):
    def probabilities(images):
        output = model.predict(images, batch_size=batch_size, verbose=0)
        return output["predictions"] if isinstance(output, dict) else output

    return probabilities


def _natively(model):
    """As `_by_keras`; None for a model that the kernels do not know, or where an accelerator is
    faster.
    """
    if accelerated():
        return None
    network = kernels_of(model)
    if network is None:
        return None

    def probabilities(images):
        starts = range(0, len(images), _BATCH)
        batches = (network.prepared(images[start : start + _BATCH]) for start in starts)
        return np.concatenate([network.probabilities(batch) for batch in batches])

    return probabilities
