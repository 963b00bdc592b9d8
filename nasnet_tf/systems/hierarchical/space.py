"""The search space of hierarchical representations: motifs of motifs, every edge of every motif a
decision; and the flat one.

Source: Liu et al. 2018, arXiv 1711.00436, sections 2 and 3.1.
"""

from __future__ import annotations

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision
from nasnet_tf.systems.hierarchical.genotype import PRIMITIVES, Hierarchical, motif_name, pairs

__all__ = ["FLAT", "HierarchicalSpace"]

FLAT: dict = {"motifs": (1,), "nodes": (11,)}


class HierarchicalSpace(CategoricalSpace):
    """Six motifs of four nodes and one of five that is made of them; `HierarchicalSpace(**FLAT)` is
    one graph of eleven nodes.

    A decision is the operation on one edge: "l2/3/0_1" from node 0 to node 1 of motif 3 of level 2,
    "l3/0_1" of the only motif of level 3.

    Args:
        motifs: how many there are on each level from level 2 on; one on the last.
        nodes: how many each of them has, 2 or more.
        mutations: `random` mutates the trivial genotype so often.
    """

    def __init__(self, motifs=(6, 1), nodes=(4, 5), mutations: int = 1000):
        motifs, nodes = tuple(motifs), tuple(nodes)
        if (
            not motifs
            or len(motifs) != len(nodes)
            or motifs[-1] != 1
            or min(motifs) < 1
            or min(nodes) < 2
            or mutations < 0
        ):
            raise ValueError(
                "give 1 or more motifs a level, 1 on the last, each of 2 or more nodes; got"
                f" {motifs=}, {nodes=}, {mutations=}."
            )
        self.motifs, self.nodes, self.mutations = motifs, nodes, mutations
        decisions, chances = [], []
        below: tuple[str, ...] = PRIMITIVES
        for level, (count, size) in enumerate(zip(motifs, nodes, strict=True), start=2):
            for number in range(count):
                name = f"l{level}/{number}" if count > 1 else f"l{level}"
                decisions += [
                    Decision(f"{name}/{source}_{node}", ("none", *below))
                    for source, node in pairs(size)
                ]
                chances += [
                    1 / (len(motifs) * count * (size - 1) * node) for _, node in pairs(size)
                ]
            below = tuple(map(motif_name, range(count)))
        super().__init__(decisions)
        # Of each decision to be the one that a mutation writes.
        total = sum(chances)
        self.chances = tuple(chance / total for chance in chances)

    def random(self, rng):
        """The trivial genotype after `mutations` mutations, as the paper begins; nearly uniform."""
        point = list(self.trivial)
        for place, option in self._writes(rng, self.mutations):
            point[place] = option
        return tuple(point)

    def mutate(self, point, rng):
        """The point with one edge written anew, as the paper does it: level, motif of it, node,
        node before that and operation are uniform.

        The operation may be what was there: then this is the same point.
        """
        point = list(self.checked(point))
        ((place, option),) = self._writes(rng, 1)
        point[place] = option
        return tuple(point)

    def _writes(self, rng, count):
        """[(decision, option)] of so many mutations."""
        places = rng.choice(len(self.chances), size=count, p=self.chances).tolist()
        options = rng.integers([self.sizes[place] for place in places])
        return list(zip(places, options.tolist(), strict=True))

    @property
    def trivial(self) -> tuple[int, ...]:
        """The chain of identities."""
        return self.encode(Hierarchical.chain(self.motifs, self.nodes))

    def decode(self, point) -> Hierarchical:
        """The genotype that the point stands for."""
        operations, levels = iter(self.values(point).values()), []
        for count, size in zip(self.motifs, self.nodes, strict=True):
            levels.append(tuple(tuple(next(operations) for _ in pairs(size)) for _ in range(count)))
        return Hierarchical(tuple(levels))

    def encode(self, decoded: Hierarchical) -> tuple[int, ...]:
        """The point that stands for a genotype. Raises ValueError if it has other motifs than this
        space.
        """
        motifs, edges = zip(
            *((len(motifs), {len(motif) for motif in motifs}) for motifs in decoded.levels),
            strict=True,
        )
        if motifs != self.motifs or edges != tuple({len(pairs(size))} for size in self.nodes):
            raise ValueError(
                f"the genotype has {motifs} motifs of {edges} edges; this space has {self.motifs}"
                f" of {self.nodes} nodes."
            )
        operations = [
            operation for motifs in decoded.levels for motif in motifs for operation in motif
        ]
        return self.choices(
            dict(zip((name for name, _ in self.decisions), operations, strict=True))
        )

    def key(self, point):
        """32 hex digits; see `Hierarchical.canonical_key`."""
        return self.decode(point).canonical_key()

    def levels(self):
        """Level k frees the first k motifs of level 2, and all levels above; the other motifs are
        chains of identities.
        """
        each, trivial = len(pairs(self.nodes[0])), self.trivial
        frees = [(number + 1) * each for number in range(self.motifs[0])]
        return [
            tuple(
                None if n < free or n >= frees[-1] else option for n, option in enumerate(trivial)
            )
            for free in frees
        ]
