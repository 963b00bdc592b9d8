"""Search by a predictor: a Gaussian process predicts the rewards of points, and the point with the
highest expected improvement is tried.

The first points are those that the process knows least about, of some random ones. Candidates are
mutants of the best points and random points; the best candidate is improved decision by decision.
A point whose trial is running counts as one with the reward that is predicted for it, so that
others are proposed meanwhile. Once trials have failed, expected improvement is weighted by the
probability of success; a point may be tried a second time if it failed once.

Source: expected improvement, Jones et al. 1998, J. of Global Optimization 13; candidates mutated
from the best, White et al. 2019, BANANAS, arXiv 1910.11858; the weight of success, Gelbart et al.
2014, arXiv 1403.5607.
"""

from __future__ import annotations

import copy
import math

import numpy as np

from nasnet_tf.signatures import checked
from nasnet_tf.strategies.archive import Archive
from nasnet_tf.strategies.gaussian_process import GaussianProcess, normal_scores
from nasnet_tf.strategies.protocol import Strategy
from nasnet_tf.strategies.traits import traits_of

__all__ = ["Predictor"]

_FIRST_STEPS, _STEPS = 30, 8  # of fitting the process, the first time and later
_CLIMBS = 4  # decisions in which the best candidate is improved, one after the other
_SPREAD = 100  # random points of which each of the first is chosen
_CHANCE = 0.02, 0.5, 10.0  # how far failures are by chance: noises of the process of success
_LAST = 1000.0  # more than any gain
_NOISY = 0.1  # noise, as a share of the variance, from which the best reward is not trusted


