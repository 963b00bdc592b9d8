"""Parameters and multiply-adds of a network, counted from its graph: nothing is built. No Keras
here.
"""

from __future__ import annotations

import inspect

from nasnet_tf.graph import Cost
from nasnet_tf.systems import SYSTEMS, System
from nasnet_tf.systems.cells import SYSTEM as CELLS
from nasnet_tf.systems.networks import fitting

__all__ = ["Cost", "cost", "cost_of", "counted_arguments", "defaults_of"]

cost = CELLS.cost  # of `nasnet_tf.network.Network`


def cost_of(genotype, **arguments) -> Cost | None:
    """What `nasnet_tf.systems.networks.build` of the same arguments costs, for a genotype of any
    system; None if its system does not count.

    Args:
        **arguments: of the `cost` of its system: num_cells, filters, classes, input_shape, stem,
            ... Those that only other systems take are left out if they ask for nothing, as by
            `nasnet_tf.systems.networks.build`.
    Raises: TypeError for an argument that no system takes, with the nearest name; ValueError as
        `build`.
    """
    count = _count(genotype)
    return count and count(genotype, **fitting(genotype, "cost", _cost, arguments))


def counted_arguments(genotype) -> tuple[str, ...]:
    """Names of the arguments that `cost_of` takes for genotypes of this system; those of `cost` for
    a system that does not count.
    """
    count = _count(genotype) or cost
    return () if count is None else tuple(inspect.signature(count).parameters)[1:]


def defaults_of(genotype) -> dict:
    """num_cells, filters, stem and classes that `cost_of` takes for genotypes of this system unless
    told otherwise.
    """
    count = _count(genotype)
    taken = inspect.signature(count).parameters if count else {}
    sizes = ("num_cells", "filters", "stem", "classes")
    return {name: taken[name].default for name in sizes if name in taken}


def _cost(system: System):
    return system.cost


def _count(genotype):
    """The function that counts for the genotype's system, or None."""
    system = SYSTEMS.get(genotype.schema)
    return system and system.cost
