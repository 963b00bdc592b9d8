"""`nasnet-tf evaluate`: how a saved network does on held-out images."""

from __future__ import annotations

import json

import click

from nasnet_tf.cli import options


@click.command()
@click.argument("model")
@click.argument("source", metavar="DATA")
@click.option("--part", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True, help="Which images.")
@click.option("--batch-size", type=options.POSITIVE, default=128, show_default=True)
@options.data_dir
@options.seed
@options.as_json
def evaluate(model, source, part, batch_size, data_dir, seed, as_json):
    """Accuracy of the network MODEL (a .keras file) on the test images of DATA."""
    from nasnet_tf import data as datasets

    network = options.load_model(model)
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
    from nasnet_tf import training

    result = training.accuracy(network, getattr(data, f"x_{part}"), getattr(data, f"y_{part}"), batch_size)
    click.echo(
        json.dumps(result) if as_json else f"{result['accuracy']:.2%} of {result['images']} {part} images right, loss {result['loss']:.4f}"
    )


def classes_of(network):
    """How many classes a network tells apart."""
    shape = network.output_shape
    return (shape["predictions"] if isinstance(shape, dict) else shape)[-1]
