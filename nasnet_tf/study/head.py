"""The head of a log: which search it is of. A log of another search is refused."""

from __future__ import annotations

import json
import warnings

import numpy as np

from nasnet_tf import __version__, strategies

__all__ = ["FORMAT", "Head", "settings_of", "strategy_name"]

FORMAT = 1  # of the records in the log


class Head:
    """Makes the head of a study's log.

    Args:
        asked: {"strategy", "settings"}.
        objectives: {name: direction} of what makes up the score.
        any_seed: whether the seed of the log is taken over.

    Attributes:
        is_checked: whether the decisions were held against those of the log: further ones are
            records of their own.
    """

    def __init__(self, asked: dict, objectives: dict[str, str], any_seed: bool):
        self._asked, self._objectives, self._any_seed = asked, objectives, any_seed
        self.is_checked = False

    def make(self, study, there: dict | None, path) -> dict:
        """The head of the log at `path`; `there` is the one it has, if any."""
        before = there or {}
        if there is not None and self._any_seed:
            study.seed = there.get("seed", study.seed)
        version = before.get("nasnet_tf", __version__)
        if version != __version__:
            warnings.warn(
                f"{path} was begun with nasnet_tf {version}; this is {__version__}, which may"
                " propose other things.",
                stacklevel=2,
            )
        head = {
            "format": FORMAT,
            "nasnet_tf": version,
            "objective": self._objectives,
            "seed": int(study.seed),
            **self._asked,
            "decisions": self._decisions(study, there),
        }
        # Data that is not known on both sides is not held against the other.
        data = study.data if there is None or before.get("data") else None
        data = before.get("data") if data is None else data
        return head if data is None else head | {"data": data}

    def _decisions(self, study, there):
        """Decisions that are not declared yet are those that are there."""
        free = study.schemas.free()
        decisions = {name: list(options) for name, options in free.decisions} if free else {}
        if there is not None and self.is_checked:
            return there["decisions"]
        if there is not None and not study.schemas.is_whole:
            return {**there["decisions"], **decisions}
        return decisions


def strategy_name(strategy) -> str:
    """Name of a strategy, or of what makes one."""
    name = getattr(strategy, "name", None)
    if name and strategies.STRATEGIES.get(name, strategy) is strategy:
        return name
    return getattr(strategy, "__qualname__", type(strategy).__qualname__)


def settings_of(settings: dict) -> dict:
    """`settings` as JSON has them; what JSON cannot hold, by its type."""
    return json.loads(json.dumps(settings, default=_plain))


def _plain(value):
    return value.item() if isinstance(value, np.generic) else type(value).__name__
