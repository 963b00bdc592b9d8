"""The search space of "Large-Scale Evolution": networks of any size, reached from a linear model by
eleven mutations.

Source: Real et al. 2017, arXiv 1703.01041. There is no list of decisions; see
    `nasnet_tf.contracts.space`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections import Counter

from nasnet_tf.contracts.space import Space
from nasnet_tf.systems.dna.genotype import (
    ACTIVATIONS,
    DNA,
    LINEAR,
    MOST_EDGES,
    Edge,
    Filter,
    Vertex,
)

__all__ = ["MUTATIONS", "DNASpace"]

_WALK = 20  # mutations of a random point, at most


class DNASpace(Space):
    """Points are (JSON of a `DNA`, key of the point whose weights it inherits or "").

    Two points with one key have the same DNA and inherit the same weights, so one training serves
    both. All linear models that evolution begins with have one key: they are trained once.

    Args:
        channels: of the images: a convolution that is inserted right behind them has as many.
        walk: a random point is the linear model after 0 to so many mutations, each number equally
            likely, without selection; it inherits nothing.
    """

    inherits = True

    def __init__(self, channels: int = 3, walk: int = _WALK):
        if channels < 1 or walk < 0:
            raise ValueError(
                f"channels must be 1 or more, walk 0 or more; got {channels=}, {walk=}."
            )
        self.channels, self.walk = channels, walk

    @property
    def first(self):
        return (LINEAR.to_json(), "")

    def start(self, rng):
        """The linear model: no convolution, learning rate 0.1."""
        return self.first

    def random(self, rng):
        dna = LINEAR
        for _ in range(int(rng.integers(self.walk + 1))):
            _, dna = self.mutated(dna, rng)
        return self.encode(dna)

    def mutate(self, point, rng):
        """The DNA mutated once; the child inherits the weights of the point unless the mutation is
        to reset them.
        """
        mutation, dna = self.mutated(self.decode(point), rng)
        return (dna.to_json(), "" if mutation == "reset-weights" else self.key(point))

    def mutated(self, dna: DNA, rng) -> tuple[str, DNA]:
        """(name of the mutation, child). All mutations are equally likely; in place of one that
        cannot be applied another is drawn.
        """
        names = list(MUTATIONS)
        while True:
            name = names[int(rng.integers(len(names)))]
            child = MUTATIONS[name](dna, rng, self.channels)
            if child is not None:
                return name, child

    def decode(self, point) -> DNA:
        """The DNA of the point, without what it inherits."""
        return DNA.from_json(point[0])

    def encode(self, decoded: DNA):
        """The point of a DNA that inherits nothing."""
        return (decoded.to_json(), "")

    def key(self, point) -> str:
        """32 hex digits."""
        return hashlib.sha256(" ".join(point).encode()).hexdigest()[:32]

    def parent(self, point):
        return point[1] or None

    def values(self, point):
        return {"dna": point[0], "dna/inherits": point[1]}

    def choices(self, values):
        return self.checked((values["dna"], values["dna/inherits"]))

    def checked(self, point):
        """The point. Raises ValueError if it holds no DNA."""
        point = tuple(point)
        if len(point) != 2 or not all(isinstance(part, str) for part in point):
            raise ValueError(
                f"{point!r:.80} is no point of this space; give the JSON of a DNA and a key or an"
                " empty text."
            )
        self.decode(point)
        return point


# Mutations: (DNA, random generator, channels of the image) -> child, or None where the mutation
# cannot be applied.


def _same(dna, rng, channels):
    return dna


def _alter_learning_rate(dna, rng, channels):
    rate = _altered(dna.learning_rate, rng)
    return _with(dna, learning_rate=rate) if 0 < rate < math.inf else None


def _insert_convolution(dna, rng, channels):
    shapes = dna.shapes((1, 1, channels))

    def filter_at(source):
        return Filter(3.0, 3.0, float(rng.integers(2)), float(shapes[source][2]))

    return _inserted(dna, rng, filter_at)


def _insert_one_to_one(dna, rng, channels):
    return _inserted(dna, rng, lambda source: None)


def _inserted(dna, rng, filter_at):
    """The DNA with a new edge and a new vertex at the beginning of one of its primary edges."""
    if len(dna.edges) == MOST_EDGES:
        return None
    old = _one_of(dna.primary, rng)
    name = 1 + max(vertex.name for vertex in dna.vertices)
    place = 1 + next(
        number for number, vertex in enumerate(dna.vertices) if vertex.name == old.source
    )
    new = Edge(_new_name(dna), old.source, name, filter=filter_at(old.source))
    vertex = Vertex(name, ACTIVATIONS[int(rng.integers(2))])
    edges = [edge._replace(source=name) if edge is old else edge for edge in dna.edges]
    return _with(
        dna, vertices=(*dna.vertices[:place], vertex, *dna.vertices[place:]), edges=(*edges, new)
    )


def _remove_convolution(dna, rng, channels):
    """Removes the vertex behind the convolution too, whose edges then begin at the vertex before
    it. Where other edges lead to that vertex, the convolution becomes the identity instead.
    """
    place = {vertex.name: number for number, vertex in enumerate(dna.vertices)}
    old = _one_of(_convolutions(dna), rng)
    if old is None:
        return None
    before, behind = old.source, old.target
    others = [edge for edge in dna.incoming[behind] if edge is not old]
    if (
        behind == dna.vertices[-1].name
        or old.skip
        or any(place[edge.source] > place[before] or not edge.skip for edge in others)
    ):
        return _with_filter(dna, old, None)
    edges, skips = [], set()
    for edge in dna.edges:
        if edge.source == behind:
            edge = edge._replace(source=before)
        elif edge.target == behind:
            edge = edge._replace(target=before)
        ends = (edge.source, edge.target)
        if edge.source != edge.target and not (edge.skip and ends in skips):
            edges.append(edge)
            skips |= {ends} if edge.skip else set()
    return _with(
        dna,
        vertices=tuple(vertex for vertex in dna.vertices if vertex.name != behind),
        edges=tuple(edges),
    )


def _alter_stride(dna, rng, channels):
    """Alters one more than the logarithm of the stride: the logarithm of a stride of 1 is 0, and
    stays 0 however it is multiplied.
    """
    return _altered_filter(dna, rng, "stride", offset=1.0)


def _alter_number_of_channels(dna, rng, channels):
    return _altered_filter(dna, rng, "channels")


def _alter_filter_size(dna, rng, channels):
    return _altered_filter(dna, rng, ("height", "width")[int(rng.integers(2))])


def _add_skip(dna, rng, channels):
    """An identity between two vertices that no skip joins, neighbours too."""
    if len(dna.edges) == MOST_EDGES:
        return None
    joined = {(edge.source, edge.target) for edge in dna.edges if edge.skip}
    pairs = [
        pair
        for pair in itertools.combinations([vertex.name for vertex in dna.vertices], 2)
        if pair not in joined
    ]
    pair = _one_of(pairs, rng)
    return pair and _with(dna, edges=(*dna.edges, Edge(_new_name(dna), *pair, skip=True)))


def _remove_skip(dna, rng, channels):
    """Removes a skip whose source has another edge."""
    sources = Counter(edge.source for edge in dna.edges)
    old = _one_of([edge for edge in dna.edges if edge.skip and sources[edge.source] > 1], rng)
    return old and _with(dna, edges=tuple(edge for edge in dna.edges if edge is not old))


MUTATIONS = {
    "alter-learning-rate": _alter_learning_rate,
    "identity": _same,
    "reset-weights": _same,
    "insert-convolution": _insert_convolution,
    "remove-convolution": _remove_convolution,
    "alter-stride": _alter_stride,
    "alter-number-of-channels": _alter_number_of_channels,
    "filter-size": _alter_filter_size,
    "insert-one-to-one": _insert_one_to_one,
    "add-skip": _add_skip,
    "remove-skip": _remove_skip,
}

_with = dataclasses.replace


def _altered(number, rng):
    return float(rng.uniform(number / 2, 2 * number))


def _altered_filter(dna, rng, gene, offset=0.0):
    old = _one_of(_convolutions(dna), rng)
    if old is None:
        return None
    value = _altered(getattr(old.filter, gene) + offset, rng) - offset
    new = old.filter._replace(**{gene: value})
    return _with_filter(dna, old, new) if new.sound() else None


def _with_filter(dna, old, new):
    return _with(
        dna, edges=tuple(edge._replace(filter=new) if edge is old else edge for edge in dna.edges)
    )


def _convolutions(dna):
    return [edge for edge in dna.edges if edge.filter is not None]


def _new_name(dna):
    return 1 + max(edge.name for edge in dna.edges)


def _one_of(options, rng):
    """One of them, all equally likely; None if there are none."""
    return options[int(rng.integers(len(options)))] if options else None
