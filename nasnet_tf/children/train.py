"""The training of one child. Runs in a worker."""

from __future__ import annotations

import math
import os
import time

import keras

from nasnet_tf.children.compiling import Compiling
from nasnet_tf.children.fitting import batch_size_of
from nasnet_tf.children.inheritance import inherit, keep
from nasnet_tf.children.kept import NAMED, PROGRESS, TRACED
from nasnet_tf.children.progress import Progress
from nasnet_tf.children.serving import tell_steps
from nasnet_tf.files import remove_temporaries
from nasnet_tf.study import PARENT
from nasnet_tf.training.graph_rewriting import rewrite_graphs

__all__ = ["NUMBER", "SECONDS", "Pulse", "train_child"]

_UNCHANGED = Compiling()
SECONDS = "seconds"
NUMBER = "number"  # metric of a child whose `fit` returns a number: the score


def train_child(
    child, given, values, seed, policy, folder, /, *args, compiling=_UNCHANGED, **kwargs
):
    """Builds, trains and scores one child on what `fit` is given.

    Args:
        child: a `CellChild`, or a hypermodel.
        given: by what `child` knows the trial: its values, or a hypermodel's `hp`.
        values: {name: value} of the trial.
        seed: of everything random in it.
        policy: name of the dtype policy.
        folder: where its weights are left.
        compiling: a `Compiling`.
    Returns: {metric: value}, of the last epoch where `child.fit` returns a history; "seconds" of
        the training, and "inherited", how many layers began with a parent's weights, if it has a
        parent; and that history, {metric: values}.
    Raises: ArithmeticError if a metric is no finite number.
    """
    keras.backend.clear_session()
    keras.config.set_dtype_policy(policy)
    rewrite_graphs(False)
    keras.utils.set_random_seed(seed)
    os.makedirs(folder, exist_ok=True)
    remove_temporaries(folder)
    others = kwargs.get("callbacks") or ()
    training = [values, seed, policy, _described(args), _described(kwargs)]
    progress = Progress(os.path.join(folder, PROGRESS), training, others)
    kwargs["callbacks"] = [*others, progress, Pulse()]
    model, native = _made(child, given, compiling, args, kwargs)
    parent, inherited = values.get(PARENT), []
    if parent is not None:
        inherited = inherit(model, os.path.join(os.path.dirname(folder), f"trial_{parent}", NAMED))
    if native:
        model.compile(batch_size_of(args, kwargs))
    began = time.monotonic()
    metrics, history = _results(
        child.fit(given, model, *args, **{"verbose": 0, **kwargs}), progress
    )
    metrics[SECONDS] = round((time.monotonic() - began) * progress.times, 2)
    if getattr(getattr(child, "space", None), "inherits", False):
        keep(model, os.path.join(folder, NAMED))
    else:
        model.save_weights(os.path.join(folder, NAMED if native else TRACED))
    progress.remove()
    return metrics | ({} if parent is None else {"inherited": len(inherited)}), history


def _made(child, given, compiling, args, kwargs):
    """(the model, whether it is native)."""
    make_native = None if compiling.changes else getattr(child, "build_native", None)
    model = make_native and make_native(given, args, kwargs)
    native = model is not None
    if not native:
        model = child.build(given)
        compiling.compile(model)
    compiling.check_size(model)
    return model, native


def _results(fitted, progress):
    """(metrics, history) of what `fit` returned: a number, metrics, or a history."""
    if isinstance(fitted, int | float):
        fitted = {NUMBER: fitted}
    history = {}
    if not isinstance(fitted, dict):
        history = progress.history if progress.resumed else fitted.history
        fitted = {name: values[-1] for name, values in history.items()}
    metrics = {name: float(value) for name, value in fitted.items()}
    wrong = [f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)]
    if wrong:
        raise ArithmeticError(f"training diverged: {', '.join(wrong)}")
    return metrics, history


def _described(value):
    """Arguments of `fit` in JSON's words: data by its shape, callbacks by their kind."""
    if isinstance(value, dict):
        return {name: _described(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_described(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return [type(value).__name__, list(getattr(value, "shape", ()))]


class Pulse(keras.callbacks.Callback):
    """Tells the parent of a worker how many steps a training has made, so that it knows one that
    hangs.
    """

    async_safe = True  # for Keras: nobody waits for it
    steps = None  # while nothing is trained

    def on_train_begin(self, logs=None):
        self._tell(0)

    def on_train_batch_end(self, batch, logs=None):
        if self.steps is not None:
            self._tell(self.steps + 1)

    def on_test_batch_end(self, batch, logs=None):
        self.on_train_batch_end(batch)

    def on_epoch_end(self, epoch, logs=None):
        self.on_train_batch_end(epoch)

    def on_train_end(self, logs=None):
        self._tell(None)

    def _tell(self, steps):
        self.steps = steps
        tell_steps(steps)
