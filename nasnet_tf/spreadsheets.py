"""CSV files without formulas for spreadsheets: text that a spreadsheet would execute is written
with an apostrophe before it, as OWASP recommends against CSV injection. `read` removes the
apostrophe. Numbers are not changed.
"""

from __future__ import annotations

import csv

__all__ = ["cell", "original", "read"]

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are full-width


def cell(value):
    """The value to write: a formula, or text that has such an apostrophe, gets one more."""
    return f"'{value}" if _suspect(value) else value


def original(text: str) -> str:
    """The inverse of `cell`."""
    return text[1:] if text.startswith("'") and _suspect(text) else text


def read(path) -> list[dict[str, str]]:
    """The rows of a CSV file written with `cell`, by column, as text."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return [
            {original(name): original(text) for name, text in row.items()}
            for row in csv.DictReader(file)
        ]


def _suspect(value):
    return isinstance(value, str) and value.lstrip("'").startswith(_FORMULA)
