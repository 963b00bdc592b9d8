"""How a network does, class by class, for a page: tables, and pictures it is most wrong about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasnet_tf.drawing.picture import one_line
from nasnet_tf.report.page import embedded, rows_table

__all__ = ["classes_table", "confusions_table", "worst_pictures"]

_MOST_CONFUSIONS, _MOST_PICTURES, _COLUMNS = 20, 12, 6


def classes_table(classes: Sequence[dict]) -> str:
    """The HTML of a table of the classes, the worst first.

    Args:
        classes: {"name", "images", "accuracy"} of each, accuracy None without images.
    """
    known = [each for each in classes if each["accuracy"] is not None]
    return rows_table(sorted(known, key=lambda each: each["accuracy"]))


def confusions_table(classes: Sequence[dict], confusion) -> str:
    """The HTML of a table of what is taken for what, most often first.

    Args:
        confusion: at [i][j] how many images of class i were taken for class j.
    """
    counts = np.array(confusion)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    pairs = [(i, j) for i, j in zip(*np.unravel_index(order, counts.shape), strict=True)]
    rows = [
        {"class": classes[i]["name"], "taken for": classes[j]["name"], "images": int(counts[i, j])}
        for i, j in pairs
        if counts[i, j]
    ]
    return rows_table(rows) if rows else "<p>Nothing was taken for anything else.</p>"


def worst_pictures(images, labels, probabilities, class_names: Sequence[str]) -> str:
    """The HTML of the pictures that were taken for another class with most certainty.

    Args:
        images: (n, H, W, C) in pixels, 0 to 255.
        labels: (n,).
        probabilities: (n, classes).
    """
    taken = probabilities.argmax(1)
    sure = np.where(taken == labels, -1.0, probabilities.max(1))
    worst = [int(place) for place in np.argsort(-sure)[:_MOST_PICTURES] if sure[place] >= 0]
    if not worst:
        return "<p>No picture was taken for another class.</p>"
    shown = np.asarray(images[np.array(worst)], "float32")

    def figure():
        from matplotlib.figure import Figure

        rows = -(-len(worst) // _COLUMNS)
        drawn = Figure(figsize=(1.9 * _COLUMNS, 2.3 * rows), layout="constrained")
        axes = np.atleast_1d(drawn.subplots(rows, _COLUMNS, squeeze=False)).ravel()
        for axis in axes:
            axis.axis("off")
        for axis, place, pixels in zip(axes, worst, np.clip(shown, 0, 255) / 255, strict=False):
            axis.imshow(
                pixels if pixels.shape[-1] > 1 else pixels[..., 0], cmap="gray", vmin=0, vmax=1
            )
            own, other = (_short(class_names[each]) for each in (labels[place], taken[place]))
            said = f"{own}\ntaken for {other}\n{sure[place]:.0%} sure"
            axis.set_title(said, fontsize=8, parse_math=False)
        return drawn

    return embedded(figure, "Test pictures that were taken for another class with most certainty")


def _short(name):
    name = one_line(name)
    return name if len(name) <= 18 else f"{name[:17]}..."
