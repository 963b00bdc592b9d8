"""`nasnet-tf status`: how far a search is, also while it runs."""

from __future__ import annotations

import json
import pathlib

import click

from nasnet_tf.cli import options, printing
from nasnet_tf.cli.run import CHOICE, FINAL
from nasnet_tf.files import read_json
from nasnet_tf.journal import TRIALS, read
from nasnet_tf.study import History


@click.command()
@click.argument("run", type=click.Path(path_type=pathlib.Path))
@options.as_json
def status(run, as_json):
    """How far the search in the folder RUN is: that of nasnet-tf search, or a Keras Tuner project
    of ours. It may be running.
    """
    facts = status_of(run)
    printing.show(*([json.dumps(facts)] if as_json else _lines(facts)))


def status_of(run: pathlib.Path) -> dict:
    """What `nasnet-tf status --json` prints.

    Returns: {"asked": what was asked, "searches": {folder: {"ended", "failed", "unfinished",
        "best", "best_trial", "seconds"}}, "final": the network that is being trained at the end,
        {"num_cells", "filters", "epochs": None by the clock, "epochs_done"}, or None, "result":
        what became of it, or None}. Unfinished trials are running or will be run again.
    Raises: ValueError if there is no search in `run`, or if what is there is damaged.
    """
    logs = [path for path in (run / TRIALS, *sorted(run.glob(f"*/{TRIALS}"))) if path.is_file()]
    asked = _json(run / "config.json")
    if not logs and asked is None:
        raise ValueError(
            f"{run} holds no search; give the folder that nasnet-tf search writes to, such as"
            " runs/digits."
        )
    heads, searches = {}, {}
    for path in logs:
        log = read(path)
        name = path.parent.name
        searches[name] = _so_far(History.of(log, path))
        heads[name] = {
            key: (log.head or {}).get(key) for key in ("strategy", "settings", "objective", "seed")
        }
    return {
        "asked": asked or heads,
        "searches": searches,
        "final": _final(run),
        "result": _json(run / "result.json"),
    }


def _final(run):
    choice = _json(run / FINAL / CHOICE)
    if choice is None:
        return None
    try:
        done = max(len((run / FINAL / "log.csv").read_text().splitlines()) - 1, 0)
    except FileNotFoundError:
        done = 0
    return {
        **{name: choice.get(name) for name in ("num_cells", "filters", "epochs")},
        "epochs_done": done,
    }


def _so_far(history):
    best = next(iter(history.best(1)), None)
    return {
        "ended": len(history.ended),
        "failed": len(history.failed()),
        "unfinished": len(history.begun) - len(history.ended),
        "best": None if best is None else history.score(best),
        "best_trial": best,
        "seconds": round(sum(record.get("seconds") or 0 for record in history.ended.values()), 1),
    }


def _json(path):
    """The object that a JSON file says; None if there is none."""
    try:
        found = read_json(path)
    except FileNotFoundError:
        return None
    if not isinstance(found, dict):
        raise ValueError(
            f"{path} is damaged: it holds no JSON object; restore a copy of it, or delete it to see"
            " the rest."
        )
    return found


def _lines(facts):
    for name, search in facts["searches"].items():
        best = (
            "none yet"
            if search["best"] is None
            else f"{options.number(search['best'])} (trial {search['best_trial']})"
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
        return options.outcome(result)
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
