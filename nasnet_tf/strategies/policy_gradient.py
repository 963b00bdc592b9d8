"""Policy gradients on a controller: the searches of NAS and of NASNet.

Every `minibatch` trials there is one update. The advantage of an architecture is its reward minus
an exponential moving average of the rewards before this minibatch; every decision has this
advantage, undiscounted. A failed trial counts neither in the average nor among the elites; its
advantage is that of the lowest reward so far, and it is ignored before the first reward.

Source: Zoph et al. 2017, arXiv 1707.07012, appendix A.2. `paper()` builds the paper's search, made
for 20,000 children. The defaults are ours, for hundreds; they differ in:
- learning rate, minibatch and epochs: a hundred rewards must move the controller.
- `normalise`: advantages are divided by a moving mean deviation and cut at 2, so that accuracies of
  0.80 to 0.93 or of 10 to 94 and losses need the same settings, and one broken child does not
  outweigh all others.
- `elites`: the best few trials so far, beside each minibatch, are learned again as if they were new
  (self-imitation).
- `draws`: the controller is sampled again if the network was tried before.
- `entropy_weight`: with normalised advantages the paper's 1e-5 has no effect, and a controller of a
  small space collapses.
The paper does not state the optimizer (here Adam), the clip of PPO (here per decision, not per
architecture) and the number of epochs.

For a space of layers `paper()` builds the search of Zoph & Le 2017, arXiv 1611.01578, with the
controller of anchors.py, made for 12,800 children; the decay of its baseline is not stated there.
Where such a space grows, the number of layers is not sampled: it depends on the number of the
proposal.
"""

from __future__ import annotations

import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.strategies.adam import Adam
from nasnet_tf.strategies.anchors import AnchorController
from nasnet_tf.strategies.archive import Networks
from nasnet_tf.strategies.controller import Controller
from nasnet_tf.strategies.logits import Logits
from nasnet_tf.strategies.protocol import Strategy, as_space

__all__ = ["PAPER", "PAPER_OF_LAYERS", "PolicyGradient"]

PAPER = {
    "learning_rate": 0.00035,
    "minibatch": 20,
    "entropy_weight": 1e-5,
    "decay": 0.95,
    "normalise": False,
    "elites": 0,
    "draws": 1,
    "controller": "lstm",
}
PAPER_OF_LAYERS = PAPER | {
    "learning_rate": 0.0006,
    "minibatch": 8,
    "entropy_weight": 0.0,
    "every": 1600,
}
_LARGEST_ADVANTAGE = 2.0
_MEAN_DEVIATION = 0.8  # of a normal distribution, in standard deviations


class PolicyGradient(Strategy):
    """Base of REINFORCE and PPO: controller, baseline and minibatches.

    Args:
        learning_rate: Adam's.
        minibatch: trials an update.
        epochs: gradient steps an update.
        entropy_weight: weight of the mean over a minibatch of the summed entropies (nats), in units
            of the advantage.
        decay: of the moving averages, for each reward.
        normalise: divide advantages by their mean deviation and cut them at 2.
        elites: how many of the best earlier trials are learned again with each minibatch.
        draws: samples of the controller for each proposal, at most, until one is a new network.
        controller: "lstm", the paper's, or "table", a row of logits for each decision (logits.py).
        units, embedding: widths of the LSTM; None is the controller's default.
        every: proposals after which a space that grows, such as a `LayerwiseSpace` with `fewest`,
            has its next number of layers.
    """

    @checked
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
        widths = {"units": units, "embedding": embedding}
        widths = {name: width for name, width in widths.items() if width is not None}
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
        self.learning_rate, self.minibatch, self.epochs = learning_rate, minibatch, epochs
        self.entropy_weight, self.decay, self.normalise = entropy_weight, decay, normalise
        self.elites, self.draws, self.every = elites, draws, every
        self._grows = any(self.space.counts_from)
        # whether a decision is the controller's
        self._sampled = np.arange(len(self.sizes)) >= self._grows
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
        self.pending, self.best = [], []  # (choices, reward): this minibatch; elites, best first
        self.tried = Networks(self.space)
        self.averages = np.zeros(3)  # of rewards and of deviations, and the sum of their weights

    @classmethod
    def paper(cls, space, seed=0, **settings):
        """The search with the settings of the space's paper; needs thousands of trials."""
        paper = PAPER_OF_LAYERS if as_space(space).anchors else PAPER
        return cls(space, seed, **(paper | settings))

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
        """Mean entropy of the decisions, as a share of the largest possible (1 is uniform), over 32
        samples: it shows an early collapse.
        """
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(2,)))
        _, entropies = self.controller.log_probs(
            self.weights, self.controller.sample(self.weights, rng, 32)
        )
        return float(entropies.mean(0).sum() / max(np.log(self.sizes).sum(), 1e-12))

    def objective_slopes(self, log_probs, old, advantages) -> np.ndarray:
        """Gradient of the objective, which is maximised and summed over the batch, with respect to
        the log-probabilities: (B, T). Advantages are (B, 1).
        """
        raise NotImplementedError

    def _learn(self, choices, reward):
        self._take(choices, reward)

    def _fail(self, choices):
        self._take(choices, np.nan)

    def _take(self, choices, reward):
        """Adds a trial to the minibatch; the reward of a failed one is NaN."""
        self.pending.append((choices, reward))
        if self.draws > 1:
            self.tried.add(choices)
        if len(self.pending) < self.minibatch:
            return
        batch, self.pending = self.pending, []
        rewards = [reward for _, reward in batch if reward == reward]
        if self.baseline is None and not rewards:
            return  # there is no reward yet to compare the failures with
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
            old = trace.log_probs if old is None else old  # by the weights before the update
            slopes = self.objective_slopes(trace.log_probs, old, advantages[:, None])
            slopes, entropy_slopes = (
                self._sampled * each / -len(batch) for each in (slopes, self.entropy_weight)
            )
            gradient = self.controller.backward(self.weights, trace, slopes, entropy_slopes)
            self.adam.descend(self.weights, gradient, self.learning_rate)

    def _memory(self):
        return {
            "weights": self.weights,
            "adam_mean": self.adam.mean,
            "adam_square": self.adam.square,
            "adam_steps": self.adam.steps,
            "averages": self.averages,
            "tried": self.tried.state(),
            **self._trials("pending", self.pending),
            **self._trials("best", self.best),
        }

    def _trials(self, name, trials):
        choices = np.array([choices for choices, _ in trials], dtype=np.int64)
        return {
            f"{name}_choices": choices.reshape(-1, len(self.sizes)),
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
        self.weights, self.averages = state["weights"], state["averages"]
        self.pending, self.best = pending, best
        self.tried.restore(state["tried"])
        self.adam.mean, self.adam.square = state["adam_mean"], state["adam_square"]
        self.adam.steps = int(state["adam_steps"])
