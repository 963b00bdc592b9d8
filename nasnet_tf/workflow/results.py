"""What a search and a training give back."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from functools import cached_property

from nasnet_tf.workflow.wording import outcome

__all__ = ["SearchResult", "TrainResult"]


@dataclass(frozen=True, eq=False, repr=False)
class _Result:
    """Facts about a network, and the network, which is loaded when it is first asked for.

    Args:
        facts: how it does and what it is, in JSON's words.
        is_new: whether something was done; False where nothing was left to do.
    """

    facts: dict
    is_new: bool = True

    @property
    def accuracy(self) -> float | None:
        """On the test images; None of a text."""
        return self.facts.get("accuracy")

    @property
    def perplexity(self) -> float | None:
        """On the test part of a text; None of pictures."""
        return self.facts.get("perplexity")

    @cached_property
    def model(self):
        """The network, a `keras.Model`."""
        from nasnet_tf.workflow.networks import load_model

        return load_model(self.path)

    def __repr__(self):
        return f"<{type(self).__name__} {self.summary}>"


@dataclass(frozen=True, eq=False, repr=False)
class SearchResult(_Result):
    """What a search gives back.

    Args:
        folder: what it wrote.
    """

    folder: pathlib.Path = pathlib.Path()

    @property
    def path(self) -> pathlib.Path:
        """The file of the network."""
        return self.folder / "model.keras"

    @cached_property
    def genotype(self):
        """The best genotype."""
        from nasnet_tf.workflow.catalogue import genotype

        return genotype(self.folder / "best.json")

    @cached_property
    def trials(self) -> tuple[dict, ...]:
        """The rows of trials.csv: those of the search and of its baseline as they ended."""
        from nasnet_tf.workflow.table import read_trials

        return read_trials(self.folder)

    @property
    def summary(self) -> str:
        """The result in a line."""
        left = "nothing left to do, give more `minutes`, `max_trials` or `epochs`; "
        why = f"; {self.facts['why']}" if "why" in self.facts else ""
        said = f"{self.folder}: {outcome(self.facts)}{why}; see {self.folder / 'report.html'}"
        return said if self.is_new else left + said


@dataclass(frozen=True, eq=False, repr=False)
class TrainResult(_Result):
    """What a training gives back.

    Args:
        path: the file of the network.
        unit: what the length of the training is counted in, `epochs` or `minutes`.
    """

    path: pathlib.Path = pathlib.Path()
    unit: str = "epochs"

    @property
    def summary(self) -> str:
        """The result in a line."""
        said = f"{self.path}: {outcome(self.facts)}"
        if self.is_new:
            return f"{said}, {self.facts['parameters']:,} parameters"
        return f"nothing left to do, give more `{self.unit}` to train it longer; {said}"
