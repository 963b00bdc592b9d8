"""Why a trial failed: of itself, or because of the machine it ran on, where it may succeed another
time.
"""

from __future__ import annotations

import errno
import itertools
import os

__all__ = ["OF_THE_MACHINE", "is_passing", "reason_in"]

# What the system says when it is not the trial's fault, and the next trial would fail as well.
OF_THE_MACHINE = tuple(
    os.strerror(getattr(errno, name))
    for name in (
        "ENOSPC",
        "EDQUOT",
        "EROFS",
        "EPERM",
        "EACCES",
        "EIO",
        "ESTALE",
        "EMFILE",
        "ENFILE",
    )
    if hasattr(errno, name)
)
_OF_MEMORY = (
    os.strerror(errno.ENOMEM),
    "MemoryError",
    "out of memory",
    "OUT_OF_MEMORY",
    "OOM when allocating",
    "ResourceExhaustedError",
    "RESOURCE_EXHAUSTED",
    "when memory runs out",
    "std::bad_alloc",
)
_OF_THE_PROCESS = (
    "the training process was killed",
    "the training process ended with signal",
    "gave no sign of life",
)


def is_passing(message: str | None) -> bool:
    """Whether a trial that failed with this message, a traceback or one line, may succeed when it
    is run again.

    That is so if its process was killed or lost, if memory ran out, or if the disk or the rights to
    it did. Of a traceback only what comes after the places in the code counts: there the error is
    named.
    """
    lines = (message or "").splitlines()
    last = max(
        (number for number, line in enumerate(lines) if line.startswith('  File "')), default=-1
    )
    error = "\n".join(itertools.dropwhile(lambda line: line.startswith("  "), lines[last + 1 :]))
    return any(cause in error for cause in (*OF_THE_MACHINE, *_OF_MEMORY, *_OF_THE_PROCESS))


def reason_in(message: str | None) -> str:
    """A message in one line: of a traceback, the error."""
    lines = (message or "").strip().splitlines()
    return lines[-1].removeprefix("keras_tuner.src.errors.FailedTrialError: ") if lines else ""
