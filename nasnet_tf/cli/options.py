"""Options that several subcommands share, and what they mean."""

from __future__ import annotations

import logging
import pathlib

import click

from nasnet_tf.cli.notices import without_notices
from nasnet_tf.systems import NAMED, load

POSITIVE = click.IntRange(min=1)
MINUTES = click.FloatRange(min=0, min_open=True)

image_size = click.option(
    "--image-size", type=POSITIVE, help="Side in pixels; pictures are resized to it."
)
data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False),
    help="Where TensorFlow Datasets keeps its files.",
)
seed = click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Of everything random.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
skip_broken = click.option(
    "--skip-broken",
    is_flag=True,
    default=None,
    help="Leave pictures out that cannot be read, and say so, rather than stop.",
)


def genotype(text):
    """The genotype a user names: a published name or the path of a JSON file of any kind."""
    return NAMED[text] if text in NAMED else load(text)


def size(data, num_cells, filters) -> dict:
    """Arguments of `nasnet_tf.systems.costs.cost_of` for a network for `data`."""
    return dict(
        num_cells=num_cells,
        filters=filters,
        stem=None,
        classes=data.classes,
        input_shape=data.input_shape,
    )


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
    part = "" if part == "all" else f"{part} "
    if "perplexity" not in result:
        return f"{result['accuracy']:.2%} of {result['images']} {part}images right"
    bits = (
        f" ({result['bits_per_character']:.3f} bits a character)"
        if "bits_per_character" in result
        else ""
    )
    return (
        f"perplexity {result['perplexity']:.2f}{bits} on a {part}part of {result['words']}"
        f" {'characters' if bits else 'words'}"
    )


def reads(genotype) -> str:
    """What a network of the genotype is trained on: "images" or "text"."""
    return "images" if genotype is None else genotype.reads


def new_file(path: pathlib.Path | None, overwrite: bool, option: str) -> None:
    """Raises ValueError if the file that `option` names is there already, unless `overwrite`."""
    if path is not None and path.exists() and not overwrite:
        raise ValueError(f"{path} exists already; give another {option}, or --overwrite.")


def new_folder(path: pathlib.Path, overwrite: bool, hint: str) -> pathlib.Path:
    """Makes the folder `path`. Raises ValueError if there is something already, unless
    `overwrite`.
    """
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists already; {hint}")
    path.mkdir(parents=True, exist_ok=True)
    return path


def start_keras():
    """Imports Keras, and TensorFlow without the notices its C++ side prints on standard error
    whatever the log level.
    """
    with without_notices():
        import keras

        keras.ops.zeros(1) + 1
    logging.getLogger("absl").setLevel(
        logging.ERROR
    )  # through it Keras and TensorFlow Datasets give advice to programmers
    return keras


def load_model(path):
    """The saved network at `path`, in Keras' safe mode. Raises ValueError that names the file."""
    start_keras()

    from nasnet_tf.systems import networks

    networks.import_all()

    from nasnet_tf.zoo.load import load_model

    try:
        return load_model(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give a network saved as .keras.") from None


def class_names_of(network, path):
    """The names of a network's classes in order; None if it does not know them.

    Raises: ValueError if there is not one for each class.
    """
    names, count = getattr(network, "class_names", None), classes_of(network)
    if names is not None and len(names) != count:
        raise ValueError(
            f"{path} tells {count} classes apart but has {len(names)} class_names; save it again"
            " with a name for each."
        )
    return names


def classes_of(network):
    """How many classes a network tells apart."""
    shape = network.output_shape
    return (shape["predictions"] if isinstance(shape, dict) else shape)[-1]


def image_size_of(network):
    """(height, width) of the pictures that a network takes; None if it takes any."""
    height, width = network.input_shape[1:3]
    return None if None in (height, width) else (height, width)


def folder_name(name: str, what: str) -> str:
    """`name`, if it can be that of a folder in another and of nothing outside it. Raises ValueError
    that begins with `what`, if not.
    """
    of_path = pathlib.PurePosixPath(name).name, pathlib.PureWindowsPath(name).name
    if name in ("", ".", "..") or of_path != (name, name) or not name.isprintable():
        raise ValueError(
            f"{what} is {name!r}; give the name of one folder, such as digits. --runs-dir says"
            " where it lies."
        )
    return name
