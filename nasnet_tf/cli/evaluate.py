"""`nasnet-tf evaluate`: how a saved network does on held-out images, or a held-out part of a
text.
"""

from __future__ import annotations

import csv
import io
import json
import pathlib

import click

from nasnet_tf.cli import options, printing, texts
from nasnet_tf.files import write_whole
from nasnet_tf.spreadsheets import cell

_PARTS = ("train", "validation", "test")
# classes of a table of confusions on a terminal; of more, the most frequent confusions are shown
_MOST_SHOWN = 12
_CONFUSIONS = 10


@click.command()
@click.argument("model")
@click.argument("source", metavar="DATA")
@click.option(
    "--part", type=click.Choice([*_PARTS, "all"]), default="test", show_default=True,
    help="Which images, or words; all of them where DATA is nothing but a test set.",
)  # fmt: skip
@click.option("--batch-size", type=options.POSITIVE, help="[default: 128; of windows of a text 20]")
@click.option(
    "--confusion", type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Write how often each class was taken for each into this .csv file.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace the file --confusion.")
@options.skip_broken
@options.data_dir
@options.seed
@options.as_json
def evaluate(
    model, source, part, batch_size, confusion, overwrite, skip_broken, data_dir, seed, as_json
):
    """Accuracy of the network MODEL (a .keras file) on the test images of DATA, class by class;
    perplexity of a language model on a text.

    The classes of DATA are found among the network's by their names; DATA may have only some of
    them.
    """
    options.new_file(confusion, overwrite, "--confusion")
    network = options.load_model(model)
    from nasnet_tf import training

    if options.reads(getattr(network, "genotype", None)) == "text":
        options.refuse(
            {"confusion": confusion, "skip_broken": skip_broken},
            ("confusion", "skip_broken"),
            "is for pictures",
        )
        if part == "all":
            raise ValueError(
                f"--part is all, but a text is told about by part; give one of {', '.join(_PARTS)}."
            )
        result = training.scores(network, _text(model, network, source, data_dir), part, batch_size)
        lines = []
    else:
        data = _pictures(model, network, source, seed, data_dir, skip_broken)
        printing.note(data.describe())
        result = training.report(
            network, data, _PARTS if part == "all" else (part,), batch_size or 128
        )
        lines = list(_by_class(result))
        if confusion is not None:
            _write_confusion(confusion, result)
    outcome = f"{options.outcome(result, part)}, loss {result['loss']:.4f}"
    printing.show(*([json.dumps(result)] if as_json else [outcome, *lines]))


def _text(model, network, source, data_dir):
    """The text in words of the network's vocabulary."""
    if network.class_names is None:
        raise ValueError(
            f"{model} does not know the words it was trained on; train it with class_names, as"
            " nasnet-tf does."
        )
    level, steps = network.get_config()["level"], network.input_shape[1]
    return texts.read(
        source, {"level": level, "steps": steps, "data_dir": data_dir}, network.class_names
    )


def _pictures(model, network, source, seed, data_dir, skip_broken):
    """The images, of the network's size, in its classes. Raises ValueError if it is not for
    such.
    """
    from nasnet_tf import data as datasets

    texts.refuse({}, source, f"{model} takes pictures")
    channels = network.input_shape[-1]
    if channels not in (1, 3):
        raise ValueError(
            f"{model} takes {channels} channels; evaluate can make pictures of 1 or 3."
        )
    data = datasets.load(
        source,
        image_size=options.image_size_of(network),
        channels=channels,
        seed=seed,
        data_dir=data_dir,
        skip_broken=bool(skip_broken),
        classes=_classes(network, model),
    )
    if data.input_shape[-1] != channels:
        raise ValueError(
            f"{source} has {data.input_shape[-1]} channels, {model} takes {channels}; give data"
            " like that it was trained on."
        )
    return data


def _classes(network, model):
    """The network's classes as `nasnet_tf.data.load` takes them: their names, if it knows them,
    else how many they are.
    """
    from nasnet_tf.zoo.classes import class_aliases, class_names

    names = options.class_names_of(network, model)
    if names is None:
        return options.classes_of(network)
    return class_aliases() if tuple(names) == class_names() else names


def _by_class(result):
    """The result class by class for a person, a line each."""
    names, counts = [each["name"] for each in result["classes"]], result["confusion"]
    yield f"balanced accuracy {result['balanced_accuracy']:.2%}"
    width = max(map(len, map(printing.visible, names)))
    for each in result["classes"]:
        right = (
            "no images"
            if each["accuracy"] is None
            else f"{each['accuracy']:8.2%} of {each['images']}"
        )
        yield f"  {printing.visible(each['name']):{width}}  {right}"
    if len(names) <= _MOST_SHOWN:
        yield (
            "confusion, a row for each class, a column for what it was taken for, in the same"
            " order:"
        )
        columns = max(len(str(count)) for row in counts for count in row)
        for name, row in zip(names, counts, strict=True):
            yield f"  {printing.visible(name):{width}}  " + " ".join(
                f"{count:{columns}}" for count in row
            )
        return
    wrong = [
        (count, i, j)
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
        if count and i != j
    ]
    for count, i, j in sorted(wrong, key=lambda pair: -pair[0])[:_CONFUSIONS]:
        yield f"  {names[i]} taken for {names[j]}: {count}"


def _write_confusion(path, result):
    names, text = [cell(each["name"]) for each in result["classes"]], io.StringIO()
    table = csv.writer(text)
    table.writerow(["class", *names])
    table.writerows([name, *row] for name, row in zip(names, result["confusion"], strict=True))
    write_whole(path, text.getvalue().encode("utf-8", "surrogateescape"))
