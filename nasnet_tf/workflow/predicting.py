"""`predict`: the classes of pictures."""

from __future__ import annotations

import csv
import io
import itertools
import os
import pathlib
from dataclasses import dataclass

from nasnet_tf.files import write_whole
from nasnet_tf.signatures import passes_on
from nasnet_tf.spreadsheets import cell
from nasnet_tf.workflow import networks
from nasnet_tf.workflow.catalogue import reads
from nasnet_tf.workflow.paths import new_file
from nasnet_tf.workflow.values import COUNT, FILE, FLAG, Options, option

__all__ = ["PredictOptions", "predict", "run_prediction"]

# of an ImageNet picture: what slim evaluates its networks on (inception_preprocessing)
_CENTRAL = 0.875
_AT_ONCE = 256  # pictures in memory
_ANY_SIZE = 224  # of the pictures for a network that takes any
_IMAGENET = ("mobile", "large")


@dataclass(frozen=True, kw_only=True)
class PredictOptions(Options):
    """What a prediction is asked.

    Args:
        images: paths of picture files, or of folders, of which all pictures are taken; or one.
        model: a .keras file, or mobile or large, which have ImageNet's classes.
    """

    images: object
    model: str
    weights: str = option(str, "Of mobile or large: imagenet, or a file.", "imagenet")
    top: int = option(COUNT, "How many classes to name.", 3)
    out: str | None = option(FILE, "Write a .csv table, a row for each picture, in place of lines.")
    overwrite: bool = option(FLAG, "Replace the file `out`.", False)
    skip_broken: bool | None = option(
        FLAG, "Leave pictures out that cannot be read, and say so, rather than stop."
    )


@passes_on(PredictOptions, without=("images",))
def predict(images, *, verbose: int = 1, progress=None, **options) -> list:
    """The most likely classes of pictures.

    Args:
        images: paths of picture files, or of folders, of which all pictures are taken; or one.
        verbose, progress: as of `search`.
        **options: see `nasnet_tf.workflow.PredictOptions`.
    Returns: for each picture its path and [(class, probability), ...], the most likely first.
    """
    from nasnet_tf.workflow.progress import progress_of

    asked = PredictOptions(images=images, **options)
    return list(run_prediction(asked, progress_of(verbose, progress)))


def run_prediction(options: PredictOptions, make_stages):
    """Yields what `predict` returns. Writes the table `out` once all is known."""
    new_file(options.out, options.overwrite, "out")
    stages, found = make_stages(None), []
    paths = _paths(options.images, stages.say)
    network, central = _network(options)
    names = _names(network, options.model, stages.say)
    if options.skip_broken:
        paths = _sound(paths, stages.say)
    with stages:
        for path, probabilities in _predicted(network, options.model, paths, central, stages):
            order = probabilities.argsort()[::-1][: options.top]
            best = [(names[number], float(probabilities[number])) for number in order]
            found.append((path, best))
            yield path, best
    if options.out is not None:
        _write(options.out, found, min(options.top, len(names)))
        stages.say(f"{options.out}: {len(found)} pictures")


def _network(options):
    """(the network, what part of a picture it sees, or None for all)."""
    model = options.model
    if model in _IMAGENET:
        return _imagenet(model, options.weights), _CENTRAL
    network = networks.load_model(model)
    if reads(getattr(network, "genotype", None)) == "text":
        raise ValueError(
            f"{model} is a language model, predict names the classes of pictures; nasnet-tf"
            " evaluate gives its perplexity."
        )
    return network, None


def _imagenet(variant, weights):
    """NASNet-A for pixels, with ImageNet's classes."""
    networks.start_keras()
    from nasnet_tf.zoo import NASNetA
    from nasnet_tf.zoo.classes import class_names

    pixels = {"mean": [127.5] * 3, "std": [127.5] * 3}
    return NASNetA(variant, weights=weights, **pixels, class_names=class_names())


def _names(network, model, say):
    """The names of the network's classes, or their numbers."""
    names = networks.class_names_of(network, model)
    if names is not None:
        return names
    say(f"{model} does not know the names of its classes; they are numbered from 0.")
    return [str(number) for number in range(networks.classes_of(network))]


def _paths(images, say):
    """The picture files that are meant. Raises ValueError that names all that are none."""
    images = [images] if isinstance(images, str | os.PathLike) else images
    images = [os.fspath(image) for image in images]
    if missing := [image for image in images if not os.path.exists(image)]:
        raise ValueError(f"{', '.join(missing)}: no such file; check the path.")
    paths = []
    for image in images:
        paths += _pictures_in(image, say) if os.path.isdir(image) else [image]
    return paths


def _pictures_in(folder, say):
    from nasnet_tf.data.folders import listed

    inside = listed(folder)
    if not inside.pictures:
        raise ValueError(f"{folder} has no pictures; give a folder with some, or picture files.")
    if inside.others:
        say(
            f"{folder}: {len(inside.others)} files are no pictures by their names, such as"
            f" {inside.others[0]}"
        )
    return inside.pictures


def _sound(paths, say):
    """The pictures that can be read."""
    from nasnet_tf.data.images import unreadable

    broken = unreadable(paths)
    for path, why in broken.items():
        say(f"{path}: left out, {why}")
    return [path for path in paths if path not in broken]


def _predicted(network, model, paths, central, stages):
    """(path, probabilities) of each picture in turn; a bar where there are many."""
    from nasnet_tf import training
    from nasnet_tf.data.images import complaint, read_images, unreadable

    channels = network.input_shape[-1]
    if channels not in (1, 3):
        raise ValueError(f"{model} takes {channels} channels; predict can make pictures of 1 or 3.")
    tell, side = stages.counter("predicting"), networks.image_size_of(network) or _ANY_SIZE
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        try:
            pictures = read_images(some, side, channels, central)
        except ValueError as error:
            raise complaint(unreadable(paths), len(paths), error) from error
        yield from zip(some, training.predict(network, pictures), strict=True)
        tell((start + len(some)) / len(paths))


def _write(path: pathlib.Path, found, top):
    """A table of the pictures: image, class, probability, class_2, probability_2, ..."""
    text = io.StringIO()
    table = csv.writer(text)
    later = [f"{name}_{place}" for place in range(2, top + 1) for name in ("class", "probability")]
    table.writerow(["image", "class", "probability", *later])
    for image, best in found:
        pairs = ((cell(name), f"{probability:.6f}") for name, probability in best)
        table.writerow([cell(image), *itertools.chain.from_iterable(pairs)])
    write_whole(path, text.getvalue().encode("utf-8", "surrogateescape"))
