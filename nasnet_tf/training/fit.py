"""Training a network by a recipe, in one or two phases, with a state on disk that it can go on from.

Source of the short recipe: Zoph et al. 2017, arXiv 1707.07012, appendix A.6 (SGD with momentum 0.9, cosine to 0, norm clipped at 5).
"""

from __future__ import annotations

import dataclasses
import math
import time
from typing import NamedTuple

import keras

from nasnet_tf.evaluation.graphs import rewrite_graphs
from nasnet_tf.network import Network
from nasnet_tf.training import recipe as recipes
from nasnet_tf.training.checkpoint import Checkpoint
from nasnet_tf.training.clock import Clock
from nasnet_tf.training.devices import devices_of, divisible
from nasnet_tf.training.follow import Follow
from nasnet_tf.training.freezing import freeze
from nasnet_tf.training.optimizers import SmoothedCrossentropy, optimizer_for, rate_for
from nasnet_tf.training.recipe import Recipe

_STEPS_THAT_PAY = 20_000  # for rewriting the graph, see rewrite_graphs
_NO_END = 1_000_000  # epochs: the clock stops sooner


class Phase(NamedTuple):
    """A part of a training: which layers learn (`freeze`), how fast and for how many epochs (None: by the clock)."""

    until: str | None
    batch_norms: bool
    learning_rate: float
    warmup: float
    epochs: int | None


def phases(recipe: Recipe) -> list[Phase]:
    """The phases of a training by `recipe`: the classifier alone, if the recipe says so, then the rest."""
    head = Phase("predictions", True, recipe.head_learning_rate, 0.0, recipe.head_epochs)
    rest = Phase(recipe.freeze_until, recipe.freeze_batch_norms, recipe.learning_rate, recipe.warmup_epochs, recipe.epochs)
    return [head, rest] if recipe.head_epochs else [rest]


def train(
    model: Network,
    batches,
    validation,
    recipe: Recipe | str = "short",
    *,
    minutes: float | None = None,
    folder=None,
    resume: bool = False,
    jit_compile="auto",
    on_epoch=None,
    on_share=None,
    callbacks=(),
    data: dict | None = None,
    checkpoint_seconds: float = 30.0,
) -> dict[str, list[float]]:
    """Trains `model` by `recipe`.

    Args:
        batches, validation: `tf.data.Dataset`s of known length of (images, labels) or (images, labels, weights of the images), such
            as `nasnet_tf.data.pipeline` gives. `batches` may be a function: number of the first pass -> data set; a training that
            goes on then sees the order of images it would have seen.
        recipe: a `Recipe`, the name of one, or its path. The network is made by what it says (`network_for`); here it says the rest.
        minutes: how long at most, instead of the recipe's epochs: as many as fit, by the time the second took (2 to 600).
        folder: where log.csv, a TensorBoard log and the state are kept while training.
        resume: go on with the training whose state is in `folder`; the recipe and the network must be the same.
        jit_compile: as in `keras.Model.compile`.
        on_epoch: called after each epoch with its number from 1, the share of the training that is done, and its figures.
        on_share: called now and then with that share.
        data: what is known of the data, in JSON's words (`nasnet_tf.fingerprint.of_data`): a training does not go on with other data.
        checkpoint_seconds: how often the state is written, at most; only after whole epochs.
    Returns: {name: value after each epoch}, validation figures among them.
    Raises: ValueError if neither epochs nor minutes are given; ArithmeticError if the loss is no longer a number.
    """
    recipe = recipes.get(recipe)
    _check_budget(recipe, minutes)
    if resume and folder is None:
        raise ValueError("resume needs the folder of the training.")
    make = batches if callable(batches) else lambda first_pass: batches
    planned = phases(recipe)
    described = {"recipe": {**dataclasses.asdict(recipe), "source": ""}, "network": model.get_config(), "minutes": minutes}
    checkpoint = None if folder is None else Checkpoint(folder, described, checkpoint_seconds)
    if checkpoint is not None and data is not None:
        checkpoint.described["data"] = data
    state = checkpoint.resume() if resume else {"phase": 0, "epoch": 0, "seconds": 0.0, "history": []}

    history, began = list(state["history"]), time.monotonic() - state["seconds"]
    for number, phase in list(enumerate(planned))[state["phase"] :]:
        done = state["epoch"] if number == state["phase"] else 0
        before = sum(earlier.epochs for earlier in planned[:number])
        devices, on_devices = devices_of(model)
        data = divisible(make(before + done), devices)
        clock = None if phase.epochs else _clock(recipe, phase, number, len(data), history, minutes, time.monotonic() - began)
        share = _share(planned, number, len(data), clock, began, minutes)
        follow = Follow(number, history, share, checkpoint, began, on_epoch, on_share)
        with on_devices:
            _compile(model, recipe, phase, len(data), jit_compile, devices)
            if done:
                checkpoint.restore(model)
            if done < (phase.epochs or clock.epochs or _NO_END):
                every_callback = [*_averages(recipe), *([clock] if clock else []), *callbacks, *_logs(folder, number), follow]
                _fit(model, data, divisible(validation, devices), phase.epochs, done, every_callback)
            else:  # it ended after its last epoch was written, and before what `fit` does at its end
                model.optimizer.finalize_variable_values(model.trainable_variables)
        if checkpoint is not None and number + 1 < len(planned):
            checkpoint.save(model, number, phase.epochs, history, history[-1]["seconds"], force=True)
    if checkpoint is not None:
        checkpoint.remove()
    names = dict.fromkeys(name for row in history for name in row)
    return {name: [row[name] for row in history if name in row] for name in names}


