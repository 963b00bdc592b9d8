"""The parts of a picture: an empty one, boxes, texts. matplotlib is imported when one is drawn."""

from __future__ import annotations

from nasnet_tf.drawing.picture import one_line
from nasnet_tf.drawing.style import INK

__all__ = ["canvas", "draw_box", "draw_text", "draw_title"]


def canvas(left: float, right: float, bottom: float, top: float, inches: float):
    """(a matplotlib Figure that belongs to no window, its axes without a frame), of that size in
    units of so many inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=((right - left) * inches, (top - bottom) * inches), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    return figure, axes


def draw_title(axes, x: float, y: float, title: str, size: float = 12) -> None:
    """Writes the title, if there is one, as it is (no mathematics)."""
    if title:
        draw_text(axes, x, y, one_line(title), fontsize=size, weight="bold", parse_math=False)


def draw_text(axes, x: float, y: float, text: str, **style) -> None:
    """Writes `text` around (x, y), in ink unless `style`, of `Axes.text`, says otherwise."""
    axes.text(x, y, text, **{"ha": "center", "va": "center", "color": INK, **style})


def draw_box(axes, x, y, width, height, fill, edge=INK, zorder=4, rounding=0.15) -> None:
    """A box with round corners around (x, y)."""
    from matplotlib.patches import FancyBboxPatch

    corner = (x - width / 2, y - height / 2)
    style = f"round,pad=0,rounding_size={rounding}"
    axes.add_patch(
        FancyBboxPatch(corner, width, height, style, fc=fill, ec=edge, lw=0.9, zorder=zorder)
    )
