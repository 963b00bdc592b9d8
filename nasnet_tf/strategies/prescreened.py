"""A filter for the proposals of any strategy: it rejects points that are not allowed, and proposes
the most promising of several.

Proposing the best of a pool by an untrained score is the "move proposal" of Abdelfattah et al.
2021, arXiv 2101.08134. The strategy learns only from the points that are proposed. A controller
then samples from another distribution than its own; its update does not correct that.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.strategies.protocol import Strategy
from nasnet_tf.strategies.wrapped import Wrapped

__all__ = ["Prescreened", "Rejected"]

_RANDOM = 10  # random points for each attempt of the strategy, if none of its points is allowed
_A_POINT = 4  # attempts for each point of the pool, once one is allowed


class Rejected(ValueError):
    """Raised by `accepts` or `score` of `Prescreened` to reject a point. The message is the reason,
    always the same text for the same reason.
    """


class Prescreened(Wrapped):
    """Proposes the points of `strategy` that are accepted. Proposals are repeatable if `accepts`
    and `score` are.

    Args:
        strategy: a `Strategy`.
        accepts: point -> whether it is allowed; may raise `Rejected` with the reason. None allows
            all points.
        score: point -> number, higher is better; may raise `Rejected`. The best of up to `pool`
            different points is proposed, the first of equals. None takes the first allowed point.
        pool: points that are scored for each proposal.
        attempts: points that the strategy may propose until one is allowed; then random points are
            tried.
        remember: verdicts that are cached by the space's key; the least recently used are dropped.
    """

    @checked
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
        super().__init__(strategy)
        self.accepts, self.score = accepts, score
        self.pool, self.attempts, self.remember = pool if score else 1, attempts, remember
        self._verdicts = OrderedDict()  # key: (score, why it was rejected or None)

    def propose(self, number, pending=(), attempt=0):
        """As in `Strategy`. Raises ValueError with the reasons if every point that was tried was
        rejected.
        """
        allowed, rejected, seen = {}, Counter(), set()
        for tried, point in enumerate(self._candidates(number, pending, attempt)):
            if len(allowed) == self.pool or (
                allowed and tried >= min(_A_POINT * self.pool, self.attempts)
            ):
                break
            key = self.space.key(point)
            if key in seen:
                continue
            seen.add(key)
            score, reason = self._verdict(key, point)
            if reason is None:
                allowed[point] = score
            else:
                rejected[reason] += 1
        if not allowed:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in rejected.most_common(5))
            raise ValueError(
                f"none of {len(seen)} different points is allowed ({reasons}); loosen the limits or"
                " search a larger space."
            )
        return max(allowed, key=allowed.get)

    def allows(self, point):
        return (
            self.strategy.allows(point) and self._verdict(self.space.key(point), point)[1] is None
        )

    def _candidates(self, number, pending, attempt):
        """The points to screen; those of another attempt differ from those of the ones before."""
        for more in range(self.attempts):
            yield self.strategy.propose(number, pending, attempt * self.attempts + more)
        rng = np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=(3, number, attempt))
        )
        for _ in range(_RANDOM * self.attempts):
            yield self.space.random(rng)

    def _verdict(self, key, point):
        if key not in self._verdicts:
            self._verdicts[key] = self._screen(point)
            if len(self._verdicts) > self.remember:
                self._verdicts.popitem(last=False)
        self._verdicts.move_to_end(key)
        return self._verdicts[key]

    def _screen(self, point):
        try:
            if self.accepts is not None and not self.accepts(point):
                return 0.0, "not accepted"
            score = 0.0 if self.score is None else float(self.score(point))
        except Rejected as reason:
            return 0.0, str(reason)
        return (score, None) if score == score else (0.0, "its score is not a number")
