"""Which pixels the windows of a convolution or a pooling cover, as arrays: all that the kernels
know about kernel size, stride, dilation and padding.
"""

from __future__ import annotations

import functools

import numpy as np

from nasnet_tf.graph.windows import Windows


@functools.lru_cache(maxsize=256)
def spans(windows: Windows, images: int) -> np.ndarray:
    """(spans, 4): tap, first output pixel, first input pixel, number of pixels. Ordered by the rows
    of the output, then by taps.

    Pixels are counted over all images, the image index last.
    """
    (height, width), (rows, columns) = windows.size, windows.out
    if windows == Windows(windows.size, windows.size):
        return np.array([[0, 0, 0, height * width * images]])
    taps = np.arange(windows.kernel[0] * windows.kernel[1])[None, :, None]
    i, j = np.divmod(taps, windows.kernel[1])
    row = np.arange(rows)[:, None, None]
    y = row * windows.strides[0] + i * windows.dilation - windows.before[0]
    shift = j * windows.dilation - windows.before[1]
    if windows.strides[1] == 1:  # as much of a row as there is at once
        column = np.maximum(0, -shift)
        count = np.minimum(columns, width - shift) - column
        x = column + shift
    else:
        column = np.arange(columns)[None, None]
        x = column * windows.strides[1] + shift
        count = (x >= 0) & (x < width)
    output, image = (row * columns + column) * images, (y * width + x) * images
    inside = (y >= 0) & (y < height) & (count > 0)
    *parts, inside = np.broadcast_arrays(taps, output, image, count * images, inside)
    return np.stack([part[inside] for part in parts], axis=1).astype(np.int64)


@functools.lru_cache(maxsize=256)
def unrolled_spans(windows: Windows, images: int, backward: bool = False) -> np.ndarray:
    """Up to three spans with one output at a time, (rows, 9): first output pixel, number of pixels,
    number of spans, and the tap and first input pixel of each, or zeros.

    Args:
        backward: with input and output exchanged.
    """
    groups = {}
    for tap, output, image, size in spans(windows, images).tolist():
        if backward:
            output, image = image, output
        groups.setdefault((output, size), []).append((tap, image))
    rows = []
    for (output, size), group in groups.items():
        for first in range(0, len(group), 3):
            three = group[first : first + 3]
            numbers = [number for pair in three for number in pair]
            rows.append([output, size, len(three), *numbers, *[0] * (6 - len(numbers))])
    return np.array(rows, np.int64).reshape(-1, 9)


@functools.lru_cache(maxsize=256)
def inverse_counts(windows: Windows, images: int) -> np.ndarray:
    """(pixels,): 1 / the number of pixels that each window covers within the image."""
    counts = np.zeros(windows.out[0] * windows.out[1] * images, "float32")
    for _, output, _, size in spans(windows, images):
        counts[output : output + size] += 1
    return 1 / np.maximum(counts, 1)
