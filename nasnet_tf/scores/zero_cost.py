"""Scores of untrained networks, each in about a second: synflow, NASWOT, and the number of
parameters.

They rank networks, roughly; their values mean nothing else. The number of parameters ranks cells
about as well as the others do, so compare each of them with it.

Sources: synflow: Tanaka et al. 2020, arXiv 2006.05467, as a score of architectures Abdelfattah et
    al. 2021, arXiv 2101.08134; NASWOT: Mellor et al. 2020, arXiv 2006.04647v3.
"""

from __future__ import annotations

import contextlib
import math

import keras
import numpy as np
from keras import ops

from nasnet_tf.systems import networks
from nasnet_tf.systems.costs import cost_of

__all__ = ["SCORES", "naswot", "parameters", "score", "synflow"]

BATCH = 128  # images of NASWOT


def parameters(genotype, **size) -> float:
    """Trainable parameters; nothing is built. `size` as in `nasnet_tf.systems.costs.cost_of`."""
    return float(cost_of(genotype, **size).trainable)


def synflow(model: keras.Model) -> float:
    """The sum of |w * dR/dw| over kernels and biases.

    R is the sum of the outputs for one image of ones, with every weight replaced by its absolute
    value and every batch norm by the identity. The model itself does not change.

    Args:
        model: of one image input of known size; it must end in logits, as a softmax always sums to
            1. In a float64 model the score is computed in double precision (on JAX only if that is
            enabled), which networks of more than a few cells need.
    Raises: ArithmeticError if the score overflows.
    """
    neutral = dict(_neutral_norms(model))
    fixed = [neutral.get(id(v), v.value) for v in model.non_trainable_variables]
    weights = [v for v in model.trainable_variables if id(v) not in neutral]
    values = [ops.abs(v.value) for v in weights]
    image = ops.ones((1, *model.input_shape[1:]), dtype=model.inputs[0].dtype)

    def total(values):
        given = dict(zip(map(id, weights), values, strict=True)) | neutral
        outputs, _ = model.stateless_call(
            [given[id(v)] for v in model.trainable_variables], fixed, image, training=False
        )
        return sum(ops.sum(output) for output in keras.tree.flatten(outputs))

    pairs = zip(values, _gradients(total, values), strict=True)
    found = sum(float(ops.sum(ops.abs(value * gradient))) for value, gradient in pairs)
    if not math.isfinite(found):
        raise ArithmeticError(
            "synflow overflows; score a network of fewer cells or filters, in float64."
        )
    return found


def check_backend(score: str) -> None:
    """Raises ValueError where the score is not to be had on Keras' backend."""
    backend = keras.backend.backend()
    if score == "naswot" and backend != "tensorflow":
        raise ValueError(
            f"naswot needs the TensorFlow backend; this is {backend}: take synflow or parameters."
        )


def naswot(model: keras.Model, images) -> float:
    """log |det K|, where K[i, j] is the number of ReLUs that are both active or both inactive for
    the images i and j.

    Batch norms use the statistics of the minibatch. Two images with equal codes give minus
    infinity. TensorFlow only.

    Args:
        images: (batch, height, width, channels); the paper takes 128.
    Raises: ValueError if the model has no ReLU, or on another backend.
    """
    check_backend("naswot")
    kernel = np.zeros((len(images), len(images)))

    def watch(kind, inputs, attributes, outputs, name=None, graph=None):
        if kind == "Relu":
            np.add(kernel, agreements(inputs[0].numpy() > 0), out=kernel)

    weights = [
        [v.value for v in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]
    with _watched(watch):
        model.stateless_call(
            *weights, ops.convert_to_tensor(images, dtype=model.inputs[0].dtype), training=True
        )
    if not kernel.any():
        raise ValueError(
            "the model has no ReLU, so its images have no codes; take synflow or parameters."
        )
    return float(np.linalg.slogdet(kernel)[1])


def agreements(codes: np.ndarray) -> np.ndarray:
    """(images, images): in how many units two images agree.

    Args:
        codes: (images, ...), whether each unit is active.
    """
    on = codes.reshape(len(codes), -1).astype("float32")
    count = on.sum(1)
    return on.shape[1] - count[:, None] - count[None, :] + 2 * on @ on.T


@contextlib.contextmanager
def _watched(watch):
    """Calls `watch` after every TensorFlow operation of this thread. Nothing is traced, which would
    take ten times as long as computing.
    """
    from tensorflow.python.framework import op_callbacks

    op_callbacks.add_op_callback(watch)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(watch)


def _synflow(genotype, images, network):
    return synflow(networks.build(genotype, classifier_activation=None, dtype="float64", **network))


def _naswot(genotype, images, network):
    return naswot(networks.build(genotype, **network), np.asarray(images)[:BATCH])


def _parameters(genotype, images, network):
    return parameters(genotype, **network)


SCORES = {"parameters": _parameters, "synflow": _synflow, "naswot": _naswot}


def score(name: str, genotype, images=None, *, seed: int = 0, **size) -> float:
    """The untrained score of a network; higher is better.

    Args:
        name: one of SCORES.
        images: the minibatch of "naswot", normalized; the first 128 are used.
        seed: of the weights; passed to `keras.utils.set_random_seed`.
        **size: of the network, as in `nasnet_tf.systems.costs.cost_of`: num_cells, filters,
            classes, stem, input_shape.
    Raises: ValueError for an unknown name, or for "naswot" without images.
    """
    if name not in SCORES:
        raise ValueError(f"no score {name!r}; there are {', '.join(SCORES)}.")
    if name == "naswot" and (images is None or len(images) < 2):
        raise ValueError("naswot needs images, two or more; the paper takes 128.")
    keras.utils.set_random_seed(seed)
    return SCORES[name](genotype, images, size)


def _neutral_norms(model):
    """(id of a variable, value) that make every batch norm the identity at inference."""
    for layer in model._flatten_layers():
        of_keras = isinstance(layer, keras.layers.BatchNormalization)
        epsilon = layer.epsilon if of_keras else getattr(layer, "batch_norm_epsilon", None)
        if epsilon is None:
            continue
        values = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0 - epsilon}
        for variable in layer.variables:
            value = values.get(variable.name.rpartition(".")[2])
            if value is not None:
                yield id(variable), ops.full(variable.shape, value, dtype=variable.dtype)


def _gradients(function, values):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(values)
            result = function(values)
        return tape.gradient(result, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    import jax

    return jax.grad(function)(values)
