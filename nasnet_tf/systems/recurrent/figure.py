"""A picture of a recurrent cell: the tree from its leaves up to h, where c comes in, and where the
new c goes out.
"""

from __future__ import annotations

from nasnet_tf.drawing.shapes import canvas, draw_box, draw_text, draw_title
from nasnet_tf.drawing.style import INK
from nasnet_tf.systems.recurrent.genotype import RecurrentCell

__all__ = ["tree_figure"]

# Of a node; between leaves; between rows; inches of a unit.
BOX, APART, RISE, INCHES = (1.7, 0.86), 2.0, 1.9, 0.5
SIGNS = {"add": "+", "elem_mult": "×"}
FILLS = {"identity": "#f1f2f4", "tanh": "#cfe0f7", "sigmoid": "#d8efd9", "relu": "#fbe3c6"}
MEMORY = "#a03a6b"


def tree_figure(genotype: RecurrentCell, title: str = ""):
    """The cell as a matplotlib Figure that belongs to no window. A node shows its combiner and its
    activation.
    """
    places = _places(genotype)
    top, side = max(y for _, y in places) + (2.4 if title else 1.6), BOX[0] / 2 + 1.7
    left, right, bottom = -side, (genotype.base - 1) * APART + side, -1.5
    figure, axes = canvas(left, right, bottom, top, INCHES)
    named = dict(fontsize=8, style="italic")
    for number, (x, y) in enumerate(places):
        _node(axes, x, y, *genotype.nodes[number], str(number))
        below = genotype.children(number)
        if below is not None:
            for a, b in (places[child] for child in below):
                _line(axes, (a, b + BOX[1] / 2), (x, y - BOX[1] / 2), INK)
            continue
        leaves = ((x - 0.45, y - 1.35, "x"), (x + 0.45, y - 1.35, "h"))
        for a, b, _ in leaves:
            _line(axes, (a, b + 0.22), (x, y - BOX[1] / 2), INK)
        for a, b, name in leaves:
            draw_text(axes, a, b, name, **named)
    _memory(axes, genotype, places)
    x, y = places[-1]
    _line(axes, (x, y + BOX[1] / 2), (x, y + 1.0), INK)
    draw_text(axes, x, y + 1.2, "new h", **named)
    draw_title(axes, (left + right) / 2, top - 0.5, title)
    return figure


def _places(genotype):
    """(x, y) of each node; leaves stand in a row, a node above the middle of the two it reads."""
    places = []
    for number in range(len(genotype.nodes)):
        below = genotype.children(number)
        if below is None:
            places.append((number * APART, 0.0))
        else:
            (a, y), (b, _) = (places[child] for child in below)
            places.append(((a + b) / 2, y + RISE))
    return places


def _memory(axes, genotype, places):
    """What c is injected with, above its node, and where the new one is taken, below."""
    style = dict(fontsize=7.5, color=MEMORY, zorder=6, bbox=dict(fc="white", ec="none", pad=1))
    x, y = places[genotype.cell_in]
    injected = f"{SIGNS[genotype.inject[0]]} c, {genotype.inject[1]}"
    draw_text(axes, x, y + BOX[1] / 2 + 0.26, injected, **style)
    x, y = places[genotype.cell_out]
    draw_text(axes, x, y - BOX[1] / 2 - 0.3, "= new c", **style)


def _node(axes, x, y, combiner, activation, number):
    draw_box(axes, x, y, *BOX, FILLS[activation], rounding=0.18)
    words = f"{SIGNS[combiner]}  {activation}"
    draw_text(axes, x, y, words, va="center_baseline", fontsize=8, zorder=5)
    corner = (x - BOX[0] / 2 + 0.1, y + BOX[1] / 2 - 0.07)
    draw_text(axes, *corner, number, ha="left", va="top", fontsize=5.5, zorder=5)


def _line(axes, start, end, colour):
    axes.annotate(
        "",
        end,
        start,
        arrowprops=dict(
            arrowstyle="-|>", color=colour, lw=0.9, shrinkA=0, shrinkB=0, mutation_scale=7
        ),
    )
