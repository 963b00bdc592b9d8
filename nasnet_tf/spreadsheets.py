"""CSV files that a spreadsheet shows and never runs: text that it would take for a formula is
written with an apostrophe before it.

That is OWASP's advice on CSV injection. `read` takes the apostrophe away again, so what was written
comes back. Numbers stay numbers.
"""

from __future__ import annotations

import csv

__all__ = ["cell", "original", "read"]

_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # the last four are full-width


def cell(value):
    """A value as it is written; text that would begin a formula, or that is marked already, gets an
    apostrophe.
    """
    return f"'{value}" if _suspect(value) else value


def original(text: str) -> str:
    """What `cell` was given, of the text it made."""
    return text[1:] if text.startswith("'") and _suspect(text) else text


def read(path) -> list[dict[str, str]]:
    """The rows of a CSV file that we wrote, by column, as text."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return [
            {original(name): original(text) for name, text in row.items()}
            for row in csv.DictReader(file)
        ]


def _suspect(value):
    return isinstance(value, str) and value.lstrip("'").startswith(_FORMULA)
