"""Where weights come from, in one form: arrays by role, which say their shape at once and are read
only when asked.

A role is the name of a variable in the original TF-slim code, such as "cell_0/1x1/weights"
(`nasnet_tf.zoo.slim`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import keras
import numpy as np

KERAS, OURS, SLIM = "keras.applications", "nasnet_tf", "slim"


class Refused(ValueError):
    """Why a source cannot be used, as a sentence without its subject; whoever opened the source
    puts its name before it.
    """


class Stored(NamedTuple):
    """An array that need not be in memory yet."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


class Layer(NamedTuple):
    """A layer of a Keras model or file, with its arrays in Keras' order; the name is None where a
    file does not tell.
    """

    name: str | None
    arrays: tuple[Stored, ...]


class Source(NamedTuple):
    """What a source holds.

    arrays: by role.
    layout: KERAS, OURS or SLIM: who named the arrays.
    facts: arguments of `nasnet_tf.systems.cells.network.Network` that the source itself states.
    config: of a model of `keras.applications`, as Keras writes it, if the source has it.
    foreign: names of arrays that are no part of such a network.
    bookkeeping: names of arrays that only the training of it needs.
    verified: by what checksum the source was found whole, in words; "" of what is in memory.
    """

    arrays: dict[str, Stored]
    layout: str
    facts: dict = {}
    config: dict = {}
    foreign: tuple[str, ...] = ()
    bookkeeping: tuple[str, ...] = ()
    verified: str = ""


def stored(array) -> Stored:
    """An array or a variable that is in memory."""
    return Stored(tuple(array.shape), lambda: keras.ops.convert_to_numpy(array))


def shortened(names: Iterable[str]) -> str:
    """The first of `names` in brackets, for a message; nothing of none."""
    names = sorted(names)
    return f" ({names[0]}{', ...' if len(names) > 1 else ''})" if names else ""
