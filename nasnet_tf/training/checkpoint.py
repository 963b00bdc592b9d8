"""The state of a training on disk, from which another process can resume it.

It is two files: the weights of the model and its optimizer as Keras writes them, and a JSON file of
everything else, which names the first file and its SHA-256.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import time

import numpy as np

from nasnet_tf.files import difference, open_regular, read_json, replacing, sha256, write_json
from nasnet_tf.layers.model import build_optimizer
from nasnet_tf.training.recipe import Recipe

WEIGHTS, STATE = "last.weights.h5", "training.json"
_LARGEST_STATE = 100_000_000  # bytes: a history of a hundred thousand epochs
_EARLIER = ("tensorboard", "best.npz")  # what a training may write before its first state
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
    """The state of a training after its last complete epoch, in a folder.

    Args:
        folder: must exist when the first state is written.
        described: what `describe` returned; the state of another training is refused.
        seconds: at least so much time lies between two states that are written.
        keep: whether the state is kept after the training, until the caller has saved the model.
    """

    def __init__(self, folder, described: dict, seconds: float = 30.0, keep: bool = False):
        self.folder, self.seconds, self.keep = pathlib.Path(folder), seconds, keep
        self.described = json.loads(json.dumps(described))
        self.state = {}
        self.written = -float("inf")

    def resume(self) -> dict:
        """Reads the state. Raises ValueError if there is none, or if it is damaged or belongs to
        another training.
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
            undamaged = _sha256(weights) == self.state["sha256"]
        except OSError as error:
            raise ValueError(
                f"{weights} cannot be read ({error}); the training cannot go on: begin it anew."
            ) from None
        if not undamaged:
            raise ValueError(
                f"{weights} is damaged: it is not the file that was written. The training cannot go"
                " on: begin it anew."
            )
        return self.state

    def check_same(self, described: dict) -> None:
        """Raises ValueError that names the first difference if `described` is another training."""
        there, here = _filled(described), self.described
        # earlier versions did not describe the data
        if not (there.get("data") and here.get("data")):
            there, here = {**there, "data": None}, {**here, "data": None}
        if there != here:
            name, was, now = difference(there, here)
            raise ValueError(
                f"the training in {self.folder} has {name} = {was!r:.80}, not {now!r:.80}; give"
                " what it was begun with, or begin anew elsewhere."
            )

    def restore(self, model) -> None:
        """Assigns the state that `resume` read to the compiled `model`, its optimizer and its
        random generators.
        """
        build_optimizer(model)
        model.load_weights(self.folder / self.state["weights"])
        for variable, value in zip(_generators(model), self.state["random"], strict=True):
            variable.assign(np.asarray(value, variable.dtype))

    def save(
        self, model, phase: int, epoch: int, history: list, seconds: float, force: bool = False
    ) -> None:
        """Writes the state after `epoch` epochs of `phase`, unless the previous one is recent."""
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
            "random": [np.asarray(variable).tolist() for variable in _generators(model)],
            "training": self.described,
        }
        write_json(self.folder / STATE, self.state)
        if before not in (None, name):
            (self.folder / before).unlink(missing_ok=True)
        self.written = time.monotonic()

    def remove(self) -> None:
        """Deletes the state."""
        forget(self.folder)


def _filled(described):
    """A training as JSON values, in which fields of the recipe that an earlier version did not know
    have their defaults.
    """
    if not isinstance(described.get("recipe"), dict):
        return described
    known = {field.name: field.default for field in dataclasses.fields(Recipe)}
    return {**described, "recipe": {**known, **described["recipe"]}}


def describe(recipe, model, data: dict | None = None) -> dict:
    """A training as JSON values: its `Recipe`, its network and, if given, the fingerprint of its
    data.
    """
    described = {
        "recipe": {**dataclasses.asdict(recipe), "source": ""},
        "network": model.get_config(),
    }
    return json.loads(json.dumps(described | ({} if data is None else {"data": data})))


def spent(folder: str | os.PathLike) -> float:
    """The duration in seconds of the training whose state is in `folder`; 0 if there is none."""
    try:
        return float(_checked(read_json(pathlib.Path(folder) / STATE, _LARGEST_STATE))["seconds"])
    except (OSError, ValueError):
        return 0.0


def forget(folder: str | os.PathLike) -> None:
    """Deletes the state of the training in `folder`, but not its log."""
    folder = pathlib.Path(folder)
    for path in [folder / STATE, *folder.glob(f"*.{WEIGHTS}")]:
        path.unlink(missing_ok=True)


def holds_other_things(folder: str | os.PathLike) -> bool:
    """Whether the folder has other files than a training's, and no training's state or log."""
    folder = pathlib.Path(folder)
    if not folder.exists():
        return False
    if folder.is_dir() and all(p.name in _EARLIER or p.name[0] == "." for p in folder.iterdir()):
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


def _generators(model):
    """The variables of the random generators of dropout and drop path, which Keras does not save
    with the weights.
    """
    return [
        variable for variable in model.variables if variable.path.endswith("seed_generator_state")
    ]


def _checked(state):
    for name, kind in _KINDS.items():
        if not isinstance(state, dict) or not isinstance(state.get(name), kind):
            raise ValueError(f"it has no {name}, as the state of a training has")
    return state


def _sha256(path):
    with open_regular(path) as file:
        return sha256(file)
