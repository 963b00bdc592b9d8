"""Motifs of motifs as frozen data: graphs whose edges are operations, or graphs of the level below.
No Keras here.

A motif is a graph of nodes 0, 1, ..., its source and its sink the first and the last. There may be
an edge from every node to every later one; a node is the concatenation, along the channels, of what
its edges bring. The edges of level 2 are operations (level 1), those of a level above are motifs of
the level below; "none" is no edge. The one motif of the highest level is the cell. One level of one
motif is what the paper calls flat.

The paper does not say what happens to a node that nothing reaches. Here it brings nothing, so an
edge from it counts as none, and so does a motif whose sink nothing reaches. A cell whose sink
nothing reaches is zero: its network cannot tell one image from another, and its accuracy says so.

Source: Liu et al. 2018, arXiv 1711.00436, sections 2.1 to 2.3.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections import Counter
from typing import NamedTuple

from nasnet_tf.contracts.genotype import BaseGenotype

__all__ = ["PRIMITIVES", "Edge", "Hierarchical", "motif_name", "pairs"]

# The paper has 2 levels, 6 motifs and 11 nodes.
_MOST_LEVELS, _MOST_MOTIFS, _MOST_NODES = 16, 100, 32
_MOST_OPERATIONS = 10_000  # of a cell, written out
PRIMITIVES = (
    "conv_1x1",
    "depthwise_conv_3x3",
    "sep_conv_3x3",
    "max_pool_3x3",
    "avg_pool_3x3",
    "identity",
)


class Edge(NamedTuple):
    """What a node brings to a later one: an operation, or a motif by `motif_name`."""

    source: int
    node: int
    operation: str


def pairs(nodes: int) -> list[tuple[int, int]]:
    """(from, to) of all edges there may be between so many nodes, in the order in which a motif
    holds their operations.
    """
    return [(source, node) for node in range(1, nodes) for source in range(node)]


def motif_name(number: int) -> str:
    """The motif of that number, as an operation of the level above."""
    return f"motif_{number}"


@dataclasses.dataclass(frozen=True)
class Hierarchical(BaseGenotype, schema="nasnet_tf.hierarchical"):
    """The motifs of each level from level 2 on; a motif is the operation of each of its edges, in
    the order of `pairs`.
    """

    levels: tuple[tuple[tuple[str, ...], ...], ...]

    def __post_init__(self):
        if not _nested(self.levels, 3) or len(self.levels[-1]) != 1:
            raise ValueError(
                f"levels is {self.levels!r:.80}; give tuples of motifs, one on the last level, each"
                " a tuple of names."
            )
        if len(self.levels) > _MOST_LEVELS or max(map(len, self.levels)) > _MOST_MOTIFS:
            raise ValueError(
                f"got {len(self.levels)} levels of up to {max(map(len, self.levels))} motifs; give"
                f" at most {_MOST_LEVELS} of {_MOST_MOTIFS}."
            )
        below = PRIMITIVES
        for level, motifs in enumerate(self.levels, start=2):
            for number, motif in enumerate(motifs):
                which = f"motif {number} of level {level}"
                if _nodes(motif) > _MOST_NODES:
                    raise ValueError(
                        f"{which} has {_nodes(motif)} nodes; give at most {_MOST_NODES}."
                    )
                if len(motif) != len(pairs(_nodes(motif))):
                    raise ValueError(
                        f"{which} has {len(motif)} edges; 2, 3, 4, 5, ... nodes have 1, 3, 6,"
                        " 10, ..."
                    )
                for (source, node), operation in zip(pairs(_nodes(motif)), motif, strict=True):
                    if operation not in ("none", *below):
                        raise ValueError(
                            f"edge {source}_{node} of {which} is {operation!r:.60}; there are none,"
                            f" {', '.join(below)}."
                        )
            below = tuple(map(motif_name, range(len(motifs))))
        if self.operations > _MOST_OPERATIONS:
            raise ValueError(
                f"its motifs, put into each other, come to {self.operations:,} operations; give"
                f" fewer levels or edges, for at most {_MOST_OPERATIONS:,}."
            )

    @functools.cached_property
    def operations(self) -> int:
        """How many operations the cell has once every edge that names a motif is replaced by the
        motif. They are counted without replacing.
        """
        counts = dict.fromkeys(PRIMITIVES, 1)
        for motifs in self.living:
            sums = [sum(counts[edge.operation] for edge in edges) for edges in motifs]
            counts = {motif_name(number): count for number, count in enumerate(sums)}
        return counts[motif_name(0)]

    @classmethod
    def chain(cls, motifs=(6, 1), nodes=(4, 5)) -> Hierarchical:
        """The trivial genotype: every motif is a chain, of identities on level 2, of first motifs
        above.

        Args:
            motifs: how many there are on each level from level 2 on.
            nodes: how many each of them has.
        """
        links = ["identity", *[motif_name(0)] * (len(nodes) - 1)]
        chains = (
            [link if node - source == 1 else "none" for source, node in pairs(n)]
            for link, n in zip(links, nodes, strict=True)
        )
        return cls(
            tuple((tuple(chain),) * count for chain, count in zip(chains, motifs, strict=True))
        )

    @functools.cached_property
    def living(self) -> tuple[tuple[tuple[Edge, ...], ...], ...]:
        """The edges of each motif of each level that lie on a way from its source to its sink; none
        if there is no way.
        """
        found, brings = [], set(PRIMITIVES)
        for motifs in self.levels:
            found.append(tuple(_living(motif, brings) for motif in motifs))
            brings = {motif_name(number) for number, edges in enumerate(found[-1]) if edges}
        return tuple(found)

    def canonical_key(self) -> str:
        """32 hex digits, equal only for the same network.

        Genotypes of equal keys may differ in the numbers of motifs and nodes, the order of a
        concatenation, parts that nothing uses, and nodes that are copies of another by an identity.
        That pools of a concatenation are a concatenation of pools is not seen.
        """
        names = {name: name for name in PRIMITIVES}
        for motifs, living in zip(self.levels, self.living, strict=True):
            keys = (
                _key(edges, _nodes(motif) - 1, names)
                for motif, edges in zip(motifs, living, strict=True)
            )
            names = {motif_name(number): key for number, key in enumerate(keys)}
        return names[motif_name(0)]

    def lines(self) -> list[str]:
        """The edges that count, for a person to read, a node a line."""
        said = []
        for level, motifs in enumerate(self.living, start=2):
            for number, edges in enumerate(motifs):
                of_cell = level == len(self.levels) + 1
                where = "cell" if of_cell else f"level {level}, {motif_name(number)}"
                said += [] if edges else [f"{where}: nothing"]
                for node in sorted({edge.node for edge in edges}):
                    brought = ", ".join(
                        f"{edge.operation} of {edge.source}" for edge in edges if edge.node == node
                    )
                    said.append(f"{where}: node {node} = {brought}")
        return said


def _nested(value, depth) -> bool:
    """Whether these are tuples of tuples ... of texts."""
    return (
        isinstance(value, tuple)
        and bool(value)
        and all(_nested(v, depth - 1) if depth > 1 else isinstance(v, str) for v in value)
    )


def _nodes(motif) -> int:
    """How many nodes a motif of so many edges has."""
    return (1 + math.isqrt(1 + 8 * len(motif))) // 2


def _living(motif, brings) -> tuple[Edge, ...]:
    """The edges of one motif that count, if the operations in `brings` bring something."""
    nodes = _nodes(motif)
    edges = [
        Edge(*pair, operation)
        for pair, operation in zip(pairs(nodes), motif, strict=True)
        if operation in brings
    ]
    reached, needed = {0}, {nodes - 1}
    for edge in edges:  # in the order of the nodes they lead to
        reached |= {edge.node} if edge.source in reached else set()
    for edge in reversed(edges):
        needed |= {edge.source} if edge.node in needed else set()
    return tuple(edge for edge in edges if edge.source in reached and edge.node in needed)


def _key(edges, sink, names) -> str:
    """32 hex digits of a motif, by the keys of its operations."""
    same: dict[int | None, int] = {0: 0}  # node -> the one it is by identities
    for node in sorted({edge.node for edge in edges}):
        incoming = [edge for edge in edges if edge.node == node]
        alone = len(incoming) == 1 and incoming[0].operation == "identity"
        same[node] = same[incoming[0].source] if alone else node
    kept = [(same[a], b, names[operation]) for a, b, operation in edges if same[b] == b]
    end = same.get(sink)
    places = _numbered({same[node] for node in same}, kept, end)
    text = (
        sorted((places[a], places[b], operation) for a, b, operation in kept),
        None if end is None else places.get(end),
    )
    return hashlib.sha256(repr(text).encode()).hexdigest()[:32]


def _numbered(nodes, edges, sink) -> dict[int, int]:
    """Node -> its number, by its neighbours, their neighbours, ...; of nodes that these do not tell
    apart the first comes first.
    """
    colours = _refined({node: (node != 0, node == sink) for node in nodes}, edges)
    while len(set(colours.values())) < len(nodes):
        counts = Counter(colours.values())
        first = min((colour, node) for node, colour in colours.items() if counts[colour] > 1)[1]
        colours = _refined(
            {node: (colour, node != first) for node, colour in colours.items()}, edges
        )
    return colours


def _refined(colours, edges) -> dict[int, int]:
    """Ranks of the nodes by colour, and by the colours of the nodes before and after them,
    repeated until nothing changes.
    """
    while True:
        told = {
            node: (
                colour,
                tuple(sorted((operation, colours[a]) for a, b, operation in edges if b == node)),
                tuple(sorted((operation, colours[b]) for a, b, operation in edges if a == node)),
            )
            for node, colour in colours.items()
        }
        ranks = {known: rank for rank, known in enumerate(sorted(set(told.values())))}
        before = len(set(colours.values()))
        colours = {node: ranks[known] for node, known in told.items()}
        if len(ranks) == before:
            return colours
