"""Which children's weights stay on disk: those of the best, and those that children to come may
inherit.
"""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import Callable

__all__ = ["NAMED", "TOO_BIG_TO_KEEP", "TRACED", "KeptWeights"]

TRACED, NAMED = (
    "checkpoint.weights.h5",
    "checkpoint.npz",
)  # weights of a child; the first is Keras Tuner's name
TOO_BIG_TO_KEEP = (TRACED, NAMED, "build_config.json")


class KeptWeights:
    """The weights of the trials of an oracle. The tuners that search side by side share one.

    Args:
        count: how many of the best trials' weights stay.
        folder_of: the folder of a trial, by its number.
        numbers: of the trials whose weights are there already.
    """

    def __init__(self, count: int, folder_of: Callable[[str], pathlib.Path], numbers=()):
        self.count, self._folder_of = count, folder_of
        self._numbers, self._lock = set(numbers), threading.Lock()

    def settle(self, trial_id: str, oracle, parents: Callable[[set[str]], set[str]]) -> None:
        """After a trial ended: deletes the weights that are not wanted any more.

        Args:
            oracle: tells the best trials.
            parents: tells, of the trials whose weights are there, those that children to come may
                inherit.
        """
        with self._lock:  # what is best changes while others end
            best = [
                original_of(oracle, trial.trial_id)
                for trial in oracle.get_best_trials(self.count + 1)
            ]
            self._numbers |= {trial_id, *best}
            for number in self._numbers - set(best[: self.count]) - parents(set(self._numbers)):
                self._numbers.discard(number)
                for name in TOO_BIG_TO_KEEP:
                    with contextlib.suppress(OSError):  # nothing is lost if it stays
                        (self._folder_of(number) / name).unlink(missing_ok=True)


def original_of(oracle, trial_id: str) -> str:
    """The trial that trained the network of this one. Keras Tuner's own oracles know no duplicates,
    and a chief does not tell of them.
    """
    original = getattr(oracle, "original", None)
    return trial_id if original is None else original(trial_id)
