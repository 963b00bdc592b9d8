"""`nasnet-tf info`: what a genotype or a saved network is made of and costs."""

from __future__ import annotations

import json
import pathlib

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.systems import NAMED


@click.command()
@click.argument("what", required=False)
@click.option(
    "--num-cells",
    type=options.POSITIVE,
    help="N, normal cells a stage.  [default: that of the paper's CIFAR network]",
)
@click.option(
    "--filters", type=options.POSITIVE, help="F, filters of the first stage.  [default: likewise]"
)
@click.option(
    "--stem",
    type=click.Choice(["cifar", "imagenet"]),
    help="Of a network of cells; by default cifar below 64 pixels.",
)
@click.option(
    "--classes", type=options.POSITIVE, help="Or words of a vocabulary.  [default: 10; 10000 words]"
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Draw the cells into this .png or .svg.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file --picture.")
@options.image_size
@options.as_json
def info(what, num_cells, filters, stem, classes, picture, overwrite, image_size, as_json):
    """What WHAT is made of: a published genotype's name, a model of the zoo, a genotype JSON or a
    .keras file; or what there is.
    """
    options.new_file(picture, overwrite, "--picture")
    if what is None:
        facts = versions()
    elif str(what).endswith(".keras"):
        network = options.load_model(what)
        found = getattr(network, "genotype", None)
        names = getattr(network, "class_names", None)
        told = (
            {"words": names and len(names)}
            if options.reads(found) == "text"
            else {"classes": names}
        )
        facts = {
            "input": list(network.input_shape[1:]),
            **told,
            "parameters": network.count_params(),
        }
    else:
        found, own = described_by(what)
        side = image_size or own.pop("image_size", None) or (224 if stem == "imagenet" else 32)
        given = {"num_cells": num_cells, "filters": filters, "stem": stem, "classes": classes}
        facts = network_of(
            found,
            side,
            {**own, **{name: value for name, value in given.items() if value is not None}},
        )
    if what is not None and found is not None:
        facts["genotype"] = json.loads(found.to_json())
        facts["lines"] = found.lines()
        if picture is not None:
            from nasnet_tf.report import draw_genotype

            draw_genotype(found, picture, title=pathlib.Path(what).stem)
    described = facts.pop("lines", [])
    printing.show(*([json.dumps(facts)] if as_json else [*lines(facts), *described]))


def described_by(what):
    """(genotype, arguments of its network and "image_size") of a published genotype's name, a model
    of the zoo, or a genotype's file.
    """
    if what in NAMED or pathlib.Path(what).exists():
        return options.genotype(what), {}
    options.start_keras()
    from nasnet_tf.zoo.models import list_models, variant_arguments

    if what not in list_models():
        raise ValueError(
            f"{what!r} is no genotype ({', '.join(NAMED)}), no model of the zoo"
            f" ({', '.join(list_models())}), and no file."
        )
    genotype, arguments = variant_arguments(what)
    height, _, _ = arguments.pop("input_shape")
    return genotype, {**arguments, "image_size": height}


def network_of(genotype, side, given):
    """Size, parameters and multiply-adds of a network of `genotype`, for an image of `side` pixels
    or a word, without building it.
    """
    from nasnet_tf.systems.costs import cost_of, defaults_of

    size = {
        **defaults_of(genotype),
        **{name: value for name, value in given.items() if value is not None},
    }
    found = cost_of(genotype, **{**size, "input_shape": (side, side, 3)})
    sides = {"image_size": side} if options.reads(genotype) == "images" else {}
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


def lines(facts):
    """`facts` for a person, a line each, but the genotype, which knows its own."""
    for name, value in facts.items():
        if name == "genotype":
            continue
        if isinstance(value, dict):
            yield f"{name}: " + ", ".join(f"{k} {v or 'not installed'}" for k, v in value.items())
        elif isinstance(value, list | tuple):
            yield f"{name}: " + ", ".join(map(str, value))
        else:
            yield (
                f"{name.replace('_', ' ')}: {value:,}"
                if isinstance(value, int)
                else f"{name.replace('_', ' ')}: {value}"
            )
