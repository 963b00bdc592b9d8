"""What can be searched: one space a file, each a list of discrete decisions (choices.py). No Keras here."""

from .choices import Choices, Decision
from .fidelity import EPOCHS, WithEpochs
from .nasnet import NASNetSpace

__all__ = ["EPOCHS", "SPACES", "Choices", "Decision", "NASNetSpace", "WithEpochs", "get"]

SPACES = {"nasnet": NASNetSpace}


def get(name: str) -> type[Choices]:
    """The space of that name. Raises ValueError with the names there are."""
    try:
        return SPACES[name]
    except KeyError:
        raise ValueError(f"no space {name!r}; there are {', '.join(SPACES)}.") from None
