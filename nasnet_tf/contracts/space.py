"""What every space is: points that can be drawn, changed, told apart and turned into genotypes."""

from __future__ import annotations

__all__ = ["Space"]


class Space:
    """Points that a strategy proposes without looking into them. A point is a tuple of numbers and
    texts.

    Strategies that only draw and change points search any space (`Strategy.open`). The others need
    decisions, which `nasnet_tf.spaces.CategoricalSpace` has.

    Attributes:
        decisions, sizes: of a `CategoricalSpace`; none here.
        anchors: of a space of layers: for each layer the range of the decisions that say whether
            the first, second, ... layer feeds it, each 0 or 1.
        counts_from: where the first decision says how many of the others count: for each decision
            the first of those options with which it counts.
        inherits: whether points can have a `parent`.
    """

    decisions: tuple = ()
    sizes: tuple[int, ...] = ()
    anchors: tuple[range, ...] = ()
    counts_from: tuple[int, ...] = ()
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

    def adapt(self, genotype) -> tuple:
        """The point of a genotype, or of one that differs from it only in what this space has a
        rule for. Raises ValueError if the space has none.
        """
        return self.encode(genotype)

    def key(self, point) -> str:
        """Points with equal keys are trained once."""
        raise NotImplementedError

    def parent(self, point) -> str | None:
        """The key of the point whose trained weights this one begins with; None if its weights are
        new.
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
