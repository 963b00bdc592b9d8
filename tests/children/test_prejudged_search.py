"""Searches with limits, scores, softened rewards and early stopping, through Keras Tuner and the
worker process.
"""

import threading
import time

import keras
import keras_tuner
import numpy as np
import pytest

from nasnet_tf.children.early import MedianStopping
from nasnet_tf.cost import cost
from nasnet_tf.evaluation import Limits, SoftLimit
from nasnet_tf.scores.zero_cost import parameters
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.strategies import RandomSearch
from nasnet_tf.tuners import CellHyperModel, Prejudge, StrategySearch

SPACE = NASNetSpace(1)
EPOCHS = 4


def level(genotype):
    """A made-up accuracy from 0 to 1."""
    return (int(genotype.canonical_key(), 16) % 997) / 997


class Scripted(keras.Sequential):
    """Trains nothing: its validation accuracy rises to `level` in a straight line."""

    level = 0.0

    def fit(self, *args, callbacks=(), epochs=1, **kwargs):
        self.stop_training = False
        callbacks = keras.callbacks.CallbackList(callbacks, add_history=True, model=self)
        callbacks.on_train_begin()
        for epoch in range(epochs):
            callbacks.on_epoch_end(epoch, {"val_accuracy": self.level * (epoch + 1) / epochs})
            if self.stop_training:
                break
        return self.history


class ScriptedChild(CellHyperModel):
    def build(self, hp):
        model = Scripted([keras.Input((1,)), keras.layers.Dense(1)])
        model.level = level(self.genotype(hp))
        return model


def searched(folder, trials, objective="val_accuracy", soft=None, isolation="none", **kwargs):
    child = ScriptedChild((8, 8, 1), 3, space=SPACE, filters=2, stem="cifar", soft=soft)
    tuner = StrategySearch(
        child,
        objective,
        trials,
        strategy="random",
        seed=0,
        directory=str(folder),
        project_name="s",
        isolation=isolation,
        **kwargs,
    )
    tuner.search(np.zeros((1, 1)), np.zeros(1), epochs=EPOCHS, verbose=0)
    return [tuner.oracle.trials[i] for i in tuner.oracle.end_order], tuner


def genotypes(trials, tuner):
    return [tuner.hypermodel.genotype(trial.hyperparameters) for trial in trials]


# Limits and scores


def test_nothing_that_breaks_a_limit_is_trained(tmp_path):
    final = dict(num_cells=2, filters=8, classes=3, stem="cifar", input_shape=(8, 8, 1))
    free = [
        cost(SPACE.decode(SPACE.random(np.random.default_rng(n))), **final).parameters
        for n in range(9)
    ]
    limit = int(np.median(free))
    trials, tuner = searched(tmp_path, 5, prejudge=Prejudge(Limits(parameters=limit), final))
    assert len(trials) == 5 and all(
        cost(g, **final).parameters <= limit for g in genotypes(trials, tuner)
    )


def test_the_limits_are_the_childrens_if_no_other_network_is_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"none of \d+ different points is allowed \(parameters above 5: \d+\)"
    ):
        searched(tmp_path, 3, prejudge=Prejudge(Limits(parameters=5)))


def test_of_each_pool_the_cell_with_most_parameters_is_trained(tmp_path):
    trials, tuner = searched(tmp_path, 4, prejudge=Prejudge(score="parameters", pool=3))
    inner, size = RandomSearch(SPACE, 0), tuner.hypermodel.size
    for number, genotype in enumerate(genotypes(trials, tuner)):
        pool = [SPACE.decode(inner.propose(number, attempt=attempt)) for attempt in range(3)]
        assert parameters(genotype, **size) == max(parameters(g, **size) for g in pool)


