"""A judge in front of any strategy: points that are not allowed are turned down, and of several the
most promising is proposed.

Proposing the best of a pool by an untrained score is the "move proposal" of Abdelfattah et al.
2021, arXiv 2101.08134. The strategy learns from what was proposed only. A controller then samples
from another distribution than its own; its update does not correct that.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

import numpy as np

from nasnet_tf.strategies.protocol import Strategy

__all__ = ["Prejudged", "Refused"]

_RANDOM = (
    10  # random points tried for each attempt of the strategy, if it has no allowed point to offer
)
_A_POINT = 4  # attempts for each point of the pool, once there is one


class Refused(ValueError):
    """Raised by a judge of `Prejudged`: the point is turned down. The text says why, in the same
    words for the same reason.
    """


class Prejudged(Strategy):
    """Proposes what `strategy` proposes, as far as it is accepted.

    All else is the strategy's: it observes, its state is saved and restored. Proposals are as
    repeatable as the judges' answers.

    Args:
        strategy: a `Strategy`.
        accepts: point -> whether it is allowed; may raise `Refused` with the reason. None allows
            all.
        score: point -> number, larger is better; may raise `Refused`. The best of up to `pool`
            different points is proposed, the first of equals. None takes the first that is allowed.
        pool: how many points are scored for a proposal.
        attempts: how often the strategy is asked for a point that is allowed; after that random
            points are tried.
        remember: judgements that are kept, by the space's key; the longest unused are forgotten.
    """

    def __init__(
        self,
        strategy: Strategy,
        accepts: Callable[[tuple[int, ...]], bool] | None = None,
        score: Callable[[tuple[int, ...]], float] | None = None,
        *,
        pool: int = 4,
        attempts: int = 100,
        remember: int = 10_000,
    ):
        if min(pool, attempts, remember) < 1:
            raise ValueError(
                f"pool, attempts and remember must be 1 or more; got {pool=}, {attempts=},"
                f" {remember=}."
            )
        self.strategy, self.accepts, self.score = strategy, accepts, score
        self.pool, self.attempts, self.remember = pool if score else 1, attempts, remember
        self.space, self.sizes, self.seed, self.name = (
            strategy.space,
            strategy.sizes,
            strategy.seed,
            strategy.name,
        )
        self._judgements = OrderedDict()  # key: (score, why it was refused or None)

    @property
    def observed(self) -> int:
        """How many rewards the strategy has observed."""
        return self.strategy.observed

    @property
    def lowest(self) -> float:
        """The lowest reward it has seen; NaN before the first."""
        return self.strategy.lowest

    def propose(self, number, pending=(), attempt=0):
        """As in `Strategy`. Raises ValueError if no point that was tried is allowed; it says what
        turned down how many.
        """
        allowed, refused, seen = {}, Counter(), set()
        for tried, point in enumerate(self._candidates(number, pending, attempt)):
            if len(allowed) == self.pool or (
                allowed and tried >= min(_A_POINT * self.pool, self.attempts)
            ):
                break
            key = self.space.key(point)
            if key in seen:
                continue
            seen.add(key)
            score, reason = self._judgement(key, point)
            if reason is None:
                allowed[point] = score
            else:
                refused[reason] += 1
        if not allowed:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in refused.most_common(5))
            raise ValueError(
                f"none of {len(seen)} different points is allowed ({reasons}); loosen the limits or"
                " search a larger space."
            )
        return max(allowed, key=allowed.get)

    def observe(self, choices, reward):
        self.strategy.observe(choices, reward)

    def allows(self, point):
        return (
            self.strategy.allows(point) and self._judgement(self.space.key(point), point)[1] is None
        )

    def parents(self):
        return self.strategy.parents()

    def state(self):
        return self.strategy.state()

    def restore(self, state):
        self.strategy.restore(state)

    def _candidates(self, number, pending, attempt):
        """Another attempt begins where the one before would have ended."""
        for more in range(self.attempts):
            yield self.strategy.propose(number, pending, attempt * self.attempts + more)
        rng = np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=(3, number, attempt))
        )
        for _ in range(_RANDOM * self.attempts):
            yield self.space.random(rng)

    def _judgement(self, key, point):
        if key not in self._judgements:
            self._judgements[key] = self._judge(point)
            if len(self._judgements) > self.remember:
                self._judgements.popitem(last=False)
        self._judgements.move_to_end(key)
        return self._judgements[key]

    def _judge(self, point):
        try:
            if self.accepts is not None and not self.accepts(point):
                return 0.0, "not accepted"
            score = 0.0 if self.score is None else float(self.score(point))
        except Refused as reason:
            return 0.0, str(reason)
        return (score, None) if score == score else (0.0, "its score is not a number")
