"""A search of a table through Keras Tuner's own protocol: create_trial, update_trial, end_trial,
files and all.
"""

from __future__ import annotations

import tempfile

import keras_tuner

from nasnet_tf.tables.table import Table
from nasnet_tf.tables.tabular import MOST_TRAININGS, History, Trainings
from nasnet_tf.tuners.oracle import StrategyOracle

__all__ = ["simulate"]


def simulate(
    make_strategy, table: Table, budget=None, seconds=None, noise=0.0, seed=0, strategy_seed=0
) -> History:
    """As `nasnet_tf.tables.tabular.simulate`, by way of a `StrategyOracle` in a temporary folder.

    A trial whose network an earlier one has trained takes that one's signal over, as in every
    search of ours: it counts as a training and costs nothing. So without noise a search within a
    budget is the same to the bit as one without the oracle.

    Args:
        make_strategy: anything that makes a strategy from a space and `strategy_seed`.
    """
    trainings = Trainings(table, budget, seconds, noise, seed)
    hp = keras_tuner.HyperParameters()
    for name, options in table.space.decisions:
        hp.Choice(name, list(options))
    oracle = StrategyOracle(
        make_strategy,
        keras_tuner.Objective("signal", "max"),
        max_trials=None,
        space=table.space,
        hyperparameters=hp,
        seed=strategy_seed,
        max_consecutive_failed_trials=MOST_TRAININGS + 1,
        allow_new_entries=False,
        tune_new_entries=False,
        repeats=True,
    )
    oracle.verbose, oracle.should_stop, trained = 0, lambda: trainings.over, set()

    def point_of(trial):
        return table.space.choices(trial.hyperparameters.values)

    def count_twin(trial):
        if trial.trial_id not in trained:
            trainings.count(point_of(trial), trial.score, 0.0)

    oracle.on_end = count_twin
    with tempfile.TemporaryDirectory() as folder:
        oracle._set_project_dir(folder, "search")
        while (trial := oracle.create_trial("tuner")).status == "RUNNING":
            trained.add(trial.trial_id)
            signal = trainings.train(point_of(trial))
            if signal is not None:
                oracle.update_trial(trial.trial_id, {"signal": signal})
            trial.status = "COMPLETED" if signal is not None else "INVALID"
            oracle.end_trial(trial)
    return trainings.history()
