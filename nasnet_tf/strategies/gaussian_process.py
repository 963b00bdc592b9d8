"""A Gaussian process over points of discrete decisions: how good a point probably is, and how sure
that is. Plain NumPy.

Three parts, of equal variance, add up to what a point is worth: what each option is worth where it
is; what each operation is worth wherever it stands, by how often the point has it; and what options
make together. The first two are linear, in directions: a point of one operation alone is no more
uncertain than any other. In the third every option of every decision has a place in a latent space
of its decision; the covariance of two points is exp(-squared distance of their places). At first
all options of a decision are equally far apart; the data then moves those together that do alike,
and those of decisions that matter apart.

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

_REACH = 2.0  # prior: two random points are about exp(-2) alike, however many decisions there are
_MOVE = 0.3  # prior: how far a place moves, in units of its first distance from the origin
_NOISE, _NOISE_SPREAD = (
    math.log(0.02),
    1.5,
)  # prior of the logarithm of the noise, as a share of the variance
_NOISE_RANGE = math.log(1e-4), math.log(2.0)
_RATE = 0.08


def normal_scores(values) -> np.ndarray:
    """Values by rank, as if drawn from a standard normal; equal values get equal scores. Outliers
    and units make no difference.
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = counts.cumsum() - (counts - 1) / 2 - 0.5  # from 0.5 on, the mean of equal ones
    return np.array([NormalDist().inv_cdf(rank / len(inverse)) for rank in ranks])[inverse]


class GaussianProcess:
    """Beliefs about points of which some values are known.

    Args:
        sizes: number of options of each decision, S in all.
        meanings: what these options stand for (`Choices.meanings`); all different by default.
        parameters: S * S + 1 numbers: the places, an option a row, in units of their first distance
            from the origin; the logarithm of the noise. Those of the prior by default.
    """

    def __init__(self, sizes, meanings=None, parameters=None):
        self.sizes, self.options = np.array(sizes), int(np.sum(sizes))
        meanings = np.arange(self.options) if meanings is None else np.array(meanings)
        self._starts = np.concatenate([[0], self.sizes.cumsum()[:-1]])
        self._unit = math.sqrt(_REACH / 2 / max((1 - 1 / self.sizes).sum(), 1e-9))
        decision = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self._free = decision[:, None] == decision  # a place has the dimensions of its decision
        self._meanings = (meanings[:, None] == np.unique(meanings)).astype(
            np.float32
        )  # (S, meanings)
        self._mean = (1 / self.sizes[decision]).astype(
            np.float32
        )  # how often a random point has each option
        self._prior = np.append(np.eye(self.options), _NOISE)
        self.parameters = self._prior.copy() if parameters is None else np.array(parameters, float)

    @property
    def noise(self) -> float:
        """Variance of the noise, as a share of one of the three parts'."""
        return math.exp(self.parameters[-1])

    def fit(self, points, values, steps: int) -> None:
        """Moves places and noise towards those under which the values are most likely, by `steps`
        of Adam.
        """
        hot, adam = self._one_hot(points), Adam(len(self.parameters))
        trends = self._trends(hot)
        trend = trends @ trends.T
        for _ in range(steps):
            adam.descend(self.parameters, self._slopes(hot, trend, values), _RATE)
            self.parameters[-1] = np.clip(self.parameters[-1], *_NOISE_RANGE)

    def _slopes(self, hot, trend, values):
        """Of the negative logarithm of the posterior of the parameters, with the variance of the
        points at its best.
        """
        places, n = hot @ self._places(), len(values)
        alike = np.exp(-_apart(places, places))
        inverse = np.linalg.inv(alike + trend + self.noise * np.eye(n))
        known = inverse @ values
        outer = inverse - np.outer(known, known) * n / max(values @ known, 1e-12)
        pull = -0.5 * outer * alike  # slopes to squared distances
        np.fill_diagonal(pull, 0.0)
        by_place = (
            hot.T @ (4 * (pull.sum(1)[:, None] * places - pull @ places)) * self._free * self._unit
        )
        slopes = np.append(by_place, 0.5 * self.noise * np.trace(outer))
        spread = np.append(np.full(by_place.size, _MOVE), _NOISE_SPREAD)
        return slopes + (self.parameters - self._prior) / spread**2

    def condition(self, points, values) -> None:
        """Learns the values, to answer `predict`."""
        places, hot = self._places(), self._one_hot(points)
        apart = _apart(places, places) * self._free
        self._apart = (apart @ hot.T).astype(
            np.float32
        )  # (S, n): squared distances of each option from those of the points
        self._along = self._trends(hot)
        covariance = self._covariance(hot, self._along) + self.noise * np.eye(len(values))
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        whitened = whiten @ values
        self._variance = max(whitened @ whitened / len(values), 1e-9)
        self._known, self._whiten = (
            (whitened @ whiten).astype(np.float32),
            whiten.T.astype(np.float32),
        )

    def predict(self, points) -> tuple[np.ndarray, np.ndarray]:
        """(means, standard deviations) of what points are worth, without the noise."""
        hot = self._one_hot(points)
        trends = self._trends(hot)
        alike = self._covariance(hot, trends)
        unexplained = 1 + np.square(trends).sum(1) - np.square(alike @ self._whiten).sum(1)
        return alike @ self._known, np.sqrt(np.maximum(unexplained, 1e-6) * self._variance)

    def _covariance(self, hot, trends):
        """(m, n): of points with those that were learned."""
        return np.exp(-hot @ self._apart) + trends @ self._along.T

    def _trends(self, hot):
        """(n, S + meanings): two directions a point, of the options it has and of how often it has
        each meaning.
        """
        options = hot - self._mean
        return np.concatenate([_direction(options), _direction(options @ self._meanings)], 1)

    def _places(self):
        """(S, S): a row an option."""
        return self.parameters[:-1].reshape(self.options, self.options) * self._unit

    def _one_hot(self, points):
        hot = np.zeros((len(points), self.options), np.float32)
        hot[np.arange(len(points))[:, None], self._starts + points] = 1.0
        return hot


def _direction(rows):
    """The rows, of length 1; those of nothing stay."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _apart(left, right):
    """(n, m): squared distances of two sets of places."""
    return np.maximum(
        np.square(left).sum(1)[:, None] + np.square(right).sum(1) - 2 * left @ right.T, 0.0
    )