def _check_budget(recipe, minutes):
    if (recipe.epochs is None) == (minutes is None) or not (minutes is None or 0 < minutes < math.inf):
        raise ValueError(f"epochs is {recipe.epochs} and minutes is {minutes}; give one of them, above 0.")


def _averages(recipe):
    """What validates the averages of the weights in place of the weights."""
    return [keras.callbacks.SwapEMAWeights()] if recipe.average_weights else []


def _fit(model, data, validation, epochs, done, callbacks):
    if isinstance(model.output, dict):
        data, validation = _for_two_heads(data), _for_two_heads(validation)
    fitted = model.fit(
        data,
        validation_data=validation,
        initial_epoch=done,
        epochs=epochs or _NO_END,
        verbose=0,
        shuffle=False,  # the pipeline shuffles
        callbacks=[keras.callbacks.TerminateOnNaN(), *callbacks],
    )
    if not all(math.isfinite(value) for value in fitted.history["loss"]):
        raise ArithmeticError(f"training diverged: the loss became {fitted.history['loss'][-1]}; try a smaller learning rate.")


def _for_two_heads(batches):
    def doubled(images, labels, *weights):
        return (images, *({"predictions": part, "auxiliary": part} for part in (labels, *weights)))

    return batches.map(doubled)


def _clocked_rate(recipe, phase):
    """The rate that the clock lets fall, because nobody knows the number of steps; None if there is no such."""
    return phase.learning_rate if phase.epochs is None and recipe.schedule == "cosine" else None


def _clock(recipe, phase, number, steps, history, minutes, gone):
    """The clock of phase `number`, `gone` seconds after the training began."""
    ends = [0.0, *(row["seconds"] for row in history)]
    seconds = [end - start for start, end, row in zip(ends, ends[1:], history, strict=False) if row["phase"] == number]
    return Clock(_clocked_rate(recipe, phase), steps, minutes - gone / 60, phase.warmup, seconds, min(gone / (60 * minutes), 1.0))


def _compile(model, recipe, phase, steps, jit_compile, devices=1):
    rate = _clocked_rate(recipe, phase) or rate_for(recipe, phase.learning_rate, phase.epochs or 1, steps, phase.warmup)
    freeze(model, phase.until, phase.batch_norms)
    rewrite_graphs((phase.epochs or 0) * steps > _STEPS_THAT_PAY)
    heads = isinstance(model.output, dict)
    losses = {name: SmoothedCrossentropy(recipe.label_smoothing) for name in ("predictions", "auxiliary")}
    model.compile(
        optimizer_for(recipe, rate, devices if keras.backend.backend() == "tensorflow" else 1),
        loss=losses if heads else losses["predictions"],
        loss_weights={"predictions": 1.0, "auxiliary": recipe.auxiliary_weight} if heads else None,
        metrics={"predictions": ["accuracy"]} if heads else model.figures() if hasattr(model, "figures") else ["accuracy"],
        jit_compile=jit_compile,
    )


def _share(planned, number, steps, clock, began, minutes):
    """(epoch, batch) of the phase -> share of the whole training."""
    if clock is not None:
        return clock.share_done
    if minutes:
        return lambda epoch, batch: min((time.monotonic() - began) / (60 * minutes), 1.0)
    before, total = (sum(phase.epochs for phase in part) for part in (planned[:number], planned))
    return lambda epoch, batch: min((before + epoch + batch / steps) / total, 1.0)


def _logs(folder, number):
    """TensorBoard's log, where Keras can write one."""
    if folder is None or keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(f"{folder}/tensorboard/phase_{number}", write_graph=False)]
