"""Children as Keras Tuner hypermodels: any oracle can choose a genotype."""

from __future__ import annotations

import keras_tuner

from nasnet_tf.children.cells import CellChild
from nasnet_tf.children.texts import LanguageChild

__all__ = ["CellHyperModel", "LanguageHyperModel"]


class CellHyperModel(CellChild, keras_tuner.HyperModel):
    """Child networks of a space: one `hp.Choice` a decision. A point of a space without decisions
    is a few texts, each an `hp.Fixed`.

    Args: those of `nasnet_tf.children.CellChild`; name: as of every hypermodel.
    """

    def __init__(self, input_shape, classes, *, name=None, **kwargs):
        CellChild.__init__(self, input_shape, classes, **kwargs)
        keras_tuner.HyperModel.__init__(self, name=name)

    @property
    def objective(self):
        """What a search by the children maximizes, for Keras Tuner."""
        if self.metric == "val_accuracy":
            return self.metric
        return keras_tuner.Objective(self.metric, "max")

    def declare_hyperparameters(self, hp):
        self.choices(hp)

    def choices(self, hp) -> dict:
        """The value `hp` gives each decision of the space, or what else its points are made of."""
        if not self.space.decisions:
            fixed = self.space.values(self.space.first)
            return {name: hp.Fixed(name, value) for name, value in fixed.items()}
        return {name: hp.Choice(name, list(options)) for name, options in self.space.decisions}

    def genotype(self, hp):
        """The genotype `hp` stands for."""
        return super().genotype(self.choices(hp))


class LanguageHyperModel(LanguageChild, CellHyperModel):
    """Language models of a space of recurrent cells.

    Args: those of `nasnet_tf.children.LanguageChild`; name: as of every hypermodel.
    """

    def __init__(self, steps, words, *, name=None, **kwargs):
        super().__init__(steps, words, name=name, **kwargs)
