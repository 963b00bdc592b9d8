"""Which children's weights stay on disk: those of the best, and those that children to come may
inherit.
"""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import Callable

from nasnet_tf.files import remove_temporaries
from nasnet_tf.npz import read_npz

__all__ = [
    "NAMED", "PROGRESS", "TOO_BIG_TO_KEEP", "TRACED", "KeptWeights", "load_named",
    "remove_leftovers", "rename",
]  # fmt: skip

# Weights of a child in its folder, from Keras or native; the first is Keras Tuner's name.
TRACED, NAMED = "checkpoint.weights.h5", "checkpoint.npz"
PROGRESS = "progress.npz"  # of a child that is being trained
TOO_BIG_TO_KEEP = (TRACED, NAMED, "build_config.json")


class KeptWeights:
    """The weights of the trials of a search. Workers side by side share one.

    Args:
        count: how many of the best trials' weights stay.
        folder: of the search: each trial has a folder of its own in it.
        inherits: whether children begin with the weights of others: then those that are there
            already count.
    """

    def __init__(self, count: int, folder: pathlib.Path, inherits: bool):
        self.count, self._folder = count, folder
        there = folder.glob(f"trial_*/{NAMED}") if inherits else ()
        self._numbers = {file.parent.name.removeprefix("trial_") for file in there}
        self._lock = threading.Lock()

    def folder_of(self, number: str) -> pathlib.Path:
        """The folder of a trial."""
        return self._folder / f"trial_{number}"

    def settle(self, number: str, best: Callable[[int], list[str]], parents: Callable) -> None:
        """After a trial ended: deletes the weights that are not needed any more.

        Args:
            best: numbers of so many best trials; of duplicates, of the one that was trained.
            parents: of the numbers of the trials whose weights are there, those that children to
                come may inherit.
        """
        with self._lock:  # what is best changes while others end
            first = best(self.count + 1)
            self._numbers |= {number, *first}
            for other in self._numbers - set(first[: self.count]) - parents(set(self._numbers)):
                self._numbers.discard(other)
                for name in TOO_BIG_TO_KEEP:
                    with contextlib.suppress(OSError):  # nothing is lost if it stays
                        (self.folder_of(other) / name).unlink(missing_ok=True)

    def find(self, number: str) -> pathlib.Path:
        """The file of a trial's weights. Raises ValueError if there is none."""
        folder = self.folder_of(number)
        files = [folder / name for name in (NAMED, TRACED) if (folder / name).is_file()]
        if not files:
            raise ValueError(
                f"the weights of trial {number} are not in {folder}: keep_best is {self.count};"
                " search with more."
            )
        return files[0]


def remove_leftovers(folder: pathlib.Path) -> None:
    """Deletes from a trial's folder what only its training needed."""
    with contextlib.suppress(OSError):  # nothing is lost if it stays
        (folder / PROGRESS).unlink(missing_ok=True)
        remove_temporaries(folder)


def rename(folder: pathlib.Path, old: str, new: str) -> None:
    """Gives the files of a child's weights another beginning of their names."""
    for name in (TRACED, NAMED):
        if (folder / f"{old}{name}").is_file():
            (folder / f"{old}{name}").replace(folder / f"{new}{name}")


def load_named(model, file: pathlib.Path) -> None:
    """Gives a model the weights in an .npz file, by their paths. Raises ValueError if they are of
    another network.
    """
    weights = read_npz(file)
    missing = [each.path for each in model.trainable_variables if each.path not in weights]
    if missing:
        raise ValueError(
            f"{file} is of another network: it has no {missing[0]}; search again, or give the"
            " hypermodel it was of."
        )
    for variable in model.variables:
        if variable.path in weights:
            variable.assign(weights[variable.path])
