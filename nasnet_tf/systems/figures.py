"""A picture of a genotype of any system; one of a system without a figure is written out in
lines.
"""

from __future__ import annotations

import os

from nasnet_tf.contracts.genotype import BaseGenotype
from nasnet_tf.drawing.picture import one_line, picture_format, render
from nasnet_tf.drawing.style import INK
from nasnet_tf.files import write_whole
from nasnet_tf.systems import SYSTEMS

__all__ = ["draw_genotype", "figure_of"]


def draw_genotype(genotype, path: str | os.PathLike, title: str = "") -> None:
    """Writes a picture of a genotype.

    Args:
        path: ends in .png or .svg; the file is there whole or not at all.
        title: a line above it, written as it is (no mathematics).
    """
    suffix = picture_format(path)
    write_whole(path, render(lambda: figure_of(genotype, title), suffix))


def figure_of(genotype, title: str = ""):
    """The genotype as a matplotlib Figure that belongs to no window."""
    if not isinstance(genotype, BaseGenotype):
        raise ValueError(
            f"expected a Genotype, got {type(genotype).__name__}; nasnet_tf.genotype.load reads one"
            " from a file."
        )
    system = SYSTEMS.get(genotype.schema)
    draw = system and system.figure or _written
    return draw(genotype, title)


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
