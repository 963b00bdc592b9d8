"""Convolutions and depthwise convolutions as compiled kernels, forward and backward. Conventions as
in `kernels.py`.
"""

from __future__ import annotations

import numpy as np

from nasnet_tf.native.kernels import compiled

_BLOCK = 1024  # pixels at a time in matrix products, so that a row of them stays in the L1 cache


@compiled
def _add_scaled(y, x, factor):
    for n in range(len(y)):
        y[n] += factor * x[n]


@compiled
def _dot(x, y):
    total = np.float32(0)
    for n in range(len(x)):
        total += x[n] * y[n]
    return total


@compiled
def depthwise(x, weights, unrolled_spans, y, add):
    """weights: (taps, channels). With `unrolled_spans` that were made with `backward` it computes
    the gradient with respect to the input.
    """
    for c in range(len(x)):
        if not add:
            y[c, :] = 0
        for s in range(len(unrolled_spans)):
            y_start, size, count, tap0, start0, tap1, start1, tap2, start2 = unrolled_spans[s]
            out, x0 = y[c, y_start : y_start + size], x[c, start0 : start0 + size]
            a0 = weights[tap0, c]
            if count == 3:
                x1, x2 = x[c, start1 : start1 + size], x[c, start2 : start2 + size]
                a1, a2 = weights[tap1, c], weights[tap2, c]
                for n in range(size):
                    out[n] += a0 * x0[n] + a1 * x1[n] + a2 * x2[n]
            elif count == 2:
                x1, a1 = x[c, start1 : start1 + size], weights[tap1, c]
                for n in range(size):
                    out[n] += a0 * x0[n] + a1 * x1[n]
            else:
                _add_scaled(out, x0, a0)


@compiled
def depthwise_weights_backward(x, unrolled_spans, dy, dweights):
    dweights[:] = 0
    for c in range(len(x)):
        for s in range(len(unrolled_spans)):
            y_start, size, count, tap0, start0, tap1, start1, tap2, start2 = unrolled_spans[s]
            gradient, x0 = dy[c, y_start : y_start + size], x[c, start0 : start0 + size]
            if count == 3:
                x1, x2 = x[c, start1 : start1 + size], x[c, start2 : start2 + size]
                a0 = a1 = a2 = np.float32(0)
                for n in range(size):
                    a0 += gradient[n] * x0[n]
                    a1 += gradient[n] * x1[n]
                    a2 += gradient[n] * x2[n]
                dweights[tap0, c] += a0
                dweights[tap1, c] += a1
                dweights[tap2, c] += a2
            else:
                dweights[tap0, c] += _dot(gradient, x0)
                if count == 2:
                    dweights[tap1, c] += _dot(gradient, x[c, start1 : start1 + size])


@compiled
def _multiply(w, x, x_start, y, y_start, size):
    """y[:, y_start:] += w (outputs, inputs) @ x[:, x_start:], over `size` pixels. Unrolled four by
    four, so that little is read twice.
    """
    inputs, outputs = len(x), len(y)
    whole_inputs, whole_outputs = inputs - inputs % 4, outputs - outputs % 4
    ys, xs = slice(y_start, y_start + size), slice(x_start, x_start + size)
    for d in range(0, whole_outputs, 4):
        y0, y1, y2, y3 = y[d, ys], y[d + 1, ys], y[d + 2, ys], y[d + 3, ys]
        for c in range(0, whole_inputs, 4):
            x0, x1, x2, x3 = x[c, xs], x[c + 1, xs], x[c + 2, xs], x[c + 3, xs]
            a0, a1, a2, a3 = w[d, c], w[d, c + 1], w[d, c + 2], w[d, c + 3]
            b0, b1, b2, b3 = w[d + 1, c], w[d + 1, c + 1], w[d + 1, c + 2], w[d + 1, c + 3]
            e0, e1, e2, e3 = w[d + 2, c], w[d + 2, c + 1], w[d + 2, c + 2], w[d + 2, c + 3]
            f0, f1, f2, f3 = w[d + 3, c], w[d + 3, c + 1], w[d + 3, c + 2], w[d + 3, c + 3]
            for n in range(size):
                p, q, r, s = x0[n], x1[n], x2[n], x3[n]
                y0[n] += a0 * p + a1 * q + a2 * r + a3 * s
                y1[n] += b0 * p + b1 * q + b2 * r + b3 * s
                y2[n] += e0 * p + e1 * q + e2 * r + e3 * s
                y3[n] += f0 * p + f1 * q + f2 * r + f3 * s
        for c in range(whole_inputs, inputs):
            x0, a0, b0, e0, f0 = x[c, xs], w[d, c], w[d + 1, c], w[d + 2, c], w[d + 3, c]
            for n in range(size):
                y0[n] += a0 * x0[n]
                y1[n] += b0 * x0[n]
                y2[n] += e0 * x0[n]
                y3[n] += f0 * x0[n]
    for d in range(whole_outputs, outputs):
        y0 = y[d, ys]
        for c in range(0, whole_inputs, 4):
            x0, x1, x2, x3 = x[c, xs], x[c + 1, xs], x[c + 2, xs], x[c + 3, xs]
            a0, a1, a2, a3 = w[d, c], w[d, c + 1], w[d, c + 2], w[d, c + 3]
            for n in range(size):
                y0[n] += a0 * x0[n] + a1 * x1[n] + a2 * x2[n] + a3 * x3[n]
        for c in range(whole_inputs, inputs):
            _add_scaled(y0, x[c, xs], w[d, c])


