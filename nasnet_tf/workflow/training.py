"""`train`: a network trained from scratch, or fine-tuned, and saved."""

from __future__ import annotations

import time
from dataclasses import dataclass

from nasnet_tf.files import replacing
from nasnet_tf.fingerprint import of_data
from nasnet_tf.journal import held_folder
from nasnet_tf.signatures import passes_on
from nasnet_tf.workflow import ended, fitting
from nasnet_tf.workflow.beginnings import beginning
from nasnet_tf.workflow.budget import Budget
from nasnet_tf.workflow.networks import start_keras
from nasnet_tf.workflow.notices import prepare
from nasnet_tf.workflow.options import MINUTES, DataOptions
from nasnet_tf.workflow.paths import new_file
from nasnet_tf.workflow.recipes import recipe_of
from nasnet_tf.workflow.results import TrainResult
from nasnet_tf.workflow.values import COUNT, FILE, FLAG, SWITCH, Range, option

__all__ = ["TrainOptions", "run_training", "train"]

_MINUTES = 10.0


@dataclass(frozen=True, kw_only=True)
class TrainOptions(DataOptions):
    """What a training is asked.

    Args:
        model: a model of the zoo, a published genotype's name or a genotype's file; None with
            `init`.
    """

    model: str | None = None
    init: str | None = option(
        str, "Begin with weights: imagenet, a saved .keras, or others that zoo.load_weights reads."
    )
    input_range: str | None = option(
        ("-1..1", "0..1", "0..255"),
        "Of the pixels that the network of `init` was trained on, where it does not say so itself.",
    )
    recipe: str | None = option(
        str,
        "short, cifar, imagenet_mobile, imagenet_large, child, fine_tune, fine_tune_all, language,"
        " or a JSON file.  [default: short; on a text language; with `init` fine_tune, or"
        " fine_tune_all for a saved network that compiled kernels train]",
    )
    num_cells: int | None = option(
        COUNT, "N, normal cells in each of three stages.  [default: that of the model, else 2]"
    )
    filters: int | None = option(
        COUNT,
        "F, filters of the first stage.  [default: that of the model, else 16; of a text 128]",
    )
    stem: str | None = option(("cifar", "imagenet"), "By default imagenet from 64 pixels on.")
    epochs: int | None = option(COUNT, "How many epochs.  [default: the recipe's]")
    minutes: float | None = option(
        MINUTES, "How long instead.  [default: 10, if neither recipe nor `epochs` says]"
    )
    batch_size: int | None = option(
        COUNT, "Images a step; the recipe's rates are scaled in proportion."
    )
    learning_rate: float | None = option(
        Range(float, 0, min_open=True), "In place of the recipe's."
    )
    weight_decay: float | None = option(
        Range(float, 0), "As the paper counts it; in place of the recipe's."
    )
    drop_path_rate: float | None = option(
        Range(float, 0, 1, max_open=True), "At the end of training; in place of the recipe's."
    )
    auxiliary_head: bool | None = option(
        SWITCH, "Train with a second classifier two thirds of the way up."
    )
    freeze_until: str | None = option(
        str, "The first layer that learns, such as reduction_cell_1; in place of the recipe's."
    )
    dtype: str | None = option(
        ("float32", "mixed_float16", "mixed_bfloat16"), "In place of the recipe's."
    )
    gradient_checkpointing: bool | None = option(
        FLAG, "Save memory: compute the inside of every cell twice."
    )
    jit: bool | None = option(SWITCH, "Compile with XLA.  [default: as Keras decides]")
    out: str = option(FILE, default="model.keras")
    overwrite: bool = option(FLAG, "Replace the file `out`.", False)
    resume: bool = option(
        FLAG,
        "Go on with a training that was interrupted, or give it more epochs or minutes.",
        False,
    )


@passes_on(TrainOptions, without=("data", "model"))
def train(model=None, *, data, verbose: int = 1, progress=None, **options) -> TrainResult:
    """Trains a network and saves it.

    Logs and the state with which an interrupted training goes on are kept beside the file, in a
    folder that ends in .training.

    Args:
        model: a model of the zoo (nasnet_a_mobile), a genotype (nasnet_a, or the path of a
            best.json), or None with `init`: then it is the network the weights are of.
        data, verbose, progress: as of `search`.
        **options: see `nasnet_tf.workflow.TrainOptions`; `nasnet-tf train --help` lists them.
    Returns: a `TrainResult`: model, accuracy, path, facts.
    """
    from nasnet_tf.workflow.progress import progress_of

    asked = TrainOptions(model=model, data=data, **options)
    return run_training(asked, progress_of(verbose, progress))


