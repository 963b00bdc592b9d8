"""`nasnet-tf predict`: the classes of pictures."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import pathlib

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.files import write_whole
from nasnet_tf.spreadsheets import cell

_CENTRAL = (
    0.875  # of an ImageNet picture: what slim evaluates its networks on (inception_preprocessing)
)
_AT_ONCE = 256  # pictures in memory


@click.command()
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--model",
    required=True,
    help="A network saved as .keras, or one with ImageNet's classes: mobile or large.",
)
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="Of mobile or large: imagenet, or a file.",
)
@click.option(
    "--top", type=options.POSITIVE, default=3, show_default=True, help="How many classes to name."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Write a .csv table, a row for each picture, in place of lines.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file --out.")
@options.skip_broken
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON object for each picture, one a line."
)
def predict(images, model, weights, top, out, overwrite, skip_broken, as_json):
    """Name the most likely classes of each of IMAGES: picture files, or folders, of which all
    pictures are taken.
    """
    options.new_file(out, overwrite, "--out")
    paths = _paths(images)
    network, central = (
        (_imagenet(model, weights), _CENTRAL)
        if model in ("mobile", "large")
        else (options.load_model(model), None)
    )
    from nasnet_tf.data.images import unreadable

    if options.reads(getattr(network, "genotype", None)) == "text":
        raise ValueError(
            f"{model} is a language model, predict names the classes of pictures; nasnet-tf"
            " evaluate tells its perplexity."
        )
    names = options.class_names_of(network, model)
    if names is None:
        printing.note(f"{model} does not know the names of its classes; they are numbered from 0.")
        names = [str(number) for number in range(options.classes_of(network))]
    if skip_broken and (broken := unreadable(paths)):
        printing.note(*(f"{path}: left out, {why}" for path, why in broken.items()))
        paths = [path for path in paths if path not in broken]
    rows = []
    for path, probabilities in _predicted(network, model, paths, central):
        best = [(names[n], float(probabilities[n])) for n in probabilities.argsort()[::-1][:top]]
        rows.append(
            [
                cell(path),
                *itertools.chain.from_iterable((cell(name), f"{p:.6f}") for name, p in best),
            ]
        )
        if as_json:
            printing.show(
                json.dumps(
                    {
                        "image": path,
                        "classes": [{"name": name, "probability": p} for name, p in best],
                    }
                )
            )
        elif out is None:
            printing.show(f"{path}\t" + "\t".join(f"{name} {p:.1%}" for name, p in best))
    if out is not None:
        _write(out, rows, min(top, len(names)))
        printing.note(f"{out}: {len(rows)} pictures")


def _paths(images):
    """The picture files that are meant. Raises ValueError that names all that are none."""
    from nasnet_tf.data.folders import listed

    if missing := [image for image in images if not os.path.exists(image)]:
        raise ValueError(f"{', '.join(missing)}: no such file; check the path.")
    paths = []
    for image in images:
        if not os.path.isdir(image):
            paths.append(image)
            continue
        inside = listed(image)
        if not inside.pictures:
            raise ValueError(f"{image} has no pictures; give a folder with some, or picture files.")
        if inside.others:
            printing.note(
                f"{image}: {len(inside.others)} files are no pictures by their names, such as"
                f" {inside.others[0]}"
            )
        paths += inside.pictures
    return paths


def _predicted(network, model, paths, central):
    """(path, probabilities) of each picture in turn; a bar where there are many."""
    from nasnet_tf import training
    from nasnet_tf.cli.progress import bar, share_told
    from nasnet_tf.data.images import complaint, read_images, unreadable

    channels = network.input_shape[-1]
    if channels not in (1, 3):
        raise ValueError(f"{model} takes {channels} channels; predict can make pictures of 1 or 3.")
    with bar() as progress:
        tell = share_told(progress, "predicting")
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            try:
                pictures = read_images(
                    some, options.image_size_of(network) or 224, channels, central
                )
            except ValueError as error:
                raise complaint(unreadable(paths), len(paths), error) from error
            yield from zip(some, training.predict(network, pictures), strict=True)
            tell((start + len(some)) / len(paths))


def _write(path, rows, top):
    """A table of the pictures: image, class, probability, class_2, probability_2, ..."""
    text = io.StringIO()
    table = csv.writer(text)
    later = [f"{name}_{place}" for place in range(2, top + 1) for name in ("class", "probability")]
    table.writerow(["image", "class", "probability", *later])
    table.writerows(rows)
    write_whole(path, text.getvalue().encode("utf-8", "surrogateescape"))


def _imagenet(variant, weights):
    """NASNet-A for pixels, with ImageNet's classes."""
    options.start_keras()
    from nasnet_tf.zoo import NASNetA
    from nasnet_tf.zoo.classes import class_names

    return NASNetA(
        variant, weights=weights, mean=[127.5] * 3, std=[127.5] * 3, class_names=class_names()
    )
