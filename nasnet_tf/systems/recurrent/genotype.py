"""A recurrent cell of NAS as frozen data: a binary tree over the input x_t and the state h_{t-1},
with a memory c. No Keras here.

A leaf combines W x_t and U h_{t-1}, with a W and a U of its own; a node further up combines the two
below it and has no weights. Nodes are numbered from 0: the leaves, the nodes above them, and so on;
the last is the root. A node's value is activation(combiner(a, b)). That of node `cell_in` is
replaced by activation(combiner(value, c_{t-1})) of `inject`, before anything reads it. c_t is what
node `cell_out` has combined, before its activation and before c_{t-1} is injected there; h_t is the
value of the root.

Source: Zoph & Le 2017, arXiv 1611.01578, section 3.4. NASCell: the code the authors published
    (contrib_rnn of TensorFlow 1, then tensorflow_addons/rnn/nas_cell.py).
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import NamedTuple

from nasnet_tf.contracts.genotype import BaseGenotype

__all__ = ["ACTIVATIONS", "COMBINERS", "NAS_CELL", "RecurrentCell"]

COMBINERS = ("add", "elem_mult")
ACTIVATIONS = ("identity", "tanh", "sigmoid", "relu")
_LARGEST_BASE = 64


class _Value(NamedTuple):
    """What a node computes: `kind` is what it combines with, `terms` are what it combines, as text
    or as values.
    """

    kind: str
    activation: str
    terms: tuple
    kept: bool  # whether c_t is what it has combined


@dataclasses.dataclass(frozen=True)
class RecurrentCell(BaseGenotype, schema="nasnet_tf.recurrent"):
    """A cell of any base: 2, 4, 8, ... leaves. Hashable, comparable, JSON both ways.

    Args:
        nodes: (combiner, activation) of each node, 2 * base - 1 of them.
        inject: (combiner, activation) by which c_{t-1} comes in.
        cell_in: the node that c_{t-1} is injected into.
        cell_out: the node whose combination becomes c_t.
    """

    nodes: tuple[tuple[str, str], ...]
    inject: tuple[str, str]
    cell_in: int
    cell_out: int

    reads = "text"

    def __post_init__(self):
        if not isinstance(self.nodes, tuple) or len(self.nodes) not in (
            2 * base - 1 for base in _bases()
        ):
            count = len(self.nodes) if isinstance(self.nodes, tuple) else f"{self.nodes!r:.60}"
            raise ValueError(
                f"nodes are {count}; a tree of base 2, 4, 8, ... {_LARGEST_BASE} has 3, 7, 15, ..."
                f" {2 * _LARGEST_BASE - 1}."
            )
        named = {f"node {number}": pair for number, pair in enumerate(self.nodes)}
        for name, pair in {**named, "inject": self.inject}.items():
            if (
                not isinstance(pair, tuple)
                or len(pair) != 2
                or pair[0] not in COMBINERS
                or pair[1] not in ACTIVATIONS
            ):
                raise ValueError(
                    f"{name} is {pair!r:.60}; give one of {', '.join(COMBINERS)} and one of"
                    f" {', '.join(ACTIVATIONS)}."
                )
        for name in ("cell_in", "cell_out"):
            node, last = getattr(self, name), len(self.nodes) - 1
            if type(node) is not int or not 0 <= node <= last:
                raise ValueError(f"{name} is {node!r:.60}; give the number of a node, 0 to {last}.")

    @property
    def base(self) -> int:
        """Number of leaves."""
        return (len(self.nodes) + 1) // 2

    def children(self, number: int) -> tuple[int, int] | None:
        """The two nodes that a node combines; None for a leaf, which combines x_t and h_{t-1}."""
        below = 2 * (number - self.base)
        return None if below < 0 else (below, below + 1)

    def canonical_key(self) -> str:
        """32 hex digits, equal for cells that compute the same of as many weights.

        The two sides of a node may change places, and so may all terms of a sum of sums or a
        product of products; a ReLU of what cannot be negative does nothing. That a ReLU of a
        product lets a positive factor out is not seen.
        """
        return hashlib.sha256(_written(self._value(len(self.nodes) - 1)).encode()).hexdigest()[:32]

    def lines(self) -> list[str]:
        """The cell for a person to read, a node a line."""
        lines = []
        for number, (combiner, activation) in enumerate(self.nodes):
            children = self.children(number)
            of = [f"node {below}" for below in children] if children else ["W x", "U h"]
            line = f"node {number} = {_spelt(activation, _SIGNS[combiner].join(of))}"
            if number == self.cell_in:
                combiner, activation = self.inject
                line += f", then {_spelt(activation, _SIGNS[combiner].join(['it', 'c']))}"
            lines.append(line)
        kept = f"what node {self.cell_out} has combined, before its activation"
        return [*lines, f"new c = {kept}", f"new h = node {len(self.nodes) - 1}"]

    def _value(self, number):
        combiner, activation = self.nodes[number]
        children = self.children(number)
        terms = tuple(map(self._value, children)) if children else ("x", "h")
        value = _flat(_Value(combiner, activation, terms, number == self.cell_out))
        return _flat(_Value(*self.inject, (value, "c"), False)) if number == self.cell_in else value


_SIGNS = {"add": " + ", "elem_mult": " * "}


def _bases():
    return [2**power for power in range(1, _LARGEST_BASE.bit_length())]


def _spelt(activation, text):
    return text if activation == "identity" else f"{activation}({text})"


def _flat(value):
    """The value without a ReLU that does nothing, its terms merged with those of terms that are
    combined in the same way.
    """
    terms = []
    for term in value.terms:
        within = isinstance(term, _Value) and (term.kind, term.activation, term.kept) == (
            value.kind,
            "identity",
            False,
        )
        terms += term.terms if within else [term]
    idle = value.activation == "relu" and not any(_may_be_negative(term) for term in terms)
    return value._replace(terms=tuple(terms), activation="identity" if idle else value.activation)


def _may_be_negative(value) -> bool:
    if isinstance(value, str) or value.activation == "tanh":
        return True
    return value.activation == "identity" and any(map(_may_be_negative, value.terms))


def _written(value) -> str:
    """The value as text, the terms of each node in alphabetical order."""
    if isinstance(value, str):
        return value
    return (
        f"{value.activation}{'!' if value.kept else ''}({value.kind}"
        f" {' '.join(sorted(map(_written, value.terms)))})"
    )


NAS_CELL = RecurrentCell(
    nodes=(
        ("add", "sigmoid"),
        ("add", "relu"),
        ("add", "sigmoid"),
        ("elem_mult", "relu"),
        ("add", "tanh"),
        ("add", "sigmoid"),
        ("add", "tanh"),
        ("add", "sigmoid"),
        ("elem_mult", "tanh"),
        ("add", "tanh"),
        ("elem_mult", "tanh"),
        ("add", "sigmoid"),
        ("elem_mult", "identity"),
        ("add", "tanh"),
        ("elem_mult", "tanh"),
    ),
    inject=("add", "tanh"),
    cell_in=8,
    cell_out=12,
)
