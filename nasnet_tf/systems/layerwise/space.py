"""The search space of the first NAS: a chain of convolutions, each with filters of its own and fed
by any of those before it.

A layer has 24, 36, 48 or 64 filters of height and width 1, 3, 5 or 7: without strides (the first
experiment), with strides of 1 to 3 down and across (the second), or with two max-pools at fixed
places and 6, 12, 24 or 36 filters (the third, where a layer stands for three convolutions:
`num_cells=3` of the network). Its pools come at layers 13 and 24 of 39; ours come after a third and
two thirds of the layers, which is after 12 and 24. The order of the decisions is ours.

Source: Zoph & Le 2017, arXiv 1611.01578, sections 3.3 and 4.1.
"""

from __future__ import annotations

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision
from nasnet_tf.systems.layerwise.genotype import Layer, Layerwise

__all__ = ["LayerwiseSpace"]

_SIDES, _STRIDES = (1, 3, 5, 7), (1, 2, 3)
_FILTERS, _NARROW_FILTERS = (24, 36, 48, 64), (6, 12, 24, 36)


class LayerwiseSpace(CategoricalSpace):
    """Networks of `layers` layers. The sides, the filters and the strides of each layer are
    decisions, and for each pair of layers a skip, 0 or 1.

    Args:
        layers: how many, at most.
        fewest, step: a first decision, "layers", says how many there are: `fewest`, `fewest +
            step`, ..., `layers`. The paper grows its networks in this way, from 6 by 2. Decisions
            about layers that are not there mean nothing. None: there are always `layers`.
        strides: whether layers have strides.
        pooling: whether there are two pools.
    """

    def __init__(
        self,
        layers: int = 15,
        *,
        fewest: int | None = None,
        step: int = 2,
        strides: bool = False,
        pooling: bool = False,
    ):
        self.depths = tuple(range(layers if fewest is None else fewest, layers + 1, step))
        if not self.depths or self.depths[0] < 1 or self.depths[-1] != layers:
            raise ValueError(
                f"{step} by {step} layers there is no way from {fewest} to {layers}; give fewest=6,"
                " step=2, layers=20, say."
            )
        self.layers, self.pooling = layers, pooling
        self._parts: dict[str, tuple[int, ...]] = {"height": _SIDES, "width": _SIDES}
        self._parts |= {"stride_height": _STRIDES, "stride_width": _STRIDES} if strides else {}
        self._parts |= {"filters": _NARROW_FILTERS if pooling else _FILTERS}
        decisions = [] if fewest is None else [Decision("layers", self.depths)]
        anchors, counts_from = [], [0] * len(decisions)
        for layer in range(1, layers + 1):
            decisions += [
                Decision(f"layer_{layer}/{name}", options) for name, options in self._parts.items()
            ]
            skips = [
                Decision(f"layer_{layer}/skip_{earlier}", (0, 1)) for earlier in range(1, layer)
            ]
            anchors.append(range(len(decisions), len(decisions) + len(skips)))
            decisions += skips
            option = next(option for option, depth in enumerate(self.depths) if depth >= layer)
            counts_from += [option] * (len(decisions) - len(counts_from))
        self.anchors, self.counts_from = tuple(anchors), tuple(counts_from)
        super().__init__(decisions)

    def mutate(self, point, rng):
        """The point with one decision changed, never one of a layer that is not there."""
        changed = tuple(point)
        while self.key(changed) == self.key(point):
            changed = super().mutate(point, rng)
        return changed

    def decode(self, point) -> Layerwise:
        """The network that the point stands for."""
        values = self.values(point)
        count = values.get("layers", self.layers)
        return Layerwise(
            tuple(self._layer(values, number, count) for number in range(1, count + 1))
        )

    def encode(self, decoded: Layerwise) -> tuple[int, ...]:
        """The point that stands for a network. Raises ValueError if the space has none."""
        count = len(decoded.layers)
        if count not in self.depths:
            raise ValueError(
                f"the network has {count} layers; this space has"
                f" {', '.join(map(str, self.depths))}."
            )
        values = {name: options[0] for name, options in self.decisions}
        if "layers" in values:
            values["layers"] = count
        for number, layer in enumerate(decoded.layers, start=1):
            own = layer._asdict() | {
                "stride_height": layer.strides[0],
                "stride_width": layer.strides[1],
            }
            values |= {f"layer_{number}/{part}": own[part] for part in self._parts}
            values |= {f"layer_{number}/skip_{earlier}": 1 for earlier in layer.inputs}
        point = self.choices(values)
        if self.decode(point) != decoded:
            raise ValueError(
                "the network has strides or pools that this space has not; give it strides=True or"
                " pooling=True."
            )
        return point

    def key(self, point) -> str:
        """32 hex digits, equal for points of the same network."""
        return self.decode(point).canonical_key()

    def levels(self):
        """Level k has the k-th number of layers and frees all of theirs; where the number is fixed
        it frees the first k layers.
        """
        if "layers" in dict(self.decisions):
            rest = self.counts_from[1:]
            return [
                (depth, *(None if option <= depth else 0 for option in rest))
                for depth in range(len(self.depths))
            ]
        return [
            tuple(None if number < anchor.stop else 0 for number in range(len(self.decisions)))
            for anchor in self.anchors
        ]

    def _layer(self, values, number, count):
        own = {part: values[f"layer_{number}/{part}"] for part in self._parts}
        return Layer(
            own["height"],
            own["width"],
            own["filters"],
            strides=(own.get("stride_height", 1), own.get("stride_width", 1)),
            pool=self.pooling and number in (count // 3, 2 * count // 3),
            inputs=tuple(
                earlier for earlier in range(1, number) if values[f"layer_{number}/skip_{earlier}"]
            ),
        )
