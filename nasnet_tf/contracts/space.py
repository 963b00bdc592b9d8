"""What every space is: points that can be drawn, changed, told apart and turned into genotypes."""

from __future__ import annotations

__all__ = ["Space"]


class Space:
    """Points that a strategy proposes without looking into them. A point is a tuple of numbers and
    texts.

    Without fixed decisions this is all that there is: only strategies that draw and change points
    can search such a space (`Strategy.open`). `nasnet_tf.spaces.Choices` has decisions, and any
    strategy searches it.

    Attributes:
        decisions, sizes, anchors: none here.
        strategy: what searches the space where nobody says, a name of
            `nasnet_tf.strategies.STRATEGIES`.
        inherits: whether points can have a `parent`.
    """

    decisions = sizes = anchors = ()
    strategy = "auto"
    inherits = False

    @property
    def first(self) -> tuple:
        """Some point, always the same."""
        raise NotImplementedError

    def random(self, rng) -> tuple:
        """Any point of the space."""
        raise NotImplementedError

    def start(self, rng) -> tuple:
        """A point that evolution begins with."""
        return self.random(rng)

    def mutate(self, point, rng) -> tuple:
        """A small change of the point."""
        raise NotImplementedError

    def decode(self, point):
        """The genotype that the point stands for."""
        raise NotImplementedError

    def encode(self, decoded) -> tuple:
        """A point that stands for the genotype. Raises ValueError if the space has none."""
        raise NotImplementedError

    def key(self, point) -> str:
        """Points with equal keys are trained once."""
        raise NotImplementedError

    def parent(self, point) -> str | None:
        """The key of the point whose trained weights this one begins with; None if it begins
        anew.
        """
        return None

    def values(self, point) -> dict:
        """{name: number or text}: the point as Keras Tuner carries it."""
        raise NotImplementedError

    def choices(self, values) -> tuple:
        """The point whose `values` these are. Raises ValueError if there is none."""
        raise NotImplementedError

    def checked(self, point) -> tuple:
        """The point as plain values. Raises ValueError if it is not in the space."""
        raise NotImplementedError
