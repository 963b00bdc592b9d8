"""`nasnet-tf evaluate`: how a saved network does on held-out images, or a held-out part of a text."""

from __future__ import annotations

import json

import click

from nasnet_tf.cli import options, texts


@click.command()
@click.argument("model")
@click.argument("source", metavar="DATA")
@click.option(
    "--part", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True, help="Which images, or words."
)
@click.option("--batch-size", type=options.POSITIVE, help="[default: 128; of windows of a text 20]")
@options.data_dir
@options.seed
@options.as_json
def evaluate(model, source, part, batch_size, data_dir, seed, as_json):
    """Accuracy of the network MODEL (a .keras file) on the test images of DATA; perplexity of a language model on a text."""
    network = options.load_model(model)
    if options.reads(getattr(network, "genotype", None)) == "text":
        data = _text(model, network, source, data_dir)
    else:
        data = _pictures(model, network, source, seed, data_dir)
    from nasnet_tf import training

    result = training.scores(network, data, part, batch_size)
    click.echo(json.dumps(result) if as_json else f"{options.outcome(result, part)}, loss {result['loss']:.4f}")


def _text(model, network, source, data_dir):
    """The text in words of the network's vocabulary."""
    if network.class_names is None:
        raise ValueError(f"{model} does not know the words it was trained on; train it with class_names, as nasnet-tf does.")
    level, steps = network.get_config()["level"], network.input_shape[1]
    return texts.read(source, {"level": level, "steps": steps, "data_dir": data_dir}, network.class_names)


def _pictures(model, network, source, seed, data_dir):
    """The images, of the network's size. Raises ValueError if it is not for such."""
    from nasnet_tf import data as datasets

    texts.refuse({}, source, f"{model} takes pictures")
    height, width, channels = network.input_shape[1:]
    if height != width and height is not None:
        raise ValueError(f"{model} takes pictures of {height} by {width}; evaluate can make square ones only.")
    data = datasets.load(source, image_size=height, seed=seed, data_dir=data_dir)
    if data.input_shape[-1] != channels:
        raise ValueError(f"{source} has {data.input_shape[-1]} channels, {model} takes {channels}; give data like that it was trained on.")
    if data.classes != classes_of(network):
        raise ValueError(
            f"{source} has {data.classes} classes, {model} tells {classes_of(network)} apart; give data like that it was trained on."
        )
    return data


def classes_of(network):
    """How many classes a network tells apart."""
    shape = network.output_shape
    return (shape["predictions"] if isinstance(shape, dict) else shape)[-1]
