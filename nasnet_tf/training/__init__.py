"""Training: recipes, phases, rates, averages of weights, resumption."""

from nasnet_tf.training.devices import data_parallel
from nasnet_tf.training.fit import train
from nasnet_tf.training.freezing import freeze
from nasnet_tf.training.keep import KeepBest
from nasnet_tf.training.networks import network_for, training_arguments
from nasnet_tf.training.recipe import RECIPES, Recipe, get
from nasnet_tf.training.scoring import accuracy, perplexity, predict, report, scores

__all__ = [
    "KeepBest",
    "RECIPES",
    "Recipe",
    "accuracy",
    "data_parallel",
    "freeze",
    "get",
    "network_for",
    "perplexity",
    "predict",
    "report",
    "scores",
    "train",
    "training_arguments",
]
