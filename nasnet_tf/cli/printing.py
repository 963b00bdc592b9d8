"""What the command prints: results on standard output, all else on standard error, nothing that
could command a terminal.
"""

from __future__ import annotations

import json

import click

from nasnet_tf.cli.options import as_typed
from nasnet_tf.workflow.console import visible

__all__ = ["bar", "is_quiet", "show", "shown", "show_result", "visible"]


def shown(text) -> str:
    """A text as it is printed: options as they are typed, control characters as their codes."""
    return visible(as_typed(text))


def show(*lines) -> None:
    """Prints lines of the result on standard output."""
    for line in lines:
        click.echo(visible(line))


def show_result(facts, lines, as_json) -> None:
    """Prints a result: a JSON object, or lines for a person."""
    show(*([json.dumps(facts)] if as_json else lines))


def is_quiet() -> bool:
    """Whether --quiet is given."""
    context = click.get_current_context(silent=True)
    return bool(context and (context.find_root().obj or {}).get("quiet"))


def bar(budget=None):
    """A bar on standard error, or nothing with --quiet; see `nasnet_tf.workflow.progress.Bar`."""
    from nasnet_tf.workflow.progress import Bar

    return Bar(budget, shown, is_quiet())
