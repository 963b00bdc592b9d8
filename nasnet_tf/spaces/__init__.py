"""What can be searched: one space a file, most of them a list of discrete decisions (choices.py). No Keras here."""

from collections.abc import Callable
from functools import partial

from .amoeba import AmoebaNetSpace
from .choices import Choices, Decision
from .darts import DARTSSpace
from .dna import DNASpace
from .fidelity import EPOCHS, WithEpochs
from .nas_bench_201 import NASBench201Space
from .nasnet import NASNetSpace
from .pnas import PNASSpace
from .space import Space

__all__ = [
    "EPOCHS",
    "SPACES",
    "AmoebaNetSpace",
    "Choices",
    "DARTSSpace",
    "DNASpace",
    "Decision",
    "NASBench201Space",
    "NASNetSpace",
    "PNASSpace",
    "Space",
    "WithEpochs",
    "get",
]

SPACES: dict[str, Callable[..., Space]] = {
    "nasnet": NASNetSpace,
    "pnas": PNASSpace,
    "pnas-growing": partial(PNASSpace, growing=True),
    "amoeba": AmoebaNetSpace,
    "darts": DARTSSpace,
    "nas-bench-201": NASBench201Space,
    "dna": DNASpace,
}


def get(name: str) -> Callable[..., Space]:
    """What makes the space of that name: call it. Raises ValueError with the names there are."""
    try:
        return SPACES[name]
    except KeyError:
        raise ValueError(f"no space {name!r}; there are {', '.join(SPACES)}.") from None
