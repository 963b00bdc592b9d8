"""The colours of pictures, and what operations are called in them."""

from __future__ import annotations

__all__ = [
    "COLOURS",
    "DEAD",
    "FAMILIES",
    "INK",
    "MUTED",
    "PALE",
    "SHADE",
    "WIRE_COLOURS",
    "family_of",
    "short_name",
]

INK, MUTED, PALE, SHADE, DEAD = "#22262e", "#8a909c", "#c3c7ce", "#f4f5f7", "#fafafa"
WIRE_COLOURS = {0: "#2b62b8", 1: "#b0413e"}  # lines from h and from p; those from blocks are INK
COLOURS = {  # by family
    "sep": "#f7cf6b",
    "conv": "#f2a07b",
    "pool": "#93c2ec",
    "identity": "#bfe0b0",
    "add": "#e4e6ea",
    "add_layer_norm": "#e4e6ea",
    "add_instance_norm": "#e4e6ea",
    "concatenate": "#d5c8ee",
    "concat": "#d5c8ee",
    "state": "#ffffff",
    "other": "#e4e6ea",
}
# What the legend calls each. The first that is part of an operation's name is its family.
FAMILIES = {
    "sep": "separable convolution",
    "conv": "convolution",
    "pool": "pooling",
    "identity": "identity",
}


def family_of(operation: str) -> str:
    """The family of an operation, which decides its colour."""
    return next((family for family in FAMILIES if family in operation), "other")


def short_name(operation: str) -> str:
    """`sep_conv_5x5` as `sep 5x5`, `max_pool_3x3` as `max 3x3`, `conv_1x7_7x1` as `1x7 7x1`,
    `dil_sep_conv_3x3` as `dil sep 3`.
    """
    if operation.startswith("dil_sep_conv_"):
        return f"dil sep {operation[-1]}"
    kind, *rest = [word for word in operation.split("_") if word != "pool"]
    sizes = [word for word in rest if word != "conv"]
    return " ".join(sizes if len(sizes) > 1 else [kind, *sizes])
