"""`evaluate`: how a saved network does on held-out images, or a held-out part of a text."""

from __future__ import annotations

import csv
import io
import pathlib
from dataclasses import dataclass

from nasnet_tf.files import write_whole
from nasnet_tf.signatures import passes_on
from nasnet_tf.spreadsheets import cell
from nasnet_tf.workflow import networks, sources
from nasnet_tf.workflow.catalogue import reads
from nasnet_tf.workflow.options import SourceOptions
from nasnet_tf.workflow.paths import new_file
from nasnet_tf.workflow.values import COUNT, FILE, FLAG, option

__all__ = ["EvaluateOptions", "evaluate", "run_evaluation"]

_PARTS = ("train", "validation", "test")
_BATCH = 128


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(SourceOptions):
    """What an evaluation is asked.

    Args:
        model: a .keras file.
    """

    model: str
    part: str = option(
        ("train", "validation", "test", "all"),
        "Which images, or words; all of them where the data are nothing but a test set.",
        "test",
    )
    batch_size: int | None = option(COUNT, "[default: 128; of windows of a text 20]")
    confusion: str | None = option(
        FILE, "Write how often each class was taken for each into this .csv file."
    )
    overwrite: bool = option(FLAG, "Replace the file `confusion`.", False)


@passes_on(EvaluateOptions, without=("data", "model"))
def evaluate(model, data, *, verbose: int = 1, progress=None, **options) -> dict:
    """Accuracy of a saved network on the test images of data, class by class; perplexity of a
    language model on a text.

    The classes of the data are found among the network's by their names; the data may have only
    some of them.

    Args:
        model: a .keras file.
        data, verbose, progress: as of `search`.
        **options: see `nasnet_tf.workflow.EvaluateOptions`.
    Returns: "accuracy", "loss", "images", "classes", "confusion", ...
    """
    from nasnet_tf.workflow.progress import progress_of

    asked = EvaluateOptions(model=model, data=data, **options)
    return run_evaluation(asked, progress_of(verbose, progress))


def run_evaluation(options: EvaluateOptions, make_stages) -> dict:
    """The evaluation that the options ask for.
    Arguments as `nasnet_tf.workflow.searching.run_search`.
    """
    new_file(options.confusion, options.overwrite, "confusion")
    network = networks.load_model(options.model)
    from nasnet_tf import training

    if reads(getattr(network, "genotype", None)) == "text":
        text = _text(options, network)
        return training.scores(network, text, options.part, options.batch_size)
    data = _pictures(options, network)
    make_stages(None).say(data.describe())
    parts = _PARTS if options.part == "all" else (options.part,)
    result = training.report(network, data, parts, options.batch_size or _BATCH)
    if options.confusion is not None:
        _write_confusion(options.confusion, result)
    return result


def _text(options, network):
    """The text in words of the network's vocabulary."""
    options.refuse(("confusion", "skip_broken"), "is for pictures")
    if options.part == "all":
        raise ValueError(
            f"`part` is all, but a text is evaluated by part; give one of {', '.join(_PARTS)}."
        )
    if network.class_names is None:
        raise ValueError(
            f"{options.model} does not know the words it was trained on; train it with class_names,"
            " as nasnet-tf does."
        )
    level, steps = network.get_config()["level"], network.input_shape[1]
    return sources.read_text(options, network.class_names, level=level, steps=steps)


def _pictures(options, network):
    """The images, of the network's size, in its classes. Raises ValueError if it is not for
    such.
    """
    model, channels = options.model, network.input_shape[-1]
    sources.refuse_text(options, f"{model} takes pictures")
    if channels not in (1, 3):
        raise ValueError(
            f"{model} takes {channels} channels; evaluate can make pictures of 1 or 3."
        )
    side = networks.image_size_of(network)
    classes = _classes(network, model)
    data = sources.read_pictures(options, image_size=side, channels=channels, classes=classes)
    if data.input_shape[-1] != channels:
        raise ValueError(
            f"{options.data} has {data.input_shape[-1]} channels, {model} takes {channels}; give"
            " data like that it was trained on."
        )
    return data


def _classes(network, model):
    """The network's classes as `nasnet_tf.data.load` takes them: their names, if it knows them,
    else how many they are.
    """
    from nasnet_tf.zoo.classes import class_aliases, class_names

    names = networks.class_names_of(network, model)
    if names is None:
        return networks.classes_of(network)
    return class_aliases() if tuple(names) == class_names() else names


def _write_confusion(path: pathlib.Path, result):
    names, text = [cell(each["name"]) for each in result["classes"]], io.StringIO()
    table = csv.writer(text)
    table.writerow(["class", *names])
    table.writerows([name, *row] for name, row in zip(names, result["confusion"], strict=True))
    write_whole(path, text.getvalue().encode("utf-8", "surrogateescape"))
