"""`nasnet-tf train`: a network of a found or published cell, trained and saved."""

from __future__ import annotations

import json
import os
import pathlib

import click

from nasnet_tf.cli import options
from nasnet_tf.plan import default_stem, plan

BATCH_SIZE = 32  # of the recipe for CIFAR (slim/nets/nasnet/nasnet.py)


@click.command()
@click.argument("genotype")
@click.option("--data", "source", required=True, help="digits, an .npz, a folder of class folders, or tfds:NAME.")
@click.option("--num-cells", type=options.POSITIVE, default=2, show_default=True, help="N, normal cells in each of three stages.")
@click.option("--filters", type=options.POSITIVE, default=16, show_default=True, help="F, filters of the first stage.")
@click.option("--stem", type=click.Choice(["cifar", "imagenet"]), help="By default imagenet from 64 pixels on.")
@click.option("--epochs", type=options.POSITIVE, help="How many epochs.")
@click.option("--minutes", type=options.MINUTES, help="How long instead.  [default: 10, if no epochs are given]")
@click.option("--batch-size", type=options.POSITIVE, default=BATCH_SIZE, show_default=True)
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=0.05, show_default=True)
@click.option("--weight-decay", type=click.FloatRange(min=0), default=5e-4, show_default=True, help="As the paper counts it.")
@click.option(
    "--drop-path-rate", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True, help="At the end of training."
)
@click.option("--auxiliary-head", is_flag=True, help="Train with a second classifier two thirds of the way up.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=pathlib.Path), default="model.keras", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace the file --out.")
@options.image_size
@options.data_dir
@options.seed
@options.as_json
def train(
    genotype,
    source,
    out,
    overwrite,
    epochs,
    minutes,
    image_size,
    data_dir,
    seed,
    as_json,
    batch_size,
    learning_rate,
    drop_path_rate,
    **network,
):
    """Train a network of GENOTYPE (nasnet_a, or the path of a best.json) on --data and save it."""
    if out.suffix != ".keras":
        raise ValueError(f"--out is {out}; give a file that ends in .keras.")
    if out.exists() and not overwrite:
        raise ValueError(f"{out} exists already; give another --out, or --overwrite.")
    found = options.genotype(genotype)
    from nasnet_tf import data as datasets

    data = datasets.load(source, image_size=image_size, seed=seed, data_dir=data_dir)
    network["stem"] = network["stem"] or default_stem(data.input_shape)
    plan(found, network["num_cells"], network["filters"], network["stem"])  # raises before anything is begun
    options.start_keras()
    from nasnet_tf.cli.progress import bar

    with bar() as progress:
        progress.console.print(data.describe())
        steps = None if epochs is None else epochs * -(-len(data.x_train) // batch_size)
        network.update(drop_path_rate=drop_path_rate, drop_path_steps=steps if drop_path_rate else None)
        result = train_and_save(
            found, data, out, progress, seed=seed, network=network, epochs=epochs, minutes=minutes or (None if epochs else 10.0),
            batch_size=batch_size, learning_rate=learning_rate,
        )  # fmt: skip
    click.echo(
        json.dumps(result)
        if as_json
        else f"{out}: {result['accuracy']:.2%} of {result['images']} test images right, {result['parameters']:,} parameters"
    )


def train_and_save(genotype, data, out, progress, *, seed, network, batch_size, **fit):
    """Trains a network for `data`, saves it as `out`, and returns how it does on the test images."""
    import keras

    from nasnet_tf import training
    from nasnet_tf.cli.progress import epochs_on
    from nasnet_tf.data import Augmentation, pipeline

    keras.utils.set_random_seed(seed)
    model = training.network_for(genotype, data, **network)
    augmentation = Augmentation.standard(data.input_shape, data.flip)
    batches = pipeline(data.x_train, data.y_train, batch_size, augmentation=augmentation, fill=data.mean, seed=seed)
    validation = pipeline(data.x_validation, data.y_validation, batch_size)
    training.train(model, batches, validation, on_epoch=epochs_on(progress), **fit)
    temporary = out.with_name(f".{os.getpid()}.{out.name}")
    model.save(temporary)
    os.replace(temporary, out)
    return {"model": str(out), **training.accuracy(model, data.x_test, data.y_test), "parameters": model.count_params()}
