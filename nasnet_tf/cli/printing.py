"""What the command prints: results on standard output, all else on standard error, nothing that
could command a terminal.

Names of files and classes come from anywhere; control characters in them are shown as their codes.
"""

from __future__ import annotations

import sys
import unicodedata

import click

__all__ = ["console", "is_quiet", "note", "show", "visible"]

_TURNS_TEXT = (  # marks of direction, which can hide an ending
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def visible(text) -> str:
    """`text` with a code such as \\x1b in place of each character that is not shown but does
    something; tabs stay.
    """
    return "".join(_code(character) if _acts(character) else character for character in str(text))


def show(*lines) -> None:
    """Prints lines of the result on standard output."""
    for line in lines:
        click.echo(visible(line))


def note(*lines) -> None:
    """Prints lines on standard error, unless --quiet is given."""
    if not is_quiet():
        for line in lines:
            print(visible(line), file=sys.stderr)


def is_quiet() -> bool:
    """Whether --quiet is given."""
    context = click.get_current_context(silent=True)
    return bool(context and (context.find_root().obj or {}).get("quiet"))


def console():
    """Standard error for lines beside a bar: `print` shows control characters as `visible` does,
    and nothing with --quiet.
    """
    from rich.console import Console

    class Visible(Console):
        def print(self, *objects, **options):
            super().print(
                *(visible(thing) if isinstance(thing, str) else thing for thing in objects),
                **options,
            )

    return Visible(stderr=True, soft_wrap=True, highlight=False, markup=False, quiet=is_quiet())


def _acts(character):
    if character in _TURNS_TEXT:
        return True
    return character != "\t" and unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _code(character):
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
