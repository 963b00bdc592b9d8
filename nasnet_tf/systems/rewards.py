"""What a search is told of a child's training: the reward, from its figure on the validation data
after each epoch. No Keras here.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["cubed_best", "inverse_square"]


def cubed_best(accuracies: Sequence[float]) -> float:
    """The best of the last five epochs, cubed: Zoph & Le 2017, arXiv 1611.01578, section 4.1."""
    return max(accuracies[-5:]) ** 3


def inverse_square(perplexities: Sequence[float], scale: float = 80.0) -> float:
    """scale / perplexity^2 of the last epoch: Zoph & Le 2017, arXiv 1611.01578, section 4.2;
    `scale` is the paper's c, usually 80.
    """
    return scale / perplexities[-1] ** 2
