"""A cell of NAS-Bench-201 as frozen data: four nodes, an operation on each of the six edges between
them. No Keras here.

Node 0 is the cell's input, node 3 its output; a node is the sum of what its edges bring.

Source: Dong & Yang 2020, arXiv 2001.00326, section 2; names and order of its code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections import Counter, defaultdict

from nasnet_tf.contracts.genotype import BaseGenotype

__all__ = ["EDGES", "NAS_BENCH_201_OPERATIONS", "NASBench201"]

NAS_BENCH_201_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # (from, to), in the order of the fields


@dataclasses.dataclass(frozen=True)
class NASBench201(BaseGenotype, schema="nasnet_tf.nas_bench_201"):
    """The operation on each edge. Hashable, comparable, JSON both ways, and the benchmark's own
    text both ways.
    """

    edge_0_1: str
    edge_0_2: str
    edge_1_2: str
    edge_0_3: str
    edge_1_3: str
    edge_2_3: str

    def __post_init__(self):
        for (source, node), operation in self.edges.items():
            if operation not in NAS_BENCH_201_OPERATIONS:
                raise ValueError(
                    f"edge_{source}_{node} is {operation!r:.60}; there are"
                    f" {', '.join(NAS_BENCH_201_OPERATIONS)}."
                )

    @property
    def edges(self) -> dict[tuple[int, int], str]:
        """(from, to) -> operation."""
        return {edge: getattr(self, f"edge_{edge[0]}_{edge[1]}") for edge in EDGES}

    def to_arch(self) -> str:
        """The cell as the benchmark writes it: "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|"."""
        nodes = (
            f"|{'|'.join(f'{self.edges[a, node]}~{a}' for a in range(node))}|" for node in (1, 2, 3)
        )
        return "+".join(nodes)

    @classmethod
    def from_arch(cls, text: str) -> NASBench201:
        """The inverse of `to_arch`. Raises ValueError."""
        found = re.findall(r"(\w+)~(\d)", text)
        cell = cls(*(operation for operation, _ in found)) if len(found) == len(EDGES) else None
        if cell is None or cell.to_arch() != text.strip():
            raise ValueError(
                f"{text!r:.200} is no cell of NAS-Bench-201; it looks like"
                f" {cls(*['none'] * 6).to_arch()}."
            )
        return cell

    def canonical_key(self) -> str:
        """32 hex digits, equal exactly if both cells compute the same sum of the same terms with as
        many weights that count.

        Then names of nodes, edges that lead nowhere or bring nothing, and where skips and pools
        stand are all that differs: a sum is pooled term by term, and a constant stays itself. That
        a convolution of twice a thing normalizes to one of it is not seen.
        """
        convolutions, output = self._terms()
        return hashlib.sha256(repr(_named(convolutions, output)).encode()).hexdigest()[:32]

    def lines(self) -> list[str]:
        """The cell for a person to read, a node a line."""
        sums = (
            [f"{self.edges[a, node]} of {a}" for a in range(node) if self.edges[a, node] != "none"]
            for node in (1, 2, 3)
        )
        return [
            f"node {node} = {' + '.join(terms) or 'nothing'}"
            for node, terms in enumerate(sums, start=1)
        ]

    def _terms(self):
        """(the convolutions, each (kind, what it reads)), output: sums as sorted ((term, pools on
        it), how often) pairs.

        A term is "x", the input, or the number of a convolution.
        """
        convolutions, nodes = [], [Counter({("x", 0): 1})]
        for node in (1, 2, 3):
            total = Counter()
            for source in range(node):
                operation, read = self.edges[source, node], nodes[source]
                if operation == "skip_connect":
                    total += read
                elif operation == "avg_pool_3x3":
                    for (term, pools), count in read.items():
                        constant = term != "x" and not convolutions[term][1]
                        total[term, 0 if constant else pools + 1] += count
                elif operation != "none":
                    kind = operation if read else "constant"  # of zero: what its batch norm adds
                    convolutions.append((kind, tuple(read.items())))
                    total[len(convolutions) - 1, 0] += 1
            nodes.append(total)
        return convolutions, tuple(nodes[3].items())


def _named(convolutions, output):
    """The output and the convolutions it needs, numbered in the way that comes first; all
    numberings of the same cell give the same.
    """
    needed, frontier = set(), {term for (term, _), _ in output} - {"x"}
    while frontier:
        needed |= frontier
        frontier = (
            {term for number in frontier for (term, _), _ in convolutions[number][1]}
            - {"x"}
            - needed
        )
    alike = defaultdict(list)  # by the tree they compute
    for number in sorted(needed):
        alike[_tree(convolutions, number)].append(number)

    def written(order):
        names = {"x": -1} | {number: name for name, number in enumerate(order)}

        def renamed(terms):
            return tuple(sorted((names[term], pools, count) for (term, pools), count in terms))

        return tuple(
            (convolutions[number][0], renamed(convolutions[number][1])) for number in order
        ), renamed(output)

    groups = [itertools.permutations(alike[tree]) for tree in sorted(alike)]
    return min(written(tuple(itertools.chain(*order))) for order in itertools.product(*groups))


def _tree(convolutions, number) -> str:
    kind, read = convolutions[number]
    terms = (
        f"{'x' if term == 'x' else _tree(convolutions, term)}/{pools}*{count}"
        for (term, pools), count in read
    )
    return f"{kind}({'+'.join(sorted(terms))})"
