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
