"""`nasnet-tf train`: a network trained from scratch, or fine-tuned, and saved."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib

import click

from nasnet_tf.cli import options, printing, texts
from nasnet_tf.cost import cost_of
from nasnet_tf.fingerprint import of_data
from nasnet_tf.journal import held_folder

_WITH_WEIGHTS = ("nasnet_a_mobile", "nasnet_a_large")  # of ImageNet
# Options that replace a field of the recipe.
_OVER_RECIPE = ("learning_rate", "weight_decay", "drop_path_rate", "freeze_until", "dtype", "gradient_checkpointing")


@click.command()
@click.argument("model", required=False)
@click.option("--data", "source", required=True, help="digits, an .npz, a folder of class folders, or tfds:NAME; a text.")
@click.option("--init", help="Begin with weights: imagenet, a saved .keras, or others that zoo.load_weights reads.")
@click.option(
    "--recipe",
    help="short, cifar, imagenet_mobile, imagenet_large, child, fine_tune, language, or a JSON file.  [default: short; on a text "
    "language; with --init fine_tune]",
)
@click.option("--num-cells", type=options.POSITIVE, help="N, normal cells in each of three stages.  [default: that of MODEL, else 2]")
@click.option("--filters", type=options.POSITIVE, help="F, filters of the first stage.  [default: that of MODEL, else 16; of a text 128]")
@click.option("--stem", type=click.Choice(["cifar", "imagenet"]), help="By default imagenet from 64 pixels on.")
@click.option("--epochs", type=options.POSITIVE, help="How many epochs.  [default: the recipe's]")
@click.option("--minutes", type=options.MINUTES, help="How long instead.  [default: 10, if neither recipe nor --epochs says]")
@click.option("--batch-size", type=options.POSITIVE, help="Images a step; the recipe's rates are scaled in proportion.")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), help="In place of the recipe's.")
@click.option("--weight-decay", type=click.FloatRange(min=0), help="As the paper counts it; in place of the recipe's.")
@click.option("--drop-path-rate", type=click.FloatRange(0, 1, max_open=True), help="At the end of training; in place of the recipe's.")
@click.option("--auxiliary-head/--no-auxiliary-head", default=None, help="Train with a second classifier two thirds of the way up.")
@click.option("--freeze-until", help="The first layer that learns, such as reduction_cell_1; in place of the recipe's.")
@click.option("--dtype", type=click.Choice(["float32", "mixed_float16", "mixed_bfloat16"]), help="In place of the recipe's.")
@click.option("--gradient-checkpointing", is_flag=True, default=None, help="Save memory: compute the inside of every cell twice.")
@click.option("--jit/--no-jit", default=None, help="Compile with XLA.  [default: as Keras decides]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=pathlib.Path), default="model.keras", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace the file --out.")
@click.option("--resume", is_flag=True, help="Go on with a training that was interrupted.")
@texts.of_text
@options.image_size
@options.skip_broken
@options.data_dir
@options.seed
@options.as_json
def train(
    model, source, init, recipe, out, overwrite, resume, epochs, minutes, batch_size, image_size, data_dir, seed, jit, as_json, **given
):
    """Train MODEL on --data and save it.

    MODEL is a model of the zoo (nasnet_a_mobile), a genotype (nasnet_a, or the path of a best.json), or left out with --init: then
    it is the network the weights are of. Logs and the state for --resume are kept beside --out, in a folder that ends in .training.
    """
    if out.suffix != ".keras":
        raise ValueError(f"--out is {out}; give a file that ends in .keras.")
    if out.exists() and not overwrite:
        raise ValueError(f"{out} exists already; give another --out, or --overwrite.")
    from nasnet_tf.training.checkpoint import STATE, holds_other_things

    folder = out.with_suffix(".training")
    if (folder / STATE).exists() and not (resume or overwrite):
        raise ValueError(f"{folder} holds a training that did not end; add --resume to go on with it, or --overwrite to begin anew.")
    if resume and not (folder / STATE).exists():
        raise ValueError(f"{folder} holds no training to go on with; leave --resume out to begin one.")
    named = recipe and _recipe(recipe, epochs, minutes, batch_size, given)
    if not resume and holds_other_things(folder):
        raise ValueError(f"{folder} holds other things than a training; give another --out.")
    alone = held_folder(folder, f"{folder}: another process is training here; wait until it ends, or stop it.")
    click.get_current_context().with_resource(alone)
    size = {name: value for name in ("num_cells", "filters", "stem") if (value := given.get(name)) is not None}
    options.start_keras()
    begin = _beginning(model, init, size)
    chosen = named or _recipe(begin.recipe, epochs, minutes, batch_size, given)
    data = begin.data(source, {**given, "image_size": image_size, "data_dir": data_dir}, seed)
    begin.check(data)
    from nasnet_tf.cli.progress import bar

    with bar() as progress:
        progress.console.print(data.describe())
        result = train_and_save(
            begin.network, data, out, progress, chosen, seed=seed, folder=folder, resume=resume,
            minutes=None if chosen.epochs else minutes or 10.0, jit_compile="auto" if jit is None else jit,
        )  # fmt: skip
    printing.show(json.dumps(result) if as_json else f"{out}: {options.outcome(result)}, {result['parameters']:,} parameters")


def _recipe(name, epochs, minutes, batch_size, given):
    """The recipe, with what the command line says in place of its fields."""
    from nasnet_tf.training import recipe as recipes

    if epochs and minutes:
        raise ValueError(f"got --epochs {epochs} and --minutes {minutes:g}; give one of them.")
    chosen = recipes.get(name)
    if batch_size:
        chosen = chosen.scaled(batch_size)
    replaced = {field: given[field] for field in _OVER_RECIPE if given[field] is not None}
    if given["auxiliary_head"] is not None:
        replaced["auxiliary_weight"] = (chosen.auxiliary_weight or 0.4) if given["auxiliary_head"] else 0.0
    if epochs or minutes:
        replaced["epochs"] = epochs
    return dataclasses.replace(chosen, **replaced)


def _pictures(source, given, seed, what, channels=None):
    from nasnet_tf import data as datasets

    texts.refuse(given, source, f"{what} is trained on pictures")
    return datasets.load(
        source, image_size=given["image_size"], channels=channels, seed=seed, data_dir=given["data_dir"],
        skip_broken=bool(given["skip_broken"]),
    )  # fmt: skip


class _Scratch:
    """A network of a genotype with random weights, made for the data."""

    def __init__(self, genotype, size, name):
        if getattr(genotype, "sized", False) and size:
            raise ValueError(f"a network of {genotype.schema} has a size of its own; leave --{' and --'.join(size).replace('_', '-')} out.")
        self.genotype, self.name, self.of_text = genotype, name, options.reads(genotype) == "text"
        self.recipe = "language" if self.of_text else "short"
        self.size = {"num_cells": 2, "filters": 128 if self.of_text else 16, **size}

    def data(self, source, given, seed):
        return texts.read(source, given) if self.of_text else _pictures(source, given, seed, self.name)

    def check(self, data):
        """Raises before anything is begun."""
        cost_of(self.genotype, **{"stem": None, **self.size, "input_shape": data.input_shape, "classes": data.classes})

    def network(self, data, recipe):
        from nasnet_tf.training import network_for

        return network_for(self.genotype, data, recipe, **self.size)


class _Initialized:
    """A network that begins with weights: `make(**arguments)` builds it."""

    recipe = "fine_tune"

    def __init__(self, make, image_size, channels=3):
        self.make, self.image_size, self.channels = make, image_size, channels

    def data(self, source, given, seed):
        given = {**given, "image_size": given["image_size"] or self.image_size}
        return _pictures(source, given, seed, "the network of --init", self.channels)

    def check(self, data):
        if data.input_shape[-1] != self.channels:
            raise ValueError(f"{data.name} has {data.input_shape[-1]} channels, the weights of --init are for {self.channels}.")

    def network(self, data, recipe):
        from nasnet_tf.training import training_arguments

        trained = training_arguments(recipe, -(-len(data.x_train) // recipe.batch_size))
        trained.pop("batch_norm_epsilon", None)  # weights go with the epsilon they were trained with
        made = self.make(input_shape=data.input_shape, classes=data.classes, class_names=data.class_names, **trained)
        return made


def _beginning(model, init, size):
    """How the network begins: from scratch or with weights."""
    from nasnet_tf import zoo
    from nasnet_tf.zoo.models import variant_arguments

    known = model in zoo.list_models()
    if init is None:
        if model is None:
            raise ValueError("give MODEL, such as nasnet_a or best.json, or --init with the weights to begin with.")
        if not known:
            return _Scratch(options.genotype(model), size, model)
        genotype, arguments = variant_arguments(model)
        own = {name: value for name, value in arguments.items() if name not in ("input_shape", "classes")}
        return _Scratch(genotype, {**own, **size}, model)
    if model is None and str(init).endswith(".keras"):
        source = options.load_model(init)
        if options.reads(getattr(source, "genotype", None)) == "text":
            raise ValueError(
                f"{init} is a language model, whose words are those of its text; train from scratch: give MODEL, without --init."
            )
        return _Initialized(lambda **arguments: zoo.adapt(source, **arguments), source.input_shape[1], source.input_shape[-1])
    name = model or "nasnet_a_mobile"
    if init == "imagenet" and (size or name not in _WITH_WEIGHTS):
        got = ", ".join([name, *(f"{key} = {value}" for key, value in size.items())])
        raise ValueError(f"there are ImageNet weights of {' and '.join(_WITH_WEIGHTS)} at their own size; got {got}.")
    side = variant_arguments(name)[1]["input_shape"][0] if name in zoo.list_models() else None
    pixels = dict(mean=[127.5] * 3, std=[127.5] * 3)
    return _Initialized(lambda **arguments: zoo.create_model(name, weights=init, **pixels, **size, **arguments), side)


@contextlib.contextmanager
def _broken_pictures_named(data):
    """Turns TensorFlow's account of a picture that cannot be decoded into one line with the names of all such files of the data."""
    from nasnet_tf.data import broken_picture, broken_pictures

    try:
        yield
    except Exception as error:
        if broken_picture(error) is None:
            raise
        raise broken_pictures(data) or ValueError(broken_picture(error)) from error


def train_and_save(make_network, data, out, progress, recipe, *, seed, folder=None, **fit):
    """Trains the network `make_network(data, recipe)`, saves it as `out`, and returns how it does on the test part."""
    import keras

    from nasnet_tf import training
    from nasnet_tf.cli.progress import epochs_on
    from nasnet_tf.data import Text
    from nasnet_tf.data.recipes import recipe_batches
    from nasnet_tf.files import replacing

    keras.utils.set_random_seed(seed)
    with training.data_parallel():
        model = make_network(data, recipe)
    if getattr(model, "weights_report", None):
        for line in str(model.weights_report).splitlines():
            progress.console.print(line)
    batches, validation = recipe_batches(data, recipe, seed)
    on_epoch, on_share = epochs_on(progress)
    if isinstance(data, Text):
        fit["callbacks"] = [training.KeepBest(path=folder and folder / "best.npz", resume=fit.get("resume", False))]
    with _broken_pictures_named(data):
        training.train(model, batches, validation, recipe, folder=folder, data=of_data(data), on_epoch=on_epoch, on_share=on_share, **fit)
    with replacing(out) as temporary:
        model.save(temporary)
    return {"model": str(out), **training.scores(model, data), "parameters": model.count_params()}
