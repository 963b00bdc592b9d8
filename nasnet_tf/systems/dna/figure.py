"""A picture of a DNA: its vertices from the image down, what leads to each beside it, an arc for
each skip.
"""

from __future__ import annotations

from nasnet_tf.drawing.shapes import canvas, draw_text, draw_title
from nasnet_tf.drawing.style import COLOURS, INK, WIRE_COLOURS
from nasnet_tf.systems.dna.genotype import DNA

__all__ = ["dna_figure"]

ROW, LONGEST = 0.36, 100.0  # inches a vertex, and of the whole: with more vertices rows are lower
# Of a vertex, of the picture and of the way to the text, in rows.
RADIUS, WIDTH, TEXT = 0.28, 13.0, 1.0
BENT = 0.9  # how far an arc goes to the left for each row between its ends, up to FARTHEST
FARTHEST = 4.0


def dna_figure(genotype: DNA, title: str = ""):
    """The graph as a matplotlib Figure that belongs to no window. Vertices with batch norm and ReLU
    are filled.
    """
    from matplotlib.patches import Circle

    place = {vertex.name: number for number, vertex in enumerate(genotype.vertices)}
    row = min(ROW, LONGEST / len(place))
    top, left = 2.2 if title else 1.0, -FARTHEST - 1
    figure, axes = canvas(left, left + WIDTH, -len(place) - 0.6, top, row)
    for edge in genotype.edges:
        _draw(axes, place[edge.source], place[edge.target], edge.skip)
    style = dict(ha="left", fontsize=8 * row / ROW)
    for vertex in genotype.vertices:
        y = -place[vertex.name]
        fill = COLOURS["conv"] if vertex.activation == "bn_relu" else "white"
        axes.add_patch(Circle((0, y), RADIUS, fc=fill, ec=INK, lw=0.9, zorder=4))
        words = _words(genotype, vertex)
        draw_text(axes, TEXT, y, words, va="center_baseline", zorder=5, **style)
    end = f"average, classes; learning rate {genotype.learning_rate:.3g}"
    draw_text(axes, TEXT, -len(place), end, **style)
    draw_title(axes, left + WIDTH / 2, top - 0.8, title)
    return figure


def _draw(axes, source, target, skip):
    """A straight arrow to the next vertex; any other to the left of the vertices."""
    from matplotlib.patches import FancyArrowPatch

    rows = target - source
    bend = min(BENT * rows, FARTHEST) / rows * 2 if skip or rows > 1 else 0.0
    ink = WIRE_COLOURS[0] if skip else INK
    style = dict(
        arrowstyle="-|>,head_length=4,head_width=2.2",
        connectionstyle=f"arc3,rad={bend / 2}",
        shrinkA=6,
        shrinkB=6,
    )
    axes.add_patch(
        FancyArrowPatch((0, -source), (0, -target), color=ink, lw=1.0, zorder=2, **style)
    )


def _words(genotype, vertex):
    """The convolutions that lead to a vertex, and what it does with their sum."""
    if vertex == genotype.vertices[0]:
        return "image"
    filters = [edge.filter for edge in genotype.incoming[vertex.name] if edge.filter is not None]
    sizes = (
        f"{'x'.join(map(str, f.kernel_size))} to"
        f" {f.filters}{f', stride {f.strides}' if f.strides > 1 else ''}"
        for f in filters
    )
    return (" + ".join(sizes) or "identity") + (
        ", batch norm, ReLU" if vertex.activation == "bn_relu" else ""
    )
