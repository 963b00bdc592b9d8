"""The arithmetic of small networks, forward and back, compiled once for this machine and shared by
all networks (and kept on disk).

A feature map is (channels, pixels): float32, the pixels of all images with the images last, so that
each inner loop runs over neighbours in memory, whatever the operation. What a window touches is a
list of `spans`, or of `threes` of them (see `windows.py`): no kernel knows about sizes, strides,
dilation or borders. `add`: what is written to an input's slope is added to what stands there
already.
"""

from __future__ import annotations

import numba
import numpy as np

_LOWEST = np.float32(np.finfo("float32").min)
_OPTIONS = dict(nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"}, error_model="numpy")
_BLOCK = 1024  # pixels at a time in products of matrices: a row of them stays in the fastest cache


def _compiled(function):
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # there is no folder to keep what is compiled in
        return numba.njit(**_OPTIONS)(function)


@_compiled
def clear(y):
    y[:] = 0


@_compiled
def relu(x, y):
    for c in range(len(x)):
        a, b = x[c], y[c]
        for n in range(len(a)):
            b[n] = a[n] if a[n] > 0 else np.float32(0)


@_compiled
def relu_back(y, to_y, to_x, add):
    for c in range(len(y)):
        a, slope, out = y[c], to_y[c], to_x[c]
        if add:
            for n in range(len(a)):
                out[n] += slope[n] if a[n] > 0 else np.float32(0)
        else:
            for n in range(len(a)):
                out[n] = slope[n] if a[n] > 0 else np.float32(0)


@_compiled
def plus(x, y, z):
    for c in range(len(x)):
        a, b, out = x[c], y[c], z[c]
        for n in range(len(a)):
            out[n] = a[n] + b[n]


@_compiled
def pass_on(x, y, add):
    """y is x, or grows by it."""
    for c in range(len(x)):
        a, out = x[c], y[c]
        if add:
            for n in range(len(a)):
                out[n] += a[n]
        else:
            for n in range(len(a)):
                out[n] = a[n]


@_compiled
def _grow(y, x, factor):
    for n in range(len(y)):
        y[n] += factor * x[n]


@_compiled
def _dot(x, y):
    total = np.float32(0)
    for n in range(len(x)):
        total += x[n] * y[n]
    return total


@_compiled
def depthwise(x, weights, threes, y, add):
    """weights: (taps, channels). Of `threes` made the other way round it is the way back to the
    input.
    """
    for c in range(len(x)):
        if not add:
            y[c, :] = 0
        for s in range(len(threes)):
            to, size, count, tap, start, tap1, start1, tap2, start2 = threes[s]
            out, x0, a0 = y[c, to : to + size], x[c, start : start + size], weights[tap, c]
            if count == 3:
                x1, x2, a1, a2 = (
                    x[c, start1 : start1 + size],
                    x[c, start2 : start2 + size],
                    weights[tap1, c],
                    weights[tap2, c],
                )
                for n in range(size):
                    out[n] += a0 * x0[n] + a1 * x1[n] + a2 * x2[n]
            elif count == 2:
                x1, a1 = x[c, start1 : start1 + size], weights[tap1, c]
                for n in range(size):
                    out[n] += a0 * x0[n] + a1 * x1[n]
            else:
                _grow(out, x0, a0)


@_compiled
def depthwise_weights_back(x, threes, to_y, to_weights):
    to_weights[:] = 0
    for c in range(len(x)):
        for s in range(len(threes)):
            to, size, count, tap, start, tap1, start1, tap2, start2 = threes[s]
            slope, x0 = to_y[c, to : to + size], x[c, start : start + size]
            if count == 3:
                x1, x2 = x[c, start1 : start1 + size], x[c, start2 : start2 + size]
                a = b = e = np.float32(0)
                for n in range(size):
                    a += slope[n] * x0[n]
                    b += slope[n] * x1[n]
                    e += slope[n] * x2[n]
                to_weights[tap, c] += a
                to_weights[tap1, c] += b
                to_weights[tap2, c] += e
            else:
                to_weights[tap, c] += _dot(slope, x0)
                if count == 2:
                    to_weights[tap1, c] += _dot(slope, x[c, start1 : start1 + size])


@_compiled
def _multiply(rows, x, start, y, to, size):
    """y, from `to` on, grows by rows (outputs, inputs) times x, from `start` on. Four by four, so
    that little is read twice.
    """
    inputs, outputs = len(x), len(y)
    whole_inputs, whole_outputs = inputs - inputs % 4, outputs - outputs % 4
    for d in range(0, whole_outputs, 4):
        y0, y1, y2, y3 = (
            y[d, to : to + size],
            y[d + 1, to : to + size],
            y[d + 2, to : to + size],
            y[d + 3, to : to + size],
        )
        for c in range(0, whole_inputs, 4):
            x0, x1, x2, x3 = (
                x[c, start : start + size],
                x[c + 1, start : start + size],
                x[c + 2, start : start + size],
                x[c + 3, start : start + size],
            )
            a0, a1, a2, a3 = rows[d, c], rows[d, c + 1], rows[d, c + 2], rows[d, c + 3]
            b0, b1, b2, b3 = (
                rows[d + 1, c],
                rows[d + 1, c + 1],
                rows[d + 1, c + 2],
                rows[d + 1, c + 3],
            )
            e0, e1, e2, e3 = (
                rows[d + 2, c],
                rows[d + 2, c + 1],
                rows[d + 2, c + 2],
                rows[d + 2, c + 3],
            )
            f0, f1, f2, f3 = (
                rows[d + 3, c],
                rows[d + 3, c + 1],
                rows[d + 3, c + 2],
                rows[d + 3, c + 3],
            )
            for n in range(size):
                p, q, r, s = x0[n], x1[n], x2[n], x3[n]
                y0[n] += a0 * p + a1 * q + a2 * r + a3 * s
                y1[n] += b0 * p + b1 * q + b2 * r + b3 * s
                y2[n] += e0 * p + e1 * q + e2 * r + e3 * s
                y3[n] += f0 * p + f1 * q + f2 * r + f3 * s
        for c in range(whole_inputs, inputs):
            x0, a0, b0, e0, f0 = (
                x[c, start : start + size],
                rows[d, c],
                rows[d + 1, c],
                rows[d + 2, c],
                rows[d + 3, c],
            )
            for n in range(size):
                y0[n] += a0 * x0[n]
                y1[n] += b0 * x0[n]
                y2[n] += e0 * x0[n]
                y3[n] += f0 * x0[n]
    for d in range(whole_outputs, outputs):
        y0 = y[d, to : to + size]
        for c in range(0, whole_inputs, 4):
            x0, x1, x2, x3 = (
                x[c, start : start + size],
                x[c + 1, start : start + size],
                x[c + 2, start : start + size],
                x[c + 3, start : start + size],
            )
            a0, a1, a2, a3 = rows[d, c], rows[d, c + 1], rows[d, c + 2], rows[d, c + 3]
            for n in range(size):
                y0[n] += a0 * x0[n] + a1 * x1[n] + a2 * x2[n] + a3 * x3[n]
        for c in range(whole_inputs, inputs):
            _grow(y0, x[c, start : start + size], rows[d, c])


@_compiled
def _correlate(x, start, to_y, to, size, to_weights):
    """to_weights (inputs, outputs) grows by the products of x and to_y, summed over the pixels. Two
    by four.
    """
    inputs, outputs = len(x), len(to_y)
    whole_inputs, whole_outputs = inputs - inputs % 2, outputs - outputs % 4
    for c in range(0, whole_inputs, 2):
        x0, x1 = x[c, start : start + size], x[c + 1, start : start + size]
        for d in range(0, whole_outputs, 4):
            y0, y1, y2, y3 = (
                to_y[d, to : to + size],
                to_y[d + 1, to : to + size],
                to_y[d + 2, to : to + size],
                to_y[d + 3, to : to + size],
            )
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = np.float32(0)
            for n in range(size):
                p, q = x0[n], x1[n]
                a0 += p * y0[n]
                a1 += p * y1[n]
                a2 += p * y2[n]
                a3 += p * y3[n]
                b0 += q * y0[n]
                b1 += q * y1[n]
                b2 += q * y2[n]
                b3 += q * y3[n]
            for at, (one, other) in enumerate(((a0, b0), (a1, b1), (a2, b2), (a3, b3))):
                to_weights[c, d + at] += one
                to_weights[c + 1, d + at] += other
        for d in range(whole_outputs, outputs):
            to_weights[c, d] += _dot(x0, to_y[d, to : to + size])
            to_weights[c + 1, d] += _dot(x1, to_y[d, to : to + size])
    for c in range(whole_inputs, inputs):
        for d in range(outputs):
            to_weights[c, d] += _dot(x[c, start : start + size], to_y[d, to : to + size])


@_compiled
def convolve(x, weights, spans, y):
    """weights: (taps, inputs, outputs)."""
    rows = np.ascontiguousarray(weights.transpose((0, 2, 1)))
    everything = (
        len(spans) == 1 and spans[0, 3] == y.shape[1]
    )  # else zeroed first: a block of everything is, while it is at hand
    if not everything:
        y[:] = 0
    for s in range(len(spans)):
        tap, to, start, size = spans[s]
        for begin in range(0, size, _BLOCK):
            block = min(_BLOCK, size - begin)
            if everything:
                y[:, to + begin : to + begin + block] = 0
            _multiply(rows[tap], x, start + begin, y, to + begin, block)


@_compiled
def convolve_back(x, weights, spans, to_y, to_x, to_weights, add):
    everything = len(spans) == 1 and spans[0, 3] == to_x.shape[1]
    if not add and not everything:
        to_x[:] = 0
    to_weights[:] = 0
    for s in range(len(spans)):
        tap, to, start, size = spans[s]
        for begin in range(0, size, _BLOCK):
            block = min(_BLOCK, size - begin)
            if everything and not add:
                to_x[:, start + begin : start + begin + block] = 0
            _multiply(weights[tap], to_y, to + begin, to_x, start + begin, block)
            _correlate(x, start + begin, to_y, to + begin, block, to_weights[tap])


@_compiled
def convolve_weights_back(x, spans, to_y, to_weights):
    """`convolve_back` where nothing asks for the slope of `x`."""
    to_weights[:] = 0
    for s in range(len(spans)):
        tap, to, start, size = spans[s]
        for begin in range(0, size, _BLOCK):
            _correlate(
                x, start + begin, to_y, to + begin, min(_BLOCK, size - begin), to_weights[tap]
            )


@_compiled
def max_pool(x, spans, y, taken):
    """taken: the tap of each maximum, the first of equal ones."""
    for c in range(len(x)):
        y[c, :] = _LOWEST
        for s in range(len(spans)):
            tap, to, start, size = spans[s]
            a, best, which, number = (
                x[c, start : start + size],
                y[c, to : to + size],
                taken[c, to : to + size],
                np.uint8(tap),
            )
            for n in range(size):
                higher = a[n] > best[n]
                best[n] = a[n] if higher else best[n]
                which[n] = number if higher else which[n]


@_compiled
def max_pool_back(taken, spans, to_y, to_x, add):
    for c in range(len(to_x)):
        if not add:
            to_x[c, :] = 0
        for s in range(len(spans)):
            tap, to, start, size = spans[s]
            slope, which, out, number = (
                to_y[c, to : to + size],
                taken[c, to : to + size],
                to_x[c, start : start + size],
                np.uint8(tap),
            )
            for n in range(size):
                out[n] += slope[n] if which[n] == number else np.float32(0)


@_compiled
def average_pool(x, spans, shares, y):
    """shares: (pixels,), 1 / how many pixels each window has within the border."""
    for c in range(len(x)):
        out = y[c]
        out[:] = 0
        for s in range(len(spans)):
            _, to, start, size = spans[s]
            _grow(out[to : to + size], x[c, start : start + size], np.float32(1))
        for n in range(len(out)):
            out[n] *= shares[n]


@_compiled
def average_pool_back(spans, shares, to_y, to_x, add):
    """`to_y` is overwritten."""
    for c in range(len(to_x)):
        slope = to_y[c]
        for n in range(len(slope)):
            slope[n] *= shares[n]
        if not add:
            to_x[c, :] = 0
        for s in range(len(spans)):
            _, to, start, size = spans[s]
            _grow(to_x[c, start : start + size], slope[to : to + size], np.float32(1))


@_compiled
def _scale(x, y, middle, factor, shift, rectify):
    if rectify:
        for n in range(len(x)):
            value = (x[n] - middle) * factor + shift
            y[n] = value if value > 0 else np.float32(0)
    else:
        for n in range(len(x)):
            y[n] = (x[n] - middle) * factor + shift


@_compiled
def norm(x, gamma, beta, epsilon, rectify, y, mean, variance):
    """Batch norm by the statistics of the batch, which are left in `mean` and `variance`; then, if
    `rectify`, ReLU.
    """
    for c in range(len(x)):
        a, count = x[c], np.float32(x.shape[1])
        total = np.float32(0)
        for n in range(len(a)):
            total += a[n]
        middle, squares = total / count, np.float32(0)
        for n in range(len(a)):
            squares += (a[n] - middle) * (a[n] - middle)
        mean[c], variance[c] = middle, squares / count
        _scale(a, y[c], middle, gamma[c] / np.sqrt(variance[c] + epsilon), beta[c], rectify)


@_compiled
def norm_by(x, gamma, beta, epsilon, rectify, y, mean, variance):
    """`norm` by given statistics. `y` may be `x`."""
    for c in range(len(x)):
        _scale(x[c], y[c], mean[c], gamma[c] / np.sqrt(variance[c] + epsilon), beta[c], rectify)


@_compiled
def norm_back(x, gamma, epsilon, rectify, y, mean, variance, slopes, to_gamma, to_beta):
    """`slopes` are those of `y`, and then of `x`."""
    for c in range(len(x)):
        a, b, slope, count, middle = x[c], y[c], slopes[c], np.float32(x.shape[1]), mean[c]
        inverse = np.float32(1) / np.sqrt(variance[c] + epsilon)
        total, product = np.float32(0), np.float32(0)
        if rectify:
            for n in range(len(a)):
                slope[n] = slope[n] if b[n] > 0 else np.float32(0)
        for n in range(len(a)):
            total += slope[n]
            product += slope[n] * (a[n] - middle)
        to_beta[c], to_gamma[c] = total, product * inverse
        factor, shift, tilt = gamma[c] * inverse, total / count, product * inverse * inverse / count
        for n in range(len(a)):
            slope[n] = factor * (slope[n] - shift - (a[n] - middle) * tilt)


@_compiled
def descend(weights, velocity, slopes, decay, rate, momentum):
    """One step of SGD with momentum; `decay` is of the L2 loss, a number a weight."""
    for n in range(len(weights)):
        velocity[n] = momentum * velocity[n] - rate * (slopes[n] + decay[n] * weights[n])
        weights[n] += velocity[n]
