"""How the processes of this package share GPUs."""

from __future__ import annotations

import os
import pathlib

_GROWS = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def share_memory(environment=os.environ) -> None:
    """Lets frameworks that are not imported yet take memory of a GPU as they need it, unless the
    user said otherwise: by default the first process takes all of it, or three quarters.
    """
    for name, value in _GROWS.items():
        environment.setdefault(name, value)


def visible() -> list[str]:
    """What CUDA calls the GPUs that this process may use; no framework is asked."""
    named = os.environ.get(_VISIBLE)
    if named is None:
        cards = pathlib.Path("/dev").glob("nvidia[0-9]*")
        return sorted((card.name.removeprefix("nvidia") for card in cards), key=int)
    return [name.strip() for name in named.split(",") if name.strip()]


def give(environment: dict, number: int) -> None:
    """Gives a worker its GPU, where there are several: those with the next number are on the next.

    Args:
        environment: of the worker's process.
    """
    cards = visible()
    if len(cards) > 1:
        environment[_VISIBLE] = cards[number % len(cards)]
