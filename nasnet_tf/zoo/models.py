"""Published networks by family and variant, and any other genotype by name or path.

Sources: NASNet-A, Zoph et al. 2017, arXiv 1707.07012, tables 1 to 3, with the settings of the authors' TF-slim code
(slim/nets/nasnet/nasnet.py); PNASNet-5, Liu et al. 2018, arXiv 1712.00559, with those of pnasnet.py beside it; AmoebaNet-A, Real et
al. 2019, arXiv 1802.01548.
"""

from __future__ import annotations

import os

import keras

from nasnet_tf import genotype as genotypes
from nasnet_tf.genotype import AMOEBANET_A, GENOTYPES, NASNET_A, PNASNET_5, Genotype
from nasnet_tf.network import Network
from nasnet_tf.zoo.classes import class_names
from nasnet_tf.zoo.weights import load_weights

_MOBILE = dict(stem="imagenet", stem_filters=32, input_shape=(224, 224, 3), classes=1000)
_LARGE = dict(stem="imagenet", stem_filters=96, input_shape=(331, 331, 3), classes=1000)
_CIFAR = dict(stem="cifar", input_shape=(32, 32, 3), classes=10)
_MIDDLE = {**_MOBILE, "input_shape": (299, 299, 3)}

# Family -> its genotype, and variant -> arguments of Network. A variant N@P of NASNet-A has F = P / 24.
FAMILIES = {
    "nasnet_a": (
        NASNET_A,
        {
            "mobile": {**_MOBILE, "num_cells": 4, "filters": 44},
            "large": {**_LARGE, "num_cells": 6, "filters": 168, "skip_reduction": True},
            "cifar": {**_CIFAR, "num_cells": 6, "filters": 32},
            "7@2304": {**_CIFAR, "num_cells": 7, "filters": 96},
            "5@1536": {**_MIDDLE, "num_cells": 5, "filters": 64},
            "7@1920": {**_MIDDLE, "num_cells": 7, "filters": 80},
        },
    ),
    "pnasnet_5": (
        PNASNET_5,
        {
            "mobile": {**_MOBILE, "num_cells": (3, 2, 2), "filters": 54, "stem_cell_filters": (13, 27)},
            "large": {**_LARGE, "num_cells": (4, 3, 3), "filters": 216},
            "cifar": {**_CIFAR, "num_cells": (3, 2, 2), "filters": 48},
        },
    ),
    "amoebanet_a": (AMOEBANET_A, {"cifar": {**_CIFAR, "num_cells": 6, "filters": 36}}),
}
_ALIASES = {"4@1056": "mobile", "6@4032": "large", "6@768": "cifar", "5@1538": "5@1536"}  # 1538 is a slip in table 2: no multiple of 24


def NASNetA(variant="mobile", **arguments):
    """NASNet-A, exact to the authors' original code.

    Args:
        variant: "mobile" (4 @ 1056, 224 px), "large" (6 @ 4032, 331 px), "cifar" (6 @ 768, 32 px), or another size of the paper's
            tables: "7@2304" (CIFAR), "5@1536" and "7@1920" (299 px). For any other size give num_cells and filters.
        **arguments: of `create_model`.
    Returns: a `Network`, which is a `keras.Model`.
    Raises: ValueError that names the argument.
    """
    return _build("nasnet_a", variant, **arguments)


def PNASNet5(variant="mobile", **arguments):
    """PNASNet-5: "mobile" (224 px), "large" (331 px) or "cifar" (32 px). Arguments as `create_model`."""
    return _build("pnasnet_5", variant, **arguments)


def AmoebaNetA(variant="cifar", **arguments):
    """AmoebaNet-A: "cifar" (N = 6, F = 36, 32 px), or any num_cells and filters. Arguments as `create_model`."""
    return _build("amoebanet_a", variant, **arguments)


def list_models() -> list[str]:
    """The names that `create_model` takes."""
    return [_name(family, variant) for family, (_, variants) in FAMILIES.items() for variant in variants]


