"""Where feature maps and gradients lie in one flat memory, decided before anything runs."""

from __future__ import annotations

import bisect
import math
import threading
from typing import NamedTuple

import numpy as np

_LINE = 16  # numbers of four bytes in a cache line


class Buffer(NamedTuple):
    """A region of a flat float32 memory, in numbers of four bytes."""

    start: int
    end: int  # rounded up, so that every buffer begins with a cache line
    shape: tuple[int, ...]
    dtype: str

    def rows(self, first, count):
        """Rows `first` to `first + count` as a buffer."""
        width = self.shape[1]
        start = self.start + first * width
        return Buffer(start, start + count * width, (count, width), self.dtype)

    def view(self, memory):
        """The buffer as an array over `memory`."""
        numbers = memory[self.start : self.end].view(self.dtype)
        return numbers[: math.prod(self.shape)].reshape(self.shape)


class Allocator:
    """First-fit allocation. `size` is the memory that all buffers so far need."""

    def __init__(self):
        self.gaps, self.size = [(0, math.inf)], 0

    def allocate(self, *shape, dtype="float32") -> Buffer:
        size = _LINE * -(-math.prod(shape) * np.dtype(dtype).itemsize // (4 * _LINE))
        position = next(n for n, (start, end) in enumerate(self.gaps) if end - start >= size)
        start, end = self.gaps[position]
        buffer = Buffer(start, start + size, shape, dtype)
        self.gaps[position : position + 1] = [(buffer.end, end)] if buffer.end < end else []
        self.size = max(self.size, buffer.end)
        return buffer

    def free(self, buffer: Buffer) -> None:
        start, end = buffer.start, buffer.end
        position = bisect.bisect(self.gaps, (start, end))
        if position < len(self.gaps) and self.gaps[position][0] == end:
            end = self.gaps.pop(position)[1]
        if position > 0 and self.gaps[position - 1][1] == start:
            position -= 1
            start = self.gaps.pop(position)[0]
        self.gaps.insert(position, (start, end))


_PER_THREAD = threading.local()


def workspace(size: int) -> np.ndarray:
    """A float32 vector of at least `size` numbers, shared by all programs of this thread.

    They run one at a time and leave nothing in it. It is shared since pages that a process touches
    for the first time cost seconds; pages that are never touched cost nothing.
    """
    if len(getattr(_PER_THREAD, "memory", ())) < size:
        _PER_THREAD.memory = np.empty(1 << (size - 1).bit_length(), "float32")
    return _PER_THREAD.memory


def free_workspace() -> None:
    """Gives the memory of this thread's programs back once they are gone."""
    _PER_THREAD.memory = ()
