"""The state of a training on disk, so that it can go on after its process is gone.

Two files: the weights, with those of the optimizer and its averages; and a JSON file of all else,
which names the weights.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import time

import numpy as np

from nasnet_tf.files import open_regular, read_json, replacing, write_json
from nasnet_tf.layers.model import build_optimizer

WEIGHTS, STATE = "last.weights.h5", "training.json"
_LARGEST_STATE = 100_000_000  # bytes: a history of a hundred thousand epochs
_BESIDE = ("tensorboard", "best.npz")  # what a training may write before its first state
_KINDS = {
    "phase": int,
    "epoch": int,
    "seconds": (int, float),
    "history": list,
    "weights": str,
    "sha256": str,
    "random": list,
    "training": dict,
}


class Checkpoint:
    """The last whole epoch of a training, in a folder.

    Args:
        folder: is there when the first state is written.
        described: what the training is of, JSON objects by name; another training's state is
            refused.
        seconds: epochs that end sooner than this after the last state was written are not written.
        stays: whether the state outlives the training, for who has yet to save the model.
    """

    def __init__(self, folder, described: dict, seconds: float = 30.0, stays: bool = False):
        self.folder, self.seconds, self.stays = pathlib.Path(folder), seconds, stays
        self.described = json.loads(json.dumps(described))
        self.state = {}
        self.written = -float("inf")

    def resume(self) -> dict:
        """Reads the state. Raises ValueError if there is none, or that of another training, or a
        damaged one.
        """
        path = self.folder / STATE
        try:
            self.state = _checked(read_json(path, _LARGEST_STATE))
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError(
                f"{self.folder} holds no training to go on with; begin one, without resume."
            ) from None
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path} cannot be read ({error}); the training cannot go on: begin it anew."
            ) from None
        self.check_same(self.state["training"])
        weights = self.folder / self.state["weights"]
        try:
            whole = _sha256(weights) == self.state["sha256"]
        except OSError as error:
            raise ValueError(
                f"{weights} cannot be read ({error}); the training cannot go on: begin it anew."
            ) from None
        if not whole:
            raise ValueError(
                f"{weights} is damaged: it is not the file that was written. The training cannot go"
                " on: begin it anew."
            )
        return self.state

    def check_same(self, described: dict) -> None:
        """Raises ValueError unless a training that is described so is this one."""
        different = _difference(described, self.described)
        if different:
            raise ValueError(
                f"the training in {self.folder} has {different}; give what it was begun with, or"
                " begin anew elsewhere."
            )

    def restore(self, model) -> None:
        """Gives the compiled `model`, its optimizer and its random generators the values of the
        state that `resume` read.
        """
        build_optimizer(model)
        model.load_weights(self.folder / self.state["weights"])
        for variable, value in zip(_random(model), self.state["random"], strict=True):
            variable.assign(np.asarray(value, variable.dtype))

    def save(
        self, model, phase: int, epoch: int, history: list, seconds: float, force: bool = False
    ) -> None:
        """Writes the state after `epoch` whole epochs of `phase`, unless the last one is recent."""
        if not force and time.monotonic() - self.written < self.seconds:
            return
        before, name = self.state.get("weights"), f"{phase}_{epoch}.{WEIGHTS}"
        with replacing(self.folder / name) as temporary:
            model.save_weights(temporary)
            digest = _sha256(temporary)
        self.state = {
            "phase": phase,
            "epoch": epoch,
            "seconds": seconds,
            "history": history,
            "weights": name,
            "sha256": digest,
            "random": [np.asarray(variable).tolist() for variable in _random(model)],
            "training": self.described,
        }
        write_json(self.folder / STATE, self.state)
        if before not in (None, name):
            (self.folder / before).unlink(missing_ok=True)
        self.written = time.monotonic()

    def remove(self) -> None:
        """Deletes the state, at the end of a training."""
        forget(self.folder)


def describe(recipe, model, data: dict | None = None) -> dict:
    """What a training is of, in JSON's words: its `Recipe`, its network and, where it is known, the
    fingerprint of its data.
    """
    described = {
        "recipe": {**dataclasses.asdict(recipe), "source": ""},
        "network": model.get_config(),
    }
    return json.loads(json.dumps(described | ({} if data is None else {"data": data})))


def spent(folder: str | os.PathLike) -> float:
    """The seconds that the training whose state is in `folder` has had; 0 if there is none."""
    try:
        return float(_checked(read_json(pathlib.Path(folder) / STATE, _LARGEST_STATE))["seconds"])
    except (OSError, ValueError):
        return 0.0


def forget(folder: str | os.PathLike) -> None:
    """Deletes the state of the training in `folder`, once its model has been saved. The log
    stays.
    """
    folder = pathlib.Path(folder)
    for path in [folder / STATE, *folder.glob(f"*.{WEIGHTS}")]:
        path.unlink(missing_ok=True)


def holds_other_things(folder: str | os.PathLike) -> bool:
    """Whether there is something in the folder that no training writes, and no state or log of
    one.
    """
    folder = pathlib.Path(folder)
    if (
        not folder.exists()
        or folder.is_dir()
        and all(path.name in _BESIDE or path.name[0] == "." for path in folder.iterdir())
    ):
        return False
    try:
        _checked(read_json(folder / STATE, _LARGEST_STATE))
        return False
    except (OSError, ValueError):
        pass
    try:
        with open_regular(folder / "log.csv") as file:
            return not file.readline(1000).startswith(b"phase,epoch,")
    except (OSError, ValueError):
        return True


def _random(model):
    """The states of the random generators of dropout and drop path, which Keras does not keep with
    the weights.
    """
    return [
        variable for variable in model.variables if variable.path.endswith("seed_generator_state")
    ]


def _checked(state):
    for name, kind in _KINDS.items():
        if not isinstance(state, dict) or not isinstance(state.get(name), kind):
            raise ValueError(f"it has no {name}, as the state of a training has")
    return state


def _difference(found, wanted, of=""):
    """The first thing in which two JSON values differ, in words; None if there is none."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        names = dict.fromkeys([*wanted, *found])
        if not (
            of or found.get("data") and wanted.get("data")
        ):  # states that were written before data was told of have none
            names.pop("data", None)
        return next(
            (
                text
                for name in names
                if (text := _difference(found.get(name), wanted.get(name), f"{of} {name}"))
            ),
            None,
        )
    return None if found == wanted else f"{of.strip()} = {found!r:.80}, not {wanted!r:.80}"


def _sha256(path):
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()
