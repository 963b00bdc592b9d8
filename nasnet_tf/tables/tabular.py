"""Searches simulated on a table, in milliseconds each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nasnet_tf.tables.table import Metrics, Table

__all__ = ["MOST_TRAININGS", "History", "Trainings", "simulate"]

MOST_TRAININGS = 100_000


class History(NamedTuple):
    """A search, training by training: three arrays of as many numbers as there were trainings.

    The incumbent is the network with the best signal so far, the earliest of equals; NaN before a
    training succeeds.
    """

    signal: np.ndarray  # of the incumbent, as the search observed it, noise included
    test: np.ndarray  # of the incumbent
    cost: np.ndarray  # seconds of all trainings up to this one


class Trainings:
    """Trainings of a table's points, one after the other, within a budget; keeps the incumbent
    after each.

    Training a point again counts, and costs, as another training, with another noise. A training
    that fails costs the mean of the table, which does not say its cost, so that every search ends.

    Args:
        budget: how many trainings; None leaves it to `seconds`.
        seconds: no training begins once those before it cost so much in all; the last may end
            later and counts, as in the published searches of NAS-Bench-201 and NATS-Bench (Dong &
            Yang 2020, arXiv 2001.00326; exps/NATS-algos of their code).
        noise: standard deviation of Gaussian noise on the signal, in its unit.
        seed: of the noise.
    Raises: ValueError if there is no budget, or the table does not know the cost of a training.
    """

    def __init__(
        self, table: Table, budget: int | None = None, seconds: float | None = None,
        noise: float = 0.0, seed: int = 0,
    ):  # fmt: skip
        if budget is None and seconds is None:
            raise ValueError(
                "a search of a table needs an end; give a budget of trainings, or seconds."
            )
        if budget is not None and not 1 <= budget <= MOST_TRAININGS:
            raise ValueError(f"budget is {budget}; give 1 to {MOST_TRAININGS} trainings.")
        if seconds is not None and not 0 < seconds < np.inf:
            raise ValueError(f"seconds is {seconds}; give a finite number above 0.")
        if seconds is not None and not table.timed:
            raise ValueError(
                f"{table.name} does not say what a training costs, so seconds cannot end a search;"
                " give a budget of trainings (--budget), or the column with the seconds (--cost)."
            )
        if seconds is not None and not table.mean_cost > 0:
            raise ValueError(
                f"all trainings of {table.name} cost 0 seconds, which never add up to {seconds:g};"
                " give a budget instead."
            )
        if not noise >= 0 or noise == np.inf:
            raise ValueError(
                f"noise is {noise}; give a standard deviation of at least 0, in the unit of the"
                " signal."
            )
        self.table, self.seconds = table, np.inf if seconds is None else seconds
        self.budget, self.noise = MOST_TRAININGS if budget is None else budget, noise
        self._rng = (
            np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3,))) if noise else None
        )
        self._best: Metrics | None = None
        self._best_signal = -np.inf
        self._cost, self._history = 0.0, []

    def __len__(self) -> int:
        """Number of trainings so far."""
        return len(self._history)

    @property
    def over(self) -> bool:
        """Whether the budget is spent."""
        return len(self._history) >= self.budget or self._cost >= self.seconds

    def train(self, point: tuple[int, ...]) -> float | None:
        """The signal of `point`; None if its training fails."""
        metrics = self.table.get(point)
        if metrics is None:
            return self.count(point, None, self.table.mean_cost)
        noise = 0.0 if self._rng is None else self._rng.normal(0.0, self.noise)
        return self.count(point, metrics.signal + noise, metrics.cost)

    def count(self, point: tuple[int, ...], signal: float | None, cost: float) -> float | None:
        """Records a training whose result is known. Returns `signal`."""
        if signal is not None and signal > self._best_signal:
            self._best_signal, self._best = signal, self.table.get(point)
        self._cost += cost
        self._history.append(
            (np.nan, np.nan, self._cost)
            if self._best is None
            else (self._best_signal, self._best.test, self._cost)
        )
        return signal

    def history(self) -> History:
        """The search so far."""
        return History(*np.array(self._history, dtype=float).reshape(-1, 3).T)


def simulate(strategy, table: Table, budget=None, seconds=None, noise=0.0, seed=0) -> History:
    """Runs a fresh strategy on `table.space`, one training after the other. Arguments as
    `Trainings`.
    """
    trainings = Trainings(table, budget, seconds, noise, seed)
    while not trainings.over:
        point = strategy.propose(len(trainings))
        strategy.observe(point, trainings.train(point))
    return trainings.history()
