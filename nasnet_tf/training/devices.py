"""The devices of a training: data-parallel training on several GPUs, on TensorFlow and JAX."""

from __future__ import annotations

import contextlib
import functools
import importlib.util

import keras


def data_parallel(devices=None):
    """A context for building networks that `nasnet_tf.training.train` then trains on all `devices`
    at once, each with a share of every batch.

    On TensorFlow each device normalizes its own share of the batch, the moving averages are
    averaged, and each device clips its own share of the gradient; on JAX both concern the whole
    batch.

    Args:
        devices: names such as "GPU:0"; None takes all GPUs (on JAX all devices). With fewer than
            two the context has no effect.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        devices = devices or [
            f"GPU:{number}" for number in range(len(tf.config.list_physical_devices("GPU")))
        ]
        return (
            tf.distribute.MirroredStrategy(devices).scope()
            if len(devices) > 1
            else contextlib.nullcontext()
        )
    if backend == "jax":
        devices = devices or keras.distribution.list_devices()
        return (
            keras.distribution.DataParallel(devices=devices).scope()
            if len(devices) > 1
            else contextlib.nullcontext()
        )
    raise ValueError(f"several devices are for the backends tensorflow and jax; this is {backend}.")


def accelerated() -> bool:
    """Whether the backend computes on something else than the processor."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return any(device.device_type != "CPU" for device in tf.config.list_physical_devices())
    return not all(device.startswith("cpu") for device in keras.distribution.list_devices())


@functools.cache
def jax_has_accelerator() -> bool:
    """Whether JAX computes on something else than the processor, whatever Keras' backend is."""
    plugins = ("jax_plugins", "libtpu")
    if not any(importlib.util.find_spec(name) for name in plugins):
        return False  # and JAX is not imported
    import jax

    return jax.default_backend() != "cpu"


def devices_of(model):
    """(number of devices of `model`, the context for compiling and training it there)."""
    if keras.backend.backend() == "tensorflow":
        strategy = model.distribute_strategy
        return strategy.num_replicas_in_sync, strategy.scope()
    sharding = getattr(model.variables[0].value, "sharding", None)
    devices = sorted(sharding.device_set, key=lambda device: device.id) if sharding else []
    if len(devices) < 2:
        return 1, contextlib.nullcontext()
    return len(devices), keras.distribution.DataParallel(devices=devices).scope()


def divisible(batches, devices: int):
    """`batches` of sizes that are multiples of `devices`: the first images of a batch are repeated
    if necessary.
    """
    import tensorflow as tf

    def filled(*parts):
        count = tf.shape(parts[0])[0]
        rows = tf.range(count + -count % devices) % count
        return tuple(tf.gather(part, rows) for part in parts)

    return batches if devices == 1 else batches.map(filled)
