"""Rows of an untrusted CSV file, plain or gzipped: read within bounds, with the line in every error
message.
"""

from __future__ import annotations

import csv
import gzip
import os
import pathlib
import sys
import zlib
from collections.abc import Iterator

from nasnet_tf.files import open_regular

__all__ = ["read_rows"]

_LARGEST_LINE = 100_000  # bytes
_LARGEST_FILE = 500_000_000  # bytes, unpacked
_MOST_EXPANSION = 50  # bytes for each compressed one
_ALWAYS = 2 << 20  # bytes that are never too many
_MOST_ROWS = 1_000_000
_MOST_COLUMNS = 200


def read_rows(path: str | os.PathLike) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The names of the columns, and the rows that follow as (number of the line, from 1; fields,
    one a column).

    Raises: ValueError that names the file, and the line where it is wrong: at once for the names,
        else when the row is reached.
    """
    path = pathlib.Path(path)
    rows = _checked(path)
    try:
        _, names = next(rows)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give a table as .csv or .csv.gz.") from None
    return names, rows


def _checked(path):
    """Numbered rows, the names of the columns first; all of the same length."""
    names, count = None, 0
    for line, fields in _parsed(path):
        fields = [sys.intern(field.strip()) for field in fields]  # few words, each many times
        if names is None:
            names = fields
            if len(names) > _MOST_COLUMNS:
                raise ValueError(
                    f"{path}, line {line}: {len(names)} columns are too many for a table (at most"
                    f" {_MOST_COLUMNS})."
                )
            if wrong := sorted(name for name in names if _is_wrong(name, names)):
                raise ValueError(
                    f"{path}, line {line}: columns need a name of one line each, every name once;"
                    f" got {wrong[0]!r:.80} wrong."
                )
        elif len(fields) != len(names):
            raise ValueError(
                f"{path}, line {line}: {len(fields)} fields, but there are {len(names)} columns;"
                " give one field a column."
            )
        elif (count := count + 1) > _MOST_ROWS:
            raise ValueError(
                f"{path}, line {line}: too many rows (at most {_MOST_ROWS:,}); give a smaller"
                " table."
            )
        yield line, fields
    if not count:
        raise ValueError(
            f"{path}: the table has no rows; give the names of the columns in the first line and a"
            " row for each training."
        )


def _is_wrong(name, names):
    return not name.isprintable() or not name or names.count(name) > 1


def _parsed(path):
    """Numbered rows that are not empty."""
    reader = csv.reader(_lines(path), strict=True)
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not CSV ({error}).") from None


def _lines(path):
    """Lines of text, decompressed on demand."""
    with open_regular(path) as file:
        zipped = file.peek(2)[:2] == b"\x1f\x8b"
        largest = (
            max(_ALWAYS, _MOST_EXPANSION * os.fstat(file.fileno()).st_size)
            if zipped
            else _LARGEST_FILE
        )
        source = gzip.GzipFile(fileobj=file) if zipped else file
        number = size = 0
        while True:
            try:
                line = source.readline(_LARGEST_LINE + 1)
            except (EOFError, OSError, zlib.error) as error:
                raise ValueError(
                    f"{path}: not a whole gzip file ({error}); copy it again."
                ) from None
            if not line:
                return
            number, size = number + 1, size + len(line)
            if len(line) > _LARGEST_LINE:
                raise ValueError(
                    f"{path}, line {number}: longer than {_LARGEST_LINE:,} bytes, which no row of a"
                    " table is."
                )
            if size > min(largest, _LARGEST_FILE):
                hint = (
                    "or unpack it, if that is right"
                    if largest < _LARGEST_FILE
                    else "as only that can be read"
                )
                raise ValueError(
                    f"{path}, line {number}: more than {min(largest, _LARGEST_FILE):,} bytes of"
                    f" text; give a smaller table, {hint}."
                )
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}, line {number}: not UTF-8 ({error.reason} at byte {error.start}); save"
                    " it as UTF-8."
                ) from None
