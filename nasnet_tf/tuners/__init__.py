"""Keras Tuner: the only room that knows it and its faults."""

from nasnet_tf.tuners.hypermodel import CellHyperModel
from nasnet_tf.tuners.language import LanguageHyperModel
from nasnet_tf.tuners.one_shot import OneShotSearch
from nasnet_tf.tuners.oracle import PPOOracle, StrategyOracle
from nasnet_tf.tuners.prejudge import Prejudge
from nasnet_tf.tuners.search import CellTuner, PPOSearch, StrategySearch

__all__ = [
    "CellHyperModel",
    "CellTuner",
    "LanguageHyperModel",
    "OneShotSearch",
    "PPOOracle",
    "PPOSearch",
    "Prejudge",
    "StrategyOracle",
    "StrategySearch",
]
