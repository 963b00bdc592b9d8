"""The search space of NAS-Bench-201: one of five operations on each of the six edges between four
nodes.

Source: Dong & Yang 2020, arXiv 2001.00326, section 2.1.
"""

from __future__ import annotations

import dataclasses

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision
from nasnet_tf.systems.nas_bench_201.genotype import NAS_BENCH_201_OPERATIONS, NASBench201

__all__ = ["NASBench201Space"]


class NASBench201Space(CategoricalSpace):
    """The 15,625 cells of the benchmark; decisions and options come in the order of its code."""

    def __init__(self):
        super().__init__(
            Decision(field.name, NAS_BENCH_201_OPERATIONS)
            for field in dataclasses.fields(NASBench201)
        )

    def decode(self, point) -> NASBench201:
        """The cell that the point stands for."""
        return NASBench201(**self.values(point))

    def encode(self, decoded: NASBench201) -> tuple[int, ...]:
        """The point that stands for a cell."""
        return self.choices(dataclasses.asdict(decoded))

    def key(self, point) -> str:
        """32 hex digits; see `NASBench201.canonical_key`."""
        return self.decode(point).canonical_key()

    def levels(self):
        """Level l frees the first l edges; the others skip. (With "none" no cell before the last
        level would reach its output.)
        """
        skip = NAS_BENCH_201_OPERATIONS.index("skip_connect")
        return [
            tuple(skip if choice == 0 else None for choice in level) for level in super().levels()
        ]
