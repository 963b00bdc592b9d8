"""A data set for training, and what a source provides before it is split."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nasnet_tf.data.images import resize
from nasnet_tf.data.pictures import Pictures

__all__ = ["DataSet", "Part", "Parts", "folder_name"]

_CHUNK = 2**24  # numbers at a time, so that statistics need no float64 copy of a large set
_SAMPLE = 2000  # picture files for the statistics: decoding a large set takes hours


class Part(NamedTuple):
    """Images (n, H, W, C), uint8 or float32, and their labels (n,), int32."""

    x: np.ndarray | Pictures
    y: np.ndarray


class Parts(NamedTuple):
    """The data of a source; a part that is yet to be taken from `train` is None.

    `test_origin` describes where `test` came from ("given", "its val folder"), if it is not None.
    `named` is False if the names of classes are the numbers of their labels. `notes` are further
    remarks for the user.
    """

    name: str
    train: Part
    validation: Part | None
    test: Part | None
    class_names: tuple[str, ...]
    flip: bool
    test_origin: str = "given"
    named: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class DataSet:
    """Images and labels in three parts that share no image.

    Images are (n, H, W, C), uint8 0..255, or float32 if the source had floats; labels are int32
    (n,), 0 to classes - 1. The images of a large folder are `Pictures` in all three parts, which
    `pipeline` reads when they are needed. `flip` is whether a mirrored picture has the same class.
    `name` is valid as the name of a folder. `named` is False if the names of classes are the
    numbers of their labels. `notes` say what was chosen or left out, each in a few words.
    """

    name: str
    x_train: np.ndarray | Pictures
    y_train: np.ndarray
    x_validation: np.ndarray | Pictures
    y_validation: np.ndarray
    x_test: np.ndarray | Pictures
    y_test: np.ndarray
    class_names: tuple[str, ...]
    flip: bool
    test_origin: str
    named: bool = True
    notes: tuple[str, ...] = ()

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.x_train.shape[1:]

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel over the training part, in pixel units; of `Pictures`, over the same
        2000 of it.
        """
        return self._statistics[0]

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel over the training part, in pixel units; of `Pictures`,
        over 2000 of it.

        At least a thousandth of the range of the pixels and 1e-6, so that constant channels can be
        divided by it.
        """
        return self._statistics[1]

    @cached_property
    def _statistics(self):
        return _statistics(self.x_train)

    def at(self, size) -> DataSet:
        """The same pictures, resized to `size`, one side or (height, width)."""
        sized = {}
        for part in ("x_train", "x_validation", "x_test"):
            images = getattr(self, part)
            is_files = isinstance(images, Pictures)
            sized[part] = images.at(size) if is_files else resize(images, size)
        return replace(self, **sized)

    def describe(self) -> str:
        """One line: the number of images of each part, their shape, the number of classes, where
        the test part came from.
        """
        height, width, channels = self.input_shape
        kept = " read when needed" if isinstance(self.x_train, Pictures) else ""
        return (
            f"{self.name}: {len(self.x_train)} train, {len(self.x_validation)} validation,"
            f" {len(self.x_test)} test images, {height}x{width}x{channels}"
            f" {self.x_train.dtype}{kept}, {self.classes} classes;"
            f" {'; '.join((f'test set: {self.test_origin}', *self.notes))}."
        )

    def __repr__(self) -> str:
        return f"<DataSet {self.describe()}>"


def _statistics(images):
    """Mean and standard deviation of each channel, in float64, a chunk of images at a time."""
    if isinstance(images, Pictures):  # sorted by class, so an even spread has all classes
        images = images[np.linspace(0, len(images) - 1, min(len(images), _SAMPLE)).astype(int)]
    step = max(1, _CHUNK // math.prod(images.shape[1:]))
    total, squares, lowest, highest, origin = 0.0, 0.0, np.inf, -np.inf, None
    for start in range(0, len(images), step):
        pixels = np.asarray(images[start : start + step], np.float64)
        if origin is None:  # near the mean, so that squares lose no digits
            origin = pixels.mean(axis=(0, 1, 2))
        total += pixels.sum(axis=(0, 1, 2))
        squares += np.square(pixels - origin).sum(axis=(0, 1, 2))
        lowest, highest = min(lowest, pixels.min()), max(highest, pixels.max())
    count = math.prod(images.shape[:3])
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean - origin), 0))
    floor = max(1e-3 * (highest - lowest), 1e-6)
    return tuple(mean.tolist()), tuple(np.maximum(deviation, floor).tolist())


def folder_name(text: str, default: str = "data") -> str:
    """`text` with underscores for the characters that the name of a folder should not have."""
    return re.sub(r"[^\w.-]+", "_", text).strip("._") or default
