"""What Keras Tuner asks of every tuner, of ours: models that know nothing of cells, trained in this
process.
"""

import pathlib

import keras
import keras_tuner
import numpy as np
import pytest

from nasnet_tf.tuners import CellTuner, PPOOracle, PPOSearch

pytestmark = pytest.mark.slow
X = np.random.default_rng(0).random((32, 2), "float32")
Y = np.random.default_rng(1).integers(0, 3, 32)
FIT = dict(
    x=X, y=Y, epochs=1, validation_data=(X, Y), verbose=0
)  # one step: models are run eagerly, which needs no tracing


def build(hp):
    x = inputs = keras.Input((2,))
    for number in range(hp.Int("layers", 1, 2)):
        x = keras.layers.Dense(hp.Int(f"units_{number}", 5, 9, 2), activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    rate = hp.Choice("learning_rate", [1e-2, 1e-3])
    model.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=True,
    )
    return model


def tuner(
    path, hypermodel=build, objective="val_accuracy", max_trials=2, kind=PPOSearch, **options
):
    return kind(
        hypermodel,
        objective=objective,
        max_trials=max_trials,
        directory=path,
        seed=0,
        isolation="none",
        **options,
    )


def test_a_tuner_tells_what_it_was_given_and_searches(tmp_path, capsys):
    one = tuner(tmp_path, executions_per_trial=2)
    assert (one.oracle.objective.name, one.oracle.max_trials, one.executions_per_trial) == (
        "val_accuracy",
        2,
        2,
    )
    assert {hp.name for hp in one.oracle.get_space().space} == {
        "layers",
        "units_0",
        "units_1",
        "learning_rate",
    } - {"units_1"}
    one.search_space_summary()
    one.search(**FIT)
    one.results_summary()
    assert len(one.oracle.trials) == 2 and pathlib.Path(tmp_path, "untitled_project").is_dir()
    assert "units_0" in capsys.readouterr().out


def test_choices_that_appear_in_a_trial_reach_the_oracle(tmp_path):
    class TwoLayers(PPOOracle):
        def populate_space(self, trial_id):
            proposed = super().populate_space(trial_id)
            proposed["values"]["layers"] = 2
            return proposed

    one = CellTuner(
        TwoLayers("val_accuracy", 1, seed=0), build, directory=tmp_path, isolation="none"
    )
    one.search(**FIT)
    assert {"units_0", "units_1"} <= {hp.name for hp in one.oracle.get_space().space}


def test_several_objectives_are_weighed_together(tmp_path):
    one = tuner(tmp_path, objective=["val_accuracy", keras_tuner.Objective("val_loss", "min")])
    assert one.oracle.objective.name == "multi_objective"
    one.search(**FIT)
    assert all(np.isfinite(trial.score) for trial in one.oracle.trials.values())


def values():
    hp = keras_tuner.HyperParameters()
    hp.Int("value", 0, 10)
    return hp


class Own(PPOSearch):
    """A tuner that says itself what a trial is."""

    def run_trial(self, trial, *args, **kwargs):
        return {"val_loss": trial.hyperparameters.get("value")}


class Number(PPOSearch):
    def run_trial(self, trial, *args, **kwargs):
        return float(trial.hyperparameters.get("value"))


@pytest.mark.parametrize(
    ("kind", "objective"), [(Own, "val_loss"), (Number, "val_loss"), (Number, None)]
)
def test_a_tuner_that_says_what_a_trial_is_needs_no_hypermodel(tmp_path, kind, objective):
    one = tuner(
        tmp_path,
        hypermodel=None,
        objective=objective,
        kind=kind,
        max_trials=3,
        hyperparameters=values(),
    )
    one.search()
    assert len(one.oracle.trials) == 3


class Scored(keras_tuner.HyperModel):
    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *args, **kwargs):
        return float(hp.Int("value", 0, 10))


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_a_hypermodel_may_return_a_number(tmp_path, isolation):
    one = PPOSearch(
        Scored(), None, 2, directory=tmp_path, seed=0, isolation=isolation, executions_per_trial=2
    )
    one.search(**FIT)
    assert len(one.oracle.trials) == 2 and one.oracle.get_best_trials(1)[0].score is not None


def test_a_tuner_without_either_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Received `hypermodel=None`"):
        tuner(tmp_path, hypermodel=None)


