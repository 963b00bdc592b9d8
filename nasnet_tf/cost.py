"""Parameters and multiply-adds of a network, from its plan alone: nothing is built. No Keras here.

Multiply-adds count convolutions, depthwise ones included, and the classifier, as the papers do; not batch norms, pools or additions,
nor the auxiliary head, which is not there at inference.
"""

from __future__ import annotations

import inspect
import math
from typing import NamedTuple

from nasnet_tf import motifs
from nasnet_tf.genotype import DNA, Genotype, Hierarchical, Layerwise, NASBench201, RecurrentCell
from nasnet_tf.genotype.kinds import call
from nasnet_tf.plan import (
    NAS_BENCH_201_PARTS,
    OPERATION_PARTS,
    Convolution,
    Normalization,
    Pooling,
    default_stem,
    plan,
    plan_cell,
    stage_cells,
    stem_convolution,
)
from nasnet_tf.plan_layerwise import plan_layerwise
from nasnet_tf.signatures import checked


class Cost(NamedTuple):
    """Trainable parameters, all parameters (moving averages of batch norms too), multiply-adds for one image or word."""

    trainable: int
    parameters: int
    multiply_adds: int


class _Sum:
    def __init__(self):
        self.trainable = self.moving = self.multiply_adds = 0

    def add(self, part, channels, size):
        """Counts one part on `channels` at `size`; returns its channels and size."""
        if part is None:
            return channels, size
        if isinstance(part, Pooling):
            return channels, _strided(size, (part.strides, part.strides))
        if isinstance(part, Normalization):
            self.trainable += 2 * part.filters
            return channels, size
        if isinstance(part, Convolution):
            height, width = part.kernel_size
            kernels = (
                (height * width * channels, channels * part.filters) if part.separable else (height * width * channels * part.filters,)
            )
            size = (
                _strided(size, part.strides)
                if part.padding == "same"
                else tuple((s - k) // 2 + 1 for s, k in zip(size, part.kernel_size, strict=True))
            )
        elif isinstance(part, motifs.Depthwise):
            kernels = (math.prod(part.kernel_size) * channels,)
        else:
            kernels, size = (channels * part.filters,), _strided(size, (2, 2))
        self.trainable += sum(kernels) + 2 * part.filters
        self.moving += 2 * part.filters
        self.multiply_adds += sum(kernels) * size[0] * size[1]
        return part.filters, size


@checked
def cost(
    genotype: Genotype,
    num_cells=6,
    filters: int = 32,
    *,
    classes: int = 10,
    stem: str | None = "cifar",
    input_shape=(32, 32, 3),
    skip_reduction: bool = False,
    stem_filters=None,
    stem_cell_filters=None,
    include_top: bool = True,
    auxiliary_head: bool = False,
    residual: bool = False,
) -> Cost:
    """What `nasnet_tf.network.Network` of the same arguments costs."""
    stem = stem or default_stem(input_shape)
    total = _Sum()
    outputs = [total.add(stem_convolution(stem, filters, stem_filters), input_shape[2], tuple(input_shape[:2]))]
    steps = plan(genotype, num_cells, filters, stem, skip_reduction, stem_cell_filters)
    for step in steps:
        (h, size), (p, p_size) = outputs[step.h], outputs[step.p]
        cell = getattr(genotype, step.kind)
        parts = plan_cell(cell, step.filters, step.strides, step.adapt, h, p, residual)
        total.add(parts.base, h, size)
        channels = [step.filters, h if step.adapt == "share" else total.add(parts.previous, p, p_size)[0]] + [step.filters] * len(
            cell.blocks
        )
        small = _strided(size, (step.strides,) * 2)
        for edge, operation in enumerate(parts.operations):
            block = cell.blocks[edge // 2]
            state = block.input_2 if edge % 2 else block.input_1
            at = (channels[state], size if state < 2 else small)
            for part in operation:
                at = total.add(part, *at)
        for part in parts.combines:
            total.add(part, 2 * step.filters, small)
        for part, state in zip(parts.outputs, cell.concat, strict=True):
            total.add(part, channels[state], size if state < 2 else small)
        total.add(parts.residual, h, size)
        outputs.append((parts.channels, small))
    last = outputs[-1][0]
    if include_top:
        total.trainable += last * classes + classes
        total.multiply_adds += last * classes
    if auxiliary_head:
        _auxiliary(total, *outputs[[n for n, step in enumerate(steps) if step.kind == "reduction"][-1]], classes)
    return Cost(total.trainable, total.trainable + total.moving, total.multiply_adds)


def nas_bench_201_cost(genotype: NASBench201, num_cells=5, filters: int = 16, *, classes: int = 10, input_shape=(32, 32, 3)) -> Cost:
    """What `nasnet_tf.networks.nas_bench_201.NASBench201Network` of the same arguments costs; edges that lead nowhere count too."""
    total = _Sum()
    channels, size = total.add(Convolution(filters, (3, 3)), input_shape[2], tuple(input_shape[:2]))
    for stage, count in enumerate(stage_cells(num_cells)):
        if stage:
            width = filters * 2**stage
            _, small = total.add(Convolution(width, (3, 3), (2, 2)), channels, size)
            total.add(Convolution(width, (3, 3)), width, small)
            total.trainable += channels * width  # the shortcut has no batch norm
            total.multiply_adds += channels * width * small[0] * small[1]
            channels, size = width, small
        for operation in genotype.edges.values():
            for part in OPERATION_PARTS[NAS_BENCH_201_PARTS[operation]](channels, channels, 1) if operation != "none" else ():
                for _ in range(count):
                    total.add(part, channels, size)
    total.trainable += 2 * channels + channels * classes + classes
    total.moving += 2 * channels
    total.multiply_adds += channels * classes
    return Cost(total.trainable, total.trainable + total.moving, total.multiply_adds)


def recurrent_cost(
    genotype: RecurrentCell, num_cells=2, filters: int = 200, *, classes: int = 10_000, input_shape=(None,), tied: bool = True
) -> Cost:
    """What `nasnet_tf.networks.recurrent.LanguageModel` of the same arguments costs, for one word of however many.

    All cells of a base cost the same.
    """
    layer = genotype.base * filters * (filters + filters)
    vectors = classes * filters
    parameters = vectors * (1 if tied else 2) + classes + num_cells * layer
    return Cost(parameters, parameters, num_cells * layer + vectors)


def hierarchical_cost(
    genotype: Hierarchical, num_cells=2, filters: int = 64, *, classes: int = 10, stem: str | None = "cifar", input_shape=(32, 32, 3)
) -> Cost:
    """What `nasnet_tf.networks.hierarchical.HierarchicalNetwork` of the same arguments costs."""
    total = _Sum()
    channels, size = input_shape[2], tuple(input_shape[:2])
    for step in motifs.plan(num_cells, filters, stem or default_stem(input_shape)):
        if step.part is not None:
            channels, size = total.add(step.part, channels, size)
            continue
        widths = [channels]
        for made in motifs.feature_maps(genotype, step.filters, channels):
            total.add(made.part, widths[made.sources[0]], size)
            widths.append(made.channels)
        channels = widths[-1]
    total.trainable += channels * classes + classes
    total.multiply_adds += channels * classes
    return Cost(total.trainable, total.trainable + total.moving, total.multiply_adds)


def layerwise_cost(genotype: Layerwise, num_cells: int = 1, filters: int = 24, *, classes: int = 10, input_shape=(32, 32, 3)) -> Cost:
    """What `nasnet_tf.networks.layerwise.LayerwiseNetwork` of the same arguments costs."""
    total = _Sum()
    layers, last = plan_layerwise(genotype, num_cells, filters, input_shape)
    for layer in layers:
        at, found = (layer.reads.channels, layer.reads.size), 0
        for convolution in layer.convolutions:
            width, size = total.add(convolution, *at)
            found += width
            at = found + layer.dense * layer.reads.channels, size
    total.trainable += last.channels * classes + classes
    total.multiply_adds += last.channels * classes
    return Cost(total.trainable, total.trainable + total.moving, total.multiply_adds)


def dna_cost(genotype: DNA, *, classes: int = 10, input_shape=(32, 32, 3)) -> Cost:
    """What `nasnet_tf.networks.dna.DNANetwork` of the same arguments costs."""
    total = _Sum()
    shapes = genotype.shapes(input_shape)
    for edge in genotype.edges:
        if edge.filter is not None:
            height, width = edge.filter.kernel_size
            weights = height * width * shapes[edge.source][2] * edge.filter.filters
            rows, columns, _ = edge.shape(shapes[edge.source])
            total.trainable += weights
            total.multiply_adds += weights * rows * columns
    norms = 2 * sum(shapes[vertex.name][2] for vertex in genotype.vertices if vertex.activation == "bn_relu")
    classifier = shapes[genotype.vertices[-1].name][2] * classes
    total.trainable += norms + classifier + classes
    total.multiply_adds += classifier
    return Cost(total.trainable, total.trainable + norms, total.multiply_adds)


COSTS = {
    "nasnet_tf.genotype": cost,
    "nasnet_tf.nas_bench_201": nas_bench_201_cost,
    "nasnet_tf.recurrent": recurrent_cost,
    "nasnet_tf.hierarchical": hierarchical_cost,
    "nasnet_tf.layerwise": layerwise_cost,
    "nasnet_tf.dna": dna_cost,
}


def cost_of(genotype, **arguments) -> Cost | None:
    """What `nasnet_tf.networks.build` of the same arguments costs, for a genotype of any kind; None if nobody counts for its kind.

    Args:
        **arguments: of the function in `COSTS` for its kind: num_cells, filters, classes, input_shape, stem, ... What only other kinds
            take is left out if it asks for nothing, as `nasnet_tf.networks.build` does.
    Raises: TypeError for an argument that none of the functions takes, with the nearest name; ValueError as `build`.
    """
    return call(COSTS, genotype, "cost", arguments) if genotype.schema in COSTS else None


def counted_arguments(genotype) -> tuple[str, ...]:
    """Names of the arguments that `cost_of` takes for a kind of genotype; those of `cost` for a kind nobody counts for."""
    return tuple(inspect.signature(COSTS.get(genotype.schema, cost)).parameters)[1:]


def defaults_of(genotype) -> dict:
    """num_cells, filters, stem and classes that `cost_of` takes for a kind of genotype unless told otherwise."""
    taken = inspect.signature(COSTS[genotype.schema]).parameters if genotype.schema in COSTS else {}
    return {name: taken[name].default for name in ("num_cells", "filters", "stem", "classes") if name in taken}


def _auxiliary(total, channels, size, classes):
    height, width = ((s - 5) // 3 + 1 for s in size)
    total.trainable += channels * 128 + 2 * 128 + height * width * 128 * 768 + 2 * 768 + 768 * classes + classes
    total.moving += 2 * 128 + 2 * 768


def _strided(size, strides):
    return tuple(-(-s // stride) for s, stride in zip(size, strides, strict=True))
