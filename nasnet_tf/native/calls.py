"""Calls of kernels, the parts of them that several threads compute, and which of them need not wait
for one another.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from nasnet_tf.native import convolutions, kernels
from nasnet_tf.native.memory import Buffer
from nasnet_tf.native.tiles import COLUMNS, ROWS

_SMALL = 1 << 15  # numbers that a call computes with, below which one thread is faster


class Access(NamedTuple):
    """A buffer that a call reads or, where `written`, also writes; each part of the call its own
    rows alone where `by_rows`.
    """

    buffer: Buffer
    by_rows: bool
    written: bool


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
    accesses: tuple[Access, ...] = ()

    def ends(self, threads: int) -> tuple[int, ...]:
        """Where the parts of so many threads end."""
        if self.work < _SMALL:
            return (self.extent,) * threads
        units = -(-self.extent // self.unit)
        shares = (units * number // threads for number in range(1, threads + 1))
        return tuple(min(share * self.unit, self.extent) for share in shares)

    def parts(self, threads: int) -> list:
        """[(kernel, arguments)], or nothing, for each of so many threads."""
        ends = self.ends(threads)
        return [
            [(self.kernel, (*self.arguments, first, last))] if first < last else []
            for first, last in zip((0, *ends), ends, strict=False)
        ]


def groups(calls: list[Call], threads: int) -> list:
    """The parts of each thread, of calls that a thread can do one after the other without waiting
    for the others: [[[(kernel, arguments), ...] of each thread] of each group].
    """
    found, seen = [], []
    for call in calls:
        ends = call.ends(threads)
        new = [(access, ends) for access in call.accesses]
        if not found or any(_conflict(a, b) for a in seen for b in new):
            found.append([[] for _ in range(threads)])
            seen = []
        seen += new
        for of_thread, part in zip(found[-1], call.parts(threads), strict=True):
            of_thread += part
    return found


def _conflict(one, other):
    """Whether two accesses, with the ends of their parts, may be of the same numbers by different
    threads, one of which writes them.
    """
    (a, ends_a), (b, ends_b) = one, other
    apart = a.buffer.end <= b.buffer.start or b.buffer.end <= a.buffer.start
    if apart or not (a.written or b.written):
        return False
    if not (a.by_rows and b.by_rows and ends_a == ends_b):
        return True
    return a.buffer != b.buffer


# The place, among the arguments of a kernel, of the array whose rows are parted, where that is not
# the first.
_PARTED = {
    convolutions.convolve: 4,
    convolutions.convolve_backward: 4,
    kernels.max_pool_backward: 3,
    kernels.average_pool_backward: 3,
}
_PIXELWISE = {convolutions.convolve: 3, convolutions.convolve_backward: 2}
_PRODUCTS = (*_PIXELWISE, convolutions.convolve_weights_backward)


def is_pixelwise(spans, buffer) -> bool:
    """Whether a convolution from or to `buffer` is one product; see `convolutions.by_pixels`."""
    return convolutions.by_pixels(spans, buffer.shape[1])


def bound(calls, memory) -> list[Call]:
    """The calls, (kernel, *arguments), with arrays over `memory` in place of buffers."""
    return [_bound(kernel, arguments, memory) for kernel, *arguments in calls]


def _bound(kernel, arguments, memory):
    arrays = tuple(a.view(memory) if isinstance(a, Buffer) else a for a in arguments)
    parted = _PARTED.get(kernel, 0)
    (extent, pixels), unit = arrays[parted].shape, ROWS if kernel in _PRODUCTS else 1
    pixelwise = kernel in _PIXELWISE and arguments[_PIXELWISE[kernel]]
    if pixelwise:
        extent, unit = pixels, COLUMNS
    accesses = []
    for place, argument in enumerate(arguments):
        if isinstance(argument, Buffer):
            own = kernel not in _PRODUCTS or place == parted
            written = own and kernel is not convolutions.convolve_weights_backward
            accesses.append(Access(argument, own and not pixelwise, written))
    work = max(math.prod(access.buffer.shape) for access in accesses)
    return Call(kernel, arrays, extent, unit, work, tuple(accesses))
