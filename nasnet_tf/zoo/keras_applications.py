"""A `keras.applications` NASNet as one of our networks, with the same outputs."""

from __future__ import annotations

from nasnet_tf.signatures import checked
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.systems.cells.published import NASNET_A
from nasnet_tf.zoo import keras_config, official, weights
from nasnet_tf.zoo.matching import match
from nasnet_tf.zoo.reading import open_source
from nasnet_tf.zoo.source import KERAS, SourceError


@checked
def from_keras_applications(source) -> Network:
    """Our network with the weights and the outputs of a NASNet from `keras.applications`,
    fine-tuned or not.

    Keras pads the strided pools of its reduction cells with zeros that count, which the original
    code does not do; the network returned does the same (`zero_padded_pools=True`), so that its
    outputs are equal.

    Args:
        source: a model made by `keras.applications.NASNetMobile` or `NASNetLarge`, with any
            weights, classes, input shape and pooling; or the path of such a model saved as
            `.keras`, `.h5` or `.weights.h5`. A file of weights alone does not tell input shape,
            pooling, activation and wiring: they are those of NASNet-A large if its stem has 96
            filters, else of mobile.
    Raises: ValueError if it is of another kind; FileNotFoundError.
    """
    with open_source(source) as (_, found):
        if found.layout != KERAS:
            raise SourceError("is no NASNet of keras.applications.")
        network = Network(NASNET_A, stem="imagenet", zero_padded_pools=True, **_arguments(found))
        arrays = weights.read(network, match(network, found))
    weights.assign(network, arrays)
    return network


def _arguments(source):
    """What the shapes of the arrays tell, and what the configuration does."""
    arrays = source.arrays
    missing = {"conv0/weights", "cell_0/1x1/weights"} - arrays.keys()
    if missing:
        raise SourceError(
            f"is no whole NASNet of keras.applications: it lacks {' and '.join(sorted(missing))}."
        )
    *_, channels, stem_filters = arrays["conv0/weights"].shape
    large = official.VARIANTS["large"]
    size = 331 if arrays["cell_0/1x1/weights"].shape[-1] == large.filters else 224
    wiring = source.facts.get("skip_reduction", stem_filters == large.stem_filters)
    top = arrays.get("final_layer/FC/weights")
    return {
        "num_cells": (
            len(
                {
                    role.split("/")[0]
                    for role in arrays
                    if role.startswith("cell_") and "stem" not in role
                }
            )
            // 3
        ),
        "filters": arrays["cell_0/1x1/weights"].shape[-1],
        "stem_filters": stem_filters,
        "skip_reduction": wiring,
        "input_shape": (size, size, channels),
        "include_top": top is not None,
        **({"classes": top.shape[-1]} if top else {}),
        **keras_config.arguments(source.config),
    }