@pytest.mark.slow
def test_networks_are_scored_and_timed_in_the_worker(tmp_path):
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    judge = Prejudge(Limits(latency=60_000.0), score="naswot", images=images, pool=2)
    trials, tuner = searched(tmp_path, 1, isolation="process", prejudge=judge)
    assert (
        trials[0].status == "COMPLETED"
        and min(tuner.worker.memory_mb, tuner.prescreen.memory_mb) > 0
    )
    (judged,) = [judgement for judgement in tuner.oracle.study._replay.strategy._verdicts.values()][
        :1
    ]
    assert np.isfinite(judged[0]) and judged[1] is None


def test_what_cannot_be_measured_is_turned_down(tmp_path):
    judge = Prejudge(
        score="naswot", images=np.zeros((4, 9, 9, 2)), pool=1
    )  # images of another shape
    tuner = StrategySearch(
        ScriptedChild((8, 8, 1), 3, space=SPACE, filters=2, stem="cifar"),
        "val_accuracy",
        1,
        strategy="random",
        seed=0,
        prejudge=judge,
        directory=str(tmp_path),
        project_name="s",
        isolation="process",
    )
    from nasnet_tf.evaluation import ChildFailed

    tuner.prescreen.run = lambda *args, **kwargs: (_ for _ in ()).throw(ChildFailed("no room"))
    with pytest.raises(ValueError, match=r"\(no room: \d+\)"):
        tuner.search(np.zeros((1, 1)), np.zeros(1), epochs=1, verbose=0)


def test_a_prejudge_that_cannot_work_is_refused():
    with pytest.raises(ValueError, match="no score 'snip'; there are"):
        Prejudge(score="snip")
    with pytest.raises(ValueError, match="naswot needs images"):
        Prejudge(score="naswot")


class Clerk:
    """Takes the place of `Worker`: knows the answers, notes what it was asked, and cannot be asked
    two things at once.
    """

    made = []

    def __init__(self, threads=None):
        self.asked, self.folders, self.busy = [], [], threading.Lock()
        self.made.append(self)

    def run(self, function, *args, **kwargs):
        assert self.busy.acquire(blocking=False), "a worker was called while it was at work"
        self.asked.append(function.__name__)
        if function.__name__ == "train_child":
            self.folders.append(args[5])
        time.sleep(0.02)
        self.busy.release()
        return (
            parameters(args[1], **kwargs)
            if function.__name__ == "score"
            else ({"val_accuracy": 0.5}, {})
        )

    def close(self):
        pass


@pytest.mark.parametrize("workers", [2, 4])
def test_proposals_of_workers_side_by_side_are_measured_by_a_worker_that_trains_nothing(
    tmp_path, monkeypatch, workers
):
    monkeypatch.setattr("nasnet_tf.children.runner.Worker", Clerk)
    monkeypatch.setattr(Clerk, "made", [])
    judge = Prejudge(score="parameters", pool=2)
    trials, tuner = searched(tmp_path, 12, isolation="process", prejudge=judge, workers=workers)
    assert [trial.status for trial in trials] == ["COMPLETED"] * 12
    tasks = [set(clerk.asked) for clerk in Clerk.made]
    assert (
        tasks.count({"score"}) == 1 and tasks.count({"train_child"}) == workers == len(tasks) - 1
    ), tasks
    inner, size = RandomSearch(SPACE, 0), tuner.hypermodel.size
    for number in range(12):
        pool = [SPACE.decode(inner.propose(number, attempt=attempt)) for attempt in range(2)]
        found = tuner.hypermodel.genotype(tuner.oracle.trials[f"{number:02d}"].hyperparameters)
        assert parameters(found, **size) == max(parameters(g, **size) for g in pool)


def test_a_relative_folder_is_sent_to_workers_as_an_absolute_one(tmp_path, monkeypatch):
    monkeypatch.setattr("nasnet_tf.children.runner.Worker", Clerk)
    monkeypatch.chdir(tmp_path)
    _, tuner = searched("runs", 1, isolation="process")
    assert tuner.worker.folders == [str(tmp_path / "runs" / "s" / "trial_0")]


