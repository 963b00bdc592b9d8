"""What frameworks are told of GPUs before they are imported: how the processes of this package
share them, and where what was compiled for them is kept.
"""

from __future__ import annotations

import os
import pathlib
import sys

_GROWS = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
_COMPILED = "JAX_COMPILATION_CACHE_DIR"
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def set_defaults(environment=os.environ) -> None:
    """Lets frameworks that are not imported yet take memory of a GPU as they need it, where by
    default the first process takes all of it, or three quarters; and lets JAX keep what it compiled
    for the next process. What the user said stays.
    """
    for name, value in {**_GROWS, _COMPILED: str(compiled_folder())}.items():
        environment.setdefault(name, value)


def compiled_folder() -> pathlib.Path:
    """Where JAX keeps what it compiled, among the user's cached files."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache, "nasnet_tf", "compiled")


def leave_to_keras(tensorflow) -> None:
    """Keeps TensorFlow, which reads the pictures, off the GPUs where Keras does not run on it."""
    keras = sys.modules.get("keras")
    named = os.environ.get("KERAS_BACKEND", "tensorflow")
    config = getattr(keras, "config", None)  # none while Keras itself is imported
    if (config.backend() if config is not None else named) != "tensorflow":
        tensorflow.config.set_visible_devices([], "GPU")


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
