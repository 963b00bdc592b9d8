"""Proximal policy optimisation. Source: Schulman et al. 2017, arXiv 1707.06347."""

from __future__ import annotations

import numpy as np

from nasnet_tf.signatures import passes_on
from nasnet_tf.strategies.policy_gradient import PolicyGradient

__all__ = ["PPO", "clipped_slopes"]


class PPO(PolicyGradient):
    """Proximal policy optimisation: several gradient steps for each minibatch, clipped for each
    decision.

    Args:
        clip: a decision has no gradient once its probability grew or shrank by this share in the
            direction of its advantage.
        **settings: of `PolicyGradient`.
    """

    name = "ppo"

    @passes_on(PolicyGradient)
    def __init__(self, space, seed=0, *, epochs=4, clip=0.2, **settings):
        super().__init__(space, seed, epochs=epochs, **settings)
        if not 0 < clip < 1:
            raise ValueError(f"clip is {clip}; give a number between 0 and 1, such as 0.2.")
        self.clip = clip

    def objective_slopes(self, log_probs, old, advantages):
        return clipped_slopes(log_probs, old, advantages, self.clip)


def clipped_slopes(log_probs, old, advantages, clip):
    """Gradient of min(r A, clip(r, 1 - clip, 1 + clip) A) with respect to `log_probs`, with r =
    exp(log_probs - old).
    """
    ratios = np.exp(log_probs - old)
    free = np.where(advantages > 0, ratios < 1 + clip, ratios > 1 - clip)
    return np.where(free, advantages * ratios, 0.0)
