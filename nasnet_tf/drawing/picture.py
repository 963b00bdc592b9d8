"""Pictures as files: the same bytes each time, whatever the caller's matplotlib settings, and whole
or not there at all.
"""

from __future__ import annotations

import io
import os
import pathlib

__all__ = ["one_line", "picture_format", "render"]

SETTINGS = {
    "svg.hashsalt": "nasnet_tf",
    "svg.fonttype": "path",
    "font.family": ["DejaVu Sans"],
    "text.usetex": False,
}


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, which an SVG file must not hold."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def picture_format(path: str | os.PathLike) -> str:
    """`png` or `svg`, by the suffix of `path`. Raises ValueError on any other."""
    suffix = pathlib.Path(path).suffix.lower().lstrip(".")
    if suffix not in ("png", "svg"):
        raise ValueError(
            f"{path}: a picture is written as .png or .svg; end the name in one of them."
        )
    return suffix


def render(make_figure, suffix: str) -> bytes:
    """The figure that `make_figure()` returns as a PNG or SVG file; the same figure gives the same
    bytes.
    """
    import matplotlib

    buffer = io.BytesIO()
    metadata = {"Date": None} if suffix == "svg" else None
    with matplotlib.rc_context():  # the caller's settings come back afterwards
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        make_figure().savefig(
            buffer, format=suffix, dpi=200 if suffix == "png" else 72, metadata=metadata
        )
    return buffer.getvalue()
