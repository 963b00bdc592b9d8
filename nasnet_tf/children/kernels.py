"""What trains a child that no framework builds: compiled kernels of the processor, or functions
that JAX compiled for its device.
"""

from __future__ import annotations

import random
import time

import keras
import numpy as np

from nasnet_tf.systems import system_of
from nasnet_tf.training.devices import jax_has_accelerator

__all__ = ["KERNELS", "bare_network", "kind_of"]

# "auto" is the faster one here; "keras" has Keras build and compile every child
KERNELS = ("auto", "cpu", "jax", "keras")
_DTYPES = {"float32": "float32", "mixed_bfloat16": "bfloat16"}  # of feature maps, by Keras' policy
_faster = {}  # {what a network's speed depends on: the kind that was measured to be faster}


def kind_of(native) -> str:
    """One of `KERNELS` for the argument `native` of a child: True is "auto", False "keras".

    Raises: ValueError for what is neither.
    """
    kind = {True: "auto", False: "keras"}.get(native, native)
    if kind not in KERNELS:
        raise ValueError(
            f"native={native!r} names no kernels; they are True, False, {', '.join(KERNELS)}."
        )
    return kind


def bare_network(genotype, kind="auto", *, class_names=None, level=None, **network):
    """The network of `genotype`, trained by kernels of that kind; None where they cannot do all
    that is asked for.

    What classes are called and what a text is made of changes nothing.

    Args:
        kind: of `KERNELS`.
    Raises: NotImplementedError, ImportError where the kind is not "auto" and cannot.
    """
    if kind == "keras":
        return None
    try:
        return _bare_network(genotype, kind, network)
    except (ImportError, NotImplementedError):  # numba is not to be had for every Python
        if kind != "auto":
            raise
        return None


def _bare_network(genotype, kind, network):
    if not system_of(genotype).native or _dtype() is None:
        raise NotImplementedError(
            f"kernels do not train {type(genotype).__name__} in {keras.config.dtype_policy().name}."
        )
    if genotype.reads == "text":
        return _language_model(genotype, kind, network)
    return _MAKERS[_faster_kind(genotype, network) if kind == "auto" else kind](genotype, network)


def _language_model(genotype, kind, network):
    from nasnet_tf.native.language import NativeLanguageModel

    if kind == "jax" or _dtype() != "float32":
        raise NotImplementedError("language models are trained by kernels of the cpu, in float32.")
    return NativeLanguageModel(genotype, **network)


def _of_cpu(genotype, network):
    from nasnet_tf.native.network import NativeNetwork

    if _dtype() != "float32":
        raise NotImplementedError("kernels of the cpu compute in float32.")
    return NativeNetwork(genotype, **network)


def _of_jax(genotype, network):
    try:
        from nasnet_tf.device import DeviceNetwork
    except ImportError as error:
        raise ImportError(
            f"kernels of jax need it; pip install 'nasnet-tf[jax-gpu]': {error}"
        ) from None

    return DeviceNetwork(genotype, dtype=_dtype(), **network)


_MAKERS = {"cpu": _of_cpu, "jax": _of_jax}


def _dtype():
    return _DTYPES.get(keras.config.dtype_policy().name)


def _faster_kind(genotype, network):
    """Which kernels train this network faster, measured once for networks of its size."""
    if not jax_has_accelerator():
        return "cpu"
    if _dtype() != "float32":
        return "jax"
    key = tuple(network.get(name) for name in ("input_shape", "num_cells", "filters"))
    if key not in _faster:
        states = random.getstate(), np.random.get_state()
        seconds = {}
        for kind, make in _MAKERS.items():
            seconds[kind] = _seconds_of(make(genotype, network), network["input_shape"])
        _faster[key] = min(seconds, key=seconds.get)
        random.setstate(states[0])
        np.random.set_state(states[1])
    return _faster[key]


def _seconds_of(model, shape, images=128, batch_size=64):
    """Seconds for a few steps, once all is compiled."""
    x, y = np.zeros((images, *shape), "uint8"), np.zeros(images, "int64")
    model.compile(batch_size)
    for _ in range(2):
        began = time.monotonic()
        model.fit(x, y, batch_size=batch_size)
        seconds = time.monotonic() - began
    return seconds
