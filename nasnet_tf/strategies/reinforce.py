"""REINFORCE (Williams 1992): policy gradient with one gradient step an update."""

from __future__ import annotations

import numpy as np

from nasnet_tf.signatures import passes_on
from nasnet_tf.strategies.policy_gradient import PolicyGradient
from nasnet_tf.strategies.protocol import as_space

__all__ = ["LAYERS", "TABLE", "Reinforce"]

TABLE = {
    "learning_rate": 0.03,
    "minibatch": 1,
    "entropy_weight": 0.0,
    "decay": 0.9,
    "normalise": False,
    "elites": 0,
    "draws": 1,
}
LAYERS = {"learning_rate": 0.01}


class Reinforce(PolicyGradient):
    """REINFORCE (Williams 1992): one gradient step for each minibatch, which maximises advantage
    times log-probability.

    The default is that of NAS-Bench-201 (arXiv 2001.00326): a table of logits, a step for each
    reward, and the moving average of the rewards as baseline; the learning rate is between its 0.01
    and NAS-Bench-101's 0.1. With `controller="lstm"`, or by `paper()`, it is the search of Zoph et
    al.; a space of layers always has their controller, which is small and learns faster than
    NASNet's. Arguments are those of `PolicyGradient`.
    """

    name = "reinforce"

    @passes_on(PolicyGradient)
    def __init__(self, space, seed=0, *, controller=None, **settings):
        layers = as_space(space).anchors
        controller = controller or ("lstm" if layers else "table")
        ours = TABLE if controller == "table" else LAYERS if layers else {}
        super().__init__(space, seed, controller=controller, **(ours | settings))

    def objective_slopes(self, log_probs, old, advantages):
        return np.broadcast_to(advantages, log_probs.shape)
