"""A Gaussian process over points of decisions. NumPy only.

The value of a point is the sum of up to six parts: one of the options where they are; one of the
options wherever they are, by the number of each meaning in the point; one of the ranks of options
that are amounts; one of totals of ranks, such as that of all widths; one of the parameters of all
operations; and one of the combinations of options. The first three are linear in unit vectors, so
that a point of one operation alone is no more uncertain than any other. The covariance of the
others falls with the squared distance of two points, of the combinations that of their places.
Every option has a place in a latent space of its decision; initially all options of a decision are
equally far apart, or in order if they are amounts. Fitting moves those with similar effects
together, and those of important decisions apart, and weighs the parts.

Source: latent variable Gaussian processes: Zhang et al. 2020, Technometrics 62(3), arXiv
1806.07504; conditioning, linear parts and the likelihood: Rasmussen & Williams 2006, Gaussian
Processes for Machine Learning, algorithm 2.1, sections 2.7 and 5.4. Ours: as many latent dimensions
as options, the priors, options of one meaning counted together, amounts and totals.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from nasnet_tf.strategies.adam import Adam
from nasnet_tf.strategies.traits import Traits

__all__ = ["GaussianProcess", "normal_scores"]

_REACH = 2.0  # prior: the covariance of two random points is about exp(-2) in every space
_MOVE = 0.3  # prior: how far a place moves, in units of its initial distance from the origin
# prior of the logarithm of the noise, as a share of the variance: mean and standard deviation
_NOISE, _NOISE_SPREAD = math.log(0.02), 1.5
_NOISE_RANGE = math.log(1e-4), math.log(2.0)
# prior of the logarithm of the weight of a part: mean, of the parameters and of others; deviation
_PARAMETERS_WEIGHT, _WEIGHT, _WEIGHT_SPREAD = math.log(0.3), 0.0, 1.0
_ORDER = 0.7  # how far places of amounts are in order, from 0 to 1
_TOTAL = 0.7  # standard deviation of a total over random points, in units of its latent space
_RATE = 0.08


def normal_scores(values) -> np.ndarray:
    """The quantiles of a standard normal distribution at the ranks of the values; equal values have
    equal scores. Outliers and units have no influence.
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = counts.cumsum() - (counts - 1) / 2 - 0.5  # from 0.5 on, the mean of equal ones
    return np.array([NormalDist().inv_cdf(rank / len(inverse)) for rank in ranks])[inverse]


