"""NASNet-A at the sizes of the paper, and at any other.

Source: Zoph et al. 2017, arXiv 1707.07012, tables 1 to 3; settings of the authors' TF-slim code (nasnet.py).
"""

from __future__ import annotations

import keras

from nasnet_tf.genotype import NASNET_A
from nasnet_tf.network import Network

VARIANTS = {
    "mobile": dict(stem="imagenet", num_cells=4, filters=44, stem_filters=32, input_shape=(224, 224, 3), classes=1000),
    "large": dict(stem="imagenet", num_cells=6, filters=168, stem_filters=96, input_shape=(331, 331, 3), classes=1000, skip_reduction=True),
    "cifar": dict(stem="cifar", num_cells=6, filters=32, input_shape=(32, 32, 3), classes=10),
}


def NASNetA(
    variant="mobile",
    *,
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=None,
    classifier_activation="softmax",
    name=None,
    num_cells=None,
    filters=None,
    penultimate_filters=None,
    **options,
):
    """NASNet-A, exact to the authors' original code.

    Args:
        variant: "mobile" (N=4, F=44, 224 px), "large" (N=6, F=168, 331 px) or "cifar" (N=6, F=32, 32 px).
        include_top, input_tensor, input_shape, pooling, classes, classifier_activation, name: as in `keras.applications`;
            classes is 1000, or 10 for "cifar", unless given.
        weights: None (random), or the path of a `.weights.h5` or `.keras` file of the same network.
        num_cells: N, normal cells a stage, in place of the variant's.
        filters: F, filters of the first stage, in place of the variant's; a multiple of 4 but for "cifar".
        penultimate_filters: P = 24 F, another way to give F ("N @ P" in the paper).
        **options: of `nasnet_tf.network.Network`: auxiliary_head, drop_path_rate, drop_path_steps, dropout_rate, residual,
            batch_norm_momentum, batch_norm_epsilon, weight_decay, mean, std, dtype, ...
    Returns: a `keras.Model`; its outputs are as `Network` says.
    Raises: ValueError that names the argument.
    """
    if variant not in VARIANTS:
        raise ValueError(f"no variant {variant!r}; there are {', '.join(VARIANTS)}; give num_cells and filters for another size.")
    if weights is not None and not str(weights).endswith((".h5", ".keras")):
        raise ValueError(f"weights is {str(weights)!r}; give None or the path of a .weights.h5 or .keras file.")
    if penultimate_filters is not None:
        filters = _filters(penultimate_filters, filters)
    given = dict(num_cells=num_cells, filters=filters, classes=classes, input_shape=input_shape)
    if input_tensor is not None:
        given["input_shape"] = tuple(input_tensor.shape[1:])
    arguments = {
        **VARIANTS[variant],
        **{key: value for key, value in given.items() if value is not None},
        **dict(include_top=include_top, pooling=pooling, classifier_activation=classifier_activation, name=name or f"nasnet_a_{variant}"),
        **options,
    }
    model = Network(NASNET_A, **arguments)
    if weights is not None:
        model.load_weights(weights)
    return model if input_tensor is None else _on(input_tensor, model)


def _filters(penultimate_filters, filters):
    if filters is not None:
        raise ValueError(f"got both filters={filters} and penultimate_filters={penultimate_filters}; give one of them (P = 24 F).")
    if penultimate_filters % 24:
        raise ValueError(f"penultimate_filters is {penultimate_filters}; give a multiple of 24 (P = 24 F), of 96 with the imagenet stem.")
    return penultimate_filters // 24


def _on(tensor, model):
    """`model` with its layers called on `tensor`, which may already be the output of others."""
    return keras.Model(keras.utils.get_source_inputs(tensor), model(tensor), name=model.name)
