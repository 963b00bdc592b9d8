"""The recurrent cells of NAS: a binary tree over x_t and h_{t-1}, and where the memory c comes in
and goes out.

Source: Zoph & Le 2017, arXiv 1611.01578, section 3.4 and 4.2 (base 8).
"""

from __future__ import annotations

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision
from nasnet_tf.systems.recurrent.genotype import ACTIVATIONS, COMBINERS, RecurrentCell

__all__ = ["RecurrentSpace"]


class RecurrentSpace(CategoricalSpace):
    """All cells of a base: two combiners and four activations for each of 2 * base - 1 nodes and
    for the injection of c_{t-1}, which node it is injected into, and which node gives c_t. With
    base 8 that is 8^15 * 8 * 15^2 = 6.333e16.

    Args:
        base: number of leaves: 2, 4, 8, ...
    """

    def __init__(self, base: int = 8):
        if not isinstance(base, int) or base not in (2, 4, 8, 16, 32, 64):
            raise ValueError(f"base is {base!r}; give the number of leaves: 2, 4, 8, 16, 32 or 64.")
        self.base, nodes = base, range(2 * base - 1)
        self._parts = [*(f"node_{number}" for number in nodes), "inject"]
        decisions = []
        for part in self._parts:
            decisions.append(Decision(f"{part}_combiner", COMBINERS))
            decisions.append(Decision(f"{part}_activation", ACTIVATIONS))
        super().__init__([*decisions, Decision("cell_in", nodes), Decision("cell_out", nodes)])

    def decode(self, point) -> RecurrentCell:
        """The cell that the point stands for."""
        values = self.values(point)
        *nodes, inject = (
            (values[f"{part}_combiner"], values[f"{part}_activation"]) for part in self._parts
        )
        return RecurrentCell(tuple(nodes), inject, values["cell_in"], values["cell_out"])

    def encode(self, decoded: RecurrentCell) -> tuple[int, ...]:
        """The point that stands for a cell. Raises ValueError if it is of another base."""
        if decoded.base != self.base:
            raise ValueError(
                f"the cell is of base {decoded.base}, this space of {self.base}; give"
                f" RecurrentSpace({decoded.base})."
            )
        values: dict[str, object] = {"cell_in": decoded.cell_in, "cell_out": decoded.cell_out}
        for part, pair in zip(self._parts, [*decoded.nodes, decoded.inject], strict=True):
            values[f"{part}_combiner"], values[f"{part}_activation"] = pair
        return self.choices(values)

    def key(self, point) -> str:
        """32 hex digits; see `RecurrentCell.canonical_key`."""
        return self.decode(point).canonical_key()
