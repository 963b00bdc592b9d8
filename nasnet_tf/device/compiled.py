"""What JAX compiles: the ways of a chain, the classifier, and the little between. Each is compiled
once for all networks in a process, and once for all processes where JAX has a folder for what it
compiled.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nasnet_tf.device.operations import apply

MOMENTUM = 0.9  # of SGD
_KEPT = 200  # ways in memory, 9 MB each; a network has 30 to 70, and others come from the disk


class Ways(NamedTuple):
    """A chain on feature maps of one shape.

    forward: (x, trained, moving, present) -> (y, moving, what `backward` needs).
    backward: (what `forward` left, gradient of y, trained, velocities, penalty, rate, decay) ->
        (gradient of x, trained, velocities, penalty): with one step of SGD. `penalty` is a sum, to
        which that of the weights is added.
    inference: (x, trained, moving) -> y.
    """

    forward: object
    backward: object
    inference: object


@functools.lru_cache(_KEPT)
def ways(steps, shape, dtype, momentum, epsilon, needs_dx=True) -> Ways:
    """The `Ways` of these steps.

    Args:
        shape, dtype: of the feature maps that are read; there is one compilation of each.
        momentum, epsilon: of the batch norms.
        needs_dx: whether somebody wants the gradient of what is read.
    """
    trees = []  # of what is left for the way back; known once `forward` was traced

    def run(x, trained, moving, present):
        first, other, statistics = 0, 0, []
        for step in steps:
            own = trained[first : first + step.trained]
            fixed = None if moving is None else moving[other : other + step.moving]
            x, found = apply(step, x, own, fixed, present, epsilon)
            first, other = first + step.trained, other + step.moving
            statistics += found
        return x, statistics

    @jax.jit
    def forward(x, trained, moving, present):
        def of_batch(x, trained):
            return run(x, trained, None, present)

        if needs_dx:
            y, back, statistics = jax.vjp(of_batch, x, trained, has_aux=True)
        else:
            y, back, statistics = jax.vjp(lambda own: of_batch(x, own), trained, has_aux=True)
        left, tree = jax.tree.flatten(back)
        trees.append(tree)
        pairs = zip(moving, statistics, strict=True)
        return y, [momentum * old + (1 - momentum) * new for old, new in pairs], left

    @jax.jit
    def backward(left, dy, trained, velocities, penalty, rate, decay):
        *dx, gradients = jax.tree.unflatten(trees[0], left)(dy)
        new = _stepped(trained, gradients, velocities, penalty, rate, decay)
        return (dx[0] if dx else None), *new

    @jax.jit
    def inference(x, trained, moving):
        return run(x, trained, moving, None)[0]

    return Ways(forward, backward, inference)


def _stepped(trained, gradients, velocities, penalty, rate, weight_decay):
    """(weights, velocities, penalty) after one step of SGD; biases and norms do not decay. The L2
    loss of the weights before it is added to `penalty`.
    """
    new, changed = [], []
    for weight, gradient, velocity in zip(trained, gradients, velocities, strict=True):
        if weight.ndim > 1:
            gradient = gradient + weight_decay * weight
            penalty = penalty + weight_decay * jnp.square(weight).sum() / 2
        changed.append(MOMENTUM * velocity - rate * gradient)
        new.append(weight + changed[-1])
    return new, changed, penalty


@jax.jit
def decay(trained, velocities, penalty, rate, weight_decay):
    """(weights, velocities, penalty) after a step of what nothing reads."""
    nothing = [jnp.zeros_like(weight) for weight in trained]
    return _stepped(trained, nothing, velocities, penalty, rate, weight_decay)


@jax.jit
def add(values):
    """The sum of some arrays."""
    return sum(values[1:], values[0])


@jax.jit
def concatenate(values):
    return jnp.concatenate(values, axis=-1)


@functools.partial(jax.jit, static_argnums=1)
def split(dy, channels):
    """The parts of a gradient of so many channels each, that were concatenated."""
    ends = [sum(channels[: number + 1]) for number in range(len(channels) - 1)]
    return jnp.split(dy, ends, axis=-1)


@functools.partial(jax.jit, static_argnums=(0, 1))
def zeros(shape, dtype):
    return jnp.zeros(shape, dtype)


@functools.partial(jax.jit, static_argnums=5)
def batch(images, chosen, present, mean, std, dtype):
    """The images with these numbers, normalized; 0 where none is."""
    some = (images[chosen].astype("float32") - mean) / std
    return jnp.where(present[:, None, None, None] > 0, some, 0).astype(dtype)


@jax.jit
def classify(features, kernel, bias, labels, present, smoothing):
    """(mean loss of the images that are there, number of them that are right, logits)."""
    logits = features.astype("float32").mean((1, 2)) @ kernel + bias
    scores = jax.nn.log_softmax(logits)
    own = jnp.take_along_axis(scores, labels[:, None], axis=1)[:, 0]
    losses = -(1 - smoothing) * own - smoothing * scores.mean(1)
    right = ((logits.argmax(1) == labels) * present).sum()
    return (losses * present).sum() / present.sum(), right, logits


@jax.jit
def train_classifier(
    features, trained, velocities, labels, present, smoothing, rate, decay
):  # fmt: skip
    """(loss, number of right ones, gradient of the features; weights, velocities and penalty)."""

    def loss_of(features, trained):
        loss, right, _ = classify(features, *trained, labels, present, smoothing)
        return loss, right

    (loss, right), (dx, gradients) = jax.value_and_grad(loss_of, (0, 1), has_aux=True)(
        features, trained
    )
    return loss, right, dx, *_stepped(trained, gradients, velocities, 0.0, rate, decay)
