"""The recurrent space as a Keras Tuner hypermodel: children are small language models."""

from __future__ import annotations

import functools

import keras
import numpy as np

from nasnet_tf.systems.recurrent import inverse_square
from nasnet_tf.systems.recurrent.network import Perplexity
from nasnet_tf.systems.recurrent.space import RecurrentSpace
from nasnet_tf.tuners.hypermodel import CellHyperModel, native_network, plain


class LanguageHyperModel(CellHyperModel):
    """Language models of a space of recurrent cells. The reward, to be maximised, is scale /
    perplexity^2 on the validation text.

    To search by it, the objective is `keras_tuner.Objective("reward", "max")`; `fit` takes words
    and the words one further on, each (n, steps).

    Args:
        steps: length of a window; None for any.
        words: size of the vocabulary.
        space: what may be chosen; the cells of base 8 by default.
        num_cells, filters: layers of a child, and units of each. The paper's children have 2
            layers.
        learning_rate: of Adam at the start; it falls to 0 along a cosine. Gradients are cut at norm
            1.
        scale: of the reward; the paper's c, usually 80.
        native: train children in a tuner's worker by `nasnet_tf.native`, where that can do all that
            is asked for: without a GPU, in float32, of arrays. They begin at once, and small ones
            take a fraction of the time.
        **network: further arguments of `nasnet_tf.systems.recurrent.network.LanguageModel`, such as
            tied and dropout_rate.
    Source: Zoph & Le 2017, arXiv 1611.01578, section 4.2 (the reward, 2 layers); the optimizer is
        not stated there.
    """

    figure = "val_perplexity"

    def __init__(
        self,
        steps,
        words,
        *,
        space=None,
        num_cells=1,
        filters=32,
        learning_rate=0.01,
        scale=80.0,
        native=True,
        name=None,
        **network,
    ):
        super().__init__(
            (steps,),
            words,
            space=space or RecurrentSpace(),
            num_cells=num_cells,
            filters=filters,
            learning_rate=learning_rate,
            reward=functools.partial(inverse_square, scale=scale),
            native=native,
            name=name,
            **network,
        )

    def build_native(self, hp, args, kwargs):
        """The child as a `NativeLanguageModel`; None where `fit` with these arguments asks for more
        than it can.
        """
        if (
            not self.native
            or type(self) is not LanguageHyperModel
            or not plain(args, kwargs, _windows)
        ):
            return None
        size = dict(
            num_cells=self.num_cells,
            filters=self.filters,
            input_shape=self.input_shape,
            classes=self.classes,
        )
        return native_network(self.genotype(hp), **size, **self.network)

    def fit(self, hp, model, *args, **kwargs):
        kwargs["callbacks"] = [keras.callbacks.TerminateOnNaN(), *(kwargs.get("callbacks") or ())]
        return super().fit(hp, model, *args, **kwargs)

    def _compile(self, model, learning_rate):
        model.compile(
            keras.optimizers.Adam(learning_rate, global_clipnorm=1.0),
            loss=self.loss,
            metrics=[Perplexity()],
        )


def _windows(data) -> bool:
    """Whether these are arrays of windows of words and the words one further on."""
    return (
        isinstance(data, tuple)
        and len(data) == 2
        and all(isinstance(part, np.ndarray) and part.ndim == 2 for part in data)
    )
