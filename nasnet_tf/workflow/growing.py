"""A training that begins with small pictures: a step on pictures of half the side takes a quarter
of the time, so that a network that has time for few epochs sees its pictures more often.

Source: progressive resizing, as in Tan & Le 2021, arXiv 2104.00298, section 4 (EfficientNetV2),
here in two stages and without their changes of regularization. The learning rate falls along one
cosine over both.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time

from nasnet_tf.training.checkpoint import STATE, forget
from nasnet_tf.workflow import fitting
from nasnet_tf.workflow.sizes import half

__all__ = [
    "IN_WHOLE", "STEPS", "begin", "forget_small", "half", "in_whole", "judged_on_some", "last_step",
    "take_weights", "was_begun", "with_small",
]  # fmt: skip

FOLDER = "small"  # of the state of the first stage, in that of the training
_SHARE = 0.6  # of the time that is left
_BATCH = 2  # times the recipe's: steps on few numbers leave the cores waiting for one another
IN_WHOLE = {"part": (_SHARE, 1.0)}  # arguments of the training on whole pictures
STEPS = 4 * _SHARE / _BATCH  # on small pictures, for one that the whole time has on whole ones
_VALIDATION = 200  # images, for a figure after each epoch


def begin(make_network, data, recipe, stages, *, folder, resume, then, **given):
    """Trains a network on the data at half the size for a share of the time that is left, and
    returns it.

    Args:
        folder: of the training, which goes on with whole pictures; the state of the first stage
            lies in a folder in it.
        then: seconds that are needed after all training.
        Others as of `nasnet_tf.workflow.fitting.train_network`.
    """
    left, small = stages.budget.left - then, data.at(half(data.input_shape))
    model, _ = fitting.train_network(
        make_network,
        judged_on_some(small),
        with_small(recipe),
        stages,
        folder=pathlib.Path(folder) / FOLDER,
        resume=resume and was_begun(folder),
        parts=(),
        seconds=_SHARE * left,
        part=(0.0, _SHARE),
        **given,
    )
    return model


def judged_on_some(data):
    """The data set with few validation images, of all classes, for a figure after each epoch."""
    step = max(len(data.x_validation) // _VALIDATION, 1)
    return dataclasses.replace(
        data, x_validation=data.x_validation[::step], y_validation=data.y_validation[::step]
    )


def last_step(last: float) -> float:
    """When the last step on small pictures is made, about, of a training whose last step is at
    `last`, by the monotonic clock.
    """
    now = time.monotonic()
    return now + _SHARE * (last - now)


def with_small(recipe):
    """The recipe of the first stage."""
    return recipe.scaled(_BATCH * recipe.batch_size)


def in_whole(folder) -> bool:
    """Whether the folder has the state of a training on whole pictures."""
    return (pathlib.Path(folder) / STATE).is_file()


def was_begun(folder) -> bool:
    """Whether the folder has the state of a training on small pictures."""
    return (pathlib.Path(folder) / FOLDER / STATE).is_file()


def forget_small(folder) -> None:
    """Deletes that state."""
    forget(pathlib.Path(folder) / FOLDER)


def take_weights(model, small) -> None:
    """Gives the model the weights of the network for small pictures, but not its statistics of
    pixels.
    """
    for variable, other in zip(model.variables, small.variables, strict=True):
        if not variable.path.startswith("normalization/"):
            variable.assign(other)
