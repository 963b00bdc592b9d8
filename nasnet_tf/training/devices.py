"""Several GPUs: the batch is shared out among them, on TensorFlow and on JAX."""

from __future__ import annotations

import contextlib

import keras


def data_parallel(devices=None):
    """A context in which networks are made that `nasnet_tf.training.train` then trains on all
    `devices` at once, each with its share of every batch.

    On TensorFlow each device has batch norms of its own share, their averages are averaged, and it
    cuts the norm of its own share of the gradient; on JAX both are those of the whole batch.

    Args:
        devices: names such as "GPU:0"; None takes all GPUs (on JAX all devices). With fewer than
            two the context changes nothing.
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


def devices_of(model):
    """(how many devices `model` was made for, the context in which it is compiled and trained on
    them).
    """
    if keras.backend.backend() == "tensorflow":
        strategy = model.distribute_strategy
        return strategy.num_replicas_in_sync, strategy.scope()
    sharding = getattr(model.variables[0].value, "sharding", None)
    devices = sorted(sharding.device_set, key=lambda device: device.id) if sharding else []
    if len(devices) < 2:
        return 1, contextlib.nullcontext()
    return len(devices), keras.distribution.DataParallel(devices=devices).scope()


def divisible(batches, devices: int):
    """`batches` that `devices` can share evenly: where a batch is too small for that, its first
    images are in it twice.
    """
    import tensorflow as tf

    def filled(*parts):
        count = tf.shape(parts[0])[0]
        rows = tf.range(count + -count % devices) % count
        return tuple(tf.gather(part, rows) for part in parts)

    return batches if devices == 1 else batches.map(filled)
