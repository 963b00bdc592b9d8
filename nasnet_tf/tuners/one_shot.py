"""One-shot search as a Keras Tuner: weights are shared first, and only the best children become
trials.

Source: Pham et al. 2018, arXiv 1802.03268 (ENAS).
"""

from __future__ import annotations

import math
import pathlib

import numpy as np

from nasnet_tf.children.streams import is_dataset
from nasnet_tf.files import read_json, write_json
from nasnet_tf.signatures import passes_on
from nasnet_tf.strategies import PPO, OneShot
from nasnet_tf.tuners.search import StrategySearch

# Arguments of a child that say nothing about what it computes of its weights, or only of how it is
# trained by itself.
_OF_TRAINING = {
    "batch_norm_momentum",
    "weight_decay",
    "drop_path_rate",
    "drop_path_steps",
    "dropout_rate",
    "gradient_checkpointing",
    "class_names",
}
# The controller's rewards are noisy and grow as the shared weights learn: one of long ago is no
# example to follow, and no verdict.
_CONTROLLER = dict(elites=0, draws=1)


class OneShotSearch(StrategySearch):
    """Shares weights among all children of a cell space; then trains those by themselves that do
    best with them, best first.

    Args:
        hypermodel: a `CellHyperModel` of a `NASNetSpace`.
        objective, max_trials, ...: of `StrategySearch` but strategy. Trials are the children that
            are trained by themselves.
        share_epochs: passes over the training images with shared weights.
        share_minutes: how long that may take; ranking the candidates may take half as long on top.
        candidates: children that the controller proposes at the end, to be ranked.
        settings: of the controller, `nasnet_tf.strategies.PPO`.
        on_share: called with the share of the sharing that is done, 0 to 1.

    `search` takes arrays, or `tf.data` data sets of (images, labels) batches. The shared weights,
    the controller and how far they are stay in the project's folder under `one_shot/`; an
    interrupted search goes on from there. The ranking becomes `ranking.json`.
    """

    @passes_on(StrategySearch, without=("strategy",))
    def __init__(
        self,
        hypermodel,
        objective=None,
        max_trials=10,
        *,
        share_epochs=30,
        share_minutes=None,
        candidates=100,
        settings=None,
        on_share=None,
        **kwargs,
    ):
        wrong = sorted(
            set(hypermodel.network)
            - _OF_TRAINING
            - {
                "stem",
                "skip_reduction",
                "stem_filters",
                "stem_cell_filters",
                "mean",
                "std",
                "batch_norm_epsilon",
            }
        )
        if wrong:
            raise ValueError(
                f"one-shot search knows no {', '.join(wrong)}; leave that out of the hypermodel, or"
                " take another strategy."
            )
        self.share_epochs, self.share_minutes, self.candidates = (
            share_epochs,
            share_minutes,
            candidates,
        )
        self.controller_settings, self.on_share = _CONTROLLER | (settings or {}), on_share
        super().__init__(hypermodel, objective, max_trials, strategy=self._strategy, **kwargs)

    def search(self, *args, **kwargs):
        """As `keras_tuner.Tuner.search`, after the sharing of weights."""
        if not self._ranking_file().is_file():
            found = self._share(*args, **kwargs)
            self._folder().mkdir(parents=True, exist_ok=True)
            write_json(self._ranking_file(), found)
        return super().search(*args, **kwargs)

    def ranking(self) -> list[dict]:
        """[{"choices", "shared_accuracy"}, ...], best first; after the sharing of weights."""
        return read_json(self._ranking_file())

    def _strategy(self, space, seed):
        return OneShot(space, seed, ranking=[child["choices"] for child in self.ranking()])

    def _folder(self):
        return pathlib.Path(self.project_dir) / "one_shot"

    def _ranking_file(self):
        return self._folder() / "ranking.json"

    def _share(self, *args, **kwargs):
        """Shares weights on what `fit` is given; returns the ranking."""
        from nasnet_tf.one_shot.supernet import Supernet
        from nasnet_tf.one_shot.weight_sharing import WeightSharing

        model, seed = self.hypermodel, self.oracle.seed
        network = {name: value for name, value in model.network.items() if name not in _OF_TRAINING}
        supernet = Supernet(
            model.space,
            model.input_shape,
            model.classes,
            num_cells=model.num_cells,
            filters=model.filters,
            seed=seed,
            **network,
        )
        controller = PPO(model.space, seed, **self.controller_settings)
        batches, validation = _data(args, kwargs, seed)
        sharing = WeightSharing(
            supernet,
            controller,
            batches,
            validation,
            seed=seed,
            learning_rate=model.learning_rate,
            children=controller.minibatch,
        )
        told = self.on_share or (lambda share: None)
        sharing.run(
            self.share_epochs,
            minutes=self.share_minutes,
            folder=self._folder(),
            on_share=lambda share: told(0.9 * share),
        )
        seconds = 30 * self.share_minutes if self.share_minutes else math.inf  # half as long again
        found = sharing.rank(
            self.candidates, on_share=lambda share: told(0.9 + 0.1 * share), seconds=seconds
        )
        told(1.0)
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
