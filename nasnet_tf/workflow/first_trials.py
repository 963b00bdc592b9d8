"""What a search with a warm start tries before its strategy proposes anything."""

from __future__ import annotations

from typing import NamedTuple

from nasnet_tf import strategies
from nasnet_tf.contracts.space import Space
from nasnet_tf.strategies import WarmStart
from nasnet_tf.workflow.catalogue import genotype, known_points
from nasnet_tf.workflow.table import BASELINE

__all__ = ["PUBLISHED", "FirstTrials", "check"]

PUBLISHED = "published cell"  # how the trials of such are labelled
_MOST = 5  # published cells, and as many random ones, for a picture of what the space holds
_SHARE = 4  # of so many trials at most one is of a published cell, and one of a random one


def check(options) -> None:
    """Raises ValueError for a strategy that learns from its own proposals alone."""
    found = strategies.STRATEGIES.get(options.strategy)
    if options.init is not None and not options.warm_start:
        raise ValueError(
            f"`init` is {options.init}, a cell that a warm start tries first; add"
            " `warm_start=True`, or leave it out."
        )
    if options.warm_start and not (found and found.uses_any_trial):
        able = [name for name, each in strategies.STRATEGIES.items() if each.uses_any_trial]
        raise ValueError(
            f"`warm_start` is for strategies that learn from any trial, {', '.join(able)};"
            f" {options.strategy} learns from what it proposed itself: leave it out."
        )


def _point_of(options, space):
    """The point of the cell that is to be tried first. Raises ValueError for one that the space
    does not have.
    """
    try:
        return space.adapt(genotype(options.init))
    except ValueError as error:
        raise ValueError(
            f"`init` is {options.init}, which the space {options.space} cannot try: {error}"
        ) from None


class FirstTrials(NamedTuple):
    """The first trials of a search.

    Args:
        space: what is searched.
        known: {name: point} of published cells.
        num_random: how many random cells follow.
    """

    space: Space
    known: dict
    num_random: int = 0

    @classmethod
    def of(cls, options, space) -> FirstTrials:
        """Those of a search on the space; none without a warm start."""
        if not options.warm_start:
            return cls(space, {})
        most = min(_MOST, (options.max_trials or _MOST * _SHARE) // _SHARE)
        known = dict(list(known_points(space).items())[:most])
        if options.init is not None:
            known = {f"the cell of {options.init}": _point_of(options, space), **known}
        return cls(space, known, most if options.baseline else 0)

    @property
    def count(self) -> int:
        """How many trials are not proposed by the strategy."""
        return len(self.known) + self.num_random

    def in_front_of(self, strategy):
        """What makes the strategy with these trials first, from a space and a seed.

        Args:
            strategy: the name of one, or what makes one.
        """
        if not self.count:
            return strategy
        make = strategies.get(strategy) if isinstance(strategy, str) else strategy

        def warm(space, seed=0, **settings):
            return WarmStart(make(space, seed, **settings), self.known.values(), self.num_random)

        known = ", ".join(self.known) or "no published cell"
        warm.name = f"{getattr(make, 'name', '')} after {known} and {self.num_random} random ones"
        return warm

    def label(self, number: int, genotype, otherwise: str) -> tuple[str, str]:
        """(the strategy that a trial is labelled with, a remark on it)."""
        if number >= self.count:
            return otherwise, ""
        for name, point in list(self.known.items())[number : number + 1]:
            if genotype == self.space.decode(point):
                return PUBLISHED, name
        return BASELINE, ""
