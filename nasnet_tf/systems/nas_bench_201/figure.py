"""A picture of a NAS-Bench-201 cell: four nodes in a row, an arc for each edge, its operation on
it.
"""

from __future__ import annotations

from nasnet_tf.drawing.picture import one_line
from nasnet_tf.systems.cells.figure import COLOURS, DEAD, INK, PALE
from nasnet_tf.systems.cells.layout import family_of, short_name
from nasnet_tf.systems.nas_bench_201.genotype import NASBench201

__all__ = ["edges_figure"]

APART, LABEL = (
    3.4,
    (1.75, 0.62),
)  # between neighbouring nodes; width and height of an operation's box
BENT = {(0, 2): 1.6, (1, 3): -1.6, (0, 3): 3.0}  # height of the arcs; the other edges are straight
NODE, INCHES = 0.5, 0.6  # radius of a node; inches of a unit
NODES = ("input", "1", "2", "output")
_NAMES = {
    "skip_connect": "identity",
    "nor_conv_1x1": "conv 1x1",
    "nor_conv_3x3": "conv 3x3",
    "none": "none",
}


def edges_figure(genotype: NASBench201, title: str = ""):
    """The cell as a matplotlib Figure that belongs to no window. An edge of "none" is pale."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

    bottom, top, side = -2.3, 4.4 if title else 3.6, 1.0
    width, height = 3 * APART + 2 * side, top - bottom
    figure = Figure(figsize=(width * INCHES, height * INCHES), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-side, 3 * APART + side), ylim=(bottom, top))
    axes.axis("off")
    for (source, node), operation in genotype.edges.items():
        bend, ink = BENT.get((source, node), 0.0), PALE if operation == "none" else INK
        start, end = source * APART, node * APART
        style = dict(
            arrowstyle="-|>,head_length=4,head_width=2.2",
            connectionstyle=f"arc3,rad={-2 * bend / (end - start)}",
        )
        axes.add_patch(
            FancyArrowPatch(
                (start, 0),
                (end, 0),
                shrinkA=0,
                shrinkB=NODE * INCHES * 72,
                color=ink,
                lw=1.1,
                zorder=1,
                **style,
            )
        )
        x, fill = (
            (start + end) / 2,
            (DEAD if operation == "none" else COLOURS[family_of(_NAMES.get(operation, operation))]),
        )
        corner = (x - LABEL[0] / 2, bend - LABEL[1] / 2)
        axes.add_patch(
            FancyBboxPatch(
                corner, *LABEL, "round,pad=0,rounding_size=0.15", fc=fill, ec=ink, lw=0.9, zorder=4
            )
        )
        name = _NAMES.get(operation) or short_name(operation)
        axes.text(x, bend, name, ha="center", va="center_baseline", fontsize=8, color=ink, zorder=5)
    for number, name in enumerate(NODES):
        axes.add_patch(Circle((number * APART, 0), NODE, fc="white", ec=INK, lw=0.9, zorder=6))
        axes.text(
            number * APART,
            0,
            name,
            ha="center",
            va="center_baseline",
            fontsize=8,
            color=INK,
            zorder=7,
        )
    if title:
        x = 1.5 * APART
        axes.text(
            x,
            top - 0.5,
            one_line(title),
            ha="center",
            va="center",
            fontsize=12,
            weight="bold",
            color=INK,
            parse_math=False,
        )
    return figure
