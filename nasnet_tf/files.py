"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Writes the file by way of a temporary name beside it; what was there stays until the new file is on the disk."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: str | os.PathLike, value) -> None:
    """Writes `value` as JSON, whole."""
    write_whole(path, json.dumps(value, indent=1).encode())


@contextlib.contextmanager
def replacing(path: str | os.PathLike):
    """Gives a temporary name with the same ending in the same folder, and renames what is written there to `path` at the end.

    Raises: ValueError if there is no such folder.
    """
    path = pathlib.Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; create it first.")
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
