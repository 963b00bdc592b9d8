"""Which pixels the windows of a convolution or a pooling cover."""

from __future__ import annotations

from typing import NamedTuple

from nasnet_tf.graph.nodes import Window


class Windows(NamedTuple):
    """Windows over an image of `size` pixels, (height, width).

    Output pixel i of an axis covers the input pixels i * stride + tap * dilation - before, for each
    tap, as far as they lie within the image.
    """

    size: tuple[int, int]
    out: tuple[int, int]
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    dilation: int = 1


def windows_of(window: Window, size) -> Windows:
    """The windows of a `nasnet_tf.graph.Window` over an image of `size`."""
    out = window.out(size)
    axes = zip(size, out, window.kernel, window.strides, strict=True)
    top, left = (_before(window, axis, *numbers) for axis, numbers in enumerate(axes))
    return Windows(tuple(size), out, window.kernel, window.strides, (top, left), window.dilation)


def _before(window, axis, pixels, out, kernel, stride):
    """Pixels of padding before the first of an axis."""
    if window.padding == "valid":
        return 0
    if window.padding != "same":
        return window.padding[axis]
    if window.dilation > 1:
        return window.dilation * (kernel - 1) // 2
    return max((out - 1) * stride + kernel - pixels, 0) // 2