class GaussianProcess:
    """A Gaussian process over points.

    Args:
        sizes: number of options of each decision, S in all.
        meanings: what these options stand for (`CategoricalSpace.meanings`); all different by
            default.
        parameters: S * S numbers for the places, a row for each option, in units of their initial
            distance from the origin; the logarithm of the weight of each part but that of the
            combinations, which is 1; the logarithm of the noise. Those of the prior by default.
        traits: what else is known of the options (`traits_of`), in place of `meanings`.
    """

    def __init__(self, sizes, meanings=None, parameters=None, traits=None):
        self.sizes, self.options = np.array(sizes), int(np.sum(sizes))
        if traits is None:
            meanings = range(self.options) if meanings is None else meanings
            traits = Traits(tuple(meanings), (-1,) * self.options, (0.0,) * self.options)
        self._starts = np.concatenate([[0], self.sizes.cumsum()[:-1]])
        self._unit = math.sqrt(_REACH / 2 / max((1 - 1 / self.sizes).sum(), 1e-9))
        decision = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self._free = decision[:, None] == decision  # a place has the dimensions of its decision
        self._codes = self._initial_places(traits.ranks)
        # the mean of a random point
        self._mean = (1 / self.sizes[decision]).astype(np.float32) @ self._codes
        labels = np.array(traits.meanings)
        self._meanings = (labels[:, None] == np.unique(labels)).astype(np.float32)  # (S, meanings)
        self._ranks, totals = self._standardized_ranks(traits)
        amounts, operations = map(self._standardized, (totals, [np.array(traits.weights)]))
        self._totals = [total for total in (amounts, operations) if total.shape[1]]
        self._parts = 2 + (self._ranks.shape[1] > 0) + len(self._totals)
        weights = np.full(self._parts, _WEIGHT)
        if operations.shape[1]:
            weights[-1] = _PARAMETERS_WEIGHT
        self._prior = np.concatenate([self._codes.ravel(), weights, [_NOISE]])
        self.parameters = self._prior.copy() if parameters is None else np.array(parameters, float)

    def _initial_places(self, ranks):
        """(S, S): unit vectors; for amounts a root of inner products that mix those of unit
        vectors, a staircase and a line, all with the same mean squared distance.
        """
        codes = np.eye(self.options)
        for start, size in zip(self._starts, self.sizes, strict=True):
            here, steps = slice(start, start + size), np.array(ranks[start : start + size])
            if size < 3 or steps[0] < 0:
                continue
            centered = steps - steps.mean()
            line = np.outer(centered, centered) * 12 / (size * (size + 1))
            stairs = np.minimum(steps[:, None], steps) * 6.0 / (size + 1)
            stairs = stairs - stairs.mean(0) - stairs.mean(1)[:, None] + stairs.mean()
            inner = (1 - _ORDER) * np.eye(size) + _ORDER * (line + stairs) / 2
            values, vectors = np.linalg.eigh(inner)
            codes[here, here] = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        return codes.astype(np.float32)

    def _standardized_ranks(self, traits):
        """((S, n) ranks, a column for each decision of amounts and one for each total; the totals:
        ranks added over the decisions whose amounts mean the same).
        """
        columns, groups = [], {}
        for start, size in zip(self._starts, self.sizes, strict=True):
            ranks = np.array(traits.ranks[start : start + size])
            if ranks[0] < 0 or size < 2:
                continue
            column = np.zeros(self.options)
            column[start : start + size] = (ranks - ranks.mean()) / ranks.std()
            columns.append(column)
            groups.setdefault(min(traits.meanings[start : start + size]), []).append(column)
        totals = [sum(group) for group in groups.values()]
        shared = [0.5 * sum(group) for group in groups.values() if len(group) > 1]
        return np.array(columns + shared, np.float32).reshape(-1, self.options).T, totals

    def _standardized(self, totals):
        """(S, n): what each option adds to each total, which has mean 0 and deviation `_TOTAL` over
        random points; without those that never change.
        """
        found = []
        for total in totals:
            parts = np.split(total, self._starts[1:])
            spread = math.sqrt(sum(part.var() for part in parts))
            if spread > 0:
                found.append(np.concatenate([part - part.mean() for part in parts]) / spread)
        return np.array(found, np.float32).reshape(-1, self.options).T * _TOTAL

    @property
    def noise(self) -> float:
        """Variance of the noise, relative to that of the part of the combinations."""
        return math.exp(self.parameters[-1])

    @property
    def weights(self) -> np.ndarray:
        """Variances of the other parts, relative to that of the combinations."""
        return np.exp(self.parameters[-1 - self._parts : -1])

    def fit(self, points, values, steps: int) -> None:
        """Fits places, weights and noise to the values, by `steps` of Adam on the posterior."""
        hot, adam = self._one_hot(points), Adam(len(self.parameters))
        features = self._features(hot)
        parts = np.array(self._alike(features, features))
        for _ in range(steps):
            adam.descend(self.parameters, self._slopes(hot, parts, values), _RATE)
            self.parameters[-1] = np.clip(self.parameters[-1], *_NOISE_RANGE)

    def _slopes(self, hot, parts, values):
        """The gradient of the negative logarithm of the posterior of the parameters, at the most
        likely variance of the points.
        """
        places, n = hot @ self._places(), len(values)
        alike = np.exp(-_squared_distances(places, places))
        covariance = alike + np.tensordot(self.weights, parts, 1) + self.noise * np.eye(n)
        inverse = np.linalg.inv(covariance)
        known = inverse @ values
        outer = inverse - np.outer(known, known) * n / max(values @ known, 1e-12)
        pull = -0.5 * outer * alike  # gradient with respect to squared distances
        np.fill_diagonal(pull, 0.0)
        by_place = (
            hot.T @ (4 * (pull.sum(1)[:, None] * places - pull @ places)) * self._free * self._unit
        )
        by_weight = 0.5 * self.weights * np.tensordot(parts, outer, 2)
        by_noise = 0.5 * self.noise * np.trace(outer)
        slopes = np.concatenate([by_place.ravel(), by_weight, [by_noise]])
        spread = np.repeat([_MOVE, _WEIGHT_SPREAD, _NOISE_SPREAD], [by_place.size, self._parts, 1])
        return slopes + (self.parameters - self._prior) / spread**2

    def condition(self, points, values) -> float:
        """Conditions the process on the values of points, for `predict`. Returns the logarithm of
        their likelihood, up to a constant.
        """
        places, hot = self._places(), self._one_hot(points)
        apart = _squared_distances(places, places) * self._free
        # (S, n): squared distances of each option from those of the points
        self._apart = (apart @ hot.T).astype(np.float32)
        self._along = self._features(hot)
        covariance = self._covariance(hot, self._along) + self.noise * np.eye(len(values))
        root = np.linalg.cholesky(covariance)
        whiten = np.linalg.inv(root)
        whitened = whiten @ values
        self._variance = max(whitened @ whitened / len(values), 1e-9)
        self._known = (whitened @ whiten).astype(np.float32)
        self._whiten = whiten.T.astype(np.float32)
        return float(-np.log(np.diag(root)).sum() - 0.5 * len(values) * math.log(self._variance))

    def predict(self, points) -> tuple[np.ndarray, np.ndarray]:
        """(means, standard deviations) of the values of points, without the noise."""
        hot = self._one_hot(points)
        features = self._features(hot)
        alike = self._covariance(hot, features)
        own = 1 + sum(
            weight * (np.square(part).sum(1) if linear else 1.0)
            for weight, (part, linear) in zip(self.weights, features, strict=True)
        )
        unexplained = own - np.square(alike @ self._whiten).sum(1)
        return alike @ self._known, np.sqrt(np.maximum(unexplained, 1e-6) * self._variance)

    def _covariance(self, hot, features):
        """(m, n): of points with those of `condition`."""
        covariance = np.exp(-hot @ self._apart)
        for weight, part in zip(self.weights, self._alike(features, self._along), strict=True):
            covariance += np.float32(weight) * part
        return covariance

    def _features(self, hot):
        """A pair for each part but that of the combinations: a vector of every point, and whether
        the part is linear in it.
        """
        options = hot @ self._codes - self._mean
        features = [(_direction(options), True), (_direction(options @ self._meanings), True)]
        if self._ranks.shape[1]:
            features.append((_direction(hot @ self._ranks), True))
        return features + [(hot @ total, False) for total in self._totals]

    def _alike(self, features, others):
        """The covariances of two sets of points by their features, of weight 1."""
        return [
            left @ right.T if linear else np.exp(-_squared_distances(left, right))
            for (left, linear), (right, _) in zip(features, others, strict=True)
        ]

    def _places(self):
        """(S, S): a row for each option."""
        places = self.parameters[: self.options**2]
        return places.reshape(self.options, self.options) * self._unit

    def _one_hot(self, points):
        hot = np.zeros((len(points), self.options), np.float32)
        hot[np.arange(len(points))[:, None], self._starts + points] = 1.0
        return hot


def _direction(rows):
    """The rows scaled to length 1; rows of zeros are unchanged."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _squared_distances(left, right):
    """(n, m): squared distances of two sets of places."""
    return np.maximum(
        np.square(left).sum(1)[:, None] + np.square(right).sum(1) - 2 * left @ right.T, 0.0
    )
