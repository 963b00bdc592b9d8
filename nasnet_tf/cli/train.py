"""`nasnet-tf train`: a network trained from scratch, or fine-tuned, and saved."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib

import click

from nasnet_tf.cli import ended, options, printing, texts
from nasnet_tf.cli.budget import Budget, command_began
from nasnet_tf.files import replacing
from nasnet_tf.fingerprint import of_data
from nasnet_tf.journal import held_folder
from nasnet_tf.systems.costs import cost_of

_WITH_WEIGHTS = ("nasnet_a_mobile", "nasnet_a_large")  # of ImageNet
_SAVE, _PARAMETERS_A_SECOND = (
    0.3,
    5e6,
)  # to save a network: times the time that it took to begin; how fast its weights are written
_MARGIN = 0.01  # of the time
_STATE_SECONDS = 5.0  # at least, between two states of a training on the disk
_HEAD_SHARE = 3  # one in so many epochs at most is of the classifier alone
# Options that replace a field of the recipe.
_OVER_RECIPE = (
    "learning_rate",
    "weight_decay",
    "drop_path_rate",
    "freeze_until",
    "dtype",
    "gradient_checkpointing",
)


@click.command()
@click.argument("model", required=False)
@click.option(
    "--data",
    "source",
    required=True,
    help="digits, an .npz, a folder of class folders, or tfds:NAME; a text.",
)
@click.option(
    "--init",
    help="Begin with weights: imagenet, a saved .keras, or others that zoo.load_weights reads.",
)
@click.option(
    "--input-range",
    type=click.Choice(["-1..1", "0..1", "0..255"]),
    help=(
        "Of the pixels that the network of --init was trained on, where it does not say so itself."
    ),
)
@click.option(
    "--recipe",
    help=(
        "short, cifar, imagenet_mobile, imagenet_large, child, fine_tune, language, or a JSON file."
        "  [default: short; on a text language; with --init fine_tune]"
    ),
)
@click.option(
    "--num-cells",
    type=options.POSITIVE,
    help="N, normal cells in each of three stages.  [default: that of MODEL, else 2]",
)
@click.option(
    "--filters",
    type=options.POSITIVE,
    help="F, filters of the first stage.  [default: that of MODEL, else 16; of a text 128]",
)
@click.option(
    "--stem",
    type=click.Choice(["cifar", "imagenet"]),
    help="By default imagenet from 64 pixels on.",
)
@click.option("--epochs", type=options.POSITIVE, help="How many epochs.  [default: the recipe's]")
@click.option(
    "--minutes",
    type=options.MINUTES,
    help="How long instead.  [default: 10, if neither recipe nor --epochs says]",
)
@click.option(
    "--batch-size",
    type=options.POSITIVE,
    help="Images a step; the recipe's rates are scaled in proportion.",
)
@click.option(
    "--learning-rate", type=click.FloatRange(min=0, min_open=True), help="In place of the recipe's."
)
@click.option(
    "--weight-decay",
    type=click.FloatRange(min=0),
    help="As the paper counts it; in place of the recipe's.",
)
@click.option(
    "--drop-path-rate",
    type=click.FloatRange(0, 1, max_open=True),
    help="At the end of training; in place of the recipe's.",
)
@click.option(
    "--auxiliary-head/--no-auxiliary-head",
    default=None,
    help="Train with a second classifier two thirds of the way up.",
)
@click.option(
    "--freeze-until",
    help="The first layer that learns, such as reduction_cell_1; in place of the recipe's.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "mixed_float16", "mixed_bfloat16"]),
    help="In place of the recipe's.",
)
@click.option(
    "--gradient-checkpointing",
    is_flag=True,
    default=None,
    help="Save memory: compute the inside of every cell twice.",
)
@click.option("--jit/--no-jit", default=None, help="Compile with XLA.  [default: as Keras decides]")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    default="model.keras",
    show_default=True,
)
@click.option("--overwrite", is_flag=True, help="Replace the file --out.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with a training that was interrupted, or give it more epochs or minutes.",
)
@texts.of_text
@options.image_size
@options.skip_broken
@options.data_dir
@options.seed
@options.as_json
def train(
    model,
    source,
    init,
    input_range,
    recipe,
    out,
    overwrite,
    resume,
    epochs,
    minutes,
    batch_size,
    image_size,
    data_dir,
    seed,
    jit,
    as_json,
    **given,
):
    """Train MODEL on --data and save it.

    MODEL is a model of the zoo (nasnet_a_mobile), a genotype (nasnet_a, or the path of a
    best.json), or left out with --init: then it is the network the weights are of. Logs and the
    state for --resume are kept beside --out, in a folder that ends in .training.
    """
    began = command_began()
    if out.suffix != ".keras":
        raise ValueError(f"--out is {out}; give a file that ends in .keras.")
    folder = out.with_suffix(".training")
    note = ended.read(folder) if resume and out.exists() else None
    options.new_file(out, overwrite or bool(note), "--out")
    from nasnet_tf.training.checkpoint import STATE, holds_other_things, spent

    finished = None if (folder / STATE).exists() else note
    if (folder / STATE).exists() and not (resume or overwrite):
        raise ValueError(
            f"{folder} holds a training that did not end; add --resume to go on with it, or"
            " --overwrite to begin anew."
        )
    if resume and not finished and not (folder / STATE).exists():
        raise ValueError(
            f"{folder} holds no training to go on with; leave --resume out to begin one."
        )
    named = recipe and _recipe(recipe, epochs, minutes, batch_size, given)
    if not resume and holds_other_things(folder):
        raise ValueError(f"{folder} holds other things than a training; give another --out.")
    alone = held_folder(
        folder, f"{folder}: another process is training here; wait until it ends, or stop it."
    )
    click.get_current_context().with_resource(alone)
    size = {
        name: value
        for name in ("num_cells", "filters", "stem")
        if (value := given.get(name)) is not None
    }
    options.start_keras()
    begin = _beginning(
        model, init, size, input_range and [float(end) for end in input_range.split("..")]
    )
    chosen = named or _recipe(begin.recipe, epochs, minutes, batch_size, given)
    chosen = ended.with_phases(note, chosen) if note else chosen
    more = bool(epochs or minutes)
    minutes = None if chosen.epochs else minutes or 10.0
    if finished:
        if more and (finished["minutes"] is None) != (minutes is None):
            raise ValueError(
                f"{out} was trained by {'epochs' if minutes else 'minutes'}; give more of these to"
                " train it longer."
            )
        if not (more and ended.is_longer(finished, chosen, minutes)):
            unit = "epochs" if finished["minutes"] is None else "minutes"
            result = finished["result"]
            said = (
                f"nothing left to do, give more --{unit} to train it longer; {out}:"
                f" {options.outcome(result)}"
            )
            return printing.show(json.dumps(result) if as_json else said)
    data = begin.data(source, {**given, "image_size": image_size, "data_dir": data_dir}, seed)
    begin.check(data)
    from nasnet_tf import training
    from nasnet_tf.cli.progress import Stages, bar

    if not resume:
        ended.forget(folder)
    before = finished["seconds"] if finished else spent(folder) if resume else 0.0
    budget = Budget(minutes, began, before)
    budget.has_begun()
    with bar() as progress, Stages(progress, budget) as stages:
        stages.say(data.describe())
        if (warning := budget.warning()) is not None:
            stages.say(f"{warning}.")
        stages.begin("training")

        def make(data, recipe):
            model = begin.network(data, recipe)
            if finished:
                ended.as_interrupted(finished, out, model, recipe, folder, of_data(data))
            return model

        trained, _ = train_network(
            make,
            data,
            chosen,
            stages,
            seed=seed,
            folder=folder,
            resume=resume,
            jit_compile="auto" if jit is None else jit,
        )
        stages.begin("testing")
        result = {
            "model": str(out),
            **training.scores(trained, data),
            "parameters": trained.count_params(),
        }
        with replacing(out) as temporary:
            trained.save(temporary)
        ended.write(folder, minutes, result)
    printing.show(
        json.dumps(result)
        if as_json
        else f"{out}: {options.outcome(result)}, {result['parameters']:,} parameters"
    )


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
        replaced["auxiliary_weight"] = (
            (chosen.auxiliary_weight or 0.4) if given["auxiliary_head"] else 0.0
        )
    if epochs or minutes:
        replaced["epochs"] = epochs
    if epochs and chosen.head_epochs:  # the epochs are those of both phases
        replaced["head_epochs"] = min(chosen.head_epochs, epochs // _HEAD_SHARE)
        replaced["epochs"] = epochs - replaced["head_epochs"]
    return dataclasses.replace(chosen, **replaced)


def _pictures(source, given, seed, what, channels=None):
    from nasnet_tf import data as datasets

    texts.refuse(given, source, f"{what} is trained on pictures")
    return datasets.load(
        source,
        image_size=given["image_size"],
        channels=channels,
        seed=seed,
        data_dir=given["data_dir"],
        skip_broken=bool(given["skip_broken"]),
    )


class _Scratch:
    """A network of a genotype with random weights, made for the data."""

    def __init__(self, genotype, size, name):
        if genotype.sized and size:
            raise ValueError(
                f"a network of {genotype.schema} has a size of its own; leave"
                f" --{' and --'.join(size).replace('_', '-')} out."
            )
        self.genotype, self.name, self.of_text = genotype, name, options.reads(genotype) == "text"
        self.recipe = "language" if self.of_text else "short"
        self.size = {"num_cells": 2, "filters": 128 if self.of_text else 16, **size}

    def data(self, source, given, seed):
        return (
            texts.read(source, given) if self.of_text else _pictures(source, given, seed, self.name)
        )

    def check(self, data):
        """Raises before anything is begun."""
        cost_of(
            self.genotype,
            **{"stem": None, **self.size, "input_shape": data.input_shape, "classes": data.classes},
        )

    def network(self, data, recipe):
        from nasnet_tf.training import network_for

        return network_for(self.genotype, data, recipe, **self.size)


class _Initialized:
    """A network that begins with weights: `make(**arguments)` builds it, `pixels(data)` says the
    `mean` and `std` it was trained with.
    """

    recipe = "fine_tune"

    def __init__(self, make, pixels, image_size, channels=3):
        self.make, self.pixels, self.image_size, self.channels = make, pixels, image_size, channels

    def data(self, source, given, seed):
        given = {**given, "image_size": given["image_size"] or self.image_size}
        return _pictures(source, given, seed, "the network of --init", self.channels)

    def check(self, data):
        if data.input_shape[-1] != self.channels:
            raise ValueError(
                f"{data.name} has {data.input_shape[-1]} channels, the weights of --init are for"
                f" {self.channels}."
            )
        self.normalization = self.pixels(data)

    def network(self, data, recipe):
        from nasnet_tf.training import training_arguments

        trained = training_arguments(recipe, -(-len(data.x_train) // recipe.batch_size))
        trained.pop(
            "batch_norm_epsilon", None
        )  # weights go with the epsilon they were trained with
        named = dict(
            input_shape=data.input_shape, classes=data.classes, class_names=data.class_names
        )
        return self.make(**named, **self.normalization, **trained)


def _beginning(model, init, size, input_range):
    """How the network begins: from scratch or with weights."""
    from nasnet_tf import zoo
    from nasnet_tf.zoo.adapt import load_by_class
    from nasnet_tf.zoo.models import variant_arguments

    known = model in zoo.list_models()
    if init is None:
        if model is None:
            raise ValueError(
                "give MODEL, such as nasnet_a or best.json, or --init with the weights to begin"
                " with."
            )
        if not known:
            return _Scratch(options.genotype(model), size, model)
        genotype, arguments = variant_arguments(model)
        own = {
            name: value
            for name, value in arguments.items()
            if name not in ("input_shape", "classes")
        }
        return _Scratch(genotype, {**own, **size}, model)
    if model is None and str(init).endswith(".keras"):
        source = options.load_model(init)
        if options.reads(getattr(source, "genotype", None)) == "text":
            raise ValueError(
                f"{init} is a language model, whose words are those of its text; train from"
                " scratch: give MODEL, without --init."
            )

        return _Initialized(
            lambda **arguments: zoo.adapt(source, **arguments),
            lambda data: _pixels(init, source, source, input_range),
            options.image_size_of(source),
            source.input_shape[-1],
        )
    name = model or "nasnet_a_mobile"
    if init == "imagenet" and (size or name not in _WITH_WEIGHTS):
        got = ", ".join([name, *(f"{key} = {value}" for key, value in size.items())])
        raise ValueError(
            f"there are ImageNet weights of {' and '.join(_WITH_WEIGHTS)} at their own size; got"
            f" {got}."
        )
    side = variant_arguments(name)[1]["input_shape"][0] if name in zoo.list_models() else None

    def made(**arguments):
        network = zoo.create_model(name, **size, **arguments)
        network.weights_report = load_by_class(network, init)
        return network

    def pixels(data):
        return _pixels(
            init,
            init,
            zoo.create_model(name, input_shape=data.input_shape, classes=data.classes, **size),
            input_range,
        )

    return _Initialized(made, pixels, side)


def _pixels(init, source, model, input_range):
    """`mean` and `std` of the images that the weights of --init were trained on. Raises ValueError
    if nobody says it.
    """
    from nasnet_tf.zoo.adapt import UnknownInput, pixel_statistics

    try:
        return pixel_statistics(source, model, input_range)
    except UnknownInput:
        raise ValueError(
            f"{init} does not say what images it was trained on; add --input-range -1..1 (as"
            " preprocess_input gives them), --input-range 0..1, or --input-range 0..255."
        ) from None


@contextlib.contextmanager
def _broken_pictures_named(data):
    """Turns TensorFlow's account of a picture that cannot be decoded into one line with the names
    of all such files of the data.
    """
    from nasnet_tf.data import broken_picture, broken_pictures

    try:
        yield
    except Exception as error:
        if broken_picture(error) is None:
            raise
        raise broken_pictures(data) or ValueError(broken_picture(error)) from error


def train_network(
    make_network,
    data,
    recipe,
    stages,
    *,
    seed,
    folder,
    resume=False,
    callbacks=(),
    parts=("test",),
    then=0.0,
    **fit,
):
    """Trains the network `make_network(data, recipe)` in the time that is left, if the recipe has
    no epochs. Its state stays in `folder`.

    Args:
        stages: a `nasnet_tf.cli.progress.Stages`.
        parts: of the data that the network is scored on afterwards.
        then: seconds that are needed after that.
    Returns: (model, its history as `nasnet_tf.training.train` gives it).
    """
    import keras

    from nasnet_tf import training
    from nasnet_tf.data import Text
    from nasnet_tf.data.recipes import recipe_batches
    from nasnet_tf.training.checkpoint import spent

    keras.utils.set_random_seed(seed)
    with training.data_parallel():
        model = make_network(data, recipe)
    if getattr(model, "weights_report", None):
        stages.say(str(model.weights_report))
    batches, validation = recipe_batches(data, recipe, seed)
    if isinstance(data, Text):
        callbacks = [training.KeepBest(path=folder / "best.npz", resume=resume), *callbacks]
    if recipe.epochs is None:
        before = spent(folder) if resume else 0.0
        fit["minutes"] = max(before + stages.budget.left, 1e-3) / 60
        saved = (
            _SAVE * stages.budget.beginning
            + model.count_params() / _PARAMETERS_A_SECOND
            + _MARGIN * stages.budget.seconds
        )
        fit["after"] = lambda: training.seconds_to_score(model, data, parts) + saved + then
    with _broken_pictures_named(data):
        history = training.train(
            model,
            batches,
            validation,
            recipe,
            folder=folder,
            resume=resume,
            data=of_data(data),
            on_epoch=stages.epoch,
            on_share=stages.share,
            callbacks=callbacks,
            checkpoint_seconds=_STATE_SECONDS,
            keep_state=True,
            **fit,
        )
    return model, history
