"""Training: the cosine, the end by epochs or by the clock, the auxiliary head, what is saved with the network."""

import math

import keras
import numpy as np
import pytest

from nasnet_tf import data, plan, training
from nasnet_tf.genotype import Block, Cell, Genotype

TINY = Genotype(*[Cell((Block(0, "conv_1x1", 1, "max_pool_3x3"),), (2,))] * 2)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", validation=0.2)


@pytest.fixture(scope="module")
def trained(digits):
    keras.utils.set_random_seed(0)
    model = training.network_for(TINY, digits, num_cells=1, filters=8)
    batches = data.pipeline(digits.x_train, digits.y_train, 64, seed=0)
    told = []
    history = training.train(
        model, batches, data.pipeline(digits.x_validation, digits.y_validation, 64), epochs=3, on_epoch=lambda *a: told.append(a)
    )
    return model, history, told


def test_training_lowers_the_loss(trained):
    _, history, _ = trained
    assert history["loss"][-1] < history["loss"][0] and len(history["val_accuracy"]) == 3


def test_each_epoch_is_told_with_the_share_that_is_done(trained):
    assert [(epoch, round(share, 3)) for epoch, share, _ in trained[2]] == [(1, 0.333), (2, 0.667), (3, 1.0)]


def test_the_rate_has_fallen_to_nothing(trained):
    assert float(trained[0].optimizer.learning_rate.numpy()) < 0.05 * 0.01


def test_the_network_normalizes_pixels_itself(trained, digits):
    normalization = trained[0].get_layer("normalization")
    normal = np.asarray(normalization(digits.x_train.astype("float32")))
    assert abs(normal.mean()) < 1e-3 and abs(normal.std() - 1) < 1e-2


def test_a_saved_network_predicts_the_same_and_knows_its_classes(trained, digits, tmp_path):
    trained[0].save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", compile=False)
    x = digits.x_test[:8]
    np.testing.assert_allclose(training.predict(loaded, x), training.predict(trained[0], x), atol=1e-6)
    assert loaded.class_names == digits.class_names


def test_accuracy_is_the_share_of_right_answers(trained, digits):
    x, y = digits.x_test[:50], digits.y_test[:50]
    expected = (np.asarray(trained[0](x.astype("float32"))).argmax(-1) == y).mean()
    assert training.accuracy(trained[0], x, y)["accuracy"] == pytest.approx(expected)


def rates(schedule, epochs):
    """The learning rate at every step of `epochs` epochs."""

    class Model:
        class optimizer:
            learning_rate = None

        stop_training = False

    schedule.set_model(Model)
    seen = []
    for epoch in range(epochs):
        schedule.on_epoch_begin(epoch)
        for batch in range(schedule.steps):
            schedule.on_train_batch_begin(batch)
            seen.append(Model.optimizer.learning_rate)
        schedule.on_epoch_end(epoch)
        if Model.stop_training:
            break
    return seen


def test_the_rate_is_a_cosine_over_all_steps():
    expected = [0.1 * 0.5 * (1 + math.cos(math.pi * step / 12)) for step in range(12)]
    np.testing.assert_allclose(rates(training.CosineRate(0.1, steps=4, epochs=3), 9), expected)


def test_by_the_clock_the_epochs_are_planned_after_the_second(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: now[0])
    schedule = training.CosineRate(0.1, steps=2, minutes=1.0)

    class Model:
        class optimizer:
            learning_rate = None

        stop_training = False

    schedule.set_model(Model)
    epochs = 0
    for epoch in range(100):
        schedule.on_epoch_begin(epoch)
        schedule.on_train_batch_begin(0)
        now[0] += 20.0 if epoch == 0 else 4.0  # the first epoch traces
        schedule.on_epoch_end(epoch)
        epochs += 1
        if Model.stop_training:
            break
    assert epochs == 11 and now[0] == 60.0, "20 s for the first, then 4 s each until the minute is over"


@pytest.mark.parametrize("budget", [{}, {"epochs": 0}, {"minutes": 0}])
def test_a_training_needs_a_budget(budget):
    with pytest.raises(ValueError, match="give one of them, above 0"):
        training.train(None, None, None, **budget)


@pytest.mark.slow
def test_the_auxiliary_head_is_trained_with_its_weight():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (32, 16, 16, 3), dtype=np.uint8), np.arange(32) % 2
    model = training.Network(
        TINY, num_cells=1, filters=4, classes=2, input_shape=(16, 16, 3), auxiliary_head=True, mean=(128,) * 3, std=(64,) * 3
    )
    batches = data.pipeline(x, y, 16, seed=0)
    history = training.train(model, batches, batches, epochs=1)
    assert history["loss"][0] == pytest.approx(history["predictions_loss"][0] + 0.4 * history["auxiliary_loss"][0], rel=1e-3)
    assert "val_accuracy" in history and training.predict(model, x).shape == (32, 2)


@pytest.mark.parametrize(("side", "stem"), [(8, "cifar"), (32, "cifar"), (63, "cifar"), (64, "imagenet"), (224, "imagenet")])
def test_the_stem_suits_the_size_of_the_images(side, stem):
    assert plan.default_stem((side, side, 3)) == stem
