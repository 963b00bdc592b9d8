"""Files and folders that are written: nothing that is there is replaced unless asked."""

from __future__ import annotations

import pathlib

__all__ = ["check_name", "new_file", "new_folder"]


def new_file(path: pathlib.Path | None, overwrite: bool, option: str) -> None:
    """Raises ValueError if the file that `option` names is there already, unless `overwrite`."""
    if path is not None and path.exists() and not overwrite:
        raise ValueError(f"{path} exists already; give another `{option}`, or `overwrite=True`.")


def new_folder(path: pathlib.Path, overwrite: bool, hint: str) -> pathlib.Path:
    """Makes the folder `path`. Raises ValueError if there is something already, unless
    `overwrite`.
    """
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists already; {hint}")
    path.mkdir(parents=True, exist_ok=True)
    return path


def check_name(name: str) -> None:
    """Raises ValueError unless `name` can be that of a folder in another, and of nothing outside
    it.
    """
    of_path = pathlib.PurePosixPath(name).name, pathlib.PureWindowsPath(name).name
    if name in ("", ".", "..") or of_path != (name, name) or not name.isprintable():
        raise ValueError(
            f"`name` is {name!r}; give the name of one folder, such as digits. `runs_dir` says"
            " where it lies."
        )
