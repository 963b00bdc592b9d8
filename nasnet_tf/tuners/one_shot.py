"""One-shot search as a Keras Tuner: weights are shared first, and only the best children become
trials.

Source: Pham et al. 2018, arXiv 1802.03268 (ENAS).
"""

from __future__ import annotations

import pathlib

from nasnet_tf.one_shot.ranking import Ranking
from nasnet_tf.signatures import passes_on
from nasnet_tf.strategies import OneShot
from nasnet_tf.tuners.search import StrategySearch

__all__ = ["OneShotSearch"]


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
        self, hypermodel, objective=None, max_trials=10, *, share_epochs=30, share_minutes=None,
        candidates=100, settings=None, on_share=None, **kwargs,
    ):  # fmt: skip
        Ranking.check(hypermodel)
        self.share_epochs, self.share_minutes = share_epochs, share_minutes
        self.candidates, self.controller_settings = candidates, settings
        self.on_share = on_share
        super().__init__(hypermodel, objective, max_trials, strategy=self._strategy, **kwargs)

    def search(self, *args, **kwargs):
        """As `keras_tuner.Tuner.search`, after the sharing of weights."""
        self._ranking().make(*args, **kwargs)
        return super().search(*args, **kwargs)

    def ranking(self) -> list[dict]:
        """[{"choices", "shared_accuracy"}, ...], best first; after the sharing of weights."""
        return self._ranking().read()

    def _strategy(self, space, seed):
        return OneShot(space, seed, ranking=[child["choices"] for child in self.ranking()])

    def _ranking(self):
        return Ranking(
            self.hypermodel, pathlib.Path(self.project_dir) / "one_shot", self.oracle.seed,
            epochs=self.share_epochs, minutes=self.share_minutes, candidates=self.candidates,
            settings=self.controller_settings, on_share=self.on_share,
        )  # fmt: skip
