"""The picture files and the folders inside a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from nasnet_tf.data.picture_files import SUFFIXES

__all__ = ["Listing", "folders_in", "listed", "pictures_in"]


class Listing(NamedTuple):
    """The paths of the files in a folder and the folders inside it, sorted.

    Args:
        pictures: files with the suffix of a picture.
        others: all other files, except hidden ones, whose names begin with a dot.
    """

    pictures: list[str]
    others: list[str]


def listed(folder) -> Listing:
    """The files in a folder and in all folders inside it. Links are followed; each folder is read
    once.
    """
    pictures, others, waiting, seen = [], [], [os.fspath(folder)], set()
    while waiting:
        inside = waiting.pop()
        status = os.stat(inside)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        # an entry knows that it is a file, so a million pictures are listed in seconds
        with os.scandir(inside) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    waiting.append(entry.path)
                elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                    pictures.append(entry.path)
                else:
                    others.append(entry.path)
    return Listing(sorted(pictures), sorted(others))


def folders_in(folder) -> list[Path]:
    """The folders inside a folder, sorted; not those whose names begin with "." or "__"."""
    with os.scandir(folder) as entries:
        return sorted(
            Path(entry.path)
            for entry in entries
            if entry.is_dir() and not entry.name.startswith((".", "__"))
        )


def pictures_in(folder) -> list[str]:
    """The paths of the pictures in the folder itself, sorted."""
    with os.scandir(folder) as entries:
        found = (
            entry
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
        )
        return sorted(entry.path for entry in found if entry.is_file())