class Predictor(Strategy):
    """Proposes the candidate with the highest expected improvement.

    Args:
        first: points before the first prediction.
        candidates: points that are compared for each proposal.
        parents: the number of best points that candidates are mutants of.
        every: rewards after which the process is fitted again; up to five times as many when there
            are many rewards.
        most: rewards that the process is given, half of them the best, half the latest; this bounds
            the time.
    """

    name = "predictor"
    uses_any_trial = True

    @checked
    def __init__(self, space, seed=0, *, first=5, candidates=1000, parents=20, every=2, most=128):
        super().__init__(space, seed)
        if min(first, candidates, parents, every) < 1 or most < 2:
            raise ValueError(
                "first, candidates, parents and every must be 1 or more and most 2 or more; "
                f"got {first=}, {candidates=}, {parents=}, {every=}, {most=}."
            )
        self.first, self.candidates, self.every, self.most = first, candidates, every, most
        self._parents = parents
        self.archive = Archive(len(self.sizes))
        self._traits = traits_of(self.space)
        self.process = self._process()
        self._succeeds = self._process()  # of success, 0 or 1
        self._known, self._failed = set(), set()  # keys of networks: tried; failed

    def _process(self, parameters=None):
        return GaussianProcess(self.sizes, parameters=parameters, traits=self._traits)

    def propose(self, number, pending=(), attempt=0):
        rng, taken = self._rng(number, attempt), {self.space.key(point) for point in pending}
        if attempt:  # whoever rejected a point may want none that failed
            taken |= self._failed
        if len(self.archive) < self.first:
            return self._spread(rng, pending, taken)
        points, process = self._candidates(rng), self._expecting(pending)
        gains = self._improvement(points, process)
        for _ in range(_CLIMBS):
            best = gains.argmax()
            near = _neighbours(points[best], self.sizes)
            points, gains = (
                np.concatenate([points, near]),
                np.concatenate([gains, self._improvement(near, process)]),
            )
            if gains.argmax() == best:
                break
        return self._first_new(points, gains, taken) or self.space.random(rng)

    def _spread(self, rng, pending, taken):
        """The random point that is most uncertain, given those that were tried or are running."""
        drawn = [self.space.random(rng) for _ in range(_SPREAD)]
        before = [*self.archive.tried, *map(tuple, pending)][-self.most :]
        if not before:
            return drawn[0]
        process = copy.copy(self.process)
        process.condition(np.array(before), np.zeros(len(before)))
        return self._first_new(np.array(drawn), process.predict(drawn)[1], taken) or drawn[0]

    def _expecting(self, pending):
        """The process; of pending points it believes that they will be as predicted."""
        if not pending:
            return self.process
        expected = np.array(pending[-self.most // 2 :])
        points, values = self._used()
        process = copy.copy(self.process)
        process.condition(
            np.concatenate([points, expected]),
            np.concatenate([values, self.process.predict(expected)[0]]),
        )
        return process

    def _first_new(self, points, gains, taken):
        """The point with the greatest gain of those that are new, as a tuple; None if none is."""
        for place in np.argsort(-gains, kind="stable"):
            point = tuple(map(int, points[place]))
            if self._is_new(point, taken):
                return point
        return None

    def _is_new(self, point, taken):
        key = self.space.key(point)
        return key not in self._known and key not in taken

    def _candidates(self, rng):
        """(candidates, decisions): half mutants of the best points in one to three decisions, half
        random.
        """
        half, sizes = self.candidates // 2, np.array(self.sizes)
        best = np.argsort(-self.archive.rewards, kind="stable")[: self._parents]
        # better points have more mutants
        mutants = self.archive.points[best[(len(best) * rng.random(half) ** 2).astype(int)]].copy()
        for change in range(3):
            decisions = rng.integers(len(sizes), size=half)
            changed = np.flatnonzero(rng.random(half) < (1.0, 0.5, 0.5)[change])
            mutants[changed, decisions[changed]] = rng.integers(sizes[decisions[changed]])
        return np.concatenate(
            [
                mutants,
                rng.integers(sizes, size=(self.candidates - half, len(sizes)), dtype=np.int32),
            ]
        )

    def _improvement(self, points, process=None):
        """Expected improvement of points over the best one, in normal scores."""
        means, deviations = (process or self.process).predict(points)
        z = (means - self._best) / deviations
        gains = deviations * (z * _normal_share(z) + np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi))
        return self._weighted(gains, points) if self.archive.failed else gains

    def _weighted(self, gains, points):
        """The gains weighted by the probability of success. Points that probably fail come last:
        failures have no rewards, so a part of the space where all points fail would stay uncertain
        and attract the search for ever.
        """
        probable = np.clip(self._share + self._succeeds.predict(points)[0], 0.0, 1.0)
        return np.where(probable < self._share / 2, gains - _LAST, gains * probable)

    def _learn(self, choices, reward):
        self.archive.append(choices, reward)
        self._known.add(self.space.key(choices))
        if len(self.archive) >= self.first:
            self._model(fit=self._fit_is_due())

    def _fail(self, choices):
        """The process of the rewards ignores failed trials."""
        self.archive.fail(choices)
        self._know_failed(choices)
        if len(self.archive) >= self.first:
            self._model_success()

    def _know_failed(self, point):
        """A network is left alone once it failed twice."""
        key = self.space.key(point)
        (self._known if key in self._failed else self._failed).add(key)

    def _fit_is_due(self):
        return (len(self.archive) - self.first) % (
            self.every * min(max(1, len(self.archive) // 30), 5)
        ) == 0

    def _model(self, fit):
        """Conditions the process on the observations."""
        points, values = self._used()
        if fit:
            self.process.fit(
                points, values, _FIRST_STEPS if len(self.archive) == self.first else _STEPS
            )
        self.process.condition(points, values)
        self._model_success()
        # The best of noisy rewards is probably too high; its prediction is used instead.
        self._best = (
            float(self.process.predict(points)[0].max())
            if self.process.noise > _NOISY
            else values.max()
        )

    def _model_success(self):
        """Conditions the process of success on the latest trials, at most half of them failures."""
        if not self.archive.failed:
            return
        failed = np.array(self.archive.failed[-(self.most // 2) :])
        succeeded = self.archive.points[-(self.most - len(failed)) :]
        values = np.repeat([1.0, 0.0], [len(succeeded), len(failed)])
        self._share = values.mean()
        points, values = np.concatenate([succeeded, failed]), values - self._share

        def likelihood(noise):
            self._succeeds.parameters[-1] = math.log(noise)
            return self._succeeds.condition(points, values)

        likelihood(max(_CHANCE, key=likelihood))

    def _used(self):
        """Points and their normal scores for the process: all, or the best and the latest."""
        kept = np.arange(count := len(self.archive))
        if count > self.most:
            old, latest = np.split(kept, [count - self.most // 2])
            best = np.argsort(-self.archive.rewards[old], kind="stable")[: self.most - len(latest)]
            kept = np.concatenate([np.sort(best), latest])
        return self.archive.points[kept], normal_scores(self.archive.rewards[kept])

    def _memory(self):
        return self.archive.state() | {"process": self.process.parameters}

    def _recall(self, state):
        if len(state["process"]) != len(self.process.parameters):
            raise ValueError(
                f"the state's 'process' has {len(state['process'])} numbers, this search's"
                f" {len(self.process.parameters)}."
            )
        self.archive.restore(state)
        self.process = self._process(state["process"])
        self._known = {self.space.key(tuple(point)) for point in self.archive.points.tolist()}
        self._failed = set()
        for point in self.archive.failed:
            self._know_failed(point)
        if len(self.archive) >= self.first:
            self._model(fit=False)


def _neighbours(point, sizes):
    """(n, decisions): every point that differs from `point` in one decision."""
    rows = np.repeat(point[None], sum(sizes) - len(sizes), 0)
    row = 0
    for decision, size in enumerate(sizes):
        others = [option for option in range(size) if option != point[decision]]
        rows[row : row + len(others), decision] = others
        row += len(others)
    return rows


def _normal_share(z):
    """The distribution function of the standard normal."""
    return 0.5 * np.vectorize(math.erfc, otypes=[float])(-z / math.sqrt(2))
