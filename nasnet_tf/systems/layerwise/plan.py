"""What a network of layers is built of, as data: its convolutions, and what each of them reads. No
Keras here.

Not stated in the paper, so ours: a pool takes 2x2 pixels at stride 2. Padding is the same on all
sides, an odd pixel of it below and to the right. A densely connected layer gives the outputs of all
its convolutions; the first of them has the strides, and where these change the size the others do
not read what the first reads.

Source: Zoph & Le 2017, arXiv 1611.01578, sections 3.3 and 4.1.
"""

from __future__ import annotations

from typing import NamedTuple

from nasnet_tf.graph import ConvSpec, PoolSpec
from nasnet_tf.systems.layerwise.genotype import Layerwise

__all__ = ["PAPERS_FILTERS", "Join", "LayerPlan", "plan_layerwise"]

PAPERS_FILTERS = 24  # of a layer of the fewest, in networks as wide as the paper's


class Join(NamedTuple):
    """Outputs, padded with zeros to one size and concatenated. Output 0 is the image, output k that
    of layer k.
    """

    outputs: tuple[int, ...]
    # of each: (above, below), (left, right)
    paddings: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    channels: int
    size: tuple[int, int]  # height, width


class LayerPlan(NamedTuple):
    """The parts of one layer. A convolution reads all before it; what the first reads all read,
    unless they are not `dense`.
    """

    reads: Join
    convolutions: tuple[ConvSpec, ...]
    dense: bool
    pool: PoolSpec | None


def plan_layerwise(
    genotype: Layerwise, num_cells: int, filters: int, input_shape
) -> tuple[tuple[LayerPlan, ...], Join]:
    """The layers of a network in order, and what its classifier reads.

    Args:
        num_cells: convolutions a layer.
        filters: of a layer that has 24 in the genotype; the others have as many in proportion.
        input_shape: (height, width, channels).
    Raises: ValueError.
    """
    for what, number in (("num_cells", num_cells), ("filters", filters)):
        if type(number) is not int or number < 1:
            raise ValueError(f"{what} is {number!r}; give a whole number of at least 1.")
    if None in input_shape:
        raise ValueError(
            f"input_shape is {tuple(input_shape)}; what is padded to one size needs whole numbers,"
            " such as (32, 32, 3)."
        )
    *size, channels = input_shape
    outputs, layers = [(tuple(size), channels)], []
    for layer in genotype.layers:
        reads = _join(outputs, layer.inputs or (0,))
        width = max((layer.filters * filters + PAPERS_FILTERS // 2) // PAPERS_FILTERS, 1)
        others = ConvSpec(width, (layer.height, layer.width), relu=False)
        first = others._replace(strides=layer.strides)
        pool = PoolSpec("max", 2, 2) if layer.pool else None
        layers.append(
            LayerPlan(reads, (first, *[others] * (num_cells - 1)), layer.strides == (1, 1), pool)
        )
        size = _strided(reads.size, layer.strides)
        outputs.append((_strided(size, (2, 2)) if pool else size, width * num_cells))
    return tuple(layers), _join(outputs, genotype.loose)


def _join(outputs, numbers):
    size = tuple(max(outputs[number][0][axis] for number in numbers) for axis in (0, 1))
    missing = [[size[axis] - outputs[number][0][axis] for axis in (0, 1)] for number in numbers]
    paddings = tuple(
        tuple((pixels // 2, pixels - pixels // 2) for pixels in both) for both in missing
    )
    return Join(tuple(numbers), paddings, sum(outputs[number][1] for number in numbers), size)


def _strided(size, strides):
    return tuple(-(-side // stride) for side, stride in zip(size, strides, strict=True))
