"""A Gaussian process over points of decisions. NumPy only.

The value of a point is the sum of three parts of equal variance: one of the options where they are;
one of the operations wherever they are, by their number in the point; and one of the combinations
of options. The first two are linear in unit vectors, so that a point of one operation alone is no
more uncertain than any other. In the third, every option has a place in a latent space of its
decision, and the covariance of two points is exp(-squared distance of their places). Initially all
options of a decision are equally far apart; fitting moves those with similar effects together, and
those of important decisions apart.

Source: latent variable Gaussian processes: Zhang et al. 2020, Technometrics 62(3), arXiv
1806.07504; conditioning and linear parts: Rasmussen & Williams 2006, Gaussian Processes for Machine
Learning, algorithm 2.1 and section 2.7. Ours: as many latent dimensions as options, the prior on
places, and options of one meaning counted together.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from nasnet_tf.strategies.adam import Adam

__all__ = ["GaussianProcess", "normal_scores"]

_REACH = 2.0  # prior: the covariance of two random points is about exp(-2) in every space
_MOVE = 0.3  # prior: how far a place moves, in units of its initial distance from the origin
# prior of the logarithm of the noise, as a share of the variance: mean and standard deviation
_NOISE, _NOISE_SPREAD = math.log(0.02), 1.5
_NOISE_RANGE = math.log(1e-4), math.log(2.0)
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
        parameters: S * S + 1 numbers: the places, a row for each option, in units of their initial
            distance from the origin; the logarithm of the noise. Those of the prior by default.
    """

    def __init__(self, sizes, meanings=None, parameters=None):
        self.sizes, self.options = np.array(sizes), int(np.sum(sizes))
        meanings = np.arange(self.options) if meanings is None else np.array(meanings)
        self._starts = np.concatenate([[0], self.sizes.cumsum()[:-1]])
        self._unit = math.sqrt(_REACH / 2 / max((1 - 1 / self.sizes).sum(), 1e-9))
        decision = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self._free = decision[:, None] == decision  # a place has the dimensions of its decision
        # (S, meanings)
        self._meanings = (meanings[:, None] == np.unique(meanings)).astype(np.float32)
        # the probability of each option in a random point
        self._mean = (1 / self.sizes[decision]).astype(np.float32)
        self._prior = np.append(np.eye(self.options), _NOISE)
        self.parameters = self._prior.copy() if parameters is None else np.array(parameters, float)

    @property
    def noise(self) -> float:
        """Variance of the noise, relative to that of one of the three parts."""
        return math.exp(self.parameters[-1])

    def fit(self, points, values, steps: int) -> None:
        """Fits places and noise to the values, by `steps` of Adam on the posterior."""
        hot, adam = self._one_hot(points), Adam(len(self.parameters))
        trends = self._trends(hot)
        trend = trends @ trends.T
        for _ in range(steps):
            adam.descend(self.parameters, self._slopes(hot, trend, values), _RATE)
            self.parameters[-1] = np.clip(self.parameters[-1], *_NOISE_RANGE)

    def _slopes(self, hot, trend, values):
        """The gradient of the negative logarithm of the posterior of the parameters, at the most
        likely variance of the points.
        """
        places, n = hot @ self._places(), len(values)
        alike = np.exp(-_squared_distances(places, places))
        inverse = np.linalg.inv(alike + trend + self.noise * np.eye(n))
        known = inverse @ values
        outer = inverse - np.outer(known, known) * n / max(values @ known, 1e-12)
        pull = -0.5 * outer * alike  # gradient with respect to squared distances
        np.fill_diagonal(pull, 0.0)
        by_place = (
            hot.T @ (4 * (pull.sum(1)[:, None] * places - pull @ places)) * self._free * self._unit
        )
        slopes = np.append(by_place, 0.5 * self.noise * np.trace(outer))
        spread = np.append(np.full(by_place.size, _MOVE), _NOISE_SPREAD)
        return slopes + (self.parameters - self._prior) / spread**2

    def condition(self, points, values) -> None:
        """Conditions the process on the values of points, for `predict`."""
        places, hot = self._places(), self._one_hot(points)
        apart = _squared_distances(places, places) * self._free
        # (S, n): squared distances of each option from those of the points
        self._apart = (apart @ hot.T).astype(np.float32)
        self._along = self._trends(hot)
        covariance = self._covariance(hot, self._along) + self.noise * np.eye(len(values))
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        whitened = whiten @ values
        self._variance = max(whitened @ whitened / len(values), 1e-9)
        self._known = (whitened @ whiten).astype(np.float32)
        self._whiten = whiten.T.astype(np.float32)

    def predict(self, points) -> tuple[np.ndarray, np.ndarray]:
        """(means, standard deviations) of the values of points, without the noise."""
        hot = self._one_hot(points)
        trends = self._trends(hot)
        alike = self._covariance(hot, trends)
        unexplained = 1 + np.square(trends).sum(1) - np.square(alike @ self._whiten).sum(1)
        return alike @ self._known, np.sqrt(np.maximum(unexplained, 1e-6) * self._variance)

    def _covariance(self, hot, trends):
        """(m, n): of points with those of `condition`."""
        return np.exp(-hot @ self._apart) + trends @ self._along.T

    def _trends(self, hot):
        """(n, S + meanings): two unit vectors for each point, of its options and of the counts of
        their meanings.
        """
        options = hot - self._mean
        return np.concatenate([_direction(options), _direction(options @ self._meanings)], 1)

    def _places(self):
        """(S, S): a row for each option."""
        return self.parameters[:-1].reshape(self.options, self.options) * self._unit

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
