"""`nasnet-tf status`: how far a search is, also while it runs."""

from __future__ import annotations

import json
import pathlib

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.workflow import state
from nasnet_tf.workflow.wording import number, outcome


@click.command()
@click.argument("run", type=click.Path(path_type=pathlib.Path))
@options.as_json
def status(run, as_json):
    """How far the search in the folder RUN is: that of nasnet-tf search, or a Keras Tuner project
    of ours. It may be running.
    """
    facts = state.status(run)
    printing.show_result(facts, lines(facts), as_json)


def lines(facts):
    """`facts` for a person."""
    for name, search in facts["searches"].items():
        best = (
            "none yet"
            if search["best"] is None
            else f"{number(search['best'])} (trial {search['best_trial']})"
        )
        yield (
            f"{name}: {search['ended']} trials ended, {search['failed']} of them failed,"
            f" {search['unfinished']} running or to be run again, best {best},"
            f" {search['seconds']:.0f} s"
        )
    if facts["final"] is not None:
        yield f"training the final network{_described(facts['final'])}"
    if facts["result"] is not None:
        yield f"trained: {_trained(facts['result'])}"
    yield "asked: " + ", ".join(
        f"{name} {_short(value)}" for name, value in facts["asked"].items() if value is not None
    )


def _trained(result):
    try:
        return outcome(result)
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            "result.json is damaged: it does not say how the network does; restore a copy of it, or"
            " delete it."
        ) from None


def _described(final):
    size = (
        "" if final["num_cells"] is None else f" (N = {final['num_cells']}, F = {final['filters']})"
    )
    of = "" if final["epochs"] is None else f" of {final['epochs']}"
    return f"{size}: {final['epochs_done']}{of} epochs done"


def _short(value):
    return json.dumps(value) if isinstance(value, dict | list) else value
