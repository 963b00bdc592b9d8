"""The cells of a network, in order, and what each reads, as data. No Keras here.

Decided from the genotype and a few numbers, never from the shape of a tensor. So sizes may be None,
and a count needs no network.

Sources: Zoph et al. 2017, arXiv 1707.07012, section 3; the authors' TF-slim code
    (slim/nets/nasnet/nasnet.py, nasnet_utils.py).
"""

from __future__ import annotations

from typing import NamedTuple

from nasnet_tf.graph import ConvSpec
from nasnet_tf.systems.cells.genotype import Genotype, check
from nasnet_tf.systems.stages import check_stem, stage_cells


class Step(NamedTuple):
    """One cell of a network. `h` and `p` are numbers of outputs: 0 is the stem convolution, k is
    the k-th step.
    """

    name: str
    kind: str  # "normal" or "reduction"
    filters: int
    strides: int
    # of p: "share" (p is h, untouched), "keep", "project" (1x1) or "reduce" (factorized reduction)
    adapt: str
    h: int
    p: int
    drop_ratio: float  # (c + 1) / C: how deep this cell lies


def stem_widths(stem: str, filters: int, stem_cell_filters=None) -> tuple[int, ...]:
    """Widths of the reduction cells of the stem: none for "cifar", F/4 and F/2 for "imagenet".
    Raises ValueError.
    """
    check_stem(stem, filters)
    if stem == "cifar":
        return ()
    if stem_cell_filters is None and filters % 4:
        raise ValueError(
            f"filters is {filters}; the imagenet stem has cells of a quarter and a half of it, so"
            f" give a multiple of 4, such as {-(-filters // 4) * 4}, or the widths of these two"
            " cells as stem_cell_filters."
        )
    widths = (filters // 4, filters // 2) if stem_cell_filters is None else tuple(stem_cell_filters)
    if len(widths) != 2 or min(widths) < 1:
        raise ValueError(
            f"stem_cell_filters is {stem_cell_filters!r}; give the widths of the stem's two cells,"
            " at least 1 each."
        )
    return widths


def plan(
    genotype: Genotype,
    num_cells=6,
    filters: int = 32,
    stem: str = "cifar",
    skip_reduction: bool = False,
    stem_cell_filters=None,
) -> tuple[Step, ...]:
    """The cells of a network, in order, and what each reads.

    Args:
        num_cells: N normal cells in each of three stages, a reduction cell between stages; or three
            numbers.
        filters: F of the first stage; 2F and 4F after the reductions. A multiple of 4 for the
            imagenet stem.
        stem: "cifar" (a 3x3 convolution) or "imagenet" (strided convolution and two reduction cells
            at F/4 and F/2).
        skip_reduction: the normal cell after a reduction takes as p what the reduction took
            (NASNet-A large), not what the reduction read (NASNet-A mobile, CIFAR).
        stem_cell_filters: widths of the stem's two cells, for an F that is no multiple of 4
            (PNASNet-5 mobile).
    """
    check(genotype)
    cells = [
        (f"cell_stem_{i}", "reduction", width)
        for i, width in enumerate(stem_widths(stem, filters, stem_cell_filters))
    ]
    number = 0
    for stage, count in enumerate(stage_cells(num_cells)):
        width = filters * 2**stage
        if stage:
            cells.append((f"reduction_cell_{stage - 1}", "reduction", width))
        cells += [(f"cell_{number + i}", "normal", width) for i in range(count)]
        number += count

    # Halvings before, and channels of, each output; the channels of the stem fit no cell.
    steps, levels = [], [0]
    channels: list[int | None] = [None]
    for position, (name, kind, width) in enumerate(cells):
        h = len(levels) - 1
        p = max(h - 1, 0)
        after_reduction = position > 0 and cells[position - 1][0].startswith("reduction_cell")
        skips = skip_reduction and kind == "normal" and after_reduction
        if skips and levels[h] - levels[h - 2] == 1:
            p = h - 2
        strides = 2 if kind == "reduction" else 1
        if h == 0:
            adapt = "share"
        elif levels[p] != levels[h]:
            adapt = "reduce"
        else:
            adapt = "keep" if channels[p] == width else "project"
        steps.append(Step(name, kind, width, strides, adapt, h, p, (position + 1) / len(cells)))
        levels.append(levels[h] + strides - 1)
        channels.append(width * len(getattr(genotype, kind).concat))
    return tuple(steps)


def stem_convolution(stem: str, filters: int, stem_filters: int | None = None) -> ConvSpec:
    """The convolution on the image: 3F filters for CIFAR (stem multiplier 3), 32 for ImageNet (96
    in NASNet-A large).
    """
    if stem == "imagenet":
        return ConvSpec(stem_filters or 32, (3, 3), (2, 2), relu=False, padding="valid")
    return ConvSpec(stem_filters or 3 * filters, (3, 3), relu=False)
