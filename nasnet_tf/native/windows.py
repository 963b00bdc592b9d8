"""Which pixels the windows of a convolution or a pooling touch, as data: all that is known about
kernel size, stride, dilation, border.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from nasnet_tf.graph import Window


class Windows(NamedTuple):
    """Windows over an image of `size` pixels each way.

    Output pixel i of an axis sees the pixels i * stride + tap * dilation - before, for each tap, as
    far as there are such.
    """

    size: tuple[int, int]
    out: tuple[int, int]
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    dilation: int = 1


def of(window: Window, size) -> Windows:
    """Those of a `nasnet_tf.graph.Window` over an image of `size`."""
    kernel, strides, padding, dilation = window
    out = window.out(size)
    if padding == "valid":
        before = (0, 0)
    elif padding != "same":
        before = padding
    elif dilation > 1:
        before = tuple(dilation * (k - 1) // 2 for k in kernel)
    else:
        before = tuple(
            max((o - 1) * stride + k - s, 0) // 2
            for s, o, k, stride in zip(size, out, kernel, strides, strict=True)
        )
    return Windows(tuple(size), out, tuple(kernel), tuple(strides), before, dilation)


@functools.lru_cache(maxsize=256)
def spans(windows: Windows, images: int) -> np.ndarray:
    """(spans, 4): tap, first number in the output, first number in the input, how many. Taps in
    order for each row of the output.

    Numbers count the pixels of all images, the images last.
    """
    (height, width), (rows, columns) = windows.size, windows.out
    if windows == Windows(windows.size, windows.size):
        return np.array([[0, 0, 0, height * width * images]])
    row = np.arange(rows)[:, None, None]
    i, j = (
        tap[None, :, None]
        for tap in np.divmod(np.arange(windows.kernel[0] * windows.kernel[1]), windows.kernel[1])
    )
    y, shift = (
        row * windows.strides[0] + i * windows.dilation - windows.before[0],
        j * windows.dilation - windows.before[1],
    )
    if windows.strides[1] == 1:  # a stretch of a row at once
        column = np.maximum(0, -shift)
        count = np.minimum(columns, width - shift) - column
        x = column + shift
    else:
        column = np.arange(columns)[None, None]
        x = column * windows.strides[1] + shift
        count = (x >= 0) & (x < width)
    found = (
        i * windows.kernel[1] + j,
        (row * columns + column) * images,
        (y * width + x) * images,
        count * images,
    )
    *parts, inside = np.broadcast_arrays(*found, (y >= 0) & (y < height) & (count > 0))
    return np.stack([part[inside] for part in parts], axis=1).astype(np.int64)


@functools.lru_cache(maxsize=256)
def threes(windows: Windows, images: int, back: bool = False) -> np.ndarray:
    """(rows, 9): to, size, how many (1 to 3), and of so many spans of that size to there the tap
    and the start, else 0.

    Args:
        back: the other way round: from the output to the input.
    """
    groups = {}
    for tap, to, start, size in spans(windows, images).tolist():
        to, start = (start, to) if back else (to, start)
        groups.setdefault((to, size), []).append((tap, start))
    rows = []
    for (to, size), group in groups.items():
        for first in range(0, len(group), 3):
            some = group[first : first + 3]
            rows.append(
                [
                    to,
                    size,
                    len(some),
                    *(number for pair in some for number in pair),
                    *[0] * (6 - 2 * len(some)),
                ]
            )
    return np.array(rows, np.int64).reshape(-1, 9)


@functools.lru_cache(maxsize=256)
def shares(windows: Windows, images: int) -> np.ndarray:
    """(pixels,): 1 / how many pixels each window has within the border."""
    counts = np.zeros(windows.out[0] * windows.out[1] * images, "float32")
    for _, to, _, size in spans(windows, images):
        counts[to : to + size] += 1
    return 1 / np.maximum(counts, 1)
