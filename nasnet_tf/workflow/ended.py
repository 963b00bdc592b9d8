"""What stays of a training that has ended and whose network is saved, so that it can be given more
epochs or minutes.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import pathlib

from nasnet_tf.files import read_json, write_json

_FILE, _LARGEST = "ended.json", 100 << 20  # bytes


def read(folder: pathlib.Path) -> dict | None:
    """The facts of the training whose folder that is; None if it has not ended."""
    with contextlib.suppress(OSError, ValueError):
        facts = read_json(folder / _FILE, _LARGEST)
        if isinstance(facts, dict) and {
            "phase",
            "epoch",
            "seconds",
            "history",
            "training",
            "minutes",
            "result",
        } <= set(facts):
            return facts
    return None


def write(folder: pathlib.Path, minutes: float | None, result: dict) -> None:
    """Turns the state of a training into a note that it has ended; its network is saved.

    Args:
        minutes: how long it was to be trained, if not by epochs.
        result: how the network does, in JSON's words.
    """
    from nasnet_tf.training import forget
    from nasnet_tf.training.checkpoint import STATE

    state = read_json(folder / STATE, _LARGEST)
    kept = {name: state[name] for name in ("phase", "epoch", "seconds", "history", "training")}
    write_json(folder / _FILE, {**kept, "minutes": minutes, "result": result})
    forget(folder)


def forget(folder: pathlib.Path) -> None:
    """Deletes the note: the training begins anew, or goes on."""
    (folder / _FILE).unlink(missing_ok=True)


def with_phases(facts: dict, recipe):
    """`recipe` with the epochs that the classifier alone was trained for; those that were added are
    of the rest.
    """
    head = facts["training"]["recipe"]["head_epochs"]
    if recipe.epochs is None or head == recipe.head_epochs:
        return recipe
    return dataclasses.replace(
        recipe, head_epochs=head, epochs=max(recipe.epochs + recipe.head_epochs - head, 1)
    )


def is_longer(facts: dict, recipe, minutes: float | None) -> bool:
    """Whether the recipe, or else the minutes, are more than the training has had."""
    if recipe.epochs is None:
        return facts["minutes"] is not None and minutes > facts["minutes"]
    return recipe.epochs > facts["epoch"]


def as_interrupted(
    facts: dict, path: pathlib.Path, model, recipe, folder: pathlib.Path, data: dict
) -> None:
    """Writes the state from which the training of the network saved at `path` goes on with
    `recipe`.

    Args:
        model: the network as it is made now.
        data: the fingerprint of what it is trained on.
    Raises: ValueError if recipe, network or data differ in more than how long the training is.
    """
    import keras

    from nasnet_tf.training.checkpoint import Checkpoint, describe

    described = describe(recipe, model, data)
    before = copy.deepcopy(facts["training"])
    before["recipe"]["epochs"] = described["recipe"]["epochs"]
    if "drop_path_steps" in before["network"]:
        before["network"]["drop_path_steps"] = described["network"]["drop_path_steps"]
    checkpoint = Checkpoint(folder, described)
    checkpoint.check_same(before)
    checkpoint.save(
        keras.saving.load_model(path),
        facts["phase"],
        facts["epoch"],
        facts["history"],
        facts["seconds"],
        force=True,
    )
