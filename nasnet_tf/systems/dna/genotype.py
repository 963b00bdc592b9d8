"""The DNA of "Large-Scale Evolution" as frozen data: a graph of activations and convolutions, and a
learning rate. No Keras here.

Source: Real et al. 2017, arXiv 1703.01041, for how skips join what they lead to, too. That edges
    are summed and that a linear vertex has no bias is ours.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from typing import NamedTuple

from nasnet_tf.contracts.genotype import BaseGenotype

__all__ = ["ACTIVATIONS", "DNA", "LINEAR", "MOST_EDGES", "Edge", "Filter", "Vertex"]

ACTIVATIONS = ("linear", "bn_relu")
MOST_EDGES = 1000
_LARGEST = 2**16  # of whatever a gene counts: no tensor could hold more


class Filter(NamedTuple):
    """The genes of a convolution, kept as floats so that small changes add up. What is built has
    the nearest whole numbers.

    Args:
        height, width: of the filter; what is built is odd.
        stride: its logarithm to base 2, above -1; what is built is at least 1.
        channels: of the result; what is built is at least 1.
    """

    height: float = 3.0
    width: float = 3.0
    stride: float = 0.0
    channels: float = 1.0

    @property
    def kernel_size(self) -> tuple[int, int]:
        """Height and width that are built."""
        return tuple(2 * _nearest((size - 1) / 2) + 1 for size in self[:2])

    @property
    def strides(self) -> int:
        """The stride that is built, down and across."""
        return 2 ** max(_nearest(self.stride), 0)

    @property
    def filters(self) -> int:
        """The channels that are built."""
        return max(_nearest(self.channels), 1)

    def sound(self) -> bool:
        """Whether the genes are numbers and a convolution can have them."""
        if not all(isinstance(gene, float) and math.isfinite(gene) for gene in self):
            return False
        sizes = (self.height, self.width, self.channels)
        return all(0 < size < _LARGEST for size in sizes) and -1 < self.stride < math.log2(_LARGEST)


class Vertex(NamedTuple):
    """The sum of what its edges bring, then batch norm and ReLU ("bn_relu") or nothing
    ("linear").
    """

    name: int
    activation: str


class Edge(NamedTuple):
    """A convolution from vertex `source` to vertex `target`, or the identity where `filter` is
    None.
    """

    name: int
    source: int
    target: int
    skip: bool = False
    filter: Filter | None = None

    def shape(self, shape) -> tuple[int, int, int]:
        """(height, width, channels) of the result on such an input; strides round up."""
        if self.filter is None:
            return tuple(shape)
        return (*(-(-size // self.filter.strides) for size in shape[:2]), self.filter.filters)


@dataclasses.dataclass(frozen=True)
class DNA(BaseGenotype, schema="nasnet_tf.dna"):
    """Vertices, in an order in which all edges lead forward; the first is the image, the last is
    averaged over its pixels and classified.

    Every vertex but the first has an edge to it that is no skip. The first of those is its primary
    edge, which decides its size; the results of others are resized to it: the nearest pixel,
    channels cut off or zeros added. Names are whole numbers, one series for vertices and one for
    edges; the same name is the same part in parent and child. Up to 1,000 edges.
    """

    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    learning_rate: float

    sized = True

    def __post_init__(self):
        vertices, edges = _rows(Vertex, "vertices", self.vertices), _rows(Edge, "edges", self.edges)
        given = (edge.filter for edge in edges if edge.filter is not None)
        filters = iter(_rows(Filter, "filters", given))
        edges = tuple(
            edge if edge.filter is None else edge._replace(filter=next(filters)) for edge in edges
        )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "edges", edges)
        _check_rate(self.learning_rate)
        _check_vertices(vertices)
        _check_edges(edges, {vertex.name: place for place, vertex in enumerate(vertices)})

    @functools.cached_property
    def incoming(self) -> dict[int, tuple[Edge, ...]]:
        """The edges to each vertex but the first, by name, in the order of the vertices; the
        primary one comes first.
        """
        found = {vertex.name: [] for vertex in self.vertices[1:]}
        for edge in self.edges:
            found[edge.target].append(edge)
        return {
            name: tuple(sorted(edges, key=lambda edge: edge.skip)) for name, edges in found.items()
        }

    @property
    def primary(self) -> tuple[Edge, ...]:
        """The primary edge of each vertex but the first, in their order."""
        return tuple(edges[0] for edges in self.incoming.values())

    def shapes(self, input_shape) -> dict[int, tuple[int, int, int]]:
        """(height, width, channels) of each vertex, by name, on such an image."""
        found = {self.vertices[0].name: tuple(input_shape)}
        for edge in self.primary:
            found[edge.target] = edge.shape(found[edge.source])
        return found

    def canonical_key(self) -> str:
        """32 hex digits, equal for DNAs that differ only in names, in the order of edges, or in
        what rounding removes.
        """
        place = {vertex.name: number for number, vertex in enumerate(self.vertices)}
        activations = [vertex.activation for vertex in self.vertices]
        edges = [[_built(edge, place) for edge in incoming] for incoming in self.incoming.values()]
        sums = [[primary, *sorted(others)] for primary, *others in edges]
        text = json.dumps([activations, sums, self.learning_rate])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def lines(self) -> list[str]:
        """The DNA for a person to read, a vertex a line."""
        sums = [f"vertex {self.vertices[0].name}: the image"]
        for vertex in self.vertices[1:]:
            terms = " + ".join(map(_written, self.incoming[vertex.name]))
            norm = "" if vertex.activation == "linear" else "ReLU of batch norm of "
            sums.append(f"vertex {vertex.name} = {norm}{terms}")
        return [*sums, f"learning rate {self.learning_rate:.4g}"]


def _nearest(number):
    return math.floor(number + 0.5)


def _built(edge, place):
    """What is built of an edge, as whole numbers."""
    made = edge.filter
    sizes = (*made.kernel_size, made.strides, made.filters) if made else ()
    return [place[edge.source], *sizes]


def _written(edge):
    if edge.filter is None:
        return f"{'skip of ' if edge.skip else ''}{edge.source}"
    (height, width), strides = edge.filter.kernel_size, edge.filter.strides
    stride = f", stride {strides}" if strides > 1 else ""
    return f"convolution {height}x{width} to {edge.filter.filters}{stride}, of {edge.source}"


def _rows(cls, what, rows):
    try:
        return tuple(cls(*row) for row in rows)
    except TypeError:
        names = ", ".join(cls._fields)
        raise ValueError(f"{what} are {rows!r:.80}; give lists of {names}.") from None


def _check_rate(rate):
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 < rate < _LARGEST:
        raise ValueError(
            f"learning_rate is {rate!r:.60}; give a number above 0 and below {_LARGEST:,}."
        )


def _check_vertices(vertices):
    if len(vertices) < 2 or vertices[0].activation != "linear":
        raise ValueError(
            "a DNA needs two vertices at least, the first of them linear: it is the image."
        )
    for name, activation in vertices:
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"vertex {name!r:.60} is {activation!r:.60}; there are {', '.join(ACTIVATIONS)}."
            )
    _check_names("vertices", vertices)


def _check_names(what, rows):
    names = [row.name for row in rows]
    if not all(type(name) is int and name >= 0 for name in names) or len(set(names)) < len(names):
        raise ValueError(
            f"the names of {what} are {names!r:.80}; give whole numbers from 0, each once."
        )


def _check_edges(edges, place):
    if len(edges) > MOST_EDGES:
        raise ValueError(f"got {len(edges)} edges; a DNA has up to {MOST_EDGES}.")
    _check_names("edges", edges)
    for edge in edges:
        ends = (edge.source, edge.target)
        known = all(type(end) is int and end in place for end in ends)
        if not known or place[edge.source] >= place[edge.target]:
            raise ValueError(
                f"edge {edge.name} leads from {edge.source!r:.60} to {edge.target!r:.60}; it must"
                " lead to a later vertex."
            )
        if type(edge.skip) is not bool:
            raise ValueError(f"edge {edge.name}: skip is {edge.skip!r:.60}; give true or false.")
        if edge.filter is not None and not edge.filter.sound():
            raise ValueError(
                f"edge {edge.name}: {edge.filter!r:.200}; give floats, sizes above 0 and all up to"
                f" {_LARGEST:,} when built."
            )
    missing = set(list(place)[1:]) - {edge.target for edge in edges if not edge.skip}
    if missing:
        raise ValueError(f"no edge but skips leads to vertex {min(missing)}; give it one.")
    dead = set(list(place)[:-1]) - {edge.source for edge in edges}
    if dead:
        raise ValueError(f"no edge leads on from vertex {min(dead)}; give it one, or leave it out.")


# A linear model of the image's average.
LINEAR = DNA((Vertex(0, "linear"), Vertex(1, "linear")), (Edge(0, 0, 1),), 0.1)