def run_training(options: TrainOptions, make_stages, began: float | None = None) -> TrainResult:
    """The training that the options ask for.
    Arguments as `nasnet_tf.workflow.searching.run_search`.
    """
    began = time.monotonic() if began is None else began
    prepare()
    job = _Training(options)
    why = f"{job.folder}: another process is training here; wait until it ends, or stop it."
    with held_folder(job.folder, why):
        start_keras()
        job.choose()
        left = job.nothing_left()
        return job.run(make_stages, began) if left is None else left


class _Training:
    """A training, new or to go on with.

    Raises: ValueError for what cannot be.
    """

    def __init__(self, options):
        from nasnet_tf.training.checkpoint import STATE, holds_other_things

        self.options, self.out = options, options.out
        if self.out.suffix != ".keras":
            raise ValueError(f"`out` is {self.out}; give a file that ends in .keras.")
        self.folder = self.out.with_suffix(".training")
        self.note = ended.read(self.folder) if options.resume and self.out.exists() else None
        new_file(self.out, options.overwrite or bool(self.note), "out")
        unfinished = (self.folder / STATE).exists()
        self.finished = None if unfinished else self.note
        self._check_folder(unfinished)
        self.recipe = options.recipe and recipe_of(options.recipe, options)
        if not options.resume and holds_other_things(self.folder):
            raise ValueError(
                f"{self.folder} holds other things than a training; give another `out`."
            )

    def _check_folder(self, unfinished):
        resume, overwrite = self.options.resume, self.options.overwrite
        if unfinished and not (resume or overwrite):
            raise ValueError(
                f"{self.folder} holds a training that did not end; add `resume=True` to go on with"
                " it, or `overwrite=True` to begin anew."
            )
        if resume and not self.finished and not unfinished:
            raise ValueError(
                f"{self.folder} holds no training to go on with; leave `resume=True` out to begin"
                " one."
            )

    def choose(self):
        """Chooses the network, the recipe and how long it is trained."""
        self.begin = beginning(self.options)
        recipe = self.recipe or recipe_of(self.begin.recipe, self.options)
        self.recipe = ended.with_phases(self.note, recipe) if self.note else recipe
        self.minutes = None if self.recipe.epochs else self.options.minutes or _MINUTES

    def nothing_left(self) -> TrainResult | None:
        """The result of a training that ended and is not to be longer; None if there is something
        to do.
        """
        finished = self.finished
        if not finished:
            return None
        more = bool(self.options.epochs or self.options.minutes)
        if more and (finished["minutes"] is None) != (self.minutes is None):
            unit = "epochs" if self.minutes else "minutes"
            raise ValueError(
                f"{self.out} was trained by {unit}; give more of these to train it longer."
            )
        if more and ended.is_longer(finished, self.recipe, self.minutes):
            return None
        unit = "epochs" if finished["minutes"] is None else "minutes"
        return TrainResult(finished["result"], is_new=False, path=self.out, unit=unit)

    def run(self, make_stages, began) -> TrainResult:
        """Trains, tests and saves."""
        data = self.begin.data(self.options)
        self.begin.check(data)
        budget = Budget(self.minutes, began, self._spent())
        budget.has_begun()
        with make_stages(budget) as stages:
            stages.say(data.describe())
            if (warning := budget.warning()) is not None:
                stages.say(f"{warning}.")
            stages.begin("training")
            trained = self._trained(data, stages)
            stages.begin("testing")
            return TrainResult(self._saved(trained, data), path=self.out)

    def _spent(self):
        """Seconds that the training has had before."""
        from nasnet_tf.training.checkpoint import spent

        if not self.options.resume:
            ended.forget(self.folder)
            return 0.0
        return self.finished["seconds"] if self.finished else spent(self.folder)

    def _trained(self, data, stages):
        jit = self.options.jit
        model, _ = fitting.train_network(
            self._network,
            data,
            self.recipe,
            stages,
            seed=self.options.seed,
            folder=self.folder,
            resume=self.options.resume,
            jit_compile="auto" if jit is None else jit,
        )
        return model

    def _network(self, data, recipe):
        model = self.begin.network(data, recipe)
        if self.finished:
            known = of_data(data)
            ended.as_interrupted(self.finished, self.out, model, recipe, self.folder, known)
        return model

    def _saved(self, trained, data):
        from nasnet_tf.training import scores

        result = {"model": str(self.out), **scores(trained, data)}
        result["parameters"] = trained.count_params()
        with replacing(self.out) as temporary:
            trained.save(temporary)
        ended.write(self.folder, self.minutes, result)
        return result
