"""Pictures of cells, in the style of the figures in Zoph et al. 2017 (arXiv 1707.07012, section 3).

`nasnet_tf.systems.cells.layout` decides where everything goes; this puts ink there.
"""

from __future__ import annotations

import itertools

from nasnet_tf.drawing.picture import one_line
from nasnet_tf.systems.cells.genotype import Genotype, check
from nasnet_tf.systems.cells.layout import FAMILIES, Box, Layout, Wire, layout

__all__ = ["COLOURS", "DEAD", "INK", "PALE", "genotype_figure"]

INCHES = 0.44  # a unit of the drawing
MARGIN = 0.4

COLOURS = {  # by family
    "sep": "#f7cf6b",
    "conv": "#f2a07b",
    "pool": "#93c2ec",
    "identity": "#bfe0b0",
    "add": "#e4e6ea",
    "add_layer_norm": "#e4e6ea",
    "add_instance_norm": "#e4e6ea",
    "concatenate": "#d5c8ee",
    "concat": "#d5c8ee",
    "state": "#ffffff",
    "other": "#e4e6ea",
}
INK, MUTED, PALE, SHADE = "#22262e", "#8a909c", "#c3c7ce", "#f4f5f7"
WIRE_COLOURS = {0: "#2b62b8", 1: "#b0413e"}  # lines from h and from p; those from blocks are INK
DEAD = "#fafafa"


def genotype_figure(genotype: Genotype, title: str = ""):
    """Both cells as a matplotlib Figure that belongs to no window."""
    from matplotlib.figure import Figure

    if not isinstance(genotype, Genotype):
        raise ValueError(
            f"expected a Genotype, got {type(genotype).__name__}; Genotype.load reads one from a"
            " file."
        )
    layouts = [layout(cell) for cell in check(genotype)]
    apart, below, above = 1.6, 1.5, 1.0 if title else 0.2
    width = sum(max(some.width, 7.5) for some in layouts) + apart + 2 * MARGIN
    height = max(some.height for some in layouts) + below + above + MARGIN
    figure = Figure(figsize=(width * INCHES, height * INCHES), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    x = MARGIN
    for some, name in zip(layouts, ("Normal cell", "Reduction cell"), strict=True):
        panel = max(some.width, 7.5)
        axes.text(
            x + panel / 2,
            below - 0.5,
            name,
            ha="center",
            va="center",
            fontsize=11,
            weight="bold",
            color=INK,
        )
        _draw(axes, some, x + (panel - some.width) / 2, below)
        x += panel + apart
    if title:
        axes.text(
            width / 2,
            height - 0.6,
            one_line(title),
            ha="center",
            va="center",
            fontsize=13,
            weight="bold",
            color=INK,
            parse_math=False,
        )
    _draw_legend(axes, width, layouts)
    return figure


def _draw(axes, some: Layout, x: float, y: float) -> None:
    for shade in some.shades:
        _draw_box(axes, shade, x, y, SHADE, "none", zorder=0)
        corner = (x + shade.x + shade.width / 2 - 0.1, y + shade.y + shade.height / 2 - 0.18)
        axes.text(
            *corner,
            shade.text,
            fontsize=7,
            color=MUTED if shade.live else PALE,
            ha="right",
            va="center",
        )
    for wire in some.wires:
        _draw_wire(axes, wire, x, y)
    for box in some.boxes:
        ink = INK if box.live else PALE
        _draw_box(axes, box, x, y, _colour(box), ink, zorder=4)
        align = "center" if "\n" in box.text else "center_baseline"
        axes.text(
            x + box.x,
            y + box.y,
            box.text,
            ha="center",
            va=align,
            fontsize=8,
            color=ink,
            zorder=5,
            linespacing=1.15,
        )


def _draw_box(axes, box: Box, x: float, y: float, fill: str, edge: str, zorder: int) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (x + box.x - box.width / 2, y + box.y - box.height / 2)
    style = "round,pad=0,rounding_size=0.15"
    axes.add_patch(
        FancyBboxPatch(
            corner, box.width, box.height, style, fc=fill, ec=edge, lw=0.9, zorder=zorder
        )
    )


def _colour(box: Box) -> str:
    return COLOURS[box.family] if box.live else DEAD


def _draw_wire(axes, wire: Wire, x: float, y: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    points = [(x + a, y + b) for a, b in wire.points]
    vertices, codes = [points[0]], [Path.MOVETO]
    for i, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(points)):
        if i % 2:
            vertices, codes = [*vertices, (x1, y1)], [*codes, Path.LINETO]
        else:
            bend = 0.5 * (y1 - y0)
            vertices += [(x0, y0 + bend), (x1, y1 - bend), (x1, y1)]
            codes += [Path.CURVE4] * 3
    colour = WIRE_COLOURS.get(wire.state, INK) if wire.live else PALE
    style = "-|>,head_length=3.2,head_width=1.7"
    arrow = FancyArrowPatch(
        path=Path(vertices, codes),
        arrowstyle=style,
        color=colour,
        lw=1.1,
        zorder=2 if wire.live else 1,
    )
    axes.add_patch(arrow)


def _draw_legend(axes, width: float, layouts) -> None:
    from matplotlib.patches import Rectangle

    entries = [(COLOURS[family], INK, name) for family, name in FAMILIES.items()]
    if not all(box.live for some in layouts for box in some.boxes):
        entries.append((DEAD, PALE, "unused"))
    lengths = [0.85 + 0.145 * len(name) for *_, name in entries]
    x = (width - sum(lengths)) / 2
    for (colour, ink, name), length in zip(entries, lengths, strict=True):
        axes.add_patch(Rectangle((x, 0.22), 0.3, 0.3, fc=colour, ec=ink, lw=0.6))
        axes.text(x + 0.42, 0.37, name, fontsize=7, va="center_baseline", color=INK)
        x += length
