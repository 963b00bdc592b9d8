"""A search of a table through a study: asked and told, log and all, as every search of ours."""

from __future__ import annotations

import tempfile

from nasnet_tf.study import Listener, Study
from nasnet_tf.tables.table import Table
from nasnet_tf.tables.tabular import History, Trainings

__all__ = ["simulate"]


class _CountDuplicates(Listener):
    """A result that is reused counts as a training and costs nothing."""

    def __init__(self, trainings, trained):
        self.study, self._trainings, self._trained = None, trainings, trained

    def ended(self, number):
        if number not in self._trained:
            score = self.study.history.score(number)
            self._trainings.count(self.study.point(number), score, 0.0)


def simulate(
    make_strategy, table: Table, budget=None, seconds=None, noise=0.0, seed=0, strategy_seed=0
) -> History:
    """As `nasnet_tf.tables.tabular.simulate`, by way of a `Study` in a temporary folder.

    A trial whose network an earlier one has trained takes over the signal of that one, as in every
    search of ours: it counts as a training and costs nothing. So without noise a search within a
    budget is the same to the bit as one without the study.

    Args:
        make_strategy: anything that makes a strategy from a space and `strategy_seed`.
    """
    trainings, trained = Trainings(table, budget, seconds, noise, seed), set()
    listener = _CountDuplicates(trainings, trained)
    with tempfile.TemporaryDirectory() as folder:
        study = listener.study = Study(
            make_strategy,
            table.space,
            folder=folder,
            metric="signal",
            seed=strategy_seed,
            repeats=True,
            max_failures=None,
            listener=listener,
        )
        study.should_stop = lambda: trainings.over
        while (trial := study.ask()) is not None:
            trained.add(trial.number)
            study.tell(trial.number, trainings.train(study.point(trial.number)))
    return trainings.history()