@compiled
def _correlate(x, x_start, dy, y_start, size, dweights):
    """dweights (inputs, outputs) += x[:, x_start:] @ dy[:, y_start:].T, over `size` pixels.
    Unrolled two by four.
    """
    inputs, outputs = len(x), len(dy)
    whole_inputs, whole_outputs = inputs - inputs % 2, outputs - outputs % 4
    ys, xs = slice(y_start, y_start + size), slice(x_start, x_start + size)
    for c in range(0, whole_inputs, 2):
        x0, x1 = x[c, xs], x[c + 1, xs]
        for d in range(0, whole_outputs, 4):
            y0, y1, y2, y3 = dy[d, ys], dy[d + 1, ys], dy[d + 2, ys], dy[d + 3, ys]
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
            for k, (a, b) in enumerate(((a0, b0), (a1, b1), (a2, b2), (a3, b3))):
                dweights[c, d + k] += a
                dweights[c + 1, d + k] += b
        for d in range(whole_outputs, outputs):
            dweights[c, d] += _dot(x0, dy[d, ys])
            dweights[c + 1, d] += _dot(x1, dy[d, ys])
    for c in range(whole_inputs, inputs):
        for d in range(outputs):
            dweights[c, d] += _dot(x[c, xs], dy[d, ys])


@compiled
def convolve(x, weights, spans, y):
    """weights: (taps, inputs, outputs)."""
    transposed = np.ascontiguousarray(weights.transpose((0, 2, 1)))
    # A single span over everything is zeroed block by block, while the block is in the cache.
    by_block = len(spans) == 1 and spans[0, 3] == y.shape[1]
    if not by_block:
        y[:] = 0
    for s in range(len(spans)):
        tap, y_start, x_start, size = spans[s]
        for begin in range(0, size, _BLOCK):
            block = min(_BLOCK, size - begin)
            if by_block:
                y[:, y_start + begin : y_start + begin + block] = 0
            _multiply(transposed[tap], x, x_start + begin, y, y_start + begin, block)


@compiled
def convolve_backward(x, weights, spans, dy, dweights, dx, add):
    by_block = len(spans) == 1 and spans[0, 3] == dx.shape[1]
    if not add and not by_block:
        dx[:] = 0
    dweights[:] = 0
    for s in range(len(spans)):
        tap, y_start, x_start, size = spans[s]
        for begin in range(0, size, _BLOCK):
            block = min(_BLOCK, size - begin)
            if by_block and not add:
                dx[:, x_start + begin : x_start + begin + block] = 0
            _multiply(weights[tap], dy, y_start + begin, dx, x_start + begin, block)
            _correlate(x, x_start + begin, dy, y_start + begin, block, dweights[tap])


@compiled
def convolve_weights_backward(x, spans, dy, dweights):
    """`convolve_backward` where the gradient with respect to `x` is not needed."""
    dweights[:] = 0
    for s in range(len(spans)):
        tap, y_start, x_start, size = spans[s]
        for begin in range(0, size, _BLOCK):
            block = min(_BLOCK, size - begin)
            _correlate(x, x_start + begin, dy, y_start + begin, block, dweights[tap])
