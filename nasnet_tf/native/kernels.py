"""Elementwise operations, pools, batch norms and the optimizer's step as compiled kernels, forward
and backward, shared by all networks and cached on disk.

A feature map is a float32 array (channels, pixels), in which the pixels of all images are
flattened with the image index last, so that every inner loop runs over contiguous memory. The
pixels that a window covers are given as `spans` (see `windows.py`): no kernel knows about sizes,
strides, dilation or borders. `dx` is the gradient of the loss with respect to `x`; with `add` it is
accumulated, else overwritten.

Every kernel computes a part of its output, the channels `first` to `last`: the parts of a call can
be computed by several threads at once, and are the same for every number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

_LOWEST = np.float32(np.finfo("float32").min)
_OPTIONS = dict(nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"}, error_model="numpy")


def compiled(function):
    """`function` compiled by Numba; cached on disk where there is a writable folder."""
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # no folder for the cache
        return numba.njit(**_OPTIONS)(function)


@compiled
def clear(y, first, last):
    y[first:last] = 0


@compiled
def relu(x, y, first, last):
    for c in range(first, last):
        a, b = x[c], y[c]
        for n in range(len(a)):
            b[n] = np.float32(0) if a[n] <= 0 else a[n]  # what is no number stays so


@compiled
def relu_backward(y, dy, dx, add, first, last):
    for c in range(first, last):
        a, gradient, out = y[c], dy[c], dx[c]
        if add:
            for n in range(len(a)):
                out[n] += gradient[n] if a[n] > 0 else np.float32(0)
        else:
            for n in range(len(a)):
                out[n] = gradient[n] if a[n] > 0 else np.float32(0)


@compiled
def sum_of_two(x, y, z, first, last):
    for c in range(first, last):
        a, b, out = x[c], y[c], z[c]
        for n in range(len(a)):
            out[n] = a[n] + b[n]


@compiled
def copy_or_add(x, y, add, first, last):
    for c in range(first, last):
        a, out = x[c], y[c]
        if add:
            for n in range(len(a)):
                out[n] += a[n]
        else:
            for n in range(len(a)):
                out[n] = a[n]


@compiled
def max_pool(x, spans, y, argmax, first, last):
    """argmax: the tap of each maximum, the first of equal ones."""
    for c in range(first, last):
        y[c, :] = _LOWEST
        for s in range(len(spans)):
            tap, y_start, x_start, size = spans[s]
            a, best = x[c, x_start : x_start + size], y[c, y_start : y_start + size]
            taps, number = argmax[c, y_start : y_start + size], np.uint8(tap)
            for n in range(size):  # all is read before anything is written: LLVM vectorizes it
                old, new, before = best[n], a[n], taps[n]
                best[n] = max(new, old)
                taps[n] = number if new > old else before


@compiled
def max_pool_backward(argmax, spans, dy, dx, add, first, last):
    for c in range(first, last):
        if not add:
            dx[c, :] = 0
        for s in range(len(spans)):
            tap, y_start, x_start, size = spans[s]
            gradient, out = dy[c, y_start : y_start + size], dx[c, x_start : x_start + size]
            taps, number = argmax[c, y_start : y_start + size], np.uint8(tap)
            for n in range(size):
                out[n] += gradient[n] if taps[n] == number else np.float32(0)


@compiled
def average_pool(x, spans, inverse_counts, y, first, last):
    """inverse_counts: (pixels,), 1 / the number of pixels that each window covers."""
    for c in range(first, last):
        out = y[c]
        out[:] = 0
        for s in range(len(spans)):
            _, y_start, x_start, size = spans[s]
            a, b = x[c, x_start : x_start + size], out[y_start : y_start + size]
            for n in range(size):
                b[n] += a[n]
        for n in range(len(out)):
            out[n] *= inverse_counts[n]


@compiled
def average_pool_backward(spans, inverse_counts, dy, dx, add, first, last):
    """`dy` is overwritten."""
    for c in range(first, last):
        gradient = dy[c]
        for n in range(len(gradient)):
            gradient[n] *= inverse_counts[n]
        if not add:
            dx[c, :] = 0
        for s in range(len(spans)):
            _, y_start, x_start, size = spans[s]
            a, b = gradient[y_start : y_start + size], dx[c, x_start : x_start + size]
            for n in range(size):
                b[n] += a[n]


@compiled
def _normalize(x, y, mean, factor, shift, rectify):
    if rectify:
        for n in range(len(x)):
            value = (x[n] - mean) * factor + shift
            y[n] = np.float32(0) if value <= 0 else value
    else:
        for n in range(len(x)):
            y[n] = (x[n] - mean) * factor + shift


@compiled
def batch_norm(x, gamma, beta, epsilon, rectify, y, mean, variance, first, last):
    """Batch norm by the statistics of the batch, which are written to `mean` and `variance`; then,
    if `rectify`, ReLU.
    """
    for c in range(first, last):
        a, count = x[c], np.float32(x.shape[1])
        total = np.float32(0)
        for n in range(len(a)):
            total += a[n]
        center, squares = total / count, np.float32(0)
        for n in range(len(a)):
            squares += (a[n] - center) * (a[n] - center)
        mean[c], variance[c] = center, squares / count
        _normalize(a, y[c], center, gamma[c] / np.sqrt(variance[c] + epsilon), beta[c], rectify)


@compiled
def batch_norm_inference(x, gamma, beta, epsilon, rectify, y, mean, variance, first, last):
    """`batch_norm` by given statistics. `y` may be `x`."""
    for c in range(first, last):
        _normalize(x[c], y[c], mean[c], gamma[c] / np.sqrt(variance[c] + epsilon), beta[c], rectify)


@compiled
def batch_norm_backward(
    x, gamma, epsilon, rectify, y, mean, variance, gradients, dgamma, dbeta, first, last,
):  # fmt: skip
    """`gradients` are those with respect to `y`, overwritten by those with respect to `x`."""
    for c in range(first, last):
        a, b, gradient, count = x[c], y[c], gradients[c], np.float32(x.shape[1])
        center, inverse = mean[c], np.float32(1) / np.sqrt(variance[c] + epsilon)
        total, product = np.float32(0), np.float32(0)
        if rectify:
            for n in range(len(a)):
                gradient[n] = gradient[n] if b[n] > 0 else np.float32(0)
        for n in range(len(a)):
            total += gradient[n]
            product += gradient[n] * (a[n] - center)
        dbeta[c], dgamma[c] = total, product * inverse
        factor, shift, tilt = gamma[c] * inverse, total / count, product * inverse * inverse / count
        for n in range(len(a)):
            gradient[n] = factor * (gradient[n] - shift - (a[n] - center) * tilt)


@compiled
def sgd(weights, velocity, gradients, decay, rate, momentum):
    """One step of SGD with momentum; `decay` is the weight of the L2 loss, one number a weight."""
    for n in range(len(weights)):
        velocity[n] = momentum * velocity[n] - rate * (gradients[n] + decay[n] * weights[n])
        weights[n] += velocity[n]


@compiled
def squared_norm(weights, gradients, decay):
    """The sum of the squared gradients, those of the L2 loss included; as `sgd`."""
    total = 0.0
    for n in range(len(weights)):
        gradient = gradients[n] + decay[n] * weights[n]
        total += np.float64(gradient) * np.float64(gradient)
    return total
