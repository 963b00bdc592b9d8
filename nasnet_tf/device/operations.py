"""The nodes of a lowered graph as JAX computes them.

A feature map is an array (images, height, width, channels). `present`, (images,), is 1 for the
images of a batch that are there and 0 for those that fill it up. Weights and statistics are float32
whatever feature maps are.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from nasnet_tf.graph.windows import Windows
from nasnet_tf.layers import windowed
from nasnet_tf.lowered import graph as nodes


class Step(NamedTuple):
    """What a node does, without saying to which feature maps and weights: nodes that are compiled
    to the same have equal steps.

    Args:
        kind: the class of the node, of `nasnet_tf.lowered.graph`.
        windows: of what has some.
        pool: "max" or "avg", of a pool.
        rectify: of a norm.
        filters: of a convolution.
        trained, moving: how many trained weights it has, and others.
    """

    kind: type
    windows: Windows | None = None
    pool: str | None = None
    rectify: bool = False
    filters: int | None = None
    trained: int = 0
    moving: int = 0


def step_of(node) -> Step:
    """The step of a node that reads one feature map."""
    trained, moving = weights_of(node)
    return Step(
        type(node),
        getattr(node, "windows", None),
        getattr(node, "kind", None),
        getattr(node, "rectify", False),
        node.y.channels if isinstance(node, nodes.Convolve) else None,
        len(trained),
        len(moving),
    )


def weights_of(node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(numbers of the trained weights of a node, of the others), as its step takes them."""
    match node:
        case nodes.Norm():
            return (node.gamma, node.beta), (node.mean, node.variance)
        case nodes.Convolve() | nodes.Depthwise():
            return (node.weight,), ()
    return (), ()


def apply(step: Step, x, trained, moving, present, epsilon):
    """(the result, the statistics of the batch for each of the weights that are not trained).

    Args:
        moving: the statistics that a norm is to take; None takes those of the batch.
    """
    if step.kind is nodes.Relu:
        return jnp.where(x <= 0, jnp.zeros((), x.dtype), x), ()
    if step.kind is nodes.Convolve:
        return windowed.convolve(x, trained[0], step.windows), ()
    if step.kind is nodes.Depthwise:
        return windowed.depthwise(x, trained[0], step.windows), ()
    if step.kind is nodes.Norm:
        return _norm(x, *trained, moving, present, epsilon, step.rectify)
    if step.kind is nodes.Pool:
        pool = windowed.maximum if step.pool == "max" else windowed.mean
        return pool(x, step.windows), ()
    raise TypeError(step.kind)


def _norm(x, gamma, beta, moving, present, epsilon, rectify):
    numbers, statistics = x.astype("float32"), ()
    if moving is None:
        share = (present / (present.sum() * x.shape[1] * x.shape[2]))[:, None, None, None]
        mean = (numbers * share).sum((0, 1, 2))
        variance = (jnp.square(numbers - mean) * share).sum((0, 1, 2))
        statistics = mean, variance
    else:
        mean, variance = moving
    y = (numbers - mean) * (gamma * lax.rsqrt(variance + epsilon)) + beta
    if rectify:
        y = jnp.where(y <= 0, jnp.float32(0), y)
    return y.astype(x.dtype), statistics
