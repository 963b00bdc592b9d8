"""Calls of kernels, and the parts of them that several threads compute."""

from __future__ import annotations

import math
from typing import NamedTuple

from nasnet_tf.native import convolutions, depthwise, kernels
from nasnet_tf.native.memory import Buffer
from nasnet_tf.native.tiles import COLUMNS, ROWS

_SMALL = 1 << 15  # numbers that a call computes with, below which one thread is faster


class Call(NamedTuple):
    """A call of a kernel, whose last two arguments are the part of its output, from 0 to `extent`,
    that it computes.

    `unit`: parts begin at its multiples. `work`: numbers that the call computes with.
    """

    kernel: object
    arguments: tuple
    extent: int
    unit: int
    work: int

    def parts(self, threads: int) -> list:
        """(kernel, arguments) for each of so many threads, None for one without a part."""
        if threads > 1 and self.work < _SMALL:
            return [*self.parts(1), *[None] * (threads - 1)]
        units = -(-self.extent // self.unit)
        ends = [
            min(units * number // threads * self.unit, self.extent) for number in range(threads + 1)
        ]
        return [
            (self.kernel, (*self.arguments, first, last)) if first < last else None
            for first, last in zip(ends, ends[1:], strict=False)
        ]


def is_pixelwise(spans, buffer) -> bool:
    """Whether a convolution from or to `buffer` is one product; see `convolutions.by_pixels`."""
    return convolutions.by_pixels(spans, buffer.shape[1])


# What the parts of a call are parts of: the place, among its arguments, of an array whose rows they
# are, where that is not the first.
_PARTED = {
    convolutions.convolve: 4,
    convolutions.convolve_backward: 4,
    depthwise.depthwise: 0,
    kernels.max_pool_backward: 3,
    kernels.average_pool_backward: 3,
}
_PRODUCTS = (convolutions.convolve, convolutions.convolve_backward)


def bound(calls, memory) -> list[Call]:
    """The calls with arrays over `memory` in place of buffers."""
    return [_call(kernel, arguments, memory) for kernel, *arguments in calls]


def _call(kernel, arguments, memory):
    arrays = [a.view(memory) if isinstance(a, Buffer) else a for a in arguments]
    rows, pixels = arrays[_PARTED.get(kernel, 0)].shape
    work = max(math.prod(a.shape) for a in arguments if isinstance(a, Buffer))
    if kernel not in _PRODUCTS:
        unit = ROWS if kernel is convolutions.convolve_weights_backward else 1
        return Call(kernel, tuple(arrays), rows, unit, work)
    pixelwise = arrays[2 if kernel is convolutions.convolve_backward else 3]
    if pixelwise:
        return Call(kernel, tuple(arrays), pixels, COLUMNS, work)
    return Call(kernel, tuple(arrays), rows, ROWS, work)
