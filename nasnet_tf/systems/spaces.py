"""The spaces of all systems by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nasnet_tf.contracts.space import Space
from nasnet_tf.systems.cells.spaces.amoeba import AmoebaNetSpace
from nasnet_tf.systems.cells.spaces.darts import DARTSSpace
from nasnet_tf.systems.cells.spaces.nasnet import NASNetSpace
from nasnet_tf.systems.cells.spaces.pnas import PNASSpace
from nasnet_tf.systems.dna.space import DNASpace
from nasnet_tf.systems.hierarchical.space import FLAT, HierarchicalSpace
from nasnet_tf.systems.layerwise.space import LayerwiseSpace
from nasnet_tf.systems.nas_bench_201.space import NASBench201Space
from nasnet_tf.systems.recurrent.space import RecurrentSpace

__all__ = ["SPACES", "get"]

_LAYERWISE = partial(
    LayerwiseSpace, 12, fewest=6
)  # the paper goes on to 20 layers and more, with thousands of trials

SPACES: dict[str, Callable[..., Space]] = {
    "nasnet": NASNetSpace,
    "pnas": PNASSpace,
    "pnas-growing": partial(PNASSpace, growing=True),
    "amoeba": AmoebaNetSpace,
    "darts": DARTSSpace,
    "nas-bench-201": NASBench201Space,
    "recurrent": RecurrentSpace,
    "hierarchical": HierarchicalSpace,
    "hierarchical-flat": partial(HierarchicalSpace, **FLAT),
    "layerwise": _LAYERWISE,
    "layerwise-strides": partial(_LAYERWISE, strides=True),
    "layerwise-pooling": partial(_LAYERWISE, pooling=True),
    "dna": DNASpace,
}


def get(name: str) -> Callable[..., Space]:
    """What makes the space of that name: call it. Raises ValueError with the names there are."""
    try:
        return SPACES[name]
    except KeyError:
        raise ValueError(f"no space {name!r}; there are {', '.join(SPACES)}.") from None
