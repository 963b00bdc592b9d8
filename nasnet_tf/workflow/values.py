"""What makes the classes of options.py: fields that know which values they take and what they are
for, and the frozen values made of them.
"""

from __future__ import annotations

import dataclasses
import numbers
import os
import pathlib

__all__ = ["COUNT", "FILE", "FLAG", "FOLDER", "PATH", "SWITCH", "Options", "Range", "option"]

FLAG = "flag"  # on, or left out
SWITCH = "switch"  # on, off, or left out
FILE, FOLDER, PATH = "file", "folder", "path"


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers that an option takes."""

    kind: type = int
    min: float | None = None
    max: float | None = None
    min_open: bool = False
    max_open: bool = False

    def __contains__(self, value):
        above = self.min is None or (value > self.min if self.min_open else value >= self.min)
        below = self.max is None or (value < self.max if self.max_open else value <= self.max)
        return above and below

    def __str__(self):
        low = "" if self.min is None else f"{'above' if self.min_open else 'at least'} {self.min:g}"
        high = "" if self.max is None else f"{'below' if self.max_open else 'at most'} {self.max:g}"
        return " and ".join(filter(None, (low, high)))


COUNT = Range(int, 1)


def option(kind, help="", default=None):
    """A field of a class of options.

    Args:
        kind: a `Range`, a tuple of the values it may have, or one of `FLAG`, `SWITCH`, `FILE`,
            `FOLDER`, `PATH` and `str`.
        help: what it is for, in one sentence. Other options stand in backticks.
    """
    return dataclasses.field(default=default, metadata={"kind": kind, "help": help})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Options that are checked when they are made and never changed.

    Messages write an option as it is given in Python, in backticks: `resume=True`. The command
    writes --resume in its place.
    """

    def __post_init__(self):
        for field in options_of(type(self)):
            value = getattr(self, field.name)
            object.__setattr__(self, field.name, _checked(field, value))

    def filled(self, **defaults):
        """These options with `defaults` for what they leave open."""
        left = {name: value for name, value in defaults.items() if getattr(self, name) is None}
        return self.replaced(**left)

    def replaced(self, **values):
        """These options with `values` in place of some."""
        return dataclasses.replace(self, **values)

    def refuse(self, names, why: str) -> None:
        """Raises ValueError that begins with the option if one of `names` is given."""
        for name in names:
            if getattr(self, name, None) is not None:
                raise ValueError(f"`{name}` {why}; leave it out.")


def options_of(options: type[Options]) -> list[dataclasses.Field]:
    """The fields of a class that are options, its own first."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    names = [name for each in options.__mro__ for name in vars(each).get("__annotations__", ())]
    return [fields[name] for name in names if "kind" in fields[name].metadata]


def _checked(field, value):
    """`value` as the option has it. Raises TypeError or ValueError if the option does not take
    it.
    """
    name, kind = field.name, field.metadata["kind"]
    if kind is FLAG:
        return True if value else field.default
    if value is None and field.default is None:
        return None
    if isinstance(kind, Range):
        return _number(name, kind, value)
    if kind in (FILE, FOLDER, PATH):
        return pathlib.Path(os.fspath(value))
    if isinstance(kind, tuple) and value not in kind:
        raise ValueError(f"`{name}` is {value!r}; give one of {', '.join(kind)}.")
    return bool(value) if kind is SWITCH else value


def _number(name, kind, value):
    sort, whole = (numbers.Integral, "whole ") if kind.kind is int else (numbers.Real, "")
    if isinstance(value, bool) or not isinstance(value, sort):
        raise TypeError(f"`{name}` is {value!r}; give a {whole}number.")
    if value not in kind:
        raise ValueError(f"`{name}` is {value!r}; give a {whole}number, {kind}.")
    return kind.kind(value)
