"""Averages of batch norms that are measured anew: against NumPy, and in a training too short for
them.
"""

import keras
import numpy as np
import pytest

from nasnet_tf import training
from nasnet_tf.data import pipeline
from nasnet_tf.genotype import Block, Cell, Genotype
from nasnet_tf.network import Network
from nasnet_tf.training import norms as of_norms
from nasnet_tf.training.norms import FreshNorms, Norms

RNG = np.random.default_rng(0)
X = RNG.normal(3.0, 2.0, (40, 6, 6, 2)).astype("float32")
CELL = Cell((Block(0, "conv_1x1", 1, "max_pool_3x3"),), (2,))
BRIEF = Cell((Block(0, "avg_pool_3x3", 0, "max_pool_3x3"),), (2,))  # quick to trace


def batches(size=10):
    return [(X[start : start + size], None) for start in range(0, len(X), size)]


def normed(momentum=0.999, **options):
    inputs = keras.Input((6, 6, 2))
    norm = keras.layers.BatchNormalization(momentum=momentum, **options)
    return keras.Model(inputs, norm(inputs)), norm


def test_the_averages_are_those_over_the_batches_whatever_they_were_and_whatever_the_momentum():
    for momentum in (0.0, 0.5, 0.9999):
        model, norm = normed(momentum)
        norm.moving_mean.assign([100.0, -100.0])
        Norms(model).measure(batches)
        means, variances = (
            np.mean([of(x, axis=(0, 1, 2)) for x, _ in batches()], axis=0)
            for of in (np.mean, np.var)
        )
        np.testing.assert_allclose(norm.moving_mean, means, rtol=2e-3)
        np.testing.assert_allclose(norm.moving_variance, variances, rtol=2e-3)


def test_frozen_averages_stay_and_so_do_all_other_weights():
    model, norm = normed(0.9)
    norm.trainable = False
    Norms(model).measure(batches)
    np.testing.assert_array_equal(norm.moving_mean, [0, 0])
    network = Network(
        Genotype(CELL, CELL),
        num_cells=(1, 0, 0),
        filters=2,
        input_shape=(6, 6, 2),
        dropout_rate=0.5,
    )
    before = {v.path: np.asarray(v) for v in network.variables}
    Norms(network).measure(batches)
    changed = {v.path for v in network.variables if not np.array_equal(before[v.path], v)}
    assert changed == {path for path in before if path.endswith(("moving_mean", "moving_variance"))}


def test_a_smaller_last_batch_is_passed_over_and_one_batch_is_enough_where_there_is_no_time():
    model, norm = normed()
    Norms(model).measure(lambda: batches(16), seconds=0)
    np.testing.assert_allclose(norm.moving_mean, X[:16].mean((0, 1, 2)), rtol=2e-3)
    Norms(model).measure(lambda: batches(16))
    np.testing.assert_allclose(norm.moving_mean, X[:32].mean((0, 1, 2)), rtol=2e-3)


def test_between_epochs_the_averages_are_those_of_fewer_images(monkeypatch):
    monkeypatch.setattr(of_norms, "_SOME", 30)
    model, norm = normed()
    fresh = FreshNorms(Norms(model), lambda: batches(5))
    fresh.set_model(model)
    model.stop_training = False
    fresh.set_params({"epochs": 2})
    for epoch, images in enumerate((30, len(X))):
        fresh.on_epoch_begin(epoch)
        fresh.on_train_batch_begin(0)
        fresh.on_test_begin()
        np.testing.assert_allclose(norm.moving_mean, X[:images].mean((0, 1, 2)), rtol=2e-3)


def test_averages_are_young_until_they_have_forgotten_their_beginning():
    assert Norms(normed(0.9)[0]).young == pytest.approx(43.7, abs=0.1)
    network = Network(
        Genotype(CELL, CELL),
        num_cells=(1, 0, 0),
        filters=2,
        input_shape=(6, 6, 2),
        batch_norm_momentum=0.9997,
    )
    assert Norms(network).young == pytest.approx(15348, abs=1)
    assert (
        FreshNorms(
            Norms(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])), batches
        ).young
        == 0
    )


def test_after_twenty_steps_the_averages_of_imagenet_know_the_images():
    x = np.concatenate([X, -X])
    y = np.repeat([0, 1], len(X)).astype("int32")
    recipe = training.Recipe(
        epochs=5, batch_size=20, batch_norm_momentum=0.9997, augmentation="none", learning_rate=0.02
    )
    network = Network(
        Genotype(BRIEF, BRIEF),
        num_cells=(1, 0, 0),
        filters=4,
        input_shape=(6, 6, 2),
        classes=2,
        **training.training_arguments(recipe, 4),
    )
    history = training.train(network, pipeline(x, y, 20, seed=0), pipeline(x, y, 20), recipe)
    assert history["val_accuracy"][-1] > 0.95 and history["val_accuracy"][0] > 0.6
    assert training.accuracy(network, x, y)["accuracy"] == pytest.approx(
        history["val_accuracy"][-1]
    )
