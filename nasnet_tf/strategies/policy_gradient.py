"""REINFORCE and PPO on a controller: the searches of NAS and of NASNet.

Each `minibatch` trials make one update. The advantage of an architecture is its reward less an
exponential moving average of the rewards before this minibatch; it is spread over the decisions
undiscounted. A trial that failed has no part in that average nor among the elites; its advantage is
that of the lowest reward so far, and none before there is a reward.

Source: Zoph et al. 2017, arXiv 1707.07012, appendix A.2; PPO: Schulman et al. 2017, arXiv
    1707.06347. `paper()` builds the paper's
search, made for 20,000 children. The defaults are ours, for hundreds; they differ in:
- learning rate, minibatch and epochs: a hundred rewards must move the controller.
- `normalise`: advantages are divided by a moving mean deviation and cut at 2, so that accuracies of
  0.80 to 0.93, of 10 to 94 and a loss call for the same settings, and one broken child does not
  outweigh all others.
- `elites`: the best few trials so far, beside each minibatch, are learned again as if they were new
  (self-imitation).
- `draws`: a network that was tried is not tried again while the controller has others to offer.
- `entropy_weight`: times normalised advantages the paper's 1e-5 is nothing, and small spaces
  collapse.
Not stated in the paper, so ours there too: Adam, the clip (per decision, not per architecture), the
number of epochs.

A space of layers has a paper of its own, Zoph & Le 2017, arXiv 1611.01578, with the controller of
anchors.py: for it `paper()` builds that search, made for 12,800 children. The decay of its baseline
is not stated there. Where such a space grows, how many layers there are is not drawn but goes by
the number of the proposal.
"""

from __future__ import annotations

import numpy as np

from nasnet_tf.strategies.adam import Adam
from nasnet_tf.strategies.anchors import AnchorController
from nasnet_tf.strategies.archive import Networks
from nasnet_tf.strategies.controller import Controller
from nasnet_tf.strategies.logits import Logits
from nasnet_tf.strategies.protocol import Strategy, as_space

__all__ = [
    "LAYERS",
    "PAPER",
    "PAPER_OF_LAYERS",
    "TABLE",
    "PPO",
    "PolicyGradient",
    "Reinforce",
    "clipped_slopes",
]

PAPER = {
    "learning_rate": 0.00035,
    "minibatch": 20,
    "entropy_weight": 1e-5,
    "decay": 0.95,
    "normalise": False,
    "elites": 0,
}
PAPER |= {"draws": 1, "controller": "lstm"}
PAPER_OF_LAYERS = PAPER | {
    "learning_rate": 0.0006,
    "minibatch": 8,
    "entropy_weight": 0.0,
    "every": 1600,
}
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

_LARGEST_ADVANTAGE = 2.0
_MEAN_DEVIATION = 0.8  # of a normal distribution, in standard deviations


