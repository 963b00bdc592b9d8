"""What is decided before a child is trained: whether it keeps the limits, and how it scores
untrained.
"""

from __future__ import annotations

from collections.abc import Mapping

from nasnet_tf import strategies
from nasnet_tf.children.worker import ChildFailed
from nasnet_tf.contracts.categorical import CategoricalSpace
from nasnet_tf.scores.latency import latency
from nasnet_tf.scores.limits import Limits
from nasnet_tf.scores.zero_cost import SCORES, score
from nasnet_tf.strategies import Prescreened, Rejected

# Attempts of the strategy to find an allowed point: counting takes milliseconds, measuring seconds.
_ATTEMPTS, _MEASURED = 100, 5


class Prescreen:
    """Limits and an untrained score for the children of a search; networks are built and measured
    in a worker of their own.

    Args:
        limits: nothing that breaks them is trained.
        size: of the network they hold for: arguments of `nasnet_tf.systems.costs.cost`; that of the
            children if None.
        score: "synflow", "naswot" or "parameters", of the child; of every `pool` cells the best
            scored is trained. None: no score.
        images: a minibatch for "naswot", in pixels or as the children take them.
        pool: how many cells are scored for each that is trained.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        size: Mapping | None = None,
        score: str | None = None,
        images=None,
        pool: int = 4,
    ):
        if score not in (None, *SCORES):
            raise ValueError(f"no score {score!r}; there are {', '.join(SCORES)}.")
        if score == "naswot" and images is None:
            raise ValueError("naswot needs images: give a minibatch; the paper takes 128.")
        self.limits, self.size = limits or Limits(), size
        self.score, self.images, self.pool = score, images, pool

    def in_front_of(self, strategy, size: Mapping, run):
        """What makes the strategy, prescreened, from a space and a seed.

        Args:
            strategy: the name of one, or what makes one.
            size: of the children, see `CellChild.size`.
            run: calls a function with arguments, as `Worker.run` does.
        """
        make = strategies.get(strategy) if isinstance(strategy, str) else strategy

        def prescreened(space, seed=0, **settings):
            if type(space) is CategoricalSpace:
                raise ValueError(
                    "limits and scores are of cells; search a CellHyperModel, or leave prejudge"
                    " out."
                )
            bench = _Bench(self, space, size, run)
            attempts = _ATTEMPTS if self.limits.latency is None else _MEASURED
            return Prescreened(
                make(space, seed, **settings),
                bench.accepts,
                bench.score if self.score else None,
                pool=self.pool,
                attempts=attempts,
            )

        prescreened.name = (
            f"{getattr(make, 'name', make.__qualname__)} within {self.limits}, the best of"
            f" {self.pool} by {self.score}"
        )
        return prescreened


class _Bench:
    def __init__(self, prescreen, space, child, run):
        self.prescreen, self.space, self.child, self.run = prescreen, space, child, run
        self.size = child if prescreen.size is None else prescreen.size

    def accepts(self, point):
        genotype = self.space.decode(point)
        exceeded = self.prescreen.limits.exceeded(
            genotype, self.size, lambda: self._measured(latency, genotype, **self.size)
        )
        if exceeded:
            raise Rejected(exceeded)
        return True

    def score(self, point):
        return self._measured(
            score,
            self.prescreen.score,
            self.space.decode(point),
            self.prescreen.images,
            **self.child,
        )

    def _measured(self, function, *args, **kwargs):
        try:
            return self.run(function, *args, **kwargs)
        except (ChildFailed, ArithmeticError) as error:
            raise Rejected(str(error)) from None
