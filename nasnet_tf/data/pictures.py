"""Picture files instead of an array of images, for data sets that do not fit in memory."""

from __future__ import annotations

import copy
import math
import os

import numpy as np

from nasnet_tf.data.images import check_fraction, read_images, sides

__all__ = ["Pictures"]


class Pictures:
    """A list of picture files with the interface of an array (n, height, width, channels), uint8:
    files are decoded when they are needed.

    Indexing by a slice or an array of rows returns `Pictures`, indexing by a number an image.
    `numpy.asarray` decodes all of them, so select first: `numpy.asarray(pictures[:100])`.

    Args:
        paths: picture files; they are not opened.
        size: to which every picture is resized, as by `read_images`: one side in pixels, or
            (height, width).
        central_fraction: as in `read_images`. Random boxes for training ignore it.
        channels: 3, RGB, or 1, the luminance.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, paths, size, central_fraction: float | None = None, channels: int = 3):
        check_fraction(central_fraction)
        # a fifth of the memory of Paths
        self.paths = np.array([os.fsencode(path) for path in paths], np.bytes_)
        self.size, self.channels = sides(size), channels
        self.central_fraction = central_fraction

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, height, width, channels)."""
        return len(self.paths), *self.size, self.channels

    @property
    def nbytes(self) -> int:
        """The size of the decoded images in bytes."""
        return math.prod(self.shape)

    def at(self, size) -> Pictures:
        """The same pictures, resized to `size`."""
        found = copy.copy(self)
        found.size = sides(size)
        return found

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
