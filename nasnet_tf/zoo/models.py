"""Published networks by family and variant, and networks of other genotypes by name or path.

Sources: NASNet-A, Zoph et al. 2017, arXiv 1707.07012, tables 1 to 3, with the settings of the
authors' TF-slim code (slim/nets/nasnet/nasnet.py); PNASNet-5, Liu et al. 2018, arXiv 1712.00559,
with those of pnasnet.py beside it; AmoebaNet-A, Real et al. 2019, arXiv 1802.01548.
"""

from __future__ import annotations

import fnmatch
import os

from nasnet_tf.signatures import checked, passes_on
from nasnet_tf.systems.cells.genotype import Genotype
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.systems.cells.published import AMOEBANET_A, GENOTYPES, NASNET_A, PNASNET_5
from nasnet_tf.zoo.weights import load_weights

_MOBILE = dict(stem="imagenet", stem_filters=32, input_shape=(224, 224, 3), classes=1000)
_LARGE = dict(stem="imagenet", stem_filters=96, input_shape=(331, 331, 3), classes=1000)
_CIFAR = dict(stem="cifar", input_shape=(32, 32, 3), classes=10)
_MIDDLE = {**_MOBILE, "input_shape": (299, 299, 3)}

_CUSTOM = {**_CIFAR, "num_cells": 6, "filters": 32}  # of a genotype without a published size

# Family -> its genotype, and variant -> arguments of Network. N@P of NASNet-A has F = P / 24.
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
            "mobile": {
                **_MOBILE,
                "num_cells": (3, 2, 2),
                "filters": 54,
                "stem_cell_filters": (13, 27),
            },
            "large": {**_LARGE, "num_cells": (4, 3, 3), "filters": 216},
            "cifar": {**_CIFAR, "num_cells": (3, 2, 2), "filters": 48},
        },
    ),
    "amoebanet_a": (AMOEBANET_A, {"cifar": {**_CIFAR, "num_cells": 6, "filters": 36}}),
}
PRETRAINED = ("nasnet_a_mobile", "nasnet_a_large")  # those with published ImageNet weights
# 1538 is a misprint in table 2: no multiple of 24
_ALIASES = {"4@1056": "mobile", "6@4032": "large", "6@768": "cifar", "5@1538": "5@1536"}


def _name(family, variant):
    return f"{family}_{variant.replace('@', '_')}"


# Name of a model -> its genotype and the arguments of Network.
_VARIANTS = {}
for _family, (_cells, _variants) in FAMILIES.items():
    for _key, _arguments in _variants.items():
        _VARIANTS[_name(_family, _key)] = _cells, _arguments


@checked
def list_models(filter="", exclude_filters="", pretrained: bool = False) -> list[str]:
    """The names that `create_model` takes, as `timm.list_models` lists its own.

    Args:
        filter: a pattern, such as "*nas*", or several, of which a name must match one; an empty one
            matches all. Case does not count.
        exclude_filters: a pattern or several, of which a name must match none.
        pretrained: whether to list only those that have ImageNet weights.
    """
    wanted, unwanted = (_patterns(given) for given in (filter, exclude_filters))
    return [
        name
        for name in _VARIANTS
        if (not wanted or _matches(name, wanted))
        and not _matches(name, unwanted)
        and (name in PRETRAINED or not pretrained)
    ]


def _patterns(given):
    return [
        pattern.lower() for pattern in ([given] if isinstance(given, str) else given) if pattern
    ]


def _matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


@checked
def create_model(
    name,
    *,
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=None,
    classifier_activation="softmax",
    model_name=None,
    num_cells=None,
    filters=None,
    penultimate_filters=None,
    stem=None,
    stem_filters=None,
    stem_cell_filters=None,
    skip_reduction=None,
    auxiliary_head=False,
    drop_path_rate=0.0,
    drop_path_steps=None,
    dropout_rate=0.0,
    residual=False,
    batch_norm_momentum=None,
    batch_norm_epsilon=None,
    weight_decay=0.0,
    zero_padded_pools=False,
    gradient_checkpointing=False,
    mean=None,
    std=None,
    class_names=None,
    dtype=None,
    trainable=True,
):
    """The network of that name, or one of a genotype.

    Inputs: images (batch, height, width, 3) as `preprocess_input` leaves them, in [-1, 1]; in
        pixels if `mean` and `std` are given.
    Args:
        name: one of `list_models()`, such as "nasnet_a_mobile"; or a `Genotype`, the name of a
            published one, or the path of a genotype's JSON file, which give a network of the CIFAR
            kind unless `stem`, `num_cells` and `filters` say otherwise.
        include_top, input_tensor, input_shape, pooling, classes, classifier_activation: as in
            `keras.applications`; so is the `name` of `NASNetA` and its kin, which is `model_name`
            here.
        weights: None (random), "imagenet" (NASNet-A mobile and large), or whatever `load_weights`
            takes. A classifier for another number of classes stays random; `model.weights_report`
            says what was loaded.
        num_cells: N, normal cells a stage, in place of the variant's.
        filters: F, filters of the first stage; a multiple of 4 with the imagenet stem.
        penultimate_filters: P = 24 F, another way to give F of a NASNet-A ("N @ P" in the paper).
        others: as `nasnet_tf.systems.cells.network.Network`.
    Of num_cells, filters, stem, stem_filters, stem_cell_filters, skip_reduction, input_shape and
    classes None means the variant's.
    Raises: ValueError that names the argument; TypeError for an unknown argument, with the
        nearest name.
    """
    given = {key: value for key, value in locals().items() if key not in ("name", "model_name")}
    genotype, defaults = _VARIANTS.get(name) or (_genotype(name), _CUSTOM)
    default_name = name if name in _VARIANTS else "network"
    return _network(genotype, defaults, model_name or default_name, **given)


