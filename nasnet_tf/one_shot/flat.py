"""Graphs whose weights are slices of flat vectors, so that which weights a graph uses can be data.

Batch norms use the statistics of the batch and keep no moving averages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import keras
import numpy as np

from nasnet_tf.graph import Graph, WeightSpec
from nasnet_tf.layers import parts
from nasnet_tf.layers.initializers import INITIALIZERS


class _Owner:
    """What `parts.Bound` asks of the layer that owns the weights."""

    trainable, freeze_batch_norms, compute_dtype, batch_norm_momentum = True, False, "float32", 0.0

    def __init__(self, batch_norm_epsilon):
        self.batch_norm_epsilon = batch_norm_epsilon

    def move(self, variable, value):
        """There are no moving averages."""


def weight_specs(graph: Graph) -> list[WeightSpec]:
    """The trainable weights of a graph, in order."""
    return [spec for spec in graph.weights if spec.trainable]


def bound(graph: Graph, tensors: Iterator, epsilon: float):
    """The graph as a function of its input, with the next of the `tensors` as trainable weights.

    Args:
        epsilon: of the batch norms.
    """
    weights = [next(tensors) if spec.trainable else 0.0 for spec in graph.weights]
    part = parts.Bound(_Owner(epsilon), graph, weights)
    return lambda x: part(x, training=True)


def size_of(specs: list[WeightSpec]) -> int:
    """How many numbers the weights have in all."""
    return sum(math.prod(spec.shape) for spec in specs)


def initial(specs: list[WeightSpec], rng, length: int | None = None) -> np.ndarray:
    """Initial values of all weights, end to end, followed by zeros up to `length`; float32."""
    values = np.zeros(size_of(specs) if length is None else length, np.float32)
    end = 0
    for spec in specs:
        drawn = np.ravel(_seeded(INITIALIZERS[spec.initializer](), rng)(spec.shape))
        values[end : end + len(drawn)] = drawn
        end += len(drawn)
    return values


def views(vector, specs: list[WeightSpec]) -> list:
    """The weights as tensors, from a flat vector that may be longer. One operation, so its gradient
    is one too.
    """
    import tensorflow as tf

    if not specs:
        return []
    sizes = [math.prod(spec.shape) for spec in specs]
    slices = tf.split(vector, [*sizes, int(vector.shape[0]) - sum(sizes)])
    return [tf.reshape(part, spec.shape) for part, spec in zip(slices, specs, strict=False)]


def _seeded(initializer, rng):
    """The initializer with a seed from `rng`; one that is not random as it is."""
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    return type(initializer)(**{**initializer.get_config(), "seed": int(rng.integers(2**31 - 1))})
