"""Children ranked by shared weights.

Source: Pham et al. 2018, arXiv 1802.03268 (ENAS).
"""

from __future__ import annotations

import math
import pathlib

import numpy as np

from nasnet_tf.children.streams import is_dataset
from nasnet_tf.files import read_json, write_json
from nasnet_tf.strategies import PPO

__all__ = ["RANKING", "Ranking"]

RANKING = "ranking.json"  # in the folder of the shared weights
# Arguments of a child that do not change what it computes of its weights, or only how it is
# trained by itself.
_OF_TRAINING = {
    "batch_norm_momentum", "weight_decay", "drop_path_rate", "drop_path_steps", "dropout_rate",
    "gradient_checkpointing", "class_names",
}  # fmt: skip
_KNOWN = {
    "stem", "skip_reduction", "stem_filters", "stem_cell_filters", "mean", "std",
    "batch_norm_epsilon",
}  # fmt: skip
# The controller's rewards are noisy and grow as the shared weights learn: an old one is no example
# to follow, and no verdict.
_CONTROLLER = dict(elites=0, draws=1)


class Ranking:
    """Shares weights among all children of a cell space, and ranks those that a controller proposes
    at the end.

    Args:
        child: a `CellChild` of a `NASNetSpace`.
        folder: of the shared weights, the controller and how far they are: an interrupted sharing
            goes on from there. The ranking becomes `ranking.json` in it.
        seed: of everything random.
        epochs: passes over the training images with shared weights.
        minutes: how long that may take; ranking may take half as long on top.
        candidates: children that the controller proposes at the end, to be ranked.
        settings: of the controller, `nasnet_tf.strategies.PPO`.
        on_share: called with the share of the sharing that is done, 0 to 1.
    """

    def __init__(
        self, child, folder, seed, *, epochs=30, minutes=None, candidates=100, settings=None,
        on_share=None,
    ):  # fmt: skip
        self.child, self.folder, self.seed = child, pathlib.Path(folder), seed
        self.epochs, self.minutes, self.candidates = epochs, minutes, candidates
        self.settings = _CONTROLLER | (settings or {})
        self.on_share = on_share or (lambda share: None)

    @staticmethod
    def check(child) -> None:
        """Raises ValueError for arguments of children that the shared network does not have."""
        wrong = sorted(set(child.network) - _OF_TRAINING - _KNOWN)
        if wrong:
            raise ValueError(
                f"one-shot search knows no {', '.join(wrong)}; leave that out of the hypermodel, or"
                " take another strategy."
            )

    def make(self, *args, **kwargs) -> None:
        """Shares weights on what `fit` is given and ranks the candidates, unless that is done."""
        if (self.folder / RANKING).is_file():
            return
        found = self._share(*args, **kwargs)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / RANKING, found)

    def read(self) -> list[dict]:
        """[{"choices", "shared_accuracy"}, ...], best first; once it is made."""
        return read_json(self.folder / RANKING)

    def _share(self, *args, **kwargs):
        from nasnet_tf.one_shot.supernet import Supernet
        from nasnet_tf.one_shot.weight_sharing import WeightSharing

        child, seed = self.child, self.seed
        network = {name: value for name, value in child.network.items() if name not in _OF_TRAINING}
        size = dict(num_cells=child.num_cells, filters=child.filters)
        supernet = Supernet(
            child.space, child.input_shape, child.classes, **size, seed=seed, **network
        )
        controller = PPO(child.space, seed, **self.settings)
        batches, validation = _data(args, kwargs, seed)
        sharing = WeightSharing(
            supernet, controller, batches, validation, seed=seed,
            learning_rate=child.learning_rate, children=controller.minibatch,
        )  # fmt: skip
        sharing.run(
            self.epochs, minutes=self.minutes, folder=self.folder,
            on_share=lambda share: self.on_share(0.9 * share),
        )  # fmt: skip
        seconds = 30 * self.minutes if self.minutes else math.inf  # half as long again
        found = sharing.rank(
            self.candidates, on_share=lambda share: self.on_share(0.9 + 0.1 * share),
            seconds=seconds,
        )  # fmt: skip
        self.on_share(1.0)
        return [{"choices": list(point), "shared_accuracy": accuracy} for point, accuracy in found]


def _data(args, kwargs, seed):
    """Training batches as a function of the epoch, and validation arrays, from the arguments of
    `fit`.
    """
    from nasnet_tf.one_shot.weight_sharing import shuffled

    names = dict(zip(("x", "y", "batch_size"), args, strict=False)) | kwargs
    validation, x = names.get("validation_data"), names.get("x")
    if validation is None or x is None:
        raise ValueError(
            "one-shot search needs training images and validation_data, as arrays or as tf.data"
            " data sets."
        )
    if is_dataset(validation):
        validation = [
            np.concatenate(parts)
            for parts in zip(
                *((np.asarray(x), np.asarray(y)) for x, y, *_ in validation), strict=True
            )
        ]
    if is_dataset(x):
        return (
            lambda epoch: ((np.asarray(images), np.asarray(labels)) for images, labels, *_ in x),
            validation[:2],
        )
    return (
        shuffled(np.asarray(x), np.asarray(names["y"]), names.get("batch_size") or 32, seed),
        validation[:2],
    )
