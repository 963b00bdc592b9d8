"""Convolutions and pools as JAX computes them fast, forward and back, on whatever it runs.

A feature map is an array (images, height, width, channels); which pixels lie where is said by
`nasnet_tf.graph.windows.Windows`.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["convolve", "depthwise", "maximum", "mean"]

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def _axes(windows):
    """(pixels, pixels of the result, taps, stride, pixels before the first) of both axes."""
    return zip(
        windows.size, windows.out, windows.kernel, windows.strides, windows.before, strict=True
    )


def _border(windows):
    """(before, after) of both axes; below 0 where pixels are left out."""
    return [
        (before, (out - 1) * stride + (kernel - 1) * windows.dilation + 1 - before - size)
        for size, out, kernel, stride, before in _axes(windows)
    ]


def convolve(x, kernel, windows):
    kernel = kernel.astype(x.dtype)
    if windows.kernel == (1, 1) and windows.before == (0, 0):
        across = slice(None, None, windows.strides[0]), slice(None, None, windows.strides[1])
        return x[:, across[0], across[1]] @ kernel[0, 0]
    return _general(x, kernel, windows, 1)


def _general(x, kernel, windows, groups):
    return lax.conv_general_dilated(
        x,
        kernel,
        windows.strides,
        _border(windows),
        rhs_dilation=(windows.dilation,) * 2,
        dimension_numbers=_LAYOUT,
        feature_group_count=groups,
    )


def depthwise(x, kernel, windows):
    height, width, channels, _ = kernel.shape
    kernel = kernel.astype(x.dtype)
    if jax.default_backend() == "cpu":  # where XLA's grouped convolutions take many times as long
        return _by_slices(x, kernel.reshape(-1, channels), windows)
    return _general(x, kernel.reshape(height, width, 1, channels), windows, channels)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _by_slices(x, taps, windows):
    """A depthwise convolution; `taps` are (height * width of the kernel, channels)."""
    parts = zip(taps, _covered(x, windows, 0), strict=True)
    return sum(tap * pixels for tap, pixels in parts)


def _by_slices_forward(x, taps, windows):
    return _by_slices(x, taps, windows), (x, taps)


def _by_slices_backward(windows, left, dy):
    (x, taps), columns = left, windows.kernel[1]
    parts = zip(taps, _covering(dy, windows, 0), strict=True)
    dx, padded = sum(tap * pixels for tap, pixels in parts), _padded(x, windows, 0)

    def of_tap(number):
        pixels = _pixels(padded, windows, number // columns, number % columns)
        return (pixels * dy).sum((0, 1, 2))

    return dx, lax.map(of_tap, jnp.arange(len(taps)))  # one after the other compiles in no time


_by_slices.defvjp(_by_slices_forward, _by_slices_backward)


def _padded(x, windows, value):
    (top, bottom), (left, right) = _border(windows)
    border = [(0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0)]
    return lax.pad(x, jnp.asarray(value, x.dtype), border)


def _pixels(padded, windows, i, j):
    """The pixels that a tap covers, like the result."""
    spans = [(out - 1) * stride + 1 for _, out, _, stride, _ in _axes(windows)]
    first = 0, i * windows.dilation, j * windows.dilation, 0
    covered = lax.dynamic_slice(padded, first, (len(padded), *spans, padded.shape[3]))
    return covered[:, :: windows.strides[0], :: windows.strides[1]]


def _covered(x, windows, value):
    """The pixels that each tap of the windows covers, like the result; `value` outside."""
    padded = _padded(x, windows, value)
    for i in range(windows.kernel[0]):
        for j in range(windows.kernel[1]):
            yield _pixels(padded, windows, i, j)


def _covering(y, windows, value):
    """The opposite of `_covered`: for each tap the pixels of the result by which it covers those of
    the image; `value` where it does not.
    """
    borders, step = [], windows.dilation
    for size, out, kernel, stride, before in _axes(windows):
        first = (kernel - 1) * step - before
        last = size + before - (out - 1) * stride - 1
        borders.append((first, last, stride - 1))
    spread = lax.pad(y, jnp.asarray(value, y.dtype), [(0, 0, 0), *borders, (0, 0, 0)])
    (height, width), (rows, columns) = windows.size, windows.kernel
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            yield spread[:, i * step : i * step + height, j * step : j * step + width]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def maximum(x, windows):
    """By slices: the way back of XLA's own pooling is many times as slow. The gradient is that of
    the first of equal maxima.
    """
    return _maximum_and_tap(x, windows)[0]


def _maximum_and_tap(x, windows):
    """(the maxima, the number of the tap that each is of)."""
    best = taps = None
    for tap, pixels in enumerate(_covered(x, windows, -math.inf)):
        if best is None:
            best, taps = pixels, jnp.zeros(pixels.shape, "uint8")
        else:
            taps = jnp.where(pixels > best, jnp.uint8(tap), taps)
            best = jnp.maximum(pixels, best)
    return best, taps


def _maximum_backward(windows, taps, dy):
    dy_parts = _covering(dy, windows, 0)
    parts = zip(dy_parts, _covering(taps, windows, 0), strict=True)
    zero = jnp.zeros((), dy.dtype)
    return (sum(jnp.where(t == tap, part, zero) for tap, (part, t) in enumerate(parts)),)


maximum.defvjp(_maximum_and_tap, _maximum_backward)


def mean(x, windows):
    ones = np.ones((1, *windows.size, 1), "float32")
    counts = sum(_covered(ones, windows, 0))
    return sum(_covered(x, windows, 0)) * (1 / counts).astype(x.dtype)
