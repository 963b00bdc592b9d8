"""A Gaussian process over points of discrete decisions: how good a point probably is, and how sure that is. Plain NumPy.

A point is worth what its options are worth by themselves, a linear trend in how often each occurs, and what they make together. In the
trend an operation is worth the same wherever it stands. For the rest every option of every decision has a place in a latent space of its
decision; the covariance of two points is exp(-squared distance of their places). At first all options of a decision are equally far
apart; the data then moves those together that do alike, and those of decisions that matter apart.

Source: latent variable Gaussian processes: Zhang et al. 2020, Technometrics 62(3), arXiv 1806.07504; conditioning and a linear trend:
Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, algorithm 2.1 and section 2.7. Ours: as many latent dimensions as
options, the prior on places, options of one meaning counted together, and the trend's share, three quarters of the variance.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from .adam import Adam

__all__ = ["GaussianProcess", "normal_scores"]

_REACH = 2.0  # prior: two random points are about exp(-2) alike, however many decisions there are
_MOVE = 0.3  # prior: how far a place moves, in units of its first distance from the origin
_TREND = 3.0  # variance of the trend, as a share of that of the points around it
_NOISE, _NOISE_SPREAD = math.log(0.02), 1.5  # prior of the logarithm of the noise, as a share of the variance
_NOISE_RANGE = math.log(1e-4), math.log(2.0)
_RATE = 0.08


def normal_scores(values) -> np.ndarray:
    """Values by rank, as if drawn from a standard normal; equal values get equal scores. Outliers and units make no difference."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = counts.cumsum() - (counts - 1) / 2 - 0.5  # from 0.5 on, the mean of equal ones
    return np.array([NormalDist().inv_cdf(rank / len(inverse)) for rank in ranks])[inverse]


class GaussianProcess:
    """Beliefs about points of which some values are known.

    Args:
        sizes: number of options of each decision, S in all.
        meanings: what these options stand for (`Choices.meanings`); all different by default.
        parameters: S * S + 1 numbers: the places, an option a row, in units of their first distance from the origin; the logarithm
            of the noise. Those of the prior by default.
    """

    def __init__(self, sizes, meanings=None, parameters=None):
        self.sizes, self.options = np.array(sizes), int(np.sum(sizes))
        meanings = np.arange(self.options) if meanings is None else np.array(meanings)
        self._starts = np.concatenate([[0], self.sizes.cumsum()[:-1]])
        spread = max((1 - 1 / self.sizes).sum(), 1e-9)  # of the counts of a random point, in squares
        self._unit = math.sqrt(_REACH / 2 / spread)
        decision = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self._free = decision[:, None] == decision  # a place has the dimensions of its decision
        self._counts = ((meanings[:, None] == np.unique(meanings)) * math.sqrt(_TREND / spread)).astype(np.float32)  # (S, meanings)
        self._mean = (1 / self.sizes[decision]).astype(np.float32)  # of the options of random points
        self._prior = np.append(np.eye(self.options), _NOISE)
        self.parameters = self._prior.copy() if parameters is None else np.array(parameters, float)

    @property
    def noise(self) -> float:
        """Variance of the noise, as a share of that of the points around the trend."""
        return math.exp(self.parameters[-1])

    def fit(self, points, values, steps: int) -> None:
        """Moves places and noise towards those under which the values are most likely, by `steps` of Adam."""
        hot, adam = self._one_hot(points), Adam(len(self.parameters))
        counts = self._counted(hot)
        trend = counts @ counts.T
        for _ in range(steps):
            adam.descend(self.parameters, self._slopes(hot, trend, values), _RATE)
            self.parameters[-1] = np.clip(self.parameters[-1], *_NOISE_RANGE)

    def _slopes(self, hot, trend, values):
        """Of the negative logarithm of the posterior of the parameters, with the variance of the points at its best."""
        places, n = hot @ self._places(), len(values)
        alike = np.exp(-_apart(places, places))
        inverse = np.linalg.inv(alike + trend + self.noise * np.eye(n))
        known = inverse @ values
        outer = inverse - np.outer(known, known) * n / max(values @ known, 1e-12)
        pull = -0.5 * outer * alike  # slopes to squared distances
        np.fill_diagonal(pull, 0.0)
        by_place = hot.T @ (4 * (pull.sum(1)[:, None] * places - pull @ places)) * self._free * self._unit
        slopes = np.append(by_place, 0.5 * self.noise * np.trace(outer))
        spread = np.append(np.full(by_place.size, _MOVE), _NOISE_SPREAD)
        return slopes + (self.parameters - self._prior) / spread**2

    def condition(self, points, values) -> None:
        """Learns the values, to answer `predict`."""
        places, hot = self._places(), self._one_hot(points)
        apart = _apart(places, places) * self._free
        self._apart = (apart @ hot.T).astype(np.float32)  # (S, n): squared distances of each option from those of the points
        self._along = self._counts @ self._counted(hot).T  # (S, n): the trend that each option shares with them
        covariance = self._covariance(hot) + self.noise * np.eye(len(values))
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        whitened = whiten @ values
        self._variance = max(whitened @ whitened / len(values), 1e-9)
        self._known, self._whiten = (whitened @ whiten).astype(np.float32), whiten.T.astype(np.float32)

    def predict(self, points) -> tuple[np.ndarray, np.ndarray]:
        """(means, standard deviations) of what points are worth, without the noise."""
        hot = self._one_hot(points)
        alike = self._covariance(hot)
        unexplained = 1 + np.square(self._counted(hot)).sum(1) - np.square(alike @ self._whiten).sum(1)
        return alike @ self._known, np.sqrt(np.maximum(unexplained, 1e-6) * self._variance)

    def _covariance(self, hot):
        """(m, n): of points with those that were learned."""
        return np.exp(-hot @ self._apart) + (hot - self._mean) @ self._along

    def _counted(self, hot):
        """(n, meanings): how often each meaning occurs, beyond what is to be expected, in units of its share of the trend."""
        return (hot - self._mean) @ self._counts

    def _places(self):
        """(S, S): a row an option."""
        return self.parameters[:-1].reshape(self.options, self.options) * self._unit

    def _one_hot(self, points):
        hot = np.zeros((len(points), self.options), np.float32)
        hot[np.arange(len(points))[:, None], self._starts + points] = 1.0
        return hot


def _apart(left, right):
    """(n, m): squared distances of two sets of places."""
    return np.maximum(np.square(left).sum(1)[:, None] + np.square(right).sum(1) - 2 * left @ right.T, 0.0)
