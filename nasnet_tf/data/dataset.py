"""A data set that is ready to train on, and what a source gives before it is split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

__all__ = ["DataSet", "Part", "Parts"]

_CHUNK = 1024  # images at a time, so that the statistics of a big set need no float64 copy of it


class Part(NamedTuple):
    """Images (n, H, W, C), uint8 or float32, and their labels (n,), int32."""

    x: np.ndarray
    y: np.ndarray


class Parts(NamedTuple):
    """What a source holds; `None` for a part that has still to be taken from `train`.

    `test_origin` says in words where `test` came from ("given", "its val folder"); ignored while `test` is `None`.
    """

    name: str
    train: Part
    validation: Part | None
    test: Part | None
    class_names: tuple[str, ...]
    flip: bool
    test_origin: str = "given"


@dataclass(frozen=True, eq=False, repr=False)
class DataSet:
    """Images and labels in three parts that share no image.

    Images are (n, H, W, C), uint8 0..255, or float32 where the source had floats; labels are int32 (n,), 0 to classes - 1.
    `flip` says whether a mirrored picture is still of the same class. `name` is short and can name a folder.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    flip: bool
    test_origin: str

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.x_train.shape[1:]

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @cached_property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel over the training part alone, in pixel units."""
        return tuple(_channel_means(self.x_train, lambda pixels: pixels).tolist())

    @cached_property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel over the training part alone, in pixel units.

        Never below a thousandth of the range of the pixels (nor 1e-6): a constant channel must not explode when divided by it.
        """
        mean = np.array(self.mean)
        deviation = np.sqrt(_channel_means(self.x_train, lambda pixels: np.square(pixels - mean)))
        floor = max(1e-3 * (float(self.x_train.max()) - float(self.x_train.min())), 1e-6)
        return tuple(np.maximum(deviation, floor).tolist())

    def describe(self) -> str:
        """One line: how many images of what shape in which part, how many classes, where the test part came from."""
        height, width, channels = self.input_shape
        return (
            f"{self.name}: {len(self.x_train)} train, {len(self.x_validation)} validation, {len(self.x_test)} test images, "
            f"{height}x{width}x{channels} {self.x_train.dtype}, {self.classes} classes; test set: {self.test_origin}."
        )

    def __repr__(self) -> str:
        return f"<DataSet {self.describe()}>"


def _channel_means(images, function):
    """Mean of `function(pixels)` over all but the last axis, in float64, a chunk of images at a time."""
    total = np.zeros(images.shape[-1])
    for start in range(0, len(images), _CHUNK):
        total += function(images[start : start + _CHUNK].astype(np.float64)).sum(axis=(0, 1, 2))
    return total / (images.size // images.shape[-1])
