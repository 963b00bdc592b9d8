"""`nasnet-tf info`: what a genotype or a saved network is made of and costs."""

from __future__ import annotations

import json
import pathlib

import click

from nasnet_tf.cli import options
from nasnet_tf.genotype import GENOTYPES


@click.command()
@click.argument("what", required=False)
@click.option("--num-cells", type=options.POSITIVE, default=6, show_default=True, help="N, normal cells a stage.")
@click.option("--filters", type=options.POSITIVE, default=32, show_default=True, help="F, filters of the first stage.")
@click.option("--stem", type=click.Choice(["cifar", "imagenet"]), default="cifar", show_default=True)
@click.option("--classes", type=options.POSITIVE, default=10, show_default=True)
@click.option("--picture", type=click.Path(dir_okay=False, path_type=pathlib.Path), help="Draw the cells into this .png or .svg.")
@options.image_size
@options.as_json
def info(what, num_cells, filters, stem, classes, picture, image_size, as_json):
    """What WHAT is made of: a published genotype's name, a genotype JSON or a .keras file. Without it: what there is."""
    if what is None:
        facts = versions()
    elif str(what).endswith(".keras"):
        network = options.load_model(what)
        found = getattr(network, "genotype", None)
        facts = {
            "input": list(network.input_shape[1:]),
            "classes": getattr(network, "class_names", None),
            "parameters": network.count_params(),
        }
    else:
        found = options.genotype(what)
        side = image_size or (32 if stem == "cifar" else 224)
        facts = cost_of(found, num_cells, filters, stem, classes, side)
    if what is not None and found is not None:
        facts["genotype"] = json.loads(found.to_json())
        if picture is not None:
            from nasnet_tf.report import draw_genotype

            draw_genotype(found, picture, title=pathlib.Path(what).stem)
    click.echo(json.dumps(facts) if as_json else "\n".join(lines(facts)))


def cost_of(genotype, num_cells, filters, stem, classes, side):
    """Parameters and multiply-adds of a network of `genotype`, without building it."""
    from nasnet_tf.cost import cost

    found = cost(genotype, num_cells, filters, stem=stem, classes=classes, input_shape=(side, side, 3))
    return {"num_cells": num_cells, "filters": filters, "stem": stem, "image_size": side, "classes": classes, **found._asdict()}


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
    return {"genotypes": list(GENOTYPES), "versions": found}


def lines(facts):
    """`facts` for a person: a line each, a cell's blocks one below the other."""
    for name, value in facts.items():
        if name == "genotype":
            for cell in ("normal", "reduction"):
                yield f"{cell} cell (0 is h, 1 is p; concatenates {', '.join(map(str, value[cell]['concat']))})"
                for number, (one, first, two, second, combine) in enumerate(value[cell]["blocks"], start=2):
                    yield f"  {number} = {combine}({first} of {one}, {second} of {two})"
        elif isinstance(value, dict):
            yield f"{name}: " + ", ".join(f"{k} {v or 'not installed'}" for k, v in value.items())
        elif isinstance(value, list | tuple):
            yield f"{name}: " + ", ".join(map(str, value))
        else:
            yield f"{name.replace('_', ' ')}: {value:,}" if isinstance(value, int) else f"{name.replace('_', ' ')}: {value}"
