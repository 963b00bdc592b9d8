"""Parameters and multiply-adds of a network, from its graph alone: nothing is built. No Keras
here.
"""

from __future__ import annotations

import functools
import inspect

from nasnet_tf.contracts.genotype import call
from nasnet_tf.graph import Cost, graph_cost
from nasnet_tf.signatures import checked
from nasnet_tf.systems.graphs import GRAPHS
from nasnet_tf.systems.recurrent.genotype import RecurrentCell

__all__ = ["COSTS", "Cost", "cost", "cost_of", "counted_arguments", "defaults_of"]


def _of_graph(network_graph):
    """The function that counts what a network of the same arguments costs."""

    @functools.wraps(network_graph)
    def count(*args, **kwargs):
        return graph_cost(network_graph(*args, **kwargs))

    count.__doc__ = "What the network of the same arguments costs."
    return checked(count)


def recurrent_cost(
    genotype: RecurrentCell,
    num_cells=2,
    filters: int = 200,
    *,
    classes: int = 10_000,
    input_shape=(None,),
    tied: bool = True,
) -> Cost:
    """What `nasnet_tf.systems.recurrent.network.LanguageModel` of the same arguments costs, for one
    word of however many.

    All cells of a base cost the same.
    """
    layer = genotype.base * filters * (filters + filters)
    vectors = classes * filters
    parameters = vectors * (1 if tied else 2) + classes + num_cells * layer
    return Cost(parameters, parameters, num_cells * layer + vectors)


COSTS = {schema: _of_graph(network_graph) for schema, network_graph in GRAPHS.items()} | {
    "nasnet_tf.recurrent": recurrent_cost
}
cost = COSTS["nasnet_tf.genotype"]  # of `nasnet_tf.systems.cells.network.Network`


def cost_of(genotype, **arguments) -> Cost | None:
    """What `nasnet_tf.systems.networks.build` of the same arguments costs, for a genotype of any
    kind; None if nobody counts for its kind.

    Args:
        **arguments: of the function in `COSTS` for its kind: num_cells, filters, classes,
            input_shape, stem, ... What only other kinds take is left out if it asks for nothing, as
            `nasnet_tf.systems.networks.build` does.
    Raises: TypeError for an argument that none of the functions takes, with the nearest name;
        ValueError as `build`.
    """
    return call(COSTS, genotype, "cost", arguments) if genotype.schema in COSTS else None


def counted_arguments(genotype) -> tuple[str, ...]:
    """Names of the arguments that `cost_of` takes for a kind of genotype; those of `cost` for a
    kind nobody counts for.
    """
    return tuple(inspect.signature(COSTS.get(genotype.schema, cost)).parameters)[1:]


def defaults_of(genotype) -> dict:
    """num_cells, filters, stem and classes that `cost_of` takes for a kind of genotype unless told
    otherwise.
    """
    taken = inspect.signature(COSTS[genotype.schema]).parameters if genotype.schema in COSTS else {}
    return {
        name: taken[name].default
        for name in ("num_cells", "filters", "stem", "classes")
        if name in taken
    }
