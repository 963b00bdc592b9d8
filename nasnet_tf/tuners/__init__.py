"""Keras Tuner: the only room that knows it and its faults."""

from nasnet_tf.tuners.hypermodel import CellHyperModel
from nasnet_tf.tuners.oracle import PPOOracle, ReinforceOracle, StrategyOracle, UniformOracle
from nasnet_tf.tuners.search import CellTuner, PPOSearch, ReinforceSearch, UniformSearch

__all__ = [
    "CellHyperModel",
    "CellTuner",
    "PPOOracle",
    "PPOSearch",
    "ReinforceOracle",
    "ReinforceSearch",
    "StrategyOracle",
    "UniformOracle",
    "UniformSearch",
]
