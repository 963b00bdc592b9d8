"""Options that several subcommands share, and what they mean."""

from __future__ import annotations

import os
import pathlib
import sys

import click

from nasnet_tf import genotype as genotypes

POSITIVE = click.IntRange(min=1)
MINUTES = click.FloatRange(min=0, min_open=True)

image_size = click.option("--image-size", type=POSITIVE, help="Side in pixels; pictures are resized to it.")
data_dir = click.option("--data-dir", type=click.Path(file_okay=False), help="Where TensorFlow Datasets keeps its files.")
seed = click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of everything random.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def genotype(text):
    """The genotype a user names: a published name or the path of a JSON file of any kind."""
    return genotypes.NAMED[text] if text in genotypes.NAMED else genotypes.load(text)


def size(data, num_cells, filters) -> dict:
    """Arguments of `nasnet_tf.cost.cost_of` for a network for `data`."""
    return dict(num_cells=num_cells, filters=filters, stem=None, classes=data.classes, input_shape=data.input_shape)


def fill(config: dict, defaults: dict) -> None:
    """Gives what `config` leaves open, None, its default."""
    config.update({name: value for name, value in defaults.items() if config.get(name) is None})


def refuse(config: dict, names, why: str) -> None:
    """Raises ValueError that begins with the option if one of `names` is given in `config`."""
    for name in names:
        if config.get(name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} {why}; leave it out.")


def number(value: float) -> str:
    """A reward in four decimals, or in three digits where these would show little of it."""
    return f"{value:.4f}" if abs(value) >= 0.01 or not value else f"{value:.3g}"


def outcome(result: dict, part: str = "test") -> str:
    """How a network does, as `nasnet_tf.training.scores` tells, in words."""
    if "perplexity" not in result:
        return f"{result['accuracy']:.2%} of {result['images']} {part} images right"
    bits = f" ({result['bits_per_character']:.3f} bits a character)" if "bits_per_character" in result else ""
    return f"perplexity {result['perplexity']:.2f}{bits} on a {part} part of {result['words']} {'characters' if bits else 'words'}"


def reads(genotype) -> str:
    """What a network of the genotype is trained on: "images" or "text"."""
    return getattr(genotype, "reads", "images")


def new_folder(path: pathlib.Path, overwrite: bool, hint: str) -> pathlib.Path:
    """Makes the folder `path`. Raises ValueError if there is something already, unless `overwrite`."""
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists already; {hint}")
    path.mkdir(parents=True, exist_ok=True)
    return path


def start_keras():
    """Imports Keras, and TensorFlow without the notices its C++ side prints on standard error whatever the log level."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras

        keras.ops.zeros(1) + 1
        return keras
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def load_model(path):
    """The saved network at `path`, in Keras' safe mode. Raises ValueError that names the file."""
    start_keras()

    from nasnet_tf import networks

    networks.import_all()

    from nasnet_tf.zoo.load import load_model

    try:
        return load_model(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give a network saved as .keras.") from None
