"""The arguments of `keras_tuner.Tuner` have their meaning in our tuners; what a tuner does not take
is refused by name.
"""

import inspect
import math
import os
import pathlib

import keras
import keras_tuner
import numpy as np
import pytest

from nasnet_tf.children.compiling import Compiling
from nasnet_tf.evaluation import Worker
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.tuners import (
    CellHyperModel,
    OneShotSearch,
    PPOOracle,
    PPOSearch,
    StrategyOracle,
    StrategySearch,
)


def small_data():
    rng = np.random.default_rng(0)
    return rng.random((16, 8, 8, 3), "float32"), rng.integers(0, 2, 16)


def small_search(path, isolation="none", **arguments):
    hypermodel = CellHyperModel((8, 8, 3), 2, space=NASNetSpace(1), num_cells=1, filters=2)
    tuner = PPOSearch(
        hypermodel,
        arguments.pop("objective", "val_accuracy"),
        1,
        seed=0,
        directory=path,
        isolation=isolation,
        **arguments,
    )
    x, y = small_data()
    tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0, batch_size=8)
    return tuner, tuner.oracle.get_best_trials(1)[0]


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["process", "none"])
def test_optimizer_loss_and_metrics_of_a_tuner_take_the_place_of_the_hypermodels(
    tmp_path, isolation
):
    optimizer, metrics = (
        keras.optimizers.Adam(0.125),
        ["accuracy", keras.metrics.SparseCategoricalCrossentropy(name="nats")],
    )
    tuner, trial = small_search(
        tmp_path, isolation, optimizer=optimizer, metrics=metrics, loss=Constant()
    )
    assert trial.metrics.exists("val_nats") and trial.metrics.exists("val_accuracy")
    assert trial.metrics.get_last_value("val_loss") == pytest.approx(7.0)
    (model,) = tuner.get_best_models(1)
    assert type(model.optimizer) is keras.optimizers.Adam and model.optimizer is not optimizer


class Constant(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return 7.0 + 0.0 * keras.ops.sum(y_pred, axis=-1)


def test_a_model_larger_than_asked_for_is_a_failed_trial(tmp_path):
    with pytest.raises(RuntimeError, match="Oversized model: .*parameters"):
        small_search(tmp_path, max_model_size=50, max_consecutive_failed_trials=1)


@pytest.mark.slow
def test_a_native_child_larger_than_asked_for_is_a_failed_trial():
    hypermodel = CellHyperModel((8, 8, 3), 2, space=NASNetSpace(1), num_cells=1, filters=2)
    hp = keras_tuner.HyperParameters()
    native, model = hypermodel.build_native(hp, small_data(), {}), hypermodel.build(hp)
    size = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    for one in (native, model):
        Compiling(max_model_size=size).check_size(one)
        with pytest.raises(
            ValueError,
            match=(
                f"Oversized model: {size:,} trainable parameters, more than"
                f" max_model_size={size - 1:,}"
            ),
        ):
            Compiling(max_model_size=size - 1).check_size(one)


def test_a_child_is_trained_as_often_as_asked_for_and_the_mean_is_its_result(tmp_path, monkeypatch):
    accuracies = iter([0.25, 0.75, 0.5])

    def train(hypermodel, hp, values, seed, policy, folder, *args, **kwargs):
        accuracy = next(accuracies)
        os.makedirs(folder, exist_ok=True)
        pathlib.Path(folder, "checkpoint.npz").write_text(f"{seed} {accuracy}")
        return {"val_accuracy": accuracy}, {"val_accuracy": [0.0, accuracy]}

    monkeypatch.setattr("nasnet_tf.children.runner.train_child", train)
    monkeypatch.setattr(
        Worker, "run", lambda self, function, *args, **kwargs: function(*args, **kwargs)
    )
    _, trial = small_search(tmp_path, "process", executions_per_trial=3)
    assert trial.score == pytest.approx(0.5)
    (kept,) = tmp_path.glob("untitled_project/trial_*/*checkpoint.npz")
    seed, accuracy = kept.read_text().split()
    assert (kept.name, accuracy) == ("checkpoint.npz", "0.75") and int(seed) % 1_000_003 == 1


@pytest.mark.slow
def test_children_are_trained_under_a_distribution_strategy(tmp_path):
    tf = pytest.importorskip("tensorflow")
    strategy, seen = tf.distribute.OneDeviceStrategy("/cpu:0"), []

    class Watched(PPOSearch):
        def _override_compile_args(self, model):
            seen.append(tf.distribute.get_strategy())
            super()._override_compile_args(model)

    x, y = small_data()
    hypermodel = CellHyperModel((8, 8, 3), 2, space=NASNetSpace(1), num_cells=1, filters=2)
    tuner = Watched(
        hypermodel, "val_accuracy", 1, directory=tmp_path, distribution_strategy=strategy
    )
    tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0)
    assert strategy in seen and tuner.isolation == "none"
    with pytest.raises(ValueError, match="distribution_strategy holds devices of this process"):
        PPOSearch(
            hypermodel,
            "val_accuracy",
            1,
            directory=tmp_path,
            distribution_strategy=strategy,
            isolation="process",
        )


def test_a_search_without_a_hypermodel_is_refused_unless_it_says_what_a_trial_is(tmp_path):
    with pytest.raises(ValueError, match="Received `hypermodel=None`.*override run_trial"):
        PPOSearch(objective="val_loss", max_trials=1, directory=tmp_path)

    class Own(PPOSearch):
        def run_trial(self, trial, *args, **kwargs):
            return {"score": trial.hyperparameters.Choice("a", [1, 2, 3])}

    hp = keras_tuner.HyperParameters()
    hp.Choice("a", [1, 2, 3])
    tuner = Own(
        objective=keras_tuner.Objective("score", "max"),
        max_trials=5,
        hyperparameters=hp,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    assert tuner.oracle.get_best_trials(1)[0].score == max(
        trial.hyperparameters.get("a") for trial in tuner.oracle.trials.values()
    )


@pytest.mark.parametrize("tuner", [PPOSearch, StrategySearch, OneShotSearch])
def test_a_tuner_shows_and_takes_what_every_tuner_of_keras_does(tuner):
    names = set(inspect.signature(tuner).parameters)
    assert (
        set(inspect.signature(keras_tuner.Tuner).parameters) - {"oracle", "kwargs"} <= names
        and "kwargs" not in names
    )
    assert set(inspect.signature(keras_tuner.Oracle).parameters) <= names
    with pytest.raises(TypeError, match="'max_trial', did you mean 'max_trials'"):
        tuner(CellHyperModel((8, 8, 3), 2), max_trial=3)


def test_an_oracle_refuses_what_it_does_not_take_with_the_nearest_name():
    for oracle in (PPOOracle, StrategyOracle):
        with pytest.raises(
            TypeError, match="'max_retries', did you mean 'max_retries_per_trial'|'max_trials'"
        ):
            oracle(objective="a", max_retries=1)


def test_executions_that_make_no_number_are_refused(tmp_path):
    for wrong in (0, 1.5, None):
        with pytest.raises(
            ValueError, match="executions_per_trial is .*; give how often each child is trained"
        ):
            PPOSearch(
                CellHyperModel((8, 8, 3), 2),
                "val_accuracy",
                1,
                executions_per_trial=wrong,
                directory=tmp_path,
            )
