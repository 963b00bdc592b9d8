"""`info`: what a genotype or a saved network is made of and costs."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass

from nasnet_tf.signatures import passes_on
from nasnet_tf.workflow import networks
from nasnet_tf.workflow.catalogue import NAMED, cost_of, default_size, genotype, reads
from nasnet_tf.workflow.paths import new_file
from nasnet_tf.workflow.values import COUNT, FILE, FLAG, Options, option

__all__ = ["InfoOptions", "info"]

_SIDES = {"imagenet": 224}  # of pictures, by the stem
_SIDE = 32


@dataclass(frozen=True, kw_only=True)
class InfoOptions(Options):
    """What may be asked of a genotype's network.

    Args:
        what: a published genotype's name, a model of the zoo, a genotype's file or a .keras file;
            None says what there is.
    """

    what: str | None = None
    num_cells: int | None = option(
        COUNT, "N, normal cells a stage.  [default: that of the paper's CIFAR network]"
    )
    filters: int | None = option(COUNT, "F, filters of the first stage.  [default: likewise]")
    stem: str | None = option(
        ("cifar", "imagenet"), "Of a network of cells; by default cifar below 64 pixels."
    )
    classes: int | None = option(COUNT, "Or words of a vocabulary.  [default: 10; 10000 words]")
    picture: str | None = option(FILE, "Draw the cells into this .png or .svg.")
    overwrite: bool = option(FLAG, "Replace the file `picture`.", False)
    image_size: int | None = option(COUNT, "Side in pixels of the pictures it reads.")


@passes_on(InfoOptions, without=("what",))
def info(what=None, **options) -> dict:
    """What a genotype, a model of the zoo or a saved network is made of and costs.

    Args:
        what: a published genotype's name, a model of the zoo, a genotype's file or a .keras file;
            None says what there is.
        **options: see `nasnet_tf.workflow.InfoOptions`.
    """
    asked = InfoOptions(what=what and str(what), **options)
    new_file(asked.picture, asked.overwrite, "picture")
    if what is None:
        return versions()
    found, facts = _saved(what) if asked.what.endswith(".keras") else _counted(asked)
    if found is None:
        return facts
    if asked.picture is not None:
        from nasnet_tf.report import draw_genotype

        draw_genotype(found, asked.picture, title=pathlib.Path(what).stem)
    return {**facts, "genotype": json.loads(found.to_json())}


def _saved(path):
    """(the genotype or None, facts) of a saved network."""
    network = networks.load_model(path)
    found = getattr(network, "genotype", None)
    names = getattr(network, "class_names", None)
    is_text = reads(found) == "text"
    facts = {
        "input": list(network.input_shape[1:]),
        **({"words": names and len(names)} if is_text else {"classes": names}),
        "parameters": network.count_params(),
    }
    return found, facts


def _counted(options):
    """(the genotype, facts) of a network that is not built."""
    found, own = described_by(options.what)
    usual = own.pop("image_size", None) or _SIDES.get(options.stem, _SIDE)
    given = {name: getattr(options, name) for name in ("num_cells", "filters", "stem", "classes")}
    given = {name: value for name, value in given.items() if value is not None}
    return found, network_of(found, options.image_size or usual, {**own, **given})


def described_by(what):
    """(genotype, arguments of its network and "image_size") of a published genotype's name, a model
    of the zoo, or a genotype's file.
    """
    if what in NAMED or pathlib.Path(what).exists():
        return genotype(what), {}
    networks.start_keras()
    from nasnet_tf.zoo.models import list_models, variant_arguments

    if what not in list_models():
        raise ValueError(
            f"{what!r} is no genotype ({', '.join(NAMED)}), no model of the zoo"
            f" ({', '.join(list_models())}), and no file."
        )
    found, arguments = variant_arguments(what)
    height, _, _ = arguments.pop("input_shape")
    return found, {**arguments, "image_size": height}


def network_of(genotype, side, given):
    """Size, parameters and multiply-adds of a network of `genotype`, for an image of `side` pixels
    or a word, without building it.
    """
    size = {**default_size(genotype), **given}
    found = cost_of(genotype, **{**size, "input_shape": (side, side, 3)})
    sides = {"image_size": side} if reads(genotype) == "images" else {}
    return {**size, **sides, **(found._asdict() if found else {})}


def versions():
    """Published genotypes and the releases of what this package stands on."""
    import importlib.metadata

    names = ("nasnet_tf", "tensorflow", "keras", "keras-tuner", "tensorflow-datasets", "numpy")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return {"genotypes": list(NAMED), "versions": found}
