"""Children of the space of recurrent cells: small language models."""

from __future__ import annotations

import functools

import keras
import numpy as np

from nasnet_tf.children.cells import FITS, CellChild
from nasnet_tf.systems.recurrent import inverse_square
from nasnet_tf.systems.recurrent.network import Perplexity
from nasnet_tf.systems.recurrent.space import RecurrentSpace

__all__ = ["LanguageChild"]


def _is_windows(data) -> bool:
    """Whether these are arrays of windows of words and the words one further on."""
    if not (isinstance(data, tuple) and len(data) == 2):
        return False
    return all(isinstance(part, np.ndarray) and part.ndim == 2 for part in data)


class LanguageChild(CellChild):
    """Language models of a space of recurrent cells. The reward, to be maximised, is scale /
    perplexity^2 on the validation text.

    `fit` takes words and the words one further on, each (n, steps).

    Args:
        steps: length of a window; None for any.
        words: size of the vocabulary.
        space: what may be chosen; the cells of base 8 by default.
        num_cells, filters: layers of a child, and units of each. The paper's children have 2
            layers.
        learning_rate: of Adam at the start; it falls to 0 along a cosine. Gradients are cut at norm
            1.
        scale: of the reward; the paper's c, usually 80.
        native: train children in a worker by `nasnet_tf.native`, where that can do all that
            is asked for: in float32, of arrays. They begin at once, and small ones
            take a fraction of the time.
        **network: further arguments of `nasnet_tf.systems.recurrent.network.LanguageModel`, such as
            tied and dropout_rate.
    Source: Zoph & Le 2017, arXiv 1611.01578, section 4.2 (the reward, 2 layers); the optimizer is
        not stated there.
    """

    figure = "val_perplexity"
    _is_data = staticmethod(_is_windows)

    def __init__(
        self, steps, words, *, space=None, filters=32, learning_rate=0.01, scale=80.0, **kwargs
    ):
        super().__init__(
            (steps,),
            words,
            space=space or RecurrentSpace(),
            filters=filters,
            learning_rate=learning_rate,
            reward=functools.partial(inverse_square, scale=scale),
            **kwargs,
        )

    def fit(self, values, model, *args, **kwargs):
        kwargs["callbacks"] = [keras.callbacks.TerminateOnNaN(), *(kwargs.get("callbacks") or ())]
        return super().fit(values, model, *args, **kwargs)

    def _optimizer(self, learning_rate):
        return keras.optimizers.Adam(learning_rate, global_clipnorm=1.0)

    def _metrics(self):
        return [Perplexity()]


FITS.append(LanguageChild.fit)
