"""What a network of a `Hierarchical` genotype is built of, as data: the feature maps of its cell,
and its steps. No Keras here.

The paper has the six primitives at stride 1, a convolution followed by batch norm and ReLU, C
filters in the 1x1 and the separable one; concatenation at every node; a 1x1 convolution after every
motif of level 2, to as many channels as the motif reads. Nodes of level 3 are plain concatenations,
so channels grow there: a cell may be wider than its input, and the separable convolution after it
makes it C again. The flat graph is a motif of level 2 and has its 1x1.

The order of the network is that of re-implementations: a separable 3x3 convolution after every
cell, at stride 2 and twice the width between stages. They differ in the convolution after the last
cell, which here changes neither size nor width. The stem for ImageNet is ours.

Source: Liu et al. 2018, arXiv 1711.00436, sections 2 and 4.1.
"""

from __future__ import annotations

import itertools
from operator import attrgetter
from typing import NamedTuple

from nasnet_tf.graph import ConvSpec, DepthwiseSpec, PoolSpec
from nasnet_tf.graph.specs import channels_after
from nasnet_tf.systems.hierarchical.genotype import Hierarchical
from nasnet_tf.systems.stages import check_stem, stage_cells

__all__ = ["FeatureMap", "Step", "feature_maps", "plan"]


class FeatureMap(NamedTuple):
    """What `part` makes of earlier feature maps, concatenated; None is the concatenation itself. A
    ReLU follows any convolution.
    """

    name: str  # the edges that lead to it, outermost first
    sources: tuple[int, ...]  # 0 is the cell's input, k the k-th of its feature maps
    part: ConvSpec | DepthwiseSpec | PoolSpec | None
    channels: int


class Step(NamedTuple):
    """One layer of a network: a convolution, with a ReLU after it, or the cell."""

    name: str
    part: ConvSpec | None  # None is the cell
    filters: int


# (C, channels that are read) -> part; an identity is none.
PRIMITIVE_SPECS = {
    "conv_1x1": lambda filters, channels: ConvSpec(filters, relu=False),
    "depthwise_conv_3x3": lambda filters, channels: DepthwiseSpec(),
    "sep_conv_3x3": lambda filters, channels: ConvSpec(filters, (3, 3), separable=True, relu=False),
    "max_pool_3x3": lambda filters, channels: PoolSpec("max", 3),
    "avg_pool_3x3": lambda filters, channels: PoolSpec("avg", 3),
}


def feature_maps(genotype: Hierarchical, filters: int, channels: int) -> tuple[FeatureMap, ...]:
    """The cell of `genotype` on so many channels, in order of computation: the last is its output.
    None at all: the output is zero.

    Args:
        filters: the paper's C.
    """
    made, widths = [], [channels]

    def add(name, sources, part, width):
        made.append(FeatureMap(name, sources, part, width))
        widths.append(width)
        return len(made)

    def operate(level, operation, x, name):
        if level:
            return assemble(level - 1, int(operation.removeprefix("motif_")), x, f"{name}.")
        if operation == "identity":
            return x
        part = PRIMITIVE_SPECS[operation](filters, widths[x])
        return add(name, (x,), part, channels_after(part, widths[x]))

    def assemble(level, number, x, name):
        nodes, living = {0: x}, genotype.living[level][number]
        for node, edges in itertools.groupby(living, key=attrgetter("node")):
            brought = tuple(
                operate(level, edge.operation, nodes[edge.source], f"{name}{edge.source}_{node}")
                for edge in edges
            )
            nodes[node] = brought[0]
            if len(brought) > 1:
                nodes[node] = add(f"{name}{node}", brought, None, sum(widths[y] for y in brought))
        sink = nodes[max(nodes)]
        if level:
            return sink
        return add(f"{name}merge", (sink,), ConvSpec(widths[x], relu=False), widths[x])

    if genotype.living[-1][0]:
        assemble(len(genotype.levels) - 1, 0, 0, "")
    return tuple(made)


def plan(num_cells=2, filters: int = 64, stem: str = "cifar") -> tuple[Step, ...]:
    """The steps of a network.

    Args:
        num_cells: cells in each of three stages; or three numbers.
        filters: the paper's c0, C of the first stage; 2 c0 and 4 c0 in the next.
        stem: "cifar", a 3x3 convolution; or "imagenet", one of stride 2 and a separable one of
            stride 2.
    Raises: ValueError.
    """
    check_stem(stem, filters)
    stages, halved = stage_cells(num_cells), stem == "imagenet"
    stem_strides = (2, 2) if halved else (1, 1)
    steps = [Step("stem", ConvSpec(filters, (3, 3), stem_strides, relu=False), filters)]
    if halved:
        steps.append(Step("stem_1", _separable(filters, 2), filters))
    number = 0
    for stage, count in enumerate(stages):
        width = filters * 2**stage
        for place in range(count):
            steps.append(Step(f"cell_{number}", None, width))
            if place < count - 1 or stage == 2:
                steps.append(Step(f"separable_{number}", _separable(width), width))
            number += 1
        if stage < 2:
            steps.append(Step(f"reduction_{stage}", _separable(2 * width, 2), 2 * width))
    return tuple(steps)


def _separable(filters, strides=1):
    return ConvSpec(filters, (3, 3), (strides, strides), separable=True, relu=False)