class PolicyGradient(Strategy):
    """What REINFORCE and PPO share: controller, baseline, minibatches.

    Args:
        learning_rate: Adam's.
        minibatch: trials an update.
        epochs: gradient steps an update.
        entropy_weight: of the mean over a minibatch of the summed entropies (nats), in units of the
            advantage.
        decay: of the moving averages, a reward.
        normalise: divide advantages by their mean deviation and cut them at 2.
        elites: how many of the best earlier trials are learned again with each minibatch.
        draws: samples of the controller for a proposal, at most, until one is a network that was
            not tried.
        controller: "lstm", the paper's, or "table", a row of logits a decision (logits.py).
        units, embedding: widths of the LSTM; None is the controller's own.
        every: proposals after which a space that grows, such as a `LayerwiseSpace` with `fewest`,
            goes on to its next number of layers.
    """

    def __init__(
        self,
        space,
        seed=0,
        *,
        learning_rate=0.003,
        minibatch=10,
        epochs=1,
        entropy_weight=0.1,
        decay=0.95,
        normalise=True,
        elites=5,
        draws=10,
        controller="lstm",
        units=None,
        embedding=None,
        every=100,
    ):
        super().__init__(space, seed)
        widths = {
            name: width
            for name, width in (("units", units), ("embedding", embedding))
            if width is not None
        }
        if (
            min(minibatch, epochs, draws, every, *widths.values()) < 1
            or elites < 0
            or not 0 <= decay < 1
            or learning_rate <= 0
            or entropy_weight < 0
        ):
            raise ValueError(
                "minibatch, epochs, draws, every, units and embedding must be 1 or more, elites"
                " and entropy_weight 0 or more, learning_rate above 0 and decay from 0 to below 1;"
                f" got {minibatch=}, {epochs=}, {draws=}, {every=}, {units=}, {embedding=},"
                f" {elites=}, {entropy_weight=}, {learning_rate=}, {decay=}."
            )
        if controller not in ("lstm", "table"):
            raise ValueError(f'controller is {controller!r}; give "lstm" or "table".')
        self.learning_rate, self.minibatch, self.epochs, self.entropy_weight = (
            learning_rate,
            minibatch,
            epochs,
            entropy_weight,
        )
        self.decay, self.normalise, self.elites, self.draws = decay, normalise, elites, draws
        self.every, self._grows = every, any(self.space.counts_from)
        self._drawn = (
            np.arange(len(self.sizes)) >= self._grows
        )  # whether a decision is the controller's
        if controller == "table":
            self.controller = Logits(self.sizes)
        elif self.space.anchors:
            self.controller = AnchorController(
                self.sizes, self.space.anchors, self.space.counts_from, **widths
            )
        else:
            self.controller = Controller(self.sizes, **widths)
        self.weights = self.controller.initial(
            np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0,)))
        )
        self.adam = Adam(self.controller.count)
        self.pending, self.best = (
            [],
            [],
        )  # (choices, reward): of this minibatch, and of the elites, best first
        self.tried = Networks(self.space)
        self.averages = np.zeros(
            3
        )  # of reward, of deviation, and the sum of their weights, which starts at 0

    @classmethod
    def paper(cls, space, seed=0, **settings):
        """The search with the settings of the space's paper; needs thousands of trials."""
        return cls(
            space, seed, **((PAPER_OF_LAYERS if as_space(space).anchors else PAPER) | settings)
        )

    @property
    def baseline(self) -> float | None:
        """Moving average of the rewards of finished minibatches; None before the first."""
        return self.averages[0] / self.averages[2] if self.averages[2] else None

    def propose(self, number, pending=(), attempt=0):
        rng, running = self._rng(number, attempt), {tuple(point) for point in pending}

        def is_new(point):
            return point not in running and point not in self.tried

        given = (min(number // self.every, self.sizes[0] - 1),) if self._grows else ()
        [first] = self.controller.sample(self.weights, rng, 1, given)
        if self.draws == 1 or is_new(first):
            return first
        return next(
            filter(is_new, self.controller.sample(self.weights, rng, self.draws - 1, given)), first
        )

    def entropy(self) -> float:
        """Mean entropy a decision, as a share of its largest (1 is uniform), over 32 samples: watch
        it for early collapse.
        """
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(2,)))
        _, entropies = self.controller.log_probs(
            self.weights, self.controller.sample(self.weights, rng, 32)
        )
        return float(entropies.mean(0).sum() / max(np.log(self.sizes).sum(), 1e-12))

    def objective_slopes(self, log_probs, old, advantages) -> np.ndarray:
        """Slopes of the objective, to be maximised and summed over the batch, to log-probabilities
        (B, T); advantages (B, 1).
        """
        raise NotImplementedError

    def _learn(self, choices, reward):
        self._take(choices, reward)

    def _fail(self, choices):
        self._take(choices, np.nan)

    def _take(self, choices, reward):
        """Adds a trial to the minibatch; the reward of one that failed is NaN."""
        self.pending.append((choices, reward))
        if self.draws > 1:
            self.tried.add(choices)
        if len(self.pending) < self.minibatch:
            return
        batch, self.pending = self.pending, []
        rewards = [reward for _, reward in batch if reward == reward]
        if self.baseline is None and not rewards:
            return  # nobody knows yet what a failure is worth
        baseline = np.mean(rewards) if self.baseline is None else self.baseline
        self._average(rewards, baseline)
        self._update(
            [(choices, reward if reward == reward else self.lowest) for choices, reward in batch]
            + self.best,
            baseline,
        )
        self.best = sorted(
            self.best + [trial for trial in batch if trial[1] == trial[1]],
            key=lambda trial: -trial[1],
        )[: self.elites]

    def _average(self, rewards, baseline):
        for reward in rewards:
            self.averages = self.decay * self.averages + (1 - self.decay) * np.array(
                [reward, abs(reward - baseline), 1.0]
            )

    def _update(self, batch, baseline):
        choices = np.array([choices for choices, _ in batch])
        advantages = np.array([reward for _, reward in batch]) - baseline
        if self.normalise:
            scale = self.averages[1] / self.averages[2] / _MEAN_DEVIATION
            advantages = np.clip(
                advantages / (scale + 1e-8), -_LARGEST_ADVANTAGE, _LARGEST_ADVANTAGE
            )
        old = None
        for _ in range(self.epochs):
            trace = self.controller.forward(self.weights, choices)
            old = (
                trace.log_probs if old is None else old
            )  # under the weights at the beginning of the update
            slopes = self.objective_slopes(trace.log_probs, old, advantages[:, None])
            slopes, entropy_slopes = (
                self._drawn * each / -len(batch) for each in (slopes, self.entropy_weight)
            )
            gradient = self.controller.backward(self.weights, trace, slopes, entropy_slopes)
            self.adam.descend(self.weights, gradient, self.learning_rate)

    def _memory(self):
        head = {
            "weights": self.weights,
            "adam_mean": self.adam.mean,
            "adam_square": self.adam.square,
            "adam_steps": self.adam.steps,
        }
        return (
            head
            | {"averages": self.averages, "tried": self.tried.state()}
            | self._trials("pending", self.pending)
            | self._trials("best", self.best)
        )

    def _trials(self, name, trials):
        choices = np.array([choices for choices, _ in trials], dtype=np.int64).reshape(
            -1, len(self.sizes)
        )
        return {
            f"{name}_choices": choices,
            f"{name}_rewards": np.array([reward for _, reward in trials], dtype=float),
        }

    def _recall(self, state):
        mine = self._memory()
        for key in ("weights", "adam_mean", "adam_square", "averages"):
            got, right = len(state[key]), len(mine[key])
            if got != right:
                raise ValueError(
                    f"the state's {key!r} has {got} numbers, this search's {right}; use the"
                    " controller and widths that wrote it."
                )
        pending, best = (
            [
                (self._checked(c), float(r))
                for c, r in zip(state[f"{name}_choices"], state[f"{name}_rewards"], strict=True)
            ]
            for name in ("pending", "best")
        )
        self.weights, self.averages, self.pending, self.best = (
            state["weights"],
            state["averages"],
            pending,
            best,
        )
        self.tried.restore(state["tried"])
        self.adam.mean, self.adam.square, self.adam.steps = (
            state["adam_mean"],
            state["adam_square"],
            int(state["adam_steps"]),
        )


