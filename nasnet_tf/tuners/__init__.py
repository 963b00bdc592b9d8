"""Keras Tuner: the only room that knows it and its faults."""

from nasnet_tf.children.prescreen import Prescreen
from nasnet_tf.tuners.hypermodel import CellHyperModel, LanguageHyperModel
from nasnet_tf.tuners.one_shot import OneShotSearch
from nasnet_tf.tuners.oracle import PPOOracle, StrategyOracle
from nasnet_tf.tuners.search import PPOSearch, StrategySearch
from nasnet_tf.tuners.tuner import CellTuner

Prejudge = Prescreen  # the name of release 0.1

__all__ = [
    "CellHyperModel",
    "CellTuner",
    "LanguageHyperModel",
    "OneShotSearch",
    "PPOOracle",
    "PPOSearch",
    "Prejudge",
    "Prescreen",
    "StrategyOracle",
    "StrategySearch",
]
