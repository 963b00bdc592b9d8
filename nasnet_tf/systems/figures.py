"""A picture of a genotype of any kind: `FIGURES` says who draws which; a kind that is not in it is
written out in lines.
"""

from __future__ import annotations

import os

from nasnet_tf.drawing.picture import one_line, picture_format, render
from nasnet_tf.files import write_whole
from nasnet_tf.systems.cells.figure import INK, genotype_figure
from nasnet_tf.systems.dna.figure import dna_figure
from nasnet_tf.systems.nas_bench_201.figure import edges_figure
from nasnet_tf.systems.recurrent.figure import tree_figure

__all__ = ["FIGURES", "draw_genotype", "figure_of"]

FIGURES = {  # by the genotype's schema
    "nasnet_tf.genotype": genotype_figure,
    "nasnet_tf.nas_bench_201": edges_figure,
    "nasnet_tf.recurrent": tree_figure,
    "nasnet_tf.dna": dna_figure,
}


def draw_genotype(genotype, path: str | os.PathLike, title: str = "") -> None:
    """Writes a picture of a genotype.

    Args:
        path: ends in .png or .svg; the file is there whole or not at all.
        title: a line above it, taken as it is (no mathematics).
    """
    suffix = picture_format(path)
    write_whole(path, render(lambda: figure_of(genotype, title), suffix))


def figure_of(genotype, title: str = ""):
    """The genotype as a matplotlib Figure that belongs to no window."""
    if not hasattr(genotype, "schema"):
        raise ValueError(
            f"expected a Genotype, got {type(genotype).__name__}; nasnet_tf.genotype.load reads one"
            " from a file."
        )
    return FIGURES.get(genotype.schema, _written)(genotype, title)


def _written(genotype, title: str):
    from matplotlib.figure import Figure

    lines = [*([title] if title else []), *genotype.lines()]
    figure = Figure(
        figsize=(0.4 + 0.09 * max(map(len, lines), default=1), 0.4 + 0.2 * len(lines)),
        facecolor="white",
    )
    for number, line in enumerate(map(one_line, lines), start=1):
        y = 1 - number / (len(lines) + 1)
        figure.text(0.5, y, line, ha="center", va="center", fontsize=9, color=INK, parse_math=False)
    return figure
