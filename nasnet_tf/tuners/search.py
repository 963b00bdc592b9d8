"""Tuners that search with a strategy."""

from __future__ import annotations

import inspect

from nasnet_tf.children.prescreen import Prescreen
from nasnet_tf.children.train import train_child as _train_child
from nasnet_tf.signatures import passes_on
from nasnet_tf.tuners.oracle import StrategyOracle
from nasnet_tf.tuners.tuner import CellTuner

__all__ = ["PPOSearch", "StrategySearch", "train_child"]


def train_child(hypermodel, hp, seed, policy, folder, /, *args, **kwargs):
    """`nasnet_tf.children.train.train_child` of a hypermodel."""
    return _train_child(hypermodel, hp, hp.values, seed, policy, folder, *args, **kwargs)


class StrategySearch(CellTuner):
    """Searches with any of `nasnet_tf.strategies`.

    Args:
        hypermodel: a `CellHyperModel`, or any hypermodel of discrete choices.
        strategy, objective, max_trials, seed, settings, hyperparameters, ...: of `StrategyOracle`.
        prejudge: a `Prescreen`: what breaks its limits is not trained, and of several cells the
            best by an untrained score is.
        directory, project_name, overwrite, isolation, keep_best, threads, workers, stop_early,
            optimizer, ...: of `CellTuner`.
    """

    @passes_on(StrategyOracle, CellTuner, without=("space", "oracle"))
    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=10,
        *,
        strategy="ppo",
        prejudge: Prescreen | None = None,
        **kwargs,
    ):
        of_tuner = {
            name: kwargs.pop(name)
            for name in inspect.signature(CellTuner).parameters
            if name in kwargs
        }
        if prejudge is not None:
            strategy = prejudge.in_front_of(strategy, hypermodel.size, self._measure)
        oracle = StrategyOracle(
            strategy, objective, max_trials, space=getattr(hypermodel, "space", None), **kwargs
        )
        super().__init__(oracle, hypermodel, **of_tuner)

    def _measure(self, function, *args, **kwargs):
        return (
            function(*args, **kwargs)
            if self.isolation == "none"
            else self.prescreen.run(function, *args, **kwargs)
        )


class PPOSearch(StrategySearch):
    """Searches with NASNet's controller trained by PPO. Arguments as `StrategySearch` but strategy.

    Source: Zoph et al. 2017, arXiv 1707.07012, section 3 and appendix A.
    """

    @passes_on(StrategySearch, without=("strategy",))
    def __init__(self, hypermodel=None, objective=None, max_trials=10, **kwargs):
        super().__init__(hypermodel, objective, max_trials, strategy="ppo", **kwargs)
