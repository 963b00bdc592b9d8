"""A network trained in the time that is left, with its reports and its state."""

from __future__ import annotations

import contextlib

from nasnet_tf.fingerprint import of_data

__all__ = ["train_network"]

_SAVE = 0.3  # to save a network: times the time that it took to begin
_PARAMETERS_A_SECOND = 5e6  # how fast weights are written
_MARGIN = 0.015  # of the time
_STATE_SECONDS = 5.0  # at least, between two states of a training on the disk


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
    scored=None,
    then=0.0,
    seconds=None,
    **fit,
):
    """Trains the network `make_network(data, recipe)` in the time that is left, if the recipe has
    no epochs. Its state stays in `folder`.

    Args:
        stages: a `nasnet_tf.workflow.Stages`, which takes the reports.
        parts: of the data that the network is scored on afterwards.
        scored: these data; None for those that it is trained on.
        then: seconds that are needed after that.
        seconds: for all of it, where that is not all the time that is left.
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
        left = stages.budget.left if seconds is None else seconds
        fit["minutes"] = max(before + left, 1e-3) / 60
        fit["after"] = lambda: _seconds_after(model, scored or data, parts, stages.budget) + then
    reports = {"on_epoch": stages.epoch, "on_share": stages.share, "say": stages.say}
    state = {"checkpoint_seconds": _STATE_SECONDS, "keep_state": True, "data": of_data(data)}
    given = {"folder": folder, "resume": resume, "callbacks": callbacks, **state, **reports, **fit}
    with _broken_pictures_named(data):
        return model, training.train(model, batches, validation, recipe, **given)


def _seconds_after(model, data, parts, budget):
    """Seconds that it takes to score the trained network and to save it; 0 where it is scored on
    nothing, as it is trained further.
    """
    from nasnet_tf.training import seconds_to_score

    if not parts:
        return 0.0
    written = model.count_params() / _PARAMETERS_A_SECOND
    saved = _SAVE * budget.beginning + written + _MARGIN * budget.seconds
    return seconds_to_score(model, data, parts) + saved


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
