"""The genotypes, spaces and costs of the systems, as this room uses them. No Keras here."""

from __future__ import annotations

import contextlib
import inspect

from nasnet_tf.strategies import STRATEGIES
from nasnet_tf.systems import NAMED, SPACES, costs, load, system_of
from nasnet_tf.systems.stages import default_stem

__all__ = [
    "NAMED",
    "SPACES",
    "cost_arguments",
    "cost_of",
    "default_size",
    "genotype",
    "known_points",
    "make_space",
    "reads",
    "reward_of",
    "stem_for",
    "strategy_for",
]

cost_of = costs.cost_of
default_size = costs.defaults_of


def genotype(text):
    """The genotype a user names: a published name or the path of a JSON file of any kind."""
    return NAMED[text] if text in NAMED else load(text)


def known_points(space) -> dict[str, tuple]:
    """{name: point} of the published genotypes that the space has, up to what it has a rule for."""
    found = {}
    for name, published in system_of(space.decode(space.first)).published.items():
        with contextlib.suppress(ValueError):
            found[name] = space.adapt(published)
    return found


def reads(genotype) -> str:
    """What a network of the genotype is trained on: "images" or "text"."""
    return "images" if genotype is None else genotype.reads


def make_space(name, blocks=None):
    """The space of that name. Raises ValueError if it has no blocks to count."""
    make = SPACES[name]
    if blocks is None:
        return make()
    if "num_blocks" not in inspect.signature(make).parameters:
        raise ValueError(f"the space {name} has no blocks; leave `blocks` out.")
    return make(num_blocks=blocks)


def strategy_for(name, space) -> str:
    """The strategy that searches the space. Raises ValueError if it cannot."""
    found = system_of(space.decode(space.first)).strategy if name == "auto" else name
    if found in STRATEGIES:
        STRATEGIES[found].check(space)
    return found


def reward_of(space):
    """How the reward of a child follows from its accuracies, where the paper of the space says
    so.
    """
    return system_of(space.decode(space.first)).reward


def stem_for(genotype, input_shape) -> str | None:
    """The stem of its network for pictures of that shape; None where networks have none."""
    return default_stem(input_shape) if "stem" in costs.counted_arguments(genotype) else None


def cost_arguments(data, num_cells, filters) -> dict:
    """Arguments of `cost_of` for a network for `data`."""
    size = {"num_cells": num_cells, "filters": filters, "stem": None}
    return {**size, "classes": data.classes, "input_shape": data.input_shape}
