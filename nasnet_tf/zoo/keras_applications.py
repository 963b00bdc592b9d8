"""A `keras.applications` NASNet as one of our networks, with the same outputs."""

from __future__ import annotations

import re

import keras

from nasnet_tf.genotype import NASNET_A
from nasnet_tf.network import Network
from nasnet_tf.zoo.slim import load_slim_weights, slim_variables

_TOP = {"conv0": "stem_conv1", "conv0_bn": "stem_bn1", "final_layer/FC": "predictions"}
_SCOPES = {  # within a cell; {kind} is normal or reduction
    "1x1": "{kind}_conv_1",
    "beginning_bn": "{kind}_bn_1",
    "prev_1x1": "adjust_conv_projection",
    "prev_bn": "adjust_bn",
    "path1_conv": "adjust_conv_1",
    "path2_conv": "adjust_conv_2",
    "final_path_bn": "adjust_bn",
}
_WEIGHTS = {"weights": "kernel", "biases": "bias", "depthwise_weights": "depthwise_kernel", "pointwise_weights": "pointwise_kernel"}


def from_keras_applications(model: keras.Model) -> Network:
    """Our network with the weights and the outputs of a NASNet from `keras.applications`, fine-tuned or not.

    Keras pads the strided pools of its reduction cells with zeros that count, which the original code does not do; the
    network returned does the same (`zero_padded_pools=True`), so that its outputs are equal.

    Args:
        model: made by `keras.applications.NASNetMobile` or `NASNetLarge`, with any weights, classes, input shape and pooling.
    Raises: ValueError if the model is of another kind.
    """
    layers = {layer.name: layer for layer in model.layers}
    if not {"stem_conv1", "normal_conv_1_0", "reduction_conv_1_stem_1"} <= set(layers):
        raise ValueError(f"{model.name!r} is no NASNet of keras.applications: it has no layers stem_conv1 and normal_conv_1_0.")
    num_cells = sum(bool(re.fullmatch(r"normal_conv_1_\d+", name)) for name in layers) // 3
    network = Network(
        NASNET_A,
        num_cells=num_cells,
        filters=layers["normal_conv_1_0"].filters,
        stem="imagenet",
        stem_filters=layers["stem_conv1"].filters,
        skip_reduction=_skips_reduction(layers, num_cells),
        input_shape=model.input_shape[1:],
        zero_padded_pools=True,
        name=model.name,
        **_top(layers, model),
    )
    names = {name: keras_name(name, num_cells) for name in slim_variables(network)}
    return load_slim_weights(
        network, {name: keras.ops.convert_to_numpy(getattr(layers[layer], weight)) for name, (layer, weight) in names.items()}
    )


def keras_name(slim_name: str, num_cells: int) -> tuple[str, str]:
    """(layer, weight) in `keras.applications` of a variable of the original code, such as "cell_0/1x1/weights"."""
    scope, weight = slim_name.rsplit("/", 1)
    weight = _WEIGHTS.get(weight, weight)
    if scope in _TOP:
        return _TOP[scope], weight
    cell, scope = scope.split("/", 1)
    kind = "normal" if re.fullmatch(r"cell_\d+", cell) else "reduction"
    number = int(cell.rsplit("_", 1)[1])
    if kind == "normal":
        block = str(number if number < num_cells else number + 1)
    else:
        block = f"stem_{number + 1}" if "stem" in cell else f"reduce_{(number + 1) * num_cells}"
    separable = re.fullmatch(r"comb_iter_(\d)/(left|right)/(bn_sep|separable)_\dx\d_([12])", scope)
    if not separable:
        return f"{_SCOPES[scope].format(kind=kind)}_{block}", weight
    iteration, side, what, time = separable.groups()
    branch = f"{side}{int(iteration) + 1}"
    branch = "left4" if (kind, branch) == ("reduction", "left5") else branch  # Keras' own slip of the pen
    return f"separable_conv_{time}_{'bn_' if what == 'bn_sep' else ''}{kind}_{branch}_{block}", weight


def _top(layers, model):
    if "predictions" in layers:
        dense = layers["predictions"]
        return dict(classes=dense.units, classifier_activation=keras.activations.serialize(dense.activation))
    pooling = {keras.layers.GlobalAveragePooling2D: "avg", keras.layers.GlobalMaxPooling2D: "max"}.get(type(model.layers[-1]))
    return dict(include_top=False, pooling=pooling)


def _skips_reduction(layers, num_cells):
    """Whether the cell after the first reduction reads past it: by what its factorized reduction is fed with."""
    source = layers[f"adjust_relu_1_{num_cells + 1}"].input._keras_history.operation.name
    return source != f"normal_concat_{num_cells - 1}"
