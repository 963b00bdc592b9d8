"""The arguments of a network, from the configuration of a NASNet of `keras.applications` by Keras 2
or 3.
"""

from __future__ import annotations

from nasnet_tf.zoo.source import SourceError

_GROUPS = {
    "Conv2D": "conv2d",
    "SeparableConv2D": "separable_conv2d",
    "BatchNormalization": "batch_normalization",
    "Dense": "dense",
}
_POOLS = {"GlobalAveragePooling2D": "avg", "GlobalMaxPooling2D": "max"}
_WITHOUT_WEIGHTS = {
    "InputLayer",
    "Activation",
    "ReLU",
    "ZeroPadding2D",
    "Cropping2D",
    "AveragePooling2D",
    "MaxPooling2D",
    "Add",
}
_WITHOUT_WEIGHTS |= {"Concatenate", "Dropout", *_POOLS}


def arguments(config: dict) -> dict:
    """Arguments of `nasnet_tf.systems.cells.network.Network` for the same outputs; none if there is
    no configuration.

    Raises: SourceError if a `Network` cannot compute the same.
    """
    layers = list(_layers(config))
    if not layers:
        return {}
    others = {layer["class_name"] for layer in layers} - _WITHOUT_WEIGHTS - _GROUPS.keys()
    if others:
        raise SourceError(
            f"has layers a NASNet has not ({', '.join(sorted(others))}); give the NASNet inside it."
        )
    found = {"name": config.get("name") or "nasnet"}
    inputs = [layer["config"] for layer in layers if layer["class_name"] == "InputLayer"]
    if inputs:
        found["input_shape"] = tuple(
            (inputs[-1].get("batch_shape") or inputs[-1]["batch_input_shape"])[1:]
        )
    classifiers = [
        layer["config"]["activation"] for layer in layers if layer["class_name"] == "Dense"
    ]
    if not classifiers:
        return {**found, "pooling": _POOLS.get(layers[-1]["class_name"])}
    if not isinstance(classifiers[-1], str):
        raise SourceError(
            "has a classifier with an activation of your own; give it one of Keras' by name."
        )
    return {**found, "classifier_activation": classifiers[-1]}


def skip_reduction(config: dict) -> dict:
    """{"skip_reduction": whether the cell after the first reduction reads the cell before it}, by
    the input of that cell's factorized reduction; empty if the names of layers are others.
    """
    layers = {layer["config"].get("name"): layer for layer in _layers(config)}
    num_cells = sum(name.startswith("normal_concat_") for name in layers) // 3
    node = layers.get(f"adjust_relu_1_{num_cells + 1}", {}).get("inbound_nodes")
    return (
        {"skip_reduction": _source(node[0]) != f"normal_concat_{num_cells - 1}"}
        if num_cells and node
        else {}
    )


def group_names(config: dict) -> dict[str, str]:
    """{group: layer's name} for the groups in which Keras 3 stores a model's layers with
    weights.
    """
    counts, names = dict.fromkeys(_GROUPS, 0), {}
    for layer in config.get("layers", []):
        kind = layer["class_name"]
        if kind in _GROUPS:
            names[f"{_GROUPS[kind]}_{counts[kind]}" if counts[kind] else _GROUPS[kind]] = layer[
                "config"
            ]["name"]
            counts[kind] += 1
    return names


def _layers(config):
    """The layers, with those of nested models in their places."""
    for layer in config.get("layers", []):
        if "layers" in layer["config"]:
            yield from _layers(layer["config"])
        else:
            yield layer


def _source(node):
    """The layer of the first input of a node: of Keras 2, [[name, 0, 0, {}]], or of Keras 3."""
    return node[0][0] if isinstance(node, list) else node["args"][0]["config"]["keras_history"][0]
