"""What the package knows of a system: one record. No Keras here."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

from nasnet_tf.contracts.genotype import BaseGenotype
from nasnet_tf.contracts.space import Space
from nasnet_tf.graph import Cost, Graph, graph_cost
from nasnet_tf.signatures import checked

__all__ = ["System"]


@dataclasses.dataclass(frozen=True)
class System:
    """A way to describe networks: genotypes, what may be searched, and the networks made of them.

    Args:
        genotype: the class of its genotypes, whose schema names the system.
        network: imports and returns what builds a `keras.Model` from a genotype and keyword
            arguments: `input_shape` and `classes`, and `num_cells` and `filters` unless the
            genotype is `sized`.
        spaces: {name: what makes the space}.
        published: {name: genotype}.
        graph: makes the graph of the network of the same arguments.
        cost: counts what the network of the same arguments costs; that of the graph if there is
            one. Without both, nothing is counted.
        figure: makes a matplotlib figure from a genotype and a title; without it, pictures show the
            lines of the genotype.
        reward: makes a child's reward from its accuracies (or perplexities) on the validation data
            after each epoch; without it, the reward is the best accuracy.
        strategy: what searches its spaces unless told otherwise, a name of
            `nasnet_tf.strategies.STRATEGIES`.
        native: whether compiled kernels can train its networks (`nasnet_tf.native`).
    """

    genotype: type[BaseGenotype]
    network: Callable[[], Callable]
    spaces: Mapping[str, Callable[..., Space]] = dataclasses.field(default_factory=dict)
    published: Mapping[str, BaseGenotype] = dataclasses.field(default_factory=dict)
    graph: Callable[..., Graph] | None = None
    cost: Callable[..., Cost] | None = None
    figure: Callable | None = None
    reward: Callable[[Sequence[float]], float] | None = None
    strategy: str = "auto"
    native: bool = False

    def __post_init__(self):
        if self.cost is None and self.graph is not None:
            object.__setattr__(self, "cost", _counted(self.graph))


def _counted(graph):
    """The function that counts what a network of the same arguments costs."""

    @functools.wraps(graph)
    def count(*args, **kwargs):
        return graph_cost(graph(*args, **kwargs))

    count.__doc__ = "What the network of the same arguments costs."
    return checked(count)
