"""A space of independent discrete decisions. A point of it is a tuple of integers, an index into
each decision's options.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from math import prod
from operator import index
from typing import NamedTuple

from nasnet_tf.contracts.space import Space

__all__ = ["CategoricalSpace", "Decision"]


class Decision(NamedTuple):
    """One discrete decision: what it decides, and the options in order."""

    name: str
    options: Sequence


class CategoricalSpace(Space):
    """All combinations of the options of `decisions`. A subclass gives them meaning by `decode`,
    `encode` and `key`.
    """

    def __init__(self, decisions):
        self.decisions = tuple(Decision(name, tuple(options)) for name, options in decisions)
        if not self.decisions:
            raise ValueError("a space needs at least one decision; got none: give one.")
        names = set()
        for name, options in self.decisions:
            if name in names:
                raise ValueError(f"two decisions are named {name!r}; give each a name of its own.")
            twice = any(option in options[:number] for number, option in enumerate(options))
            if not options or twice:
                raise ValueError(
                    f"decision {name!r} has options {options}; give at least one, each once."
                )
            names.add(name)

    @classmethod
    def of_sizes(cls, sizes) -> CategoricalSpace:
        """A space of nameless decisions that have so many options."""
        return CategoricalSpace(
            Decision(str(number), range(index(size))) for number, size in enumerate(sizes)
        )

    @functools.cached_property
    def sizes(self) -> tuple[int, ...]:  # type: ignore[override]
        """Number of options of each decision."""
        return tuple(len(options) for _, options in self.decisions)

    @functools.cached_property
    def meanings(self) -> tuple[int, ...]:
        """What the options stand for, those of all decisions in a row: 0, 1, ..., equal where they
        stand for the same.

        Words, such as operations, mean the same in every decision; all other options mean something
        in their own only.
        """
        found = {}
        options = [option for _, options in self.decisions for option in options]
        return tuple(
            found.setdefault(option if isinstance(option, str) else place, len(found))
            for place, option in enumerate(options)
        )

    @property
    def size(self) -> int:
        """Exact number of points."""
        return prod(self.sizes)

    @property
    def first(self) -> tuple[int, ...]:
        """Option 0 of every decision."""
        return (0,) * len(self.decisions)

    def random(self, rng) -> tuple[int, ...]:
        """A point, each as likely as any other."""
        return tuple(int(choice) for choice in rng.integers(0, self.sizes))

    def mutate(self, point, rng) -> tuple[int, ...]:
        """The point with one decision changed to another option: decision and option are uniform;
        decisions of one option stay.
        """
        point = self.checked(point)
        free = [number for number, size in enumerate(self.sizes) if size > 1]
        if not free:
            raise ValueError(
                "every decision of this space has one option, so there is nothing to mutate; give"
                " one more options."
            )
        number = free[int(rng.integers(len(free)))]
        step = 1 + int(rng.integers(self.sizes[number] - 1))
        choice = (point[number] + step) % self.sizes[number]
        return (*point[:number], choice, *point[number + 1 :])

    def values(self, point) -> dict:
        """Decision name -> chosen option."""
        return {
            name: options[choice]
            for (name, options), choice in zip(self.decisions, self.checked(point), strict=True)
        }

    def choices(self, values: Mapping) -> tuple[int, ...]:
        """The point whose `values` these are. Raises ValueError if a decision is missing, unknown
        or not given an option of its own.
        """
        names = [name for name, _ in self.decisions]
        for what, wrong in (
            ("missing", set(names) - set(values)),
            ("unknown", set(values) - set(names)),
        ):
            if wrong:
                raise ValueError(
                    f"{what} decisions: {', '.join(sorted(map(str, wrong)))}; the space has"
                    f" {', '.join(names)}."
                )
        for name, options in self.decisions:
            if values[name] not in options:
                raise ValueError(
                    f"{name} is {values[name]!r}; its options are {', '.join(map(str, options))}."
                )
        return tuple(options.index(values[name]) for name, options in self.decisions)

    def decode(self, point):
        """What the point stands for; here, its values by name."""
        return self.values(point)

    def encode(self, decoded) -> tuple[int, ...]:
        """The point that stands for `decoded`. Raises ValueError if the space has none."""
        return self.choices(decoded)

    def key(self, point) -> str:
        """Points with equal keys are the same network."""
        return json.dumps(self.checked(point))

    def levels(self) -> list[tuple[int | None, ...]]:
        """How a point can be grown: levels, each with an entry a decision: None where the level
        frees it, else the option it stays at.

        Level l frees the first l decisions and leaves the others at option 0, so the last level is
        the whole space.
        """
        count = len(self.decisions)
        return [(None,) * free + (0,) * (count - free) for free in range(1, count + 1)]

    def checked(self, point) -> tuple[int, ...]:
        """The point as plain integers. Raises ValueError if it is not in the space."""
        try:
            plain = tuple(map(index, point))
        except TypeError:
            raise ValueError(
                f"choices are {point!r:.80}; give {len(self.decisions)} integers, one a decision."
            ) from None
        if len(plain) != len(self.decisions):
            raise ValueError(
                f"got {len(plain)} choices; this space has {len(self.decisions)} decisions, give"
                " one choice for each."
            )
        for choice, (name, options) in zip(plain, self.decisions, strict=True):
            if not 0 <= choice < len(options):
                raise ValueError(
                    f"choice of {name} is {choice}; choose from 0 to {len(options) - 1}."
                )
        return plain
