"""The options of the command, made of the classes of `nasnet_tf.workflow.options`."""

from __future__ import annotations

import functools
import pathlib
import re

import click

from nasnet_tf import workflow
from nasnet_tf.workflow.values import FILE, FLAG, FOLDER, PATH, SWITCH, Range, options_of

__all__ = ["as_json", "as_typed", "of"]

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def of(options):
    """A decorator: gives a command the options of such a class."""

    def decorate(command):
        for field in reversed(options_of(options)):
            command = _option(field)(command)
        return command

    return decorate


def as_typed(text) -> str:
    """A text with options as they are typed, --max-trials, in place of arguments in backticks,
    `max_trials`.
    """
    return re.sub(r"`(\w+)(?:=(\"|')?([^`]*?)\2?)?`", _typed, str(text))


def _typed(found):
    name, _, value = found.groups()
    if name not in _names():
        return found.group()
    if value == "False":
        return f"--no-{_dashed(name)}"
    return f"--{_dashed(name)}" + ("" if value in (None, "True") else f" {value}")


@functools.cache
def _names():
    classes = [getattr(workflow, name) for name in workflow.__all__ if name.endswith("Options")]
    return {field.name for each in classes for field in options_of(each)}


def _dashed(name):
    return name.replace("_", "-")


def _option(field):
    kind, name = field.metadata["kind"], f"--{_dashed(field.name)}"
    how = {"default": field.default, "help": as_typed(field.metadata["help"])}
    if kind is FLAG:
        return click.option(name, is_flag=True, **how)
    if kind is SWITCH:
        name = f"{name}/--no-{_dashed(field.name)}"
        return click.option(name, show_default=field.default is not None, **how)
    return click.option(name, type=_type(kind), show_default=field.default is not None, **how)


def _type(kind):
    """The type of click that takes what the option takes."""
    if isinstance(kind, tuple):
        return click.Choice(kind)
    if kind in (FILE, FOLDER, PATH):
        path = {"file_okay": kind is not FOLDER, "dir_okay": kind is not FILE}
        return click.Path(**path, path_type=pathlib.Path)
    if not isinstance(kind, Range):
        return kind
    if kind.kind is int:
        return click.IntRange(kind.min, kind.max)
    return click.FloatRange(kind.min, kind.max, kind.min_open, kind.max_open)
