"""Published networks by family and variant, and any other genotype by name or path.

Sources: NASNet-A, Zoph et al. 2017, arXiv 1707.07012, tables 1 to 3, with the settings of the
    authors' TF-slim code
(slim/nets/nasnet/nasnet.py); PNASNet-5, Liu et al. 2018, arXiv 1712.00559, with those of pnasnet.py
beside it; AmoebaNet-A, Real et al. 2019, arXiv 1802.01548.
"""

from __future__ import annotations

import fnmatch
import os

from nasnet_tf.signatures import checked
from nasnet_tf.systems.cells.genotype import Genotype
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.systems.cells.published import AMOEBANET_A, GENOTYPES, NASNET_A, PNASNET_5
from nasnet_tf.zoo.weights import load_weights

_MOBILE = dict(stem="imagenet", stem_filters=32, input_shape=(224, 224, 3), classes=1000)
_LARGE = dict(stem="imagenet", stem_filters=96, input_shape=(331, 331, 3), classes=1000)
_CIFAR = dict(stem="cifar", input_shape=(32, 32, 3), classes=10)
_MIDDLE = {**_MOBILE, "input_shape": (299, 299, 3)}

# Family -> its genotype, and variant -> arguments of Network. A variant N@P of NASNet-A has F = P /
# 24.
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
PRETRAINED = (
    "nasnet_a_mobile",
    "nasnet_a_large",
)  # those whose authors released weights of ImageNet
_ALIASES = {
    "4@1056": "mobile",
    "6@4032": "large",
    "6@768": "cifar",
    "5@1538": "5@1536",
}  # 1538 is a slip in table 2: no multiple of 24


@checked
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
    """NASNet-A, exact to the authors' original code.

    Args:
        variant: "mobile" (4 @ 1056, 224 px), "large" (6 @ 4032, 331 px), "cifar" (6 @ 768, 32 px),
            or another size of the paper's tables: "7@2304" (CIFAR), "5@1536" and "7@1920" (299 px).
            For any other size give num_cells and filters.
        others: as `create_model`.
    Returns: a `Network`, which is a `keras.Model`.
    Raises: ValueError that names the argument; TypeError for one that there is not.
    """
    return _build("nasnet_a", **locals())


@checked
def PNASNet5(
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
    """PNASNet-5: "mobile" (224 px), "large" (331 px) or "cifar" (32 px). Arguments as
    `create_model`.
    """
    return _build("pnasnet_5", **locals())


@checked
def AmoebaNetA(
    variant="cifar",
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
    """AmoebaNet-A: "cifar" (N = 6, F = 36, 32 px), or any num_cells and filters. Arguments as
    `create_model`.
    """
    return _build("amoebanet_a", **locals())


def list_models(filter="", exclude_filters="", pretrained: bool = False) -> list[str]:
    """The names that `create_model` takes, as `timm.list_models` lists its own.

    Args:
        filter: a pattern, such as "*nas*", or several, of which a name must match one; an empty one
            matches all. Case does not count.
        exclude_filters: a pattern or several, of which a name must match none.
        pretrained: whether to list only those that have ImageNet weights.
    """
    wanted, unwanted = (_patterns(given) for given in (filter, exclude_filters))
    names = [
        _name(family, variant) for family, (_, variants) in FAMILIES.items() for variant in variants
    ]
    return [
        name
        for name in names
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
    Raises: ValueError that names the argument; TypeError for one that there is not, with the
        nearest name.
    """
    given = {key: value for key, value in locals().items() if key not in ("name", "model_name")}
    for family, (_, variants) in FAMILIES.items():
        for variant in variants:
            if name == _name(family, variant):
                return _build(family, variant, name=model_name, **given)
    return _network(
        _genotype(name),
        {**_CIFAR, "num_cells": 6, "filters": 32},
        "network",
        name=model_name,
        **given,
    )


def variant_arguments(name: str) -> tuple[Genotype, dict]:
    """(genotype, arguments of `Network`) of one of `list_models()`."""
    found = {
        _name(family, v): (genotype, dict(a))
        for family, (genotype, variants) in FAMILIES.items()
        for v, a in variants.items()
    }
    if name not in found:
        raise ValueError(f"no model {name!r}; there are {', '.join(found)}.")
    return found[name]


def _name(family, variant):
    return f"{family}_{variant.replace('@', '_')}"


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


def _build(family, variant, **given):
    genotype, variants = FAMILIES[family]
    variant = str(variant).replace(" ", "").lower()
    variant = _ALIASES.get(variant, variant)
    if variant not in variants:
        raise ValueError(
            f"no variant {variant!r} of {family}; there are {', '.join(variants)}; give num_cells"
            " and filters for another size."
        )
    return _network(genotype, variants[variant], _name(family, variant), **given)


def _network(genotype, defaults, default_name, *, weights, penultimate_filters, name, **given):
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
    model = Network(genotype, **{**defaults, "name": name or default_name, **given})
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