@passes_on(create_model, without=("name", "model_name"))
def NASNetA(variant="mobile", *, name=None, **arguments):
    """NASNet-A, exact to the authors' original code.

    Args:
        variant: "mobile" (4 @ 1056, 224 px), "large" (6 @ 4032, 331 px), "cifar" (6 @ 768, 32 px),
            or another size of the paper's tables: "7@2304" (CIFAR), "5@1536" and "7@1920" (299 px).
            For any other size give num_cells and filters.
        **arguments: as `create_model`.
    Returns: a `Network`, which is a `keras.Model`.
    Raises: ValueError that names the argument; TypeError for an unknown argument.
    """
    return create_model(_variant("nasnet_a", variant), model_name=name, **arguments)


@passes_on(create_model, without=("name", "model_name"))
def PNASNet5(variant="mobile", *, name=None, **arguments):
    """PNASNet-5: "mobile" (224 px), "large" (331 px) or "cifar" (32 px). Arguments as
    `create_model`.
    """
    return create_model(_variant("pnasnet_5", variant), model_name=name, **arguments)


@passes_on(create_model, without=("name", "model_name"))
def AmoebaNetA(variant="cifar", *, name=None, **arguments):
    """AmoebaNet-A: "cifar" (N = 6, F = 36, 32 px), or any num_cells and filters. Arguments as
    `create_model`.
    """
    return create_model(_variant("amoebanet_a", variant), model_name=name, **arguments)


def variant_arguments(name: str) -> tuple[Genotype, dict]:
    """(genotype, arguments of `Network`) of one of `list_models()`."""
    if name not in _VARIANTS:
        raise ValueError(f"no model {name!r}; there are {', '.join(_VARIANTS)}.")
    genotype, arguments = _VARIANTS[name]
    return genotype, dict(arguments)


def _variant(family, variant):
    """The name of a family's variant among `list_models()`."""
    variant = str(variant).replace(" ", "").lower()
    variant = _ALIASES.get(variant, variant)
    variants = FAMILIES[family][1]
    if variant not in variants:
        raise ValueError(
            f"no variant {variant!r} of {family}; there are {', '.join(variants)}; give num_cells"
            " and filters for another size."
        )
    return _name(family, variant)


def _genotype(name):
    if isinstance(name, Genotype):
        return name
    if name in GENOTYPES:
        return GENOTYPES[name]
    if os.path.exists(name):
        return Genotype.load(name)
    raise ValueError(
        f"no model {name!r}; there are {', '.join([*list_models(), *GENOTYPES])}, or the path of a"
        " genotype's JSON file."
    )


def _network(genotype, defaults, name, *, weights, penultimate_filters, **given):
    if penultimate_filters is not None:
        given["filters"] = _filters(
            penultimate_filters, given["filters"], len(genotype.normal.concat)
        )
    if given["input_tensor"] is not None:
        defaults = {key: value for key, value in defaults.items() if key != "input_shape"}
    given = {
        key: value
        for key, value in given.items()
        if value is not None or key in ("classifier_activation", "pooling")
    }
    model = Network(genotype, **{**defaults, "name": name, **given})
    if weights is not None:
        model.weights_report = load_weights(model, weights)
    return model


def _filters(penultimate_filters, filters, states):
    if filters is not None:
        raise ValueError(
            f"got both filters={filters} and penultimate_filters={penultimate_filters}; give one of"
            f" them (P = {4 * states} F)."
        )
    if penultimate_filters % (4 * states):
        raise ValueError(
            f"penultimate_filters is {penultimate_filters}; give a multiple of {4 * states} (P ="
            f" {4 * states} F), of {16 * states} with the imagenet stem."
        )
    return penultimate_filters // (4 * states)
