"""A picture of a recurrent cell: the tree from its leaves up to h, where c comes in, and where the
new c goes out.
"""

from __future__ import annotations

from nasnet_tf.drawing.picture import one_line
from nasnet_tf.systems.cells.figure import INK
from nasnet_tf.systems.recurrent.genotype import RecurrentCell

__all__ = ["tree_figure"]

BOX, APART, RISE, INCHES = (
    (1.7, 0.86),
    2.0,
    1.9,
    0.5,
)  # of a node; between leaves; between rows; inches of a unit
SIGNS = {"add": "+", "elem_mult": "×"}
FILLS = {"identity": "#f1f2f4", "tanh": "#cfe0f7", "sigmoid": "#d8efd9", "relu": "#fbe3c6"}
MEMORY = "#a03a6b"


def tree_figure(genotype: RecurrentCell, title: str = ""):
    """The cell as a matplotlib Figure that belongs to no window. A node shows its combiner and its
    activation.
    """
    from matplotlib.figure import Figure

    places = _places(genotype)
    top, side = max(y for _, y in places) + (2.4 if title else 1.6), BOX[0] / 2 + 1.7
    left, right, bottom = -side, (genotype.base - 1) * APART + side, -1.5
    figure = Figure(figsize=((right - left) * INCHES, (top - bottom) * INCHES), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    for number, (x, y) in enumerate(places):
        _node(axes, x, y, *genotype.nodes[number], str(number))
        below = genotype.children(number)
        sources = (
            [places[child] for child in below]
            if below
            else [(x - 0.45, y - 1.35), (x + 0.45, y - 1.35)]
        )
        for a, b in sources:
            _line(axes, (a, b + (BOX[1] / 2 if below else 0.22)), (x, y - BOX[1] / 2), INK)
        if not below:
            for (a, b), name in zip(sources, ("x", "h"), strict=True):
                axes.text(
                    a, b, name, ha="center", va="center", fontsize=8, style="italic", color=INK
                )
    _memory(axes, genotype, places)
    x, y = places[-1]
    _line(axes, (x, y + BOX[1] / 2), (x, y + 1.0), INK)
    axes.text(x, y + 1.2, "new h", ha="center", va="center", fontsize=8, style="italic", color=INK)
    if title:
        style = dict(
            ha="center", va="center", fontsize=12, weight="bold", color=INK, parse_math=False
        )
        axes.text((left + right) / 2, top - 0.5, one_line(title), **style)
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
    style = dict(
        ha="center",
        va="center",
        fontsize=7.5,
        color=MEMORY,
        zorder=6,
        bbox=dict(fc="white", ec="none", pad=1),
    )
    x, y = places[genotype.cell_in]
    axes.text(
        x, y + BOX[1] / 2 + 0.26, f"{SIGNS[genotype.inject[0]]} c, {genotype.inject[1]}", **style
    )
    x, y = places[genotype.cell_out]
    axes.text(x, y - BOX[1] / 2 - 0.3, "= new c", **style)


def _node(axes, x, y, combiner, activation, number):
    from matplotlib.patches import FancyBboxPatch

    corner = (x - BOX[0] / 2, y - BOX[1] / 2)
    axes.add_patch(
        FancyBboxPatch(
            corner,
            *BOX,
            "round,pad=0,rounding_size=0.18",
            fc=FILLS[activation],
            ec=INK,
            lw=0.9,
            zorder=4,
        )
    )
    axes.text(
        x,
        y,
        f"{SIGNS[combiner]}  {activation}",
        ha="center",
        va="center_baseline",
        fontsize=8,
        color=INK,
        zorder=5,
    )
    axes.text(
        x - BOX[0] / 2 + 0.1,
        y + BOX[1] / 2 - 0.07,
        number,
        ha="left",
        va="top",
        fontsize=5.5,
        color=INK,
        zorder=5,
    )


def _line(axes, start, end, colour):
    axes.annotate(
        "",
        end,
        start,
        arrowprops=dict(
            arrowstyle="-|>", color=colour, lw=0.9, shrinkA=0, shrinkB=0, mutation_scale=7
        ),
    )
