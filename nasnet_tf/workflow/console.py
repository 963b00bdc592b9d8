"""Text on a terminal that cannot command it: names of files and classes come from anywhere, so
control characters in them are shown as their codes.
"""

from __future__ import annotations

import unicodedata

__all__ = ["console", "visible"]

_TURNS_TEXT = (  # marks of direction, which can hide an ending
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def visible(text) -> str:
    """`text` with a code such as \\x1b in place of each character that is not shown but does
    something; tabs stay.
    """
    return "".join(_code(character) if _acts(character) else character for character in str(text))


def console(shown=visible, quiet=False):
    """Standard error for lines beside a bar.

    Args:
        shown: a function from a text to the text that is printed.
    """
    from rich.console import Console

    class Visible(Console):
        def print(self, *objects, **options):
            texts = (shown(thing) if isinstance(thing, str) else thing for thing in objects)
            super().print(*texts, **options)

    return Visible(stderr=True, soft_wrap=True, highlight=False, markup=False, quiet=quiet)


def _acts(character):
    if character in _TURNS_TEXT:
        return True
    return character != "\t" and unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _code(character):
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
