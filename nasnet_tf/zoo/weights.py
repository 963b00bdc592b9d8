"""Loads weights into a network from every kind of source: each is converted to arrays by role,
which are then assigned.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.zoo import official
from nasnet_tf.zoo.classes import class_names
from nasnet_tf.zoo.matching import Match, match
from nasnet_tf.zoo.reading import open_source
from nasnet_tf.zoo.slim import slim_variables
from nasnet_tf.zoo.source import SourceError

__all__ = ["WeightsReport", "assign", "load_weights", "read"]


class WeightsReport(NamedTuple):
    """The result of loading weights, by role (`nasnet_tf.zoo.slim`).

    source: the path or a description of the source.
    loaded: roles whose arrays were loaded.
    kept: roles of the model that keep their values, with the reason.
    unused: roles of the source that were not used, with the reason.
    verified: the checksum by which the file was verified, or a remark that it has none, so that
        damage may have gone unnoticed; "" for a source in memory.
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
    """Assigns the weights in `source` to the variables of `model`; all of them or, after an error,
    none.

    A classifier for another number of classes, and a classifier or an auxiliary head that only one
    side has, are skipped. With ImageNet's classifier, a model without `class_names` gets those of
    ImageNet.

    Args:
        source: one of "imagenet": the weights that Keras publishes for NASNet-A mobile and large,
            downloaded once; the path of a `.keras`, `.weights.h5` or legacy `.h5` file of a NASNet
            of `keras.applications`, of a `.keras` or `.weights.h5` file of a `Network`, or of a
            checkpoint of the original TF-slim code: its prefix, one of its files, a folder of one
            checkpoint, or the released `.tar.gz`; a model: a `Network` or a NASNet of
            `keras.applications`; a dict {slim variable name: array}.
        partial: load what fits: variables that the source lacks or has in another shape keep their
            values, for example for a network with another stem. Another genotype, num_cells or
            filters is always an error.
    Returns: what was loaded and what was not. Moving averages in a checkpoint are loaded in place
        of the weights.
    Raises: ValueError that names the source; FileNotFoundError if there is no such file.
    """
    if not isinstance(model, Network):
        raise ValueError(
            f"load_weights fills a nasnet_tf.network.Network; got {type(model).__name__}."
        )
    path = (
        official.fetch(official.file_for(model))
        if isinstance(source, str) and source == "imagenet"
        else source
    )
    with open_source(path, model) as (name, found):
        matched = match(model, found, partial)
        arrays = read(model, matched)
    assign(model, arrays)
    if path is not source and model.class_names is None and model.get_config()["classes"] == 1000:
        model.class_names = class_names()
    return WeightsReport(name, tuple(arrays), matched.kept, matched.unused, found.verified)


def read(model: Network, matched: Match) -> dict[str, np.ndarray]:
    """The arrays by role, checked.

    Raises: SourceError if an array has values that weights cannot have.
    """
    variables = slim_variables(model)
    return {
        role: _checked(role, array.read(), tuple(variables[role].shape))
        for role, array in matched.arrays.items()
    }


def assign(model: Network, arrays: dict[str, np.ndarray]) -> None:
    """Assigns checked arrays to the variables of `model`."""
    variables = slim_variables(model)
    for role, array in arrays.items():
        variables[role].assign(array)


def _checked(role, array, shape):
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise SourceError(f"has {role} as {array.dtype}; weights are numbers.")
    array = array[..., -shape[-1] :].astype("float32")  # a background class is the first
    if not np.isfinite(array).all():
        raise SourceError(
            f"holds values in {role} that are not finite: it is damaged, or its training diverged."
        )
    if role.endswith("/moving_variance") and array.min() < 0:
        raise SourceError(f"holds negative variances in {role}: it is damaged.")
    return array
