"""A network layer by layer as frozen data: filters, strides, pools, and which earlier layers feed
each. No Keras here.

Layers count from 1; 0 stands for the image. What the data leave open is repaired as in the paper:
- a layer that none feeds reads the image;
- the outputs that feed no layer all go to the classifier, concatenated;
- outputs of unequal sizes are padded with zeros to the largest before they are concatenated.

Source: Zoph & Le 2017, arXiv 1611.01578, section 3.3.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import NamedTuple

from nasnet_tf.contracts.genotype import BaseGenotype

__all__ = ["Layer", "Layerwise"]

_MOST_LAYERS = 1000  # the paper has up to 39
_LARGEST = 2**16  # of what a layer counts: no tensor could hold more


class Layer(NamedTuple):
    """A convolution, or a few of them densely connected; batch norm and ReLU always."""

    height: int  # of the filters
    width: int
    filters: int  # how many, in the paper's networks
    strides: tuple[int, int] = (1, 1)  # down, across
    pool: bool = False  # whether a max-pool follows
    inputs: tuple[int, ...] = ()  # the earlier layers that feed it, ascending


@dataclasses.dataclass(frozen=True)
class Layerwise(BaseGenotype, schema="nasnet_tf.layerwise"):
    """The layers of a network, in order. Hashable, comparable, JSON both ways."""

    layers: tuple[Layer, ...]

    def __post_init__(self):
        if not isinstance(self.layers, tuple) or not self.layers:
            raise ValueError(f"layers are {self.layers!r:.80}; give a tuple of at least one Layer.")
        if len(self.layers) > _MOST_LAYERS:
            raise ValueError(f"got {len(self.layers):,} layers; give at most {_MOST_LAYERS:,}.")
        for number, layer in enumerate(self.layers, start=1):
            if not isinstance(layer, tuple) or len(layer) != len(Layer._fields):
                raise ValueError(
                    f"layer {number} is {layer!r:.80}; give a Layer: {', '.join(Layer._fields)}."
                )
        object.__setattr__(self, "layers", tuple(Layer(*layer) for layer in self.layers))
        for number, layer in enumerate(self.layers, start=1):
            _check(number, layer)

    @property
    def loose(self) -> tuple[int, ...]:
        """The layers that feed no other."""
        read = {source for layer in self.layers for source in layer.inputs}
        return tuple(number for number in range(1, len(self.layers) + 1) if number not in read)

    def lines(self) -> list[str]:
        """The network for a person to read, a layer a line."""
        return [
            *itertools.starmap(_line, enumerate(self.layers, start=1)),
            f"classifier: of {', '.join(map(str, self.loose))}",
        ]


def _line(number, layer):
    strides = "" if layer.strides == (1, 1) else f", strides {layer.strides[0]}x{layer.strides[1]}"
    sources = ", ".join(map(str, layer.inputs)) or "the image"
    return (
        f"{number}: {layer.height}x{layer.width}, {layer.filters}"
        f" filters{strides}{', max-pool' * layer.pool}, of {sources}"
    )


def _check(number, layer):
    strides = (
        layer.strides if isinstance(layer.strides, tuple) and len(layer.strides) == 2 else (0,)
    )
    if not all(_whole(value) for value in (*layer[:3], *strides)) or not isinstance(
        layer.pool, bool
    ):
        raise ValueError(
            f"layer {number} is {layer!r:.200}; height, width, filters and two strides are whole"
            f" numbers of at least 1 and at most {_LARGEST:,}, pool true or false."
        )
    earlier = layer.inputs if isinstance(layer.inputs, tuple) else (0,)
    if not all(_whole(source) and source < number for source in earlier) or list(earlier) != sorted(
        set(earlier)
    ):
        raise ValueError(
            f"layer {number} has inputs {layer.inputs!r:.80}; give earlier layers, from 1 to"
            f" {number - 1}, ascending."
        )


def _whole(value):
    return type(value) is int and 1 <= value <= _LARGEST
