"""Training: recipes, phases, learning rates, averages of weights, resumption."""

from nasnet_tf.training.calibration import calibrate
from nasnet_tf.training.checkpoint import forget
from nasnet_tf.training.devices import data_parallel
from nasnet_tf.training.fit import train
from nasnet_tf.training.freezing import freeze
from nasnet_tf.training.keep import KeepBest
from nasnet_tf.training.networks import network_for, training_arguments
from nasnet_tf.training.pace import Pace, TooSlow
from nasnet_tf.training.recipe import RECIPES, Recipe, get
from nasnet_tf.training.scoring import (
    accuracy,
    examples,
    interval,
    perplexity,
    predict,
    report,
    scores,
    seconds_to_score,
)

__all__ = [
    "KeepBest",
    "Pace",
    "RECIPES",
    "Recipe",
    "TooSlow",
    "accuracy",
    "calibrate",
    "data_parallel",
    "examples",
    "forget",
    "freeze",
    "get",
    "interval",
    "network_for",
    "perplexity",
    "predict",
    "report",
    "scores",
    "seconds_to_score",
    "train",
    "training_arguments",
]
