"""When the command began."""

from __future__ import annotations

import os
import time

_process = []  # when it began, where the process is the command


def is_the_process() -> None:
    """Says that the process is the command: its time began before Python was there, which a busy
    machine takes seconds for.
    """
    _process[:] = [time.monotonic() - _age()]


def command_began() -> float:
    """When the command began that runs now, by the monotonic clock."""
    return _process.pop() if _process else time.monotonic()


def _age():
    """Seconds since this process began; 0 where the system does not tell."""
    try:
        with open("/proc/self/stat", "rb") as stat:
            ticks = int(stat.read().rpartition(b")")[2].split()[19])
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"), 0.0)
    except (OSError, ValueError, AttributeError, IndexError):
        return 0.0
