"""Convolutions as compiled kernels, forward and backward. Conventions as in `kernels.py`.

They are products of matrices, a block of pixels at a time. What is read more than once is packed
first, so that it lies in the cache in the order in which it is read: rows of a feature map lie so
far apart that few of them fit into the cache side by side.

A call computes the output pixels `first` to `last` where `by_pixels` holds, else the rows of the
output from `first` to `last`.
"""

from __future__ import annotations

import numpy as np

from nasnet_tf.native.kernels import compiled
from nasnet_tf.native.tiles import (
    COLUMNS,
    LANES,
    PAIR,
    ROWS,
    copy_columns,
    correlate_tile,
    multiply_tile,
)

_PACKED = 3 << 11  # numbers in a packed block, at most: three quarters of an L1 cache
_LEAST, _MOST = 4 * COLUMNS, 64 * COLUMNS
_TOTALS = ROWS * PAIR * LANES


def by_pixels(spans, pixels) -> bool:
    """Whether a convolution to so many pixels is one matrix product of all of them, whose pixels
    are computed independently.
    """
    return len(spans) == 1 and spans[0, 3] == pixels


@compiled
def _block(rows):
    """Pixels in a block of so many rows."""
    return min(max(_PACKED // max(rows, 1) // COLUMNS * COLUMNS, _LEAST), _MOST)


@compiled
def _pack(x, first, last, start, size, packed):
    """Pixels `start` to `start + size` of the rows, in panels of COLUMNS pixels, filled up with
    zeros.
    """
    rows, width, flat = last - first, x.shape[1], x.reshape(-1)
    whole = size // COLUMNS
    for row in range(rows):
        source = (first + row) * width + start
        for panel in range(whole):
            copy_columns(flat, source + panel * COLUMNS, packed, (panel * rows + row) * COLUMNS)
        if size % COLUMNS:
            place, at = (whole * rows + row) * COLUMNS, whole * COLUMNS
            for n in range(COLUMNS):
                packed[place + n] = flat[source + at + n] if at + n < size else np.float32(0)


@compiled
def _pack_weights(w, first, last, packed):
    """The columns of `w` (inputs, outputs) from `first` to `last`, in panels of ROWS columns,
    filled up with zeros.
    """
    inputs = len(w)
    for d in range(first, last + (first - last) % ROWS):
        panel, row = divmod(d - first, ROWS)
        for c in range(inputs):
            value = w[c, d] if d < last else np.float32(0)
            packed[(panel * inputs + c) * ROWS + row] = value


@compiled
def _multiply(weights, packed, inputs, y, first, last, y_start, size, add, corner):
    """y[first:last, y_start : y_start + size] = or += weights.T @ x, both packed."""
    flat, width = y.reshape(-1), y.shape[1]
    for d in range(first, last, ROWS):
        panel = (d - first) * inputs
        for n in range(0, size, COLUMNS):
            rows, columns = min(ROWS, last - d), min(COLUMNS, size - n)
            if rows == ROWS and columns == COLUMNS:
                place = d * width + y_start + n
                multiply_tile(weights, panel, packed, n * inputs, inputs, flat, place, width, add)
                continue
            multiply_tile(weights, panel, packed, n * inputs, inputs, corner, 0, COLUMNS, False)
            for row in range(rows):
                out = y[d + row, y_start + n : y_start + n + columns]
                for column in range(columns):
                    value = corner[row * COLUMNS + column]
                    out[column] = out[column] + value if add else value


@compiled
def _products(x, weights, spans, forward, y, add, pixelwise, first, last):
    """y = or += the products of the weights (taps, inputs, outputs) and what `spans` say of x; with
    `forward` false, input and output of a span are exchanged.
    """
    inputs, rows_from, rows_to = len(x), first, last
    if pixelwise:
        rows_from, rows_to = 0, len(y)
    elif not add:
        y[first:last] = 0
        add = True
    block, size_of_tap = _block(inputs), inputs * -(-(rows_to - rows_from) // ROWS) * ROWS
    packed = np.empty(inputs * block, np.float32)
    corner = np.empty(ROWS * COLUMNS, np.float32)
    packed_weights = np.empty(len(weights) * size_of_tap, np.float32)
    for tap in range(len(weights)):
        of_tap = packed_weights[tap * size_of_tap : (tap + 1) * size_of_tap]
        _pack_weights(weights[tap], rows_from, rows_to, of_tap)
    for s in range(len(spans)):
        tap, y_start, x_start, size = spans[s]
        if not forward:
            y_start, x_start = x_start, y_start
        if pixelwise:
            y_start, x_start, size = y_start + first, x_start + first, last - first
        of_tap = packed_weights[tap * size_of_tap : (tap + 1) * size_of_tap]
        for begin in range(0, size, block):
            some = min(block, size - begin)
            _pack(x, 0, inputs, x_start + begin, some, packed)
            at = y_start + begin
            _multiply(of_tap, packed, inputs, y, rows_from, rows_to, at, some, add, corner)


@compiled
def convolve(x, weights, spans, pixelwise, y, first, last):
    """weights: (taps, inputs, outputs); pixelwise: as `by_pixels`."""
    _products(x, weights, spans, True, y, False, pixelwise, first, last)


@compiled
def convolve_backward(weights, spans, pixelwise, dy, dx, add, first, last):
    """The gradient with respect to the input."""
    transposed = np.ascontiguousarray(weights.transpose((0, 2, 1)))
    _products(dy, transposed, spans, False, dx, add, pixelwise, first, last)


@compiled
def convolve_weights_backward(x, spans, dy, dweights, first, last):
    """dweights: (taps, inputs, outputs), of which the inputs from `first` to `last`."""
    outputs, block = len(dy), _block(len(x) + len(dy))
    rows, columns = -(-(last - first) // ROWS) * ROWS, -(-outputs // PAIR) * PAIR
    packed_x, packed_dy = np.zeros(rows * block, np.float32), np.zeros(columns * block, np.float32)
    totals = np.empty(rows * columns * LANES, np.float32)
    for tap in range(len(dweights)):
        totals[:] = 0
        for s in range(len(spans)):
            if spans[s, 0] != tap:
                continue
            _, y_start, x_start, size = spans[s]
            for begin in range(0, size, block):
                some = min(block, size - begin)
                panels = -(-some // COLUMNS)
                _pack(x, first, last, x_start + begin, some, packed_x)
                _pack(dy, 0, outputs, y_start + begin, some, packed_dy)
                _correlate(packed_x, last - first, packed_dy, outputs, panels, totals)
        for c in range(last - first):
            for d in range(outputs):
                place = (c // ROWS * (columns // PAIR) + d // PAIR) * _TOTALS
                place += (c % ROWS * PAIR + d % PAIR) * LANES
                total = np.float32(0)
                for lane in range(LANES):
                    total += totals[place + lane]
                dweights[tap, first + c, d] = total


@compiled
def _correlate(x, inputs, dy, outputs, panels, totals):
    """totals (tiles, ROWS, PAIR, LANES) += the products of the rows of `x` and `dy`, both packed.
    A tile at the border reads numbers of the next panel, which nobody asks for.
    """
    place = 0
    for c in range(0, inputs, ROWS):
        for d in range(0, outputs, PAIR):
            steps = inputs * COLUMNS, outputs * COLUMNS
            at = c * COLUMNS, d * COLUMNS
            correlate_tile(x, at[0], steps[0], dy, at[1], steps[1], panels, totals, place)
            place += _TOTALS
