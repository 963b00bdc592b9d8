"""A picture of a NAS-Bench-201 cell: four nodes in a row, an arc for each edge, its operation on
it.
"""

from __future__ import annotations

from typing import Any

from nasnet_tf.drawing.shapes import canvas, draw_box, draw_text, draw_title
from nasnet_tf.drawing.style import COLOURS, DEAD, INK, PALE, family_of, short_name
from nasnet_tf.systems.nas_bench_201.genotype import NASBench201

__all__ = ["edges_figure"]

APART = 3.4  # between neighbouring nodes
LABEL = (1.75, 0.62)  # width and height of an operation's box
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
    from matplotlib.patches import Circle, FancyArrowPatch

    bottom, top, side = -2.3, 4.4 if title else 3.6, 1.0
    figure, axes = canvas(-side, 3 * APART + side, bottom, top, INCHES)
    for (source, node), operation in genotype.edges.items():
        bend, ink = BENT.get((source, node), 0.0), PALE if operation == "none" else INK
        start, end = source * APART, node * APART
        style: dict[str, Any] = dict(
            arrowstyle="-|>,head_length=4,head_width=2.2",
            connectionstyle=f"arc3,rad={-2 * bend / (end - start)}",
            shrinkA=0,
            shrinkB=NODE * INCHES * 72,
        )
        axes.add_patch(FancyArrowPatch((start, 0), (end, 0), color=ink, lw=1.1, zorder=1, **style))
        x, name = (start + end) / 2, _NAMES.get(operation, operation)
        fill = DEAD if operation == "none" else COLOURS[family_of(name)]
        draw_box(axes, x, bend, *LABEL, fill, ink)
        name = _NAMES.get(operation) or short_name(operation)
        draw_text(axes, x, bend, name, va="center_baseline", fontsize=8, color=ink, zorder=5)
    for number, name in enumerate(NODES):
        x = number * APART
        axes.add_patch(Circle((x, 0), NODE, fc="white", ec=INK, lw=0.9, zorder=6))
        draw_text(axes, x, 0, name, va="center_baseline", fontsize=8, zorder=7)
    draw_title(axes, 1.5 * APART, top - 0.5, title)
    return figure