@pytest.mark.slow
def test_real_workers_side_by_side_propose_what_one_alone_does(tmp_path):
    judge = Prejudge(score="synflow", pool=2)
    alone, side_by_side = (
        searched(tmp_path / str(workers), 2, isolation="process", prejudge=judge, workers=workers)[
            1
        ]
        for workers in (1, 2)
    )
    for number, trial in alone.oracle.trials.items():
        assert (
            trial.hyperparameters.values
            == side_by_side.oracle.trials[number].hyperparameters.values
        )


# Softened rewards


def test_the_search_maximises_the_softened_reward_and_keeps_the_accuracy(tmp_path):
    size = dict(num_cells=1, filters=4, classes=3, stem="cifar", input_shape=(8, 8, 1))
    soft = SoftLimit(50_000, -0.5, size=size)
    trials, tuner = searched(tmp_path, 3, keras_tuner.Objective("reward", "max"), soft)
    for trial, genotype in zip(trials, genotypes(trials, tuner), strict=True):
        accuracy = trial.metrics.get_last_value("val_accuracy")
        assert accuracy == pytest.approx(level(genotype))
        assert trial.score == pytest.approx(
            accuracy * (cost(genotype, **size).multiply_adds / 50_000) ** -0.5
        )


def test_a_cell_that_is_met_again_keeps_its_accuracy_too(tmp_path):
    class Twice(RandomSearch):
        def propose(self, number, pending=(), attempt=0):
            return super().propose(0)

    child = ScriptedChild(
        (8, 8, 1), 3, space=SPACE, filters=2, stem="cifar", soft=SoftLimit(10**5, size={})
    )
    tuner = StrategySearch(
        child,
        keras_tuner.Objective("reward", "max"),
        2,
        strategy=Twice,
        isolation="none",
        directory=str(tmp_path),
        project_name="s",
    )
    tuner.search(np.zeros((1, 1)), np.zeros(1), epochs=EPOCHS, verbose=0)
    first, again = (tuner.oracle.trials[i] for i in tuner.oracle.end_order)
    assert again.message == "the same network as trial 0; its result was reused"
    for name in ("val_accuracy", "reward"):
        assert again.metrics.get_last_value(name) == first.metrics.get_last_value(name)


# Early stopping

RULE = MedianStopping(grace=1, fewest=3)


def expected(genotypes):
    """By hand: after which epoch each child in turn is stopped, and what it had reached."""
    curves = []
    for genotype in genotypes:
        curve = []
        for epoch in range(EPOCHS):
            curve.append(level(genotype) * (epoch + 1) / EPOCHS)
            others = [np.mean(other[: epoch + 1]) for other in curves if len(other) > epoch]
            if epoch >= 1 and len(others) >= 3 and max(curve) < np.median(others):
                break
        curves.append(curve)
    return curves


@pytest.mark.parametrize("isolation", ["none", pytest.param("process", marks=pytest.mark.slow)])
def test_children_that_fall_behind_are_stopped_and_keep_what_they_had_reached(tmp_path, isolation):
    trials, tuner = searched(tmp_path, 8, isolation=isolation, stop_early=RULE)
    curves = expected(genotypes(trials, tuner))
    assert any(len(curve) < EPOCHS for curve in curves)
    for trial, curve in zip(trials, curves, strict=True):
        assert trial.status == "COMPLETED" and trial.score == pytest.approx(curve[-1])
        assert (trial.message or "") == (
            f"stopped early, after epoch {len(curve)}" if len(curve) < EPOCHS else ""
        )


def test_a_search_that_is_interrupted_stops_the_same_children(tmp_path):
    whole, _ = searched(tmp_path / "whole", 8, stop_early=RULE)
    searched(tmp_path / "parts", 5, stop_early=RULE)
    parts, _ = searched(tmp_path / "parts", 8, stop_early=RULE)
    assert [trial.score for trial in parts] == [trial.score for trial in whole]


def test_without_the_rule_no_curve_is_kept(tmp_path):
    trials, _ = searched(tmp_path, 2)
    assert not any(name.startswith("epoch_") for trial in trials for name in trial.metrics.metrics)
