"""Picture files in place of an array of images, for sets that do not fit in memory."""

from __future__ import annotations

import copy
import math
import os

import numpy as np

from nasnet_tf.data.images import check_fraction, read_images, sides

__all__ = ["Pictures"]


class Pictures:
    """What looks like an array (n, height, width, channels), uint8, and is a list of files: they
    are decoded when they are needed.

    Indexed by a slice or an array of rows it gives other `Pictures`, by a number an image.
    `numpy.asarray` decodes all of them, so select first: `numpy.asarray(pictures[:100])`.

    Args:
        paths: picture files; they are not opened.
        size: what every picture is resized to, as by `read_images`: one side in pixels, or (height,
            width).
        central_fraction: as of `read_images`. Random boxes of the whole picture, where training
            asks for them, do without it.
        channels: 3, RGB, or 1, their luminance.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, paths, size, central_fraction: float | None = None, channels: int = 3):
        check_fraction(central_fraction)
        self.paths = np.array(
            [os.fsencode(path) for path in paths], np.bytes_
        )  # a fifth of the memory of a million Paths
        self.size, self.channels = sides(size), channels
        self.central_fraction = central_fraction

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, height, width, channels)."""
        return len(self.paths), *self.size, self.channels

    @property
    def nbytes(self) -> int:
        """What the decoded images would take, in bytes."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows):
        if isinstance(rows, tuple):
            raise TypeError(
                f"pictures have one axis to select from, got {rows!r}; decode some first:"
                " numpy.asarray(pictures[:100])[...]."
            )
        paths = self.paths[rows]
        if isinstance(paths, bytes):
            return self._decoded([paths])[0]
        if paths.ndim != 1:
            raise TypeError(
                f"pictures are selected by a number, a slice or rows (n,), got rows {paths.shape};"
                " flatten them."
            )
        selected = copy.copy(self)
        selected.paths = paths
        return selected

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError(
                "pictures in files can be had as an array only by decoding them; leave out"
                " copy=False."
            )
        images = self._decoded(self.paths)
        return images if dtype is None else images.astype(dtype)

    def _decoded(self, paths):
        return read_images(paths, self.size, self.channels, self.central_fraction)

    def __repr__(self) -> str:
        return (
            f"<Pictures {self.shape},"
            f" {self.paths[0].decode(errors='replace') if len(self) else 'none'} ...>"
        )
