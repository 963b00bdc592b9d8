"""A space with how long a point is trained as one more decision, the last: what successive halving
searches.
"""

from __future__ import annotations

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision

__all__ = ["EPOCHS", "WithEpochs"]

EPOCHS = "tuner/epochs"  # the decision's name, as Keras Tuner's Hyperband has it


class WithEpochs(CategoricalSpace):
    """The points of `space`, each with a number of epochs out of `epochs`. Points are drawn,
    changed, decoded and told apart as there.
    """

    def __init__(self, space: CategoricalSpace, epochs):
        self.space = space
        super().__init__([*space.decisions, Decision(EPOCHS, epochs)])

    def random(self, rng):
        return (*self.space.random(rng), int(rng.integers(self.sizes[-1])))

    def mutate(self, point, rng):
        """The point of `space` is changed; the epochs stay."""
        *point, epochs = self.checked(point)
        return (*self.space.mutate(point, rng), epochs)

    def decode(self, point):
        return self.space.decode(self.checked(point)[:-1])

    def key(self, point) -> str:
        """Points with equal keys are the same network, trained as long."""
        *point, epochs = self.checked(point)
        return f"{self.space.key(point)} {epochs}"
