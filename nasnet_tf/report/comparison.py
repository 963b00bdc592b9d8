"""Comparisons of strategies: an HTML page with their curves, and the curves as CSV."""

from __future__ import annotations

import csv
import io
import os
import pathlib
from collections.abc import Mapping
from functools import partial

import numpy as np

from nasnet_tf.drawing.picture import one_line
from nasnet_tf.drawing.style import INK, PALE
from nasnet_tf.files import write_whole
from nasnet_tf.report.page import document, embedded, facts_table, heading, rows_table

__all__ = ["comparison_figure", "write_comparison"]

COLOURS = ("#2b62b8", "#c8702a", "#2f8f5b", "#b0413e", "#7a52a8", "#8a6d1f", "#2a8fa3", "#c2559b")
DASHES = ("-", (0, (5, 2)), (0, (2, 1.5)))  # one more for every eight strategies
BAND = 2  # standard errors each way: 95 % confidence


def write_comparison(
    folder: str | os.PathLike,
    *,
    title: str,
    facts: Mapping,
    results: Mapping[str, Mapping],
    curves: Mapping,
    best: float,
    axis: str,
) -> None:
    """Writes report.html and curves.csv into `folder`.

    Args:
        facts: label -> text.
        results: strategy -> metric -> its value, or None.
        curves: strategy -> `nasnet_tf.tables.comparison.Curve`.
        best: the best test metric in the table.
        axis: label of the horizontal axis, with its unit.
    """
    rows = [{"strategy": label, **found} for label, found in results.items()]
    picture = embedded(
        partial(comparison_figure, curves, best, axis),
        f"Test metric and regret of the incumbent over {axis}",
    )
    parts = [
        heading(title),
        facts_table(facts),
        "<h2>Incumbents</h2>",
        picture,
        "<h2>At the end</h2>",
        rows_table(rows),
    ]
    folder = pathlib.Path(folder)
    write_whole(folder / "curves.csv", _csv(curves).encode())
    write_whole(
        folder / "report.html", document(title, "\n".join(parts)).encode("utf-8", "replace")
    )


def _csv(curves):
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    for label, curve in curves.items():
        if not text.tell():
            table.writerow(["strategy", *curve._fields])
        table.writerows(
            [label, *("" if np.isnan(value) else value.item() for value in row)]
            for row in zip(*curve, strict=True)
        )
    return text.getvalue()


def comparison_figure(curves: Mapping, best: float, axis: str):
    """The curves as a matplotlib Figure: the test metric of the incumbent, and its regret on a
    logarithmic axis.

    A curve begins where half of the runs have an incumbent.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    figure = Figure(figsize=(11.0, 4.8), facecolor="white", layout="constrained")
    test, regret = figure.subplots(1, 2)
    lowest = []
    for number, (label, curve) in enumerate(curves.items()):
        colour, dashes = (
            COLOURS[number % len(COLOURS)],
            DASHES[number // len(COLOURS) % len(DASHES)],
        )
        there = (curve.runs > 0) & (curve.runs >= curve.runs.max() / 2)
        at, mean, gap, band = (
            values[there]
            for values in (curve.at, curve.test_mean, curve.regret_mean, BAND * curve.test_sem)
        )
        if not len(at):
            continue
        style = dict(color=colour, ls=dashes, lw=1.7, label=one_line(label))
        lowest.append(np.quantile(mean, 0.1))
        for axes, middle in ((test, mean), (regret, gap)):
            axes.plot(at, middle, **style)
            axes.fill_between(at, middle - band, middle + band, color=colour, alpha=0.18, lw=0)
    test.axhline(best, color=INK, lw=0.9, ls=(0, (1, 2)))
    test.annotate(
        "best in the table",
        (1, best),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=INK,
    )
    if lowest:  # without the first trainings, which would take up the whole height
        room = max(best - min(lowest), 1e-9)
        test.set_ylim(best - 1.05 * room, best + 0.1 * room)
    if any((curve.regret_mean > 0).any() for curve in curves.values()):
        regret.set_yscale("log")
        regret.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        regret.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        regret.yaxis.set_minor_formatter(NullFormatter())
    for axes, name in (
        (test, "test metric of the incumbent"),
        (regret, "regret: best in the table minus that"),
    ):
        axes.set_xlabel(axis, color=INK)
        axes.set_ylabel(name, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color=PALE, lw=0.5, alpha=0.6)
        axes.set_axisbelow(True)
    handles, labels = test.get_legend_handles_labels()
    if handles:
        legend = figure.legend(
            handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure
