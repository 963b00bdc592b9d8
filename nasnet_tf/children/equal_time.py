"""Children that are trained for equally long: a network that takes less for an image sees more."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nasnet_tf.children.cells import FITS, CellChild

__all__ = ["EqualTimeChild"]


class EqualTimeChild(CellChild):
    """Trains each genotype on a share of the images of so many epochs.

    Args:
        shares: {genotype as JSON: of the images of `fit`'s epochs}; more than 1 is more epochs.
        Others as of `CellChild`.
    """

    def __init__(self, *args, shares: Mapping[str, float], **kwargs):
        super().__init__(*args, **kwargs)
        self.shares = dict(shares)

    def fit(self, values, model, x, y, *, epochs=1, **kwargs):
        """As `CellChild.fit`, of arrays."""
        whole = epochs * self.shares.get(self.genotype(values).to_json(), 1.0)
        epochs = max(math.ceil(whole), 1)
        count = max(round(len(x) * whole / epochs), 1)
        return super().fit(values, model, x[:count], y[:count], epochs=epochs, **kwargs)


FITS.append(EqualTimeChild.fit)
