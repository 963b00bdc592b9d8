"""Loads weights into a network from every source they exist in: each becomes arrays by role, and
one step assigns them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.zoo import official
from nasnet_tf.zoo.classes import class_names
from nasnet_tf.zoo.matching import Match, match
from nasnet_tf.zoo.reading import opened
from nasnet_tf.zoo.slim import slim_variables
from nasnet_tf.zoo.source import Refused

__all__ = ["WeightsReport", "assign", "load_weights", "read"]


class WeightsReport(NamedTuple):
    """What became of a source's arrays and of a model's variables, by role (`nasnet_tf.zoo.slim`).

    source: the path, or what else it was.
    loaded: roles whose arrays the model has now.
    kept: roles of the model that keep their values, and why.
    unused: what the source has besides, and why it has no place.
    verified: by what checksum the file was found whole, or that it has none: then damage to numbers
        in it may have gone unnoticed. "" of what was in memory.
    """

    source: str
    loaded: tuple[str, ...]
    kept: dict[str, str]
    unused: dict[str, str]
    verified: str = ""

    def __str__(self):
        lines = [
            f"{self.source}: {len(self.loaded)} arrays"
            f" loaded{f'; {self.verified}' if self.verified else ''}"
        ]
        for title, reasons in (
            ("not changed in the model", self.kept),
            ("not used of the source", self.unused),
        ):
            for reason in dict.fromkeys(reasons.values()):
                names = [name for name, why in reasons.items() if why == reason]
                lines.append(
                    f"  {title}: {len(names)}"
                    f" ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''}): {reason}"
                )
        return "\n".join(lines)


@checked
def load_weights(model: Network, source, partial: bool = False) -> WeightsReport:
    """Gives the variables of `model` the values they have in `source`; all of them or, if anything
    is wrong, none.

    A classifier for another number of classes, and a classifier or an auxiliary head that only one
    side has, are left alone. With ImageNet's classifier the model's `class_names` become
    ImageNet's, if it has none.

    Args:
        source: one of "imagenet": what Keras publishes for NASNet-A mobile and large, downloaded
            once; the path of a `.keras`, `.weights.h5` or legacy `.h5` file of a NASNet of
            `keras.applications`, of a `.keras` or `.weights.h5` file of a `Network`, or of a
            checkpoint of the original TF-slim code: its prefix, one of its files, the folder it is
            alone in, or the `.tar.gz` it was released as; a model: a `Network` or a NASNet of
            `keras.applications`; a dict {slim variable name: array}.
        partial: take what fits: variables that the source lacks or has in another shape keep their
            values, too. For a network with another stem, say; another genotype, num_cells or
            filters is always refused.
    Returns: what was loaded and what was not. Of a checkpoint with moving averages, these were
        loaded.
    Raises: ValueError that names the source; FileNotFoundError if there is no such file.
    """
    if not isinstance(model, Network):
        raise ValueError(
            "load_weights fills a nasnet_tf.systems.cells.network.Network; got"
            f" {type(model).__name__}."
        )
    path = (
        official.fetch(official.file_for(model))
        if isinstance(source, str) and source == "imagenet"
        else source
    )
    with opened(path, model) as (name, found):
        matched = match(model, found, partial)
        arrays = read(model, matched)
    assign(model, arrays)
    if path is not source and model.class_names is None and model.get_config()["classes"] == 1000:
        model.class_names = class_names()
    return WeightsReport(name, tuple(arrays), matched.kept, matched.unused, found.verified)


def read(model: Network, matched: Match) -> dict[str, np.ndarray]:
    """The arrays by role, checked.

    Raises: Refused if an array holds what no weights are.
    """
    variables = slim_variables(model)
    return {
        role: _checked(role, array.read(), tuple(variables[role].shape))
        for role, array in matched.arrays.items()
    }


def assign(model: Network, arrays: dict[str, np.ndarray]) -> None:
    """Gives the variables of `model` the values of checked arrays."""
    variables = slim_variables(model)
    for role, array in arrays.items():
        variables[role].assign(array)


def _checked(role, array, shape):
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise Refused(f"has {role} as {array.dtype}; weights are numbers.")
    array = array[..., -shape[-1] :].astype("float32")  # a background class is the first
    if not np.isfinite(array).all():
        raise Refused(
            f"holds values in {role} that are not finite: it is damaged, or its training diverged."
        )
    if role.endswith("/moving_variance") and array.min() < 0:
        raise Refused(f"holds negative variances in {role}: it is damaged.")
    return array
