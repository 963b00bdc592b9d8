"""Depthwise convolutions as compiled kernels, forward and backward, as in `kernels.py`."""

from __future__ import annotations

import numpy as np

from nasnet_tf.native.kernels import compiled


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
def depthwise(x, weights, unrolled_spans, y, add, first, last):
    """weights: (taps, channels). With `unrolled_spans` that were made with `backward` it computes
    the gradient with respect to the input.
    """
    for c in range(first, last):
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
def depthwise_weights_backward(x, unrolled_spans, dy, dweights, first, last):
    dweights[:, first:last] = 0
    for c in range(first, last):
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