def test_a_trial_that_returns_a_text_is_refused(tmp_path):
    class Text(PPOSearch):
        def run_trial(self, trial, *args, **kwargs):
            return "a text"

    with pytest.raises(TypeError, match="to be one of"):
        tuner(
            tmp_path, hypermodel=None, objective="val_loss", kind=Text, hyperparameters=values()
        ).search()


def test_callbacks_are_told_and_copied_for_each_trial(tmp_path):
    told = []

    class Told(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            told.append(id(self))

    callback = Told()
    tuner(tmp_path, max_trials=2).search(**FIT, callbacks=[callback])
    assert len(told) == 2 and id(callback) not in told


@pytest.mark.parametrize("optimizer", ["rmsprop", keras.optimizers.RMSprop(0.01)])
def test_optimizer_loss_and_metrics_of_the_tuner_are_compiled(tmp_path, optimizer):
    one = tuner(
        tmp_path,
        objective=keras_tuner.Objective("val_mae", "min"),
        optimizer=optimizer,
        loss="mse",
        metrics=["mae", "accuracy"],
    )
    assert (one.optimizer, one.loss, one.metrics) == (optimizer, "mse", ["mae", "accuracy"])
    one.search(**{**FIT, "y": np.eye(3)[Y], "validation_data": (X, np.eye(3)[Y])})
    (model,) = one.get_best_models(1)
    assert (
        model.loss == "mse"
        and type(model.optimizer) is keras.optimizers.RMSprop
        and model.optimizer is not optimizer
    )


def test_a_space_that_is_given_is_searched_and_no_other(tmp_path):
    hp = keras_tuner.HyperParameters()
    hp.Choice("learning_rate", [0.1, 0.2])
    one = tuner(tmp_path, hyperparameters=hp, tune_new_entries=False)
    one.search(**FIT)
    assert {
        name for trial in one.oracle.trials.values() for name in trial.hyperparameters.values
    } >= {"learning_rate", "layers"}
    assert all(trial.hyperparameters.values["layers"] == 1 for trial in one.oracle.trials.values())
    with pytest.raises(RuntimeError, match="allow_new_entries"):
        tuner(tmp_path / "closed", hyperparameters=hp, allow_new_entries=False)


def test_the_best_models_and_hyperparameters_come_back(tmp_path):
    one = tuner(tmp_path, max_trials=3)
    one.search(**FIT)
    best = one.get_best_hyperparameters(1)[0]
    assert best.values == one.oracle.get_best_trials(1)[0].hyperparameters.values
    (model,) = one.get_best_models(1)
    assert model.predict(X, verbose=0).shape == (32, 3)
    reached = one.oracle.get_best_trials(1)[0].metrics.get_best_value("val_accuracy")
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["accuracy"] == pytest.approx(reached)


def test_a_search_that_ended_is_taken_up_and_goes_on(tmp_path):
    tuner(tmp_path).search(**FIT)
    longer = tuner(tmp_path, max_trials=4)
    assert len(longer.oracle.trials) == 2
    longer.search(**FIT)
    assert len(longer.oracle.trials) == 4
    assert len(tuner(tmp_path, overwrite=True).oracle.trials) == 0


def test_a_hypermodel_that_makes_no_model_is_refused(tmp_path):
    with pytest.raises(TypeError, match="valid Keras Model"):
        tuner(tmp_path, hypermodel=lambda hp: hp.Choice("a", [1, 2])).search(**FIT)


def test_a_model_that_cannot_be_built_is_a_failed_trial(tmp_path):
    def sometimes(hp):
        if hp.Choice("bad", [False, True]):
            raise keras_tuner.errors.FailedTrialError("no such model")
        return build(hp)

    one = tuner(tmp_path, hypermodel=sometimes, max_trials=5)
    one.search(**FIT)
    assert {trial.status for trial in one.oracle.trials.values()} <= {"COMPLETED", "FAILED"}


def test_models_that_are_too_large_are_failed_trials(tmp_path):
    one = tuner(tmp_path, max_model_size=10, max_consecutive_failed_trials=2)
    with pytest.raises(RuntimeError, match="Oversized model"):
        one.search(**FIT)


def test_an_objective_that_no_training_tells_is_named(tmp_path):
    with pytest.raises((ValueError, KeyError, RuntimeError), match="val_nothing"):
        tuner(
            tmp_path,
            objective=keras_tuner.Objective("val_nothing", "max"),
            max_consecutive_failed_trials=1,
        ).search(**FIT)
