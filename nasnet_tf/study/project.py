"""The folder of a search: how it is known for one, and what is deleted when it begins anew. Only
what searches write ever is.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import shutil

from nasnet_tf.journal import TRIALS, first_record, held

__all__ = ["clear", "is_project"]

_FILES = re.compile(
    r"trials\.log(\.length)?|\.?strategy\.npz|oracle\.json|tuner\d*\.json|.*\+lease\.json"
)
_FOLDERS = re.compile(r"trial_\d+|one_shot")
_OF_KERAS_TUNER = re.compile(r"oracle\.json|tuner\d*\.json")


def is_project(folder: pathlib.Path) -> bool:
    """Whether a search has written to the folder: by our log in it, or by the files that Keras
    Tuner knows its projects by.
    """
    head = first_record(folder / TRIALS)
    if isinstance(head, dict) and {"nasnet_tf", "strategy"} <= set(head):
        return True
    return folder.is_dir() and any(
        _OF_KERAS_TUNER.fullmatch(path.name) and path.is_file() for path in folder.iterdir()
    )


@contextlib.contextmanager
def clear(*folders: pathlib.Path):
    """Deletes what searches wrote to the folders, while no other process can search there; the rest
    of what is in them stays.

    Raises: ValueError, and deletes nothing, if another process is searching in one of them, or if
        one holds other things and no search.
    """
    with contextlib.ExitStack() as locks:
        for folder in folders:
            if (
                folder.exists()
                and not is_project(folder)
                and (not folder.is_dir() or any(folder.iterdir()))
            ):
                raise ValueError(
                    f"{folder} holds no search, so it is not overwritten; give another name or"
                    " folder."
                )
            locks.enter_context(held(folder / TRIALS))
        for path in (
            path for folder in folders if folder.is_dir() for path in list(folder.iterdir())
        ):
            if path.is_symlink() or path.is_file():
                if _FILES.fullmatch(path.name):
                    path.unlink()
            elif _FOLDERS.fullmatch(path.name):
                shutil.rmtree(path)
        yield
