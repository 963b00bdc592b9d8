"""What can be searched: one space a file, most of them a list of discrete decisions (choices.py). No Keras here."""

from collections.abc import Callable
from functools import partial

from .amoeba import AmoebaNetSpace
from .choices import Choices, Decision
from .darts import DARTSSpace
from .dna import DNASpace
from .fidelity import EPOCHS, WithEpochs
from .hierarchical import FLAT, HierarchicalSpace
from .layerwise import LayerwiseSpace
from .nas_bench_201 import NASBench201Space
from .nasnet import NASNetSpace
from .pnas import PNASSpace
from .recurrent import RecurrentSpace
from .space import Space

__all__ = [
    "EPOCHS",
    "SPACES",
    "AmoebaNetSpace",
    "Choices",
    "DARTSSpace",
    "DNASpace",
    "Decision",
    "HierarchicalSpace",
    "LayerwiseSpace",
    "NASBench201Space",
    "NASNetSpace",
    "PNASSpace",
    "RecurrentSpace",
    "Space",
    "WithEpochs",
    "get",
]

_LAYERWISE = partial(LayerwiseSpace, 12, fewest=6)  # the paper goes on to 20 layers and more, with thousands of trials

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
