"""Weights as stretches of flat vectors, so that which weights a part uses can be data.

A part of nasnet_tf/parts.py asks the layer that owns it for variables. Here an owner that is no
layer answers instead: `Slots` notes what is asked for, `Stretches` hands out tensors in the order
in which `Slots` was asked.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import keras
import numpy as np


class Slot(NamedTuple):
    """A trainable weight a part asked for."""

    name: str
    shape: tuple[int, ...]
    initializer: object

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class _Owner:
    """What a part expects of the layer that owns it. Batch norms use the statistics of the batch
    and keep no averages.
    """

    batch_norm_momentum, weight_decay = 0.0, 0.0
    trainable, freeze_batch_norms, compute_dtype = True, False, "float32"

    def __init__(self, batch_norm_epsilon: float):
        self.batch_norm_epsilon = batch_norm_epsilon

    def add_weight(self, shape, name, initializer, trainable=True, **_):
        if not trainable:
            return keras.ops.convert_to_tensor(initializer(shape))
        return self._weight(Slot(name, tuple(shape), initializer))

    def move(self, variable, value):
        """Averages are not kept."""


class Slots(_Owner):
    """Notes the weights that parts ask for, in `found`. The parts made with it have no weights."""

    def __init__(self, batch_norm_epsilon=1e-5):
        super().__init__(batch_norm_epsilon)
        self.found = []

    def _weight(self, slot):
        self.found.append(slot)


class Stretches(_Owner):
    """Gives parts the `tensors`, in order."""

    def __init__(self, tensors, batch_norm_epsilon):
        super().__init__(batch_norm_epsilon)
        self._tensors = iter(tensors)

    def _weight(self, slot):
        return next(self._tensors)


def initial(slots, rng, length=None) -> np.ndarray:
    """Fresh values of all `slots`, end to end, followed by zeros up to `length`; float32."""
    values = np.zeros(sum(slot.size for slot in slots) if length is None else length, np.float32)
    end = 0
    for slot in slots:
        values[end : end + slot.size] = np.ravel(_seeded(slot.initializer, rng)(slot.shape))
        end += slot.size
    return values


def cut(vector, slots) -> list:
    """The tensors of `slots` from a flat vector that may go on after them. One operation, so its
    gradient is one too.
    """
    import tensorflow as tf

    if not slots:
        return []
    sizes = [slot.size for slot in slots]
    stretches = tf.split(vector, [*sizes, int(vector.shape[0]) - sum(sizes)])
    return [
        tf.reshape(stretch, slot.shape) for stretch, slot in zip(stretches, slots, strict=False)
    ]


def _seeded(initializer, rng):
    """The initializer with a seed from `rng`; one without chance as it is."""
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    return type(initializer)(**{**initializer.get_config(), "seed": int(rng.integers(2**31 - 1))})