class Reinforce(PolicyGradient):
    """REINFORCE (Williams 1992): one gradient step a minibatch, up advantage times log-probability.

    By default as in NAS-Bench-201 (arXiv 2001.00326): a table of logits, a step a reward, the plain
    moving average as baseline; the learning rate is between its 0.01 and NAS-Bench-101's 0.1. With
    `controller="lstm"` or by `paper()` it is the search of Zoph et al.; a space of layers has their
    controller anyway, which is small and learns faster than NASNet's. Arguments are those of
    `PolicyGradient`.
    """

    name = "reinforce"

    def __init__(self, space, seed=0, *, controller=None, **settings):
        layers = as_space(space).anchors
        controller = controller or ("lstm" if layers else "table")
        ours = TABLE if controller == "table" else LAYERS if layers else {}
        super().__init__(space, seed, controller=controller, **(ours | settings))

    def objective_slopes(self, log_probs, old, advantages):
        return np.broadcast_to(advantages, log_probs.shape)


class PPO(PolicyGradient):
    """Proximal policy optimisation: several gradient steps a minibatch, clipped decision by
    decision.

    Args:
        clip: a decision is left alone once its probability grew or shrank by this share in the
            direction of its advantage.
    """

    name = "ppo"

    def __init__(self, space, seed=0, *, epochs=4, clip=0.2, **settings):
        super().__init__(space, seed, epochs=epochs, **settings)
        if not 0 < clip < 1:
            raise ValueError(f"clip is {clip}; give a number between 0 and 1, such as 0.2.")
        self.clip = clip

    def objective_slopes(self, log_probs, old, advantages):
        return clipped_slopes(log_probs, old, advantages, self.clip)


def clipped_slopes(log_probs, old, advantages, clip):
    """Slopes to log-probabilities of min(r A, clip(r, 1 - clip, 1 + clip) A), with r =
    exp(log_probs - old).
    """
    ratios = np.exp(log_probs - old)
    free = np.where(advantages > 0, ratios < 1 + clip, ratios > 1 - clip)
    return np.where(free, advantages * ratios, 0.0)
