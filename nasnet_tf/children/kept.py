"""Which children's weights stay on disk: those of the best, and those that children to come may
inherit.
"""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import Callable

from nasnet_tf.npz import read_npz

__all__ = ["NAMED", "PROGRESS", "TOO_BIG_TO_KEEP", "TRACED", "KeptWeights", "load_named", "rename"]

# Weights of a child in its folder, from Keras or native; the first is Keras Tuner's name.
TRACED, NAMED = "checkpoint.weights.h5", "checkpoint.npz"
PROGRESS = "progress.npz"  # of a child that is being trained
TOO_BIG_TO_KEEP = (TRACED, NAMED, "build_config.json")


class KeptWeights:
    """The weights of the trials of a search. Workers side by side share one.

    Args:
        count: how many of the best trials' weights stay.
        folder_of: the folder of a trial, by its number.
        numbers: of the trials whose weights are there already.
    """

    def __init__(self, count: int, folder_of: Callable[[str], pathlib.Path], numbers=()):
        self.count, self._folder_of = count, folder_of
        self._numbers, self._lock = set(numbers), threading.Lock()

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
                        (self._folder_of(other) / name).unlink(missing_ok=True)

    def missing(self, number: str, folder: pathlib.Path) -> None:
        """Raises ValueError if the weights of the trial are not in its folder."""
        if not any((folder / name).is_file() for name in (TRACED, NAMED)):
            raise ValueError(
                f"the weights of trial {number} are not in {folder}: keep_best is {self.count};"
                " search with more."
            )


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
