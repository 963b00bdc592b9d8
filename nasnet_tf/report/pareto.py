"""Pictures of accuracy against multiply-adds: every trial, and the Pareto front."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence

from nasnet_tf.drawing.picture import one_line, picture_format, render
from nasnet_tf.drawing.style import INK, PALE
from nasnet_tf.files import write_whole
from nasnet_tf.report.curves import BASELINE, FAILED, SEARCH
from nasnet_tf.scores.limits import pareto_front

__all__ = ["draw_pareto", "pareto_figure"]

NAMED = 12  # points of the front that are labelled with their trial, at most


def draw_pareto(
    trials: Iterable[Mapping],
    path: str | os.PathLike,
    baseline: Iterable[Mapping] = (),
    title: str = "",
    target: float | None = None,
) -> None:
    """Writes a picture of accuracy against multiply-adds, the front marked.

    Args:
        trials: each has `trial`, `val_accuracy` (None if it failed) and `multiply_adds`, above 0.
        path: ends in .png or .svg.
        baseline: the trials of a random search, in the same form; the front is that of both.
        title: a line above the picture, without mathematics.
        target: multiply-adds to mark, if there is a soft limit.
    """
    suffix = picture_format(path)
    trials, baseline = list(trials), list(baseline)
    write_whole(path, render(lambda: pareto_figure(trials, baseline, title, target), suffix))


def pareto_figure(
    trials: Sequence[Mapping],
    baseline: Sequence[Mapping] = (),
    title: str = "",
    target: float | None = None,
):
    """The picture as a matplotlib Figure."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    figure = Figure(figsize=(9.0, 4.6), facecolor="white", layout="constrained")
    axes = figure.add_subplot(facecolor="white")
    front = pareto_front([*trials, *baseline])
    for rows, name, colour in ((baseline, "random baseline", BASELINE), (trials, "search", SEARCH)):
        points = [_point(row) for row in rows if row["val_accuracy"] is not None]
        if points:
            axes.scatter(
                *zip(*points, strict=True),
                s=22,
                color=colour,
                alpha=0.4,
                lw=0,
                zorder=3,
                label=f"{name}: each trial",
            )
    if front:
        _draw_front(axes, front, trials)
        costs = [
            row["multiply_adds"] for row in (*trials, *baseline) if row["val_accuracy"] is not None
        ]
        if max(costs) > 4 * min(costs):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    else:
        axes.text(
            0.5,
            0.5,
            "no trial has succeeded yet",
            transform=axes.transAxes,
            ha="center",
            va="center",
            color=FAILED,
            fontsize=12,
        )
        axes.set_xticks([])
        axes.set_yticks([])
    if target is not None and front:
        axes.axvline(
            target, color=FAILED, lw=1, ls=(0, (2, 3)), zorder=2, label=f"target: {short(target)}"
        )
    axes.margins(x=0.05, y=0.1)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_xlabel("multiply-adds for one image", color=INK)
    axes.set_ylabel("validation accuracy", color=INK)
    axes.set_title(one_line(title), color=INK, fontsize=12, weight="bold", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=PALE, lw=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8.5)
    return figure


def short(value: float) -> str:
    """A count with three digits: 950, 12.3k, 1.5M, 2G."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.9995:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _point(row):
    cost = row["multiply_adds"]
    if not (math.isfinite(cost) and cost > 0):
        raise ValueError(f"trial {row['trial']} has {cost} multiply-adds; give a number above 0.")
    return cost, row["val_accuracy"]


def _draw_front(axes, front, trials):
    searched = {id(row) for row in trials}
    xs, ys = zip(*map(_point, front), strict=True)
    axes.step(xs, ys, where="post", color=INK, lw=1.3, zorder=4)
    axes.scatter(
        xs,
        ys,
        s=44,
        facecolor="white",
        edgecolor=INK,
        lw=1.3,
        zorder=5,
        label=f"front ({len(front)}): none better and cheaper",
    )
    if len(front) <= NAMED:
        for row, x, y in zip(front, xs, ys, strict=True):
            style = dict(
                textcoords="offset points",
                ha="right",
                fontsize=7.5,
                color=SEARCH if id(row) in searched else BASELINE,
            )
            axes.annotate(
                one_line(row["trial"]), (x, y), (-4, 5), zorder=6, **style
            ).set_parse_math(False)