def create_model(name, **arguments):
    """The network of that name, or one of a genotype.

    Inputs: images (batch, height, width, 3) as `preprocess_input` leaves them, in [-1, 1]; in pixels if `mean` and `std` are given.
    Args:
        name: one of `list_models()`, such as "nasnet_a_mobile"; or a `Genotype`, the name of a published one, or the path of a
            genotype's JSON file, which give a network of the CIFAR kind unless `stem`, `num_cells` and `filters` say otherwise.
        include_top, input_tensor, input_shape, pooling, classes, classifier_activation, name: as in `keras.applications`.
        weights: None (random), "imagenet" (NASNet-A mobile and large), or whatever `load_weights` takes. A classifier for another
            number of classes stays random; `model.weights_report` says what was loaded.
        num_cells: N, normal cells a stage, in place of the variant's.
        filters: F, filters of the first stage; a multiple of 4 with the imagenet stem.
        penultimate_filters: P = 24 F, another way to give F of a NASNet-A ("N @ P" in the paper).
        **arguments: others of `nasnet_tf.network.Network`: auxiliary_head, drop_path_rate, dropout_rate, weight_decay, mean, std,
            batch_norm_momentum, batch_norm_epsilon, dtype, ...
    Raises: ValueError that names the argument.
    """
    for family, (_, variants) in FAMILIES.items():
        for variant in variants:
            if name == _name(family, variant):
                return _build(family, variant, **arguments)
    return _network(_genotype(name), {**_CIFAR, "num_cells": 6, "filters": 32}, arguments.pop("model_name", "network"), **arguments)


def variant_arguments(name: str) -> tuple[Genotype, dict]:
    """(genotype, arguments of `Network`) of one of `list_models()`."""
    found = {_name(family, v): (genotype, dict(a)) for family, (genotype, variants) in FAMILIES.items() for v, a in variants.items()}
    if name not in found:
        raise ValueError(f"no model {name!r}; there are {', '.join(found)}.")
    return found[name]


def _name(family, variant):
    return f"{family}_{variant.replace('@', '_')}"


def _genotype(name):
    if isinstance(name, Genotype):
        return name
    if name in GENOTYPES:
        return genotypes.get(name)
    if os.path.exists(name):
        return Genotype.load(name)
    raise ValueError(f"no model {name!r}; there are {', '.join([*list_models(), *GENOTYPES])}, or the path of a genotype's JSON file.")


def _build(family, variant, **arguments):
    genotype, variants = FAMILIES[family]
    variant = str(variant).replace(" ", "").lower()
    variant = _ALIASES.get(variant, variant)
    if variant not in variants:
        raise ValueError(
            f"no variant {variant!r} of {family}; there are {', '.join(variants)}; give num_cells and filters for another size."
        )
    return _network(genotype, variants[variant], _name(family, variant), **arguments)


def _network(genotype, defaults, default_name, weights=None, input_tensor=None, penultimate_filters=None, name=None, **given):
    if penultimate_filters is not None:
        given["filters"] = _filters(penultimate_filters, given.get("filters"), len(genotype.normal.concat))
    if input_tensor is not None:
        given["input_shape"] = tuple(input_tensor.shape[1:])
    given = {key: value for key, value in given.items() if value is not None or key in ("classifier_activation", "pooling")}
    model = Network(genotype, **{**defaults, "name": name or default_name, **given})
    model.weights_report = None if weights is None else load_weights(model, weights)
    if weights == "imagenet" and model.get_config()["classes"] == 1000 and model.get_config()["class_names"] is None:
        model.class_names = class_names()
    if input_tensor is None:
        return model
    sources = keras.utils.get_source_inputs(input_tensor)
    return keras.Model(sources[0] if len(sources) == 1 else sources, model(input_tensor), name=model.name)


def _filters(penultimate_filters, filters, states):
    if filters is not None:
        raise ValueError(
            f"got both filters={filters} and penultimate_filters={penultimate_filters}; give one of them (P = {4 * states} F)."
        )
    if penultimate_filters % (4 * states):
        raise ValueError(
            f"penultimate_filters is {penultimate_filters}; give a multiple of {4 * states} (P = {4 * states} F), of {16 * states} with "
            "the imagenet stem."
        )
    return penultimate_filters // (4 * states)
