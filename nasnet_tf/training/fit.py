"""Training a network by a recipe, in one or two phases, with a state on disk from which it can be
resumed.

Source of the short recipe: Zoph et al. 2017, arXiv 1707.07012, appendix A.6 (SGD with momentum 0.9,
cosine to 0, norm clipped at 5).
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import keras

from nasnet_tf.signatures import checked
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.training import recipe as recipes
from nasnet_tf.training.adapting import Adapt
from nasnet_tf.training.checkpoint import Checkpoint, describe
from nasnet_tf.training.clock import Clock
from nasnet_tf.training.devices import devices_of, divisible
from nasnet_tf.training.follow import Follow
from nasnet_tf.training.freezing import freeze
from nasnet_tf.training.graph_rewriting import rewrite_graphs
from nasnet_tf.training.norms import FreshNorms
from nasnet_tf.training.optimizers import Accuracy, SmoothedCrossentropy, optimizer_for, rate_for
from nasnet_tf.training.recipe import Recipe
from nasnet_tf.training.trainers import KerasTrainer, trainer_for

_STEPS_THAT_PAY = 20_000  # for rewriting the graph, see rewrite_graphs
_NO_END = 1_000_000  # epochs: the clock ends the training before
_HEAD_SHARE = 0.2  # of the time, at most, for training the classifier alone
_NORMS_SHARE = 0.02  # of the time, at most, for measuring the batch norms once


class Phase(NamedTuple):
    """A part of a training: which layers are trained (`freeze`), at which rate and for how many
    epochs (None: by the clock).
    """

    until: str | None
    batch_norms: bool
    learning_rate: float
    warmup: float
    epochs: int | None


def phases(recipe: Recipe) -> list[Phase]:
    """The phases of a training by `recipe`: the classifier alone, if the recipe has `head_epochs`,
    then the layers that are not frozen.
    """
    head = Phase("predictions", True, recipe.head_learning_rate, 0.0, recipe.head_epochs)
    rest = Phase(
        recipe.freeze_until,
        recipe.freeze_batch_norms,
        recipe.learning_rate,
        recipe.warmup_epochs,
        recipe.epochs,
    )
    return [head, rest] if recipe.head_epochs else [rest]


@checked
def train(
    model: Network,
    batches,
    validation,
    recipe: Recipe | str = "short",
    *,
    minutes: float | None = None,
    part: tuple[float, float] = (0.0, 1.0),
    folder=None,
    resume: bool = False,
    jit_compile="auto",
    on_epoch=None,
    on_share=None,
    callbacks=(),
    data: dict | None = None,
    checkpoint_seconds: float = 30.0,
    after=0.0,
    keep_state: bool = False,
    native: bool = True,
    say=None,
) -> dict[str, list[float]]:
    """Trains `model` by `recipe`. At the end the moving averages of its batch norms are measured on
    training images.

    Args:
        batches, validation: `tf.data.Dataset`s of known length of (images, labels) or (images,
            labels, weights of the images), such as `nasnet_tf.data.pipeline` returns. `batches` may
            be a function: number of the first pass -> data set; a resumed training then sees the
            images in the order of an uninterrupted one.
        recipe: a `Recipe`, the name of one, or its path. `network_for` builds the network by the
            same recipe.
        minutes: the duration, instead of the recipe's epochs: from this call to its end, within an
            epoch if necessary; at most 600 epochs.
        part: of the fall of the learning rate over the minutes, for one of several trainings that
            follow one another: where it begins and ends, from 0 to 1.
        folder: where log.csv, a TensorBoard log and the state are written during the training.
        resume: whether to resume the training whose state is in `folder`; the recipe and the
            network must be the same.
        jit_compile: as in `keras.Model.compile`.
        on_epoch: called after each epoch with its number from 1, the share of the training that is
            done, and its metrics.
        on_share: called every 0.2 seconds or more with that share.
        data: the fingerprint of the data (`nasnet_tf.fingerprint.of_data`): a training is not
            resumed with other data.
        checkpoint_seconds: the state is written after an epoch, at most once in so many seconds.
        after: seconds of `minutes` that the caller needs after this call, or a function that
            measures them.
        keep_state: keep the state in `folder`, for a caller that has yet to save the model;
            `nasnet_tf.training.forget` deletes it.
        native: train by compiled kernels (`nasnet_tf.native`) on all cores, where that can do all
            that is asked for: without an accelerator, in float32, by SGD, images of one size.
        say: told in one line what trains the model.
    Returns: {metric: its value after each epoch}, those of the validation included.
    Raises: ValueError unless either epochs or minutes are given; ArithmeticError if the loss is no
        longer a number.
    """
    recipe = recipes.get(recipe)
    _check_budget(recipe, minutes)
    if resume and folder is None:
        raise ValueError("resume needs the folder of the training.")
    make = batches if callable(batches) else lambda first_pass: batches
    planned = phases(recipe)
    checkpoint = (
        None
        if folder is None
        else Checkpoint(folder, describe(recipe, model, data), checkpoint_seconds, keep_state)
    )
    state = (
        checkpoint.resume() if resume else {"phase": 0, "epoch": 0, "seconds": 0.0, "history": []}
    )

    history, began = list(state["history"]), time.monotonic() - state["seconds"]
    for number, phase in list(enumerate(planned))[state["phase"] :]:
        done = state["epoch"] if number == state["phase"] else 0
        before = sum(earlier.epochs for earlier in planned[:number])
        devices, on_devices = devices_of(model)
        data, held_out = divisible(make(before + done), devices), divisible(validation, devices)
        is_last = number + 1 == len(planned)
        clock = minutes and _clock(
            recipe, phase, number, len(data), history, began, minutes, is_last, part
        )
        share = _share(planned, number, len(data), began, minutes)
        size = _batch_size(data, recipe)
        follow = Follow(number, history, share, checkpoint, began, on_epoch, on_share, size)
        with on_devices:
            _compile(model, recipe, phase, len(data), jit_compile, devices)
            if done:
                checkpoint.restore(model)
            trainer = KerasTrainer(model)
            if native and devices == 1:
                trainer = trainer_for(model, recipe, data, held_out, callbacks, jit_compile)
            if say is not None:
                say(f"{model.name}: {trainer.what}")
            norms = FreshNorms(
                trainer.norms,
                lambda: getattr(batches, "plain", make)(0),
                done * len(data),
                60 * minutes * _NORMS_SHARE if minutes else math.inf,
            )
            if clock and not clock.is_over:
                clock.measured(*_finishing(trainer, held_out, norms, after if is_last else None))
            if not (clock.is_over if clock and done else done >= (phase.epochs or _NO_END)):
                every_callback = [
                    *_averages(recipe),
                    norms,
                    *([clock] if clock else []),
                    *callbacks,
                    *_adapting(batches, share, history),
                    *_logs(folder, number),
                    follow,
                ]
                trainer.fit(data, held_out, phase.epochs or _NO_END, done, every_callback)
            else:  # it was interrupted between its last epoch and the end of `fit`
                model.optimizer.finalize_variable_values(model.trainable_variables)
                norms.measure()
        if checkpoint is not None and not is_last:
            checkpoint.save(
                model, number, phase.epochs, history, history[-1]["seconds"], force=True
            )
    if checkpoint is not None and not keep_state:
        checkpoint.remove()
    names = dict.fromkeys(name for row in history for name in row)
    return {name: [row[name] for row in history if name in row] for name in names}


def _finishing(trainer, validation, norms, after):
    """Seconds of one validation, and of the work after the last one (0 if `after` is None), when
    everything has been traced.
    """
    trainer.evaluate(validation.take(1))
    one = _seconds(lambda: trainer.evaluate(validation.take(1)))
    two = _seconds(lambda: trainer.evaluate(validation.take(2)))
    each = max(two - one, one / 4) if len(validation) > 1 else 0.0
    validated = one + each * (len(validation) - 1)
    if after is None:
        return validated, 0.0
    norms.norms.measure(norms.batches, seconds=0)
    return validated, norms.seconds + (after() if callable(after) else after)


def _seconds(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


def _batch_size(batches, recipe):
    images, *_ = batches.element_spec  # whose last batch may be smaller, so it is seldom known
    return images.shape[0] or recipe.batch_size


def _check_budget(recipe, minutes):
    if (recipe.epochs is None) == (minutes is None) or not (
        minutes is None or 0 < minutes < math.inf
    ):
        raise ValueError(
            f"epochs is {recipe.epochs} and minutes is {minutes}; give one of them, above 0."
        )


def _adapting(batches, done, history):
    """The callback that makes augmentation stronger, of batches whose augmentation is adaptive."""
    strong = getattr(batches, "strong", None)
    return [] if strong is None else [Adapt(strong, done, history)]


def _averages(recipe):
    """The callback that validates the averages of the weights in place of the weights."""
    return [keras.callbacks.SwapEMAWeights()] if recipe.average_weights else []


def _clocked_rate(recipe, phase):
    """The rate that the clock decays because the number of steps is unknown; None if that is the
    optimizer's schedule.
    """
    return phase.learning_rate if phase.epochs is None and recipe.schedule == "cosine" else None


def _clock(recipe, phase, number, steps, history, began, minutes, is_last, part):
    """The clock of a phase of a training that began at `began`; in the phase of the classifier
    alone it leaves time for the rest.
    """
    ends = began + 60 * minutes
    began += max((row["seconds"] for row in history if row["phase"] < number), default=0.0)
    if not is_last:
        ends = min(ends, began + _HEAD_SHARE * 60 * minutes)
    return Clock(_clocked_rate(recipe, phase), steps, began, ends, phase.warmup, part=part)


def _compile(model, recipe, phase, steps, jit_compile, devices=1):
    rate = _clocked_rate(recipe, phase) or rate_for(
        recipe, phase.learning_rate, phase.epochs or 1, steps, phase.warmup
    )
    freeze(model, phase.until, phase.batch_norms)
    rewrite_graphs((phase.epochs or 0) * steps > _STEPS_THAT_PAY)
    heads = isinstance(model.output, dict)
    losses = {
        name: SmoothedCrossentropy(recipe.label_smoothing) for name in ("predictions", "auxiliary")
    }
    metrics = (
        model.training_metrics()
        if hasattr(model, "training_metrics")
        else [Accuracy(name="accuracy")]
    )
    model.compile(
        optimizer_for(recipe, rate, devices if keras.backend.backend() == "tensorflow" else 1),
        loss=losses if heads else losses["predictions"],
        loss_weights={"predictions": 1.0, "auxiliary": recipe.auxiliary_weight} if heads else None,
        metrics={"predictions": metrics} if heads else metrics,
        jit_compile=jit_compile,
    )


def _share(planned, number, steps, began, minutes):
    """(epoch, batch) of the phase -> share of the whole training."""
    if minutes:
        return lambda epoch, batch: min((time.monotonic() - began) / (60 * minutes), 1.0)
    before, total = (sum(phase.epochs for phase in part) for part in (planned[:number], planned))
    return lambda epoch, batch: min((before + epoch + batch / steps) / total, 1.0)


def _logs(folder, number):
    """The callback that writes a TensorBoard log, where Keras supports it."""
    if folder is None or keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(f"{folder}/tensorboard/phase_{number}", write_graph=False)]
