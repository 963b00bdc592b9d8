"""How many cores there are to compute on."""

from __future__ import annotations

import contextlib
import os

__all__ = ["cores"]


def cores() -> int:
    """How many cores this process may use."""
    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
