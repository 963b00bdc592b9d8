"""Pictures of cells, in the style of the figures in Zoph et al. 2017 (arXiv 1707.07012, section 3).

`nasnet_tf.systems.cells.layout` decides where everything goes; this puts ink there.
"""

from __future__ import annotations

import itertools

from nasnet_tf.drawing.shapes import canvas, draw_box, draw_text, draw_title
from nasnet_tf.drawing.style import COLOURS, DEAD, FAMILIES, INK, MUTED, PALE, SHADE, WIRE_COLOURS
from nasnet_tf.systems.cells.genotype import Genotype, check
from nasnet_tf.systems.cells.layout import Box, Layout, Wire, layout

__all__ = ["genotype_figure"]

INCHES = 0.44  # a unit of the drawing
MARGIN = 0.4


def genotype_figure(genotype: Genotype, title: str = ""):
    """Both cells as a matplotlib Figure that belongs to no window."""
    if not isinstance(genotype, Genotype):
        raise ValueError(
            f"expected a Genotype, got {type(genotype).__name__}; Genotype.load reads one from a"
            " file."
        )
    layouts = [layout(cell) for cell in check(genotype)]
    apart, below, above = 1.6, 1.5, 1.0 if title else 0.2
    width = sum(max(some.width, 7.5) for some in layouts) + apart + 2 * MARGIN
    height = max(some.height for some in layouts) + below + above + MARGIN
    figure, axes = canvas(0, width, 0, height, INCHES)
    x = MARGIN
    for some, name in zip(layouts, ("Normal cell", "Reduction cell"), strict=True):
        panel = max(some.width, 7.5)
        draw_text(axes, x + panel / 2, below - 0.5, name, fontsize=11, weight="bold")
        _draw(axes, some, x + (panel - some.width) / 2, below)
        x += panel + apart
    draw_title(axes, width / 2, height - 0.6, title, size=13)
    _draw_legend(axes, width, layouts)
    return figure


def _draw(axes, some: Layout, x: float, y: float) -> None:
    for shade in some.shades:
        draw_box(axes, x + shade.x, y + shade.y, *shade[2:4], SHADE, "none", zorder=0)
        corner = (x + shade.x + shade.width / 2 - 0.1, y + shade.y + shade.height / 2 - 0.18)
        ink = MUTED if shade.live else PALE
        draw_text(axes, *corner, shade.text, fontsize=7, color=ink, ha="right")
    for wire in some.wires:
        _draw_wire(axes, wire, x, y)
    for box in some.boxes:
        ink = INK if box.live else PALE
        style = dict(va="center" if "\n" in box.text else "center_baseline", linespacing=1.15)
        draw_box(axes, x + box.x, y + box.y, box.width, box.height, _colour(box), ink)
        draw_text(axes, x + box.x, y + box.y, box.text, fontsize=8, color=ink, zorder=5, **style)


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
