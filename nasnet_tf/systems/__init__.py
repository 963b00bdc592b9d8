"""Systems, a folder each: genotypes, spaces, the graph and the Keras network of a genotype, its
picture. `SYSTEMS` has a record of every one. Only their network.py and layer.py know Keras.
"""

from __future__ import annotations

from collections.abc import Callable

from nasnet_tf.contracts.genotype import NAMED, BaseGenotype, from_json, read_file
from nasnet_tf.contracts.space import Space
from nasnet_tf.systems import cells, dna, hierarchical, layerwise, nas_bench_201, recurrent
from nasnet_tf.systems.system import System

__all__ = ["NAMED", "SPACES", "SYSTEMS", "System", "get_space", "load", "register", "system_of"]

SYSTEMS: dict[str, System] = {}  # by the schema of their genotypes
SPACES: dict[str, Callable[..., Space]] = {}  # what makes a space, by its name


def register(system: System) -> None:
    """Makes a system known: its files are read, its networks built, its spaces searched by name."""
    SYSTEMS[system.genotype.schema] = system
    SPACES.update(system.spaces)
    NAMED.update(system.published)


for _module in (cells, nas_bench_201, recurrent, hierarchical, layerwise, dna):
    register(_module.SYSTEM)


def system_of(genotype, what: str = "system") -> System:
    """The system of a genotype. Raises ValueError with the systems there are; `what` is what the
    caller wants of it.
    """
    schema = genotype.schema if isinstance(genotype, BaseGenotype) else None
    if schema not in SYSTEMS:
        raise ValueError(
            f"no {what} for {type(genotype).__name__} (schema {schema!r}); there are those of"
            f" {', '.join(SYSTEMS)}: add yours by nasnet_tf.systems.register."
        )
    return SYSTEMS[schema]


def get_space(name: str) -> Callable[..., Space]:
    """What makes the space of that name: call it. Raises ValueError with the names there are."""
    if name not in SPACES:
        raise ValueError(f"no space {name!r}; there are {', '.join(SPACES)}.")
    return SPACES[name]


def load(path) -> BaseGenotype:
    """The genotype in the file `path`, of any system. Raises ValueError that names the file if it
    holds none.
    """
    return read_file(path, from_json)
