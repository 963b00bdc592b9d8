"""`status`: how far a search is, also while it runs."""

from __future__ import annotations

import pathlib

from nasnet_tf.files import read_json
from nasnet_tf.journal import TRIALS, read
from nasnet_tf.study import History
from nasnet_tf.workflow.folder import CHOICE, FINAL

__all__ = ["status"]


def status(folder) -> dict:
    """How far the search in a folder is: that of `search`, or a Keras Tuner project of ours. It may
    be running.

    Returns: {"asked": what was asked, "searches": {folder: {"ended", "failed", "unfinished",
        "best", "best_trial", "seconds"}}, "final": the network that is being trained at the end,
        {"num_cells", "filters", "epochs": None by the clock, "epochs_done"}, or None, "result":
        what became of it, or None}. Unfinished trials are running or will be run again.
    Raises: ValueError if there is no search, or if what is there is damaged.
    """
    run = pathlib.Path(folder)
    logs = [path for path in (run / TRIALS, *sorted(run.glob(f"*/{TRIALS}"))) if path.is_file()]
    asked = _json(run / "config.json")
    if not logs and asked is None:
        raise ValueError(
            f"{run} holds no search; give the folder that nasnet-tf search writes to, such as"
            " runs/digits."
        )
    found = {path.parent.name: (path, read(path)) for path in logs}
    heads = {name: _head(log) for name, (_, log) in found.items()}
    searches = {name: _so_far(History.of(log, path)) for name, (path, log) in found.items()}
    return {
        "asked": asked or heads,
        "searches": searches,
        "final": _final(run),
        "result": _json(run / "result.json"),
    }


def _head(log):
    """What a search of Keras Tuner was asked."""
    names = ("strategy", "settings", "objective", "seed")
    return {name: (log.head or {}).get(name) for name in names}


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
