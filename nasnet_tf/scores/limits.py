"""Limits on the cost of a network, a reward that weighs accuracy against cost, and the Pareto front
of the two. No Keras here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from nasnet_tf.systems.costs import Cost, cost_of

__all__ = ["Limits", "SoftLimit", "pareto_front", "soft_reward"]


@dataclass(frozen=True)
class Limits:
    """The most a network may cost; None is no limit.

    Args:
        parameters, multiply_adds: as `nasnet_tf.systems.costs.cost` counts them, batch norms'
            averages included, for one image.
        latency: milliseconds for one image.
    """

    parameters: int | None = None
    multiply_adds: int | None = None
    latency: float | None = None

    def __post_init__(self):
        for field in fields(self):
            limit = getattr(self, field.name)
            if limit is not None and not limit > 0:
                raise ValueError(
                    f"the limit of {field.name} is {limit}; give a number above 0, or None for no"
                    " limit."
                )

    def exceeded(self, genotype, size: Mapping, latency: Callable[[], float]) -> str | None:
        """The first limit that the network exceeds, as text such as "parameters above 50,000"; None
        if there is none.

        Args:
            size: of the network: arguments of `nasnet_tf.systems.costs.cost_of`.
            latency: measures milliseconds for one image; called last, and only if that is limited.
        """
        costs = _counted(genotype, size)
        for name in ("parameters", "multiply_adds"):
            limit = getattr(self, name)
            if limit is not None and getattr(costs, name) > limit:
                return f"{name} above {limit:,}"
        if self.latency is not None and latency() > self.latency:
            return f"latency above {self.latency:g} ms"
        return None


@dataclass(frozen=True)
class SoftLimit:
    """A reward above the accuracy for a network that costs less than `target`, and below it for one
    that costs more: accuracy * (cost / target) ** weight.

    Args:
        target: the cost at which the reward is the accuracy.
        weight: below 0. At -0.07 doubling the cost outweighs 5 % of the accuracy.
        cost: "multiply_adds", "parameters" or "trainable".
        size: of the network: arguments of `nasnet_tf.systems.costs.cost_of`.
    Source: Tan et al. 2019 (MnasNet), arXiv 1807.11626, the reward with one exponent on both sides
        of the target.
    """

    target: float
    weight: float = -0.07
    cost: str = "multiply_adds"
    size: Mapping | None = None

    def __post_init__(self):
        soft_reward(1.0, 1.0, self.target, self.weight)
        if self.cost not in Cost._fields:
            raise ValueError(f"no cost {self.cost!r}; there are {', '.join(Cost._fields)}.")

    def reward(self, accuracy: float, genotype) -> float:
        """The reward of a network of that accuracy."""
        cost = getattr(_counted(genotype, self.size or {}), self.cost)
        return soft_reward(accuracy, cost, self.target, self.weight)


def _counted(genotype, size):
    costs = cost_of(genotype, **size)
    if costs is None:
        raise ValueError(
            f"the costs of a {type(genotype).__name__} are not counted; leave limits on them out."
        )
    return costs


def soft_reward(accuracy: float, cost: float, target: float, weight: float = -0.07) -> float:
    """accuracy * (cost / target) ** weight; see `SoftLimit`. The cost may also be a measurement,
    such as a latency.
    """
    if not target > 0 or not weight < 0:
        raise ValueError(
            f"target is {target} and weight {weight}; give a target above 0 and a weight below 0,"
            " such as -0.07."
        )
    return accuracy * (cost / target) ** weight


def pareto_front(
    rows: Sequence[Mapping], highest=("val_accuracy",), lowest=("multiply_adds",)
) -> list[Mapping]:
    """The rows that no other row dominates by being as good in every column and better in one.

    Rows that lack a value (None) are left out; of rows with the same values the first stays.

    Args:
        highest, lowest: columns of which higher, or lower, values are better.
    Returns: rows of `rows`, in ascending order of the first column of `lowest` (in descending order
        of that of `highest`, if `lowest` is empty).
    """
    signs = [*((name, 1) for name in lowest), *((name, -1) for name in highest)]
    kept = {}
    for row in rows:
        if all(row[name] is not None for name, _ in signs):
            kept.setdefault(tuple(sign * row[name] for name, sign in signs), row)
    points = sorted(kept)  # a row can only be dominated by one before it
    front = []
    for point in points:
        if not any(all(a <= b for a, b in zip(other, point, strict=True)) for other in front):
            front.append(point)
    return [kept[point] for point in front]
