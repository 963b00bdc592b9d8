"""What the options of a space tell before any trial: which mean the same, which are more and which
less, and what operations weigh.

Numbers, also as text, are amounts: 8, 16, 32 or "3", "5", "7". The same amounts in decisions of one
name but for its digits, such as "layer_1/filters" and "layer_2/filters", mean the same. 0, 1, 2,
... are no amounts but names, such as those of the inputs of a block.
"""

from __future__ import annotations

import functools
import math
import re
from typing import NamedTuple

from nasnet_tf.graph import OPERATION_SPECS, Graph

__all__ = ["Traits", "traits_of"]

_CHANNELS = 16  # at which operations are weighed
_OTHER_NAMES = {"nor_conv_1x1": "conv_1x1"}  # NAS-Bench-201's


class Traits(NamedTuple):
    """Of the S options of all decisions in a row."""

    meanings: tuple[int, ...]  # equal where options stand for the same
    ranks: tuple[int, ...]  # among the amounts of the decision, from 0; -1 for other options
    weights: tuple[float, ...]  # parameters, of operations whose parameters are known, else 0


def traits_of(space) -> Traits:
    """The traits of a `CategoricalSpace`."""
    meanings: dict = {}
    ranks, weights, place = [], [], 0
    labels: list = []
    for name, options in space.decisions:
        amounts = _amounts(options)
        kind = re.sub(r"\d+", "", name)
        for number, option in enumerate(options):
            if amounts:
                labels.append((kind, *sorted(amounts), amounts[number]))
            else:
                labels.append(space.meanings[place + number])
            ranks.append(sorted(amounts).index(amounts[number]) if amounts else -1)
            weights.append(_weight(option))
        place += len(options)
    return Traits(
        tuple(meanings.setdefault(label, len(meanings)) for label in labels),
        tuple(ranks),
        tuple(weights),
    )


def _amounts(options) -> list[float]:
    """The options as numbers; none if they are no amounts."""
    try:
        amounts = [float(option) for option in options]
    except (TypeError, ValueError):
        return []
    names = sorted(amounts) == list(range(len(amounts)))
    return [] if names or not all(map(math.isfinite, amounts)) else amounts


@functools.cache
def _weight(option) -> float:
    """Parameters of an operation, relative to the square of its channels."""
    name = _OTHER_NAMES.get(option, option) if isinstance(option, str) else None
    if name not in OPERATION_SPECS:
        return 0.0
    graph = Graph.of_images((8, 8, _CHANNELS))
    graph.operation("operation", name, _CHANNELS, _CHANNELS)
    return sum(math.prod(weight.shape) for weight in graph.weights) / _CHANNELS**2
