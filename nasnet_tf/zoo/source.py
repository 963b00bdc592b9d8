"""The common form of all sources of weights: arrays by role, with known shapes, which are read when
they are needed.

A role is the name of a variable in the original TF-slim code, such as "cell_0/1x1/weights"
(`nasnet_tf.zoo.slim`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import keras
import numpy as np

KERAS, OURS, SLIM = "keras.applications", "nasnet_tf", "slim"


class SourceError(ValueError):
    """A source that cannot be used. The message is a sentence without its subject, the name of the
    source, which `reading.open_source` adds.
    """


class Stored(NamedTuple):
    """An array that need not be in memory."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


class Layer(NamedTuple):
    """A layer of a Keras model or file, with its arrays in Keras' order; the name is None if the
    file does not have it.
    """

    name: str | None
    arrays: tuple[Stored, ...]


class Source(NamedTuple):
    """The contents of a source.

    arrays: by role.
    layout: KERAS, OURS or SLIM: the origin of the names of the arrays.
    facts: arguments of `nasnet_tf.systems.cells.network.Network` that are stated in the source.
    config: the Keras configuration of a model of `keras.applications`, if the source has it.
    foreign: names of arrays that are no part of such a network.
    bookkeeping: names of arrays that are needed only for training.
    verified: a description of the checksum by which the source was verified; "" if in memory.
    """

    arrays: dict[str, Stored]
    layout: str
    facts: dict = {}
    config: dict = {}
    foreign: tuple[str, ...] = ()
    bookkeeping: tuple[str, ...] = ()
    verified: str = ""


def stored(array) -> Stored:
    """An array or a variable in memory, as `Stored`."""
    return Stored(tuple(array.shape), lambda: keras.ops.convert_to_numpy(array))


def shortened(names: Iterable[str]) -> str:
    """The first of `names` in brackets, for a message; "" if there are none."""
    names = sorted(names)
    return f" ({names[0]}{', ...' if len(names) > 1 else ''})" if names else ""
