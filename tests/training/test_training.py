"""Training: phases, frozen layers, averages of weights, what the loss is made of, resumption, the
clock.
"""

import csv
import dataclasses
import json
import math
import shutil
import types

import keras
import numpy as np
import pytest

from nasnet_tf import data, training
from nasnet_tf.data.recipes import recipe_batches
from nasnet_tf.genotype import Block, Cell, Genotype
from nasnet_tf.network import Network
from nasnet_tf.systems.stages import default_stem
from nasnet_tf.training import RECIPES, Recipe, checkpoint, clock, fit, follow, optimizers, steps
from nasnet_tf.training.clock import Clock
from nasnet_tf.training.devices import divisible

TINY = Genotype(*[Cell((Block(0, "conv_1x1", 1, "max_pool_3x3"),), (2,))] * 2)
# Traced in half the time; its cells do not read what stands before the last output.
TINIEST = Genotype(*[Cell((Block(0, "avg_pool_3x3", 0, "max_pool_3x3"),), (2,))] * 2)
SIZE = dict(num_cells=(1, 0, 0), filters=4)


class Stop(Exception):
    """An interruption."""


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", validation=0.2)


def network(digits, recipe, genotype=TINIEST):
    keras.utils.set_random_seed(0)
    return training.network_for(genotype, digits, recipe, **SIZE)


def values(variables):
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


# One training with an average of weights


class Record(keras.callbacks.Callback):
    """Keeps the weights after every step."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(values(self.model.trainable_variables))


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    """(model, history, what on_epoch was told, weights after every step, log.csv, how often
    averages became the weights).
    """
    recipe = Recipe(epochs=3, batch_size=64, average_weights=0.5)
    model, told, steps, finals, folder = (
        network(digits, recipe),
        [],
        [],
        [],
        tmp_path_factory.mktemp("trained"),
    )
    with pytest.MonkeyPatch.context() as patch:
        finalize = optimizers.SGD.finalize_variable_values
        patch.setattr(
            optimizers.SGD,
            "finalize_variable_values",
            lambda self, var_list: (finals.append(1), finalize(self, var_list)),
        )
        history = training.train(
            model,
            *recipe_batches(digits, recipe),
            recipe,
            folder=folder,
            callbacks=[Record(steps)],
            on_epoch=lambda *a: told.append(a),
        )
    return model, history, told, steps, folder, len(finals)


def test_training_lowers_the_loss(trained):
    history = trained[1]
    assert history["loss"][-1] < history["loss"][0] and len(history["val_accuracy"]) == 3


def test_each_epoch_is_told_with_the_share_that_is_done(trained):
    assert [(epoch, round(share, 3)) for epoch, share, _ in trained[2]] == [
        (1, 0.333),
        (2, 0.667),
        (3, 1.0),
    ]
    assert trained[2][-1][2]["val_loss"] == trained[1]["val_loss"][-1]


def test_the_rate_has_fallen_to_nothing(trained):
    assert float(trained[0].optimizer.learning_rate) < 0.05 * 0.01


def averaged_by_hand(steps, most):
    average = steps[0]
    for number, weights in enumerate(steps[1:], start=1):
        momentum = min(most, (1 + number) / (10 + number))
        average = [momentum * a + (1 - momentum) * w for a, w in zip(average, weights, strict=True)]
    return average


def test_the_final_weights_are_the_average_of_those_after_every_step(trained):
    model, _, _, steps, _, _ = trained
    assert len(steps) == 54
    for final, average in zip(
        values(model.trainable_variables), averaged_by_hand(steps, 0.5), strict=True
    ):
        np.testing.assert_allclose(final, average, rtol=1e-4, atol=1e-5)
    assert (
        max(
            np.abs(f - w).max()
            for f, w in zip(values(model.trainable_variables), steps[-1], strict=True)
        )
        > 1e-4
    )


def test_the_average_is_what_is_validated(trained, digits):
    found = training.accuracy(trained[0], digits.x_validation, digits.y_validation)
    assert found["accuracy"] == pytest.approx(trained[1]["val_accuracy"][-1])
    decay = sum(float(loss) for loss in trained[0].losses)
    assert found["loss"] + decay == pytest.approx(trained[1]["val_loss"][-1], rel=1e-4)


def test_the_average_becomes_the_weights_once(trained):
    assert trained[5] == 1


def test_the_log_has_a_row_an_epoch_and_the_state_is_gone_at_the_end(trained):
    rows = list(csv.DictReader((trained[4] / "log.csv").read_text().splitlines()))
    assert [(row["phase"], row["epoch"]) for row in rows] == [("0", "1"), ("0", "2"), ("0", "3")]
    assert [float(row["val_loss"]) for row in rows] == trained[1]["val_loss"]
    assert sorted(path.name for path in trained[4].iterdir() if path.is_file()) == ["log.csv"]


def test_the_network_normalizes_pixels_itself(trained, digits):
    normalization = trained[0].get_layer("normalization")
    normal = np.asarray(normalization(digits.x_train.astype("float32")))
    assert abs(normal.mean()) < 1e-3 and abs(normal.std() - 1) < 1e-2


def test_a_saved_network_predicts_the_same_and_knows_its_classes_and_its_optimizer(
    trained, digits, tmp_path
):
    trained[0].save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    x = digits.x_test[:8]
    np.testing.assert_allclose(
        training.predict(loaded, x), training.predict(trained[0], x), atol=1e-6
    )
    assert loaded.class_names == digits.class_names
    assert type(loaded.optimizer) is optimizers.SGD
    for one, other in zip(
        values(loaded.optimizer.variables), values(trained[0].optimizer.variables), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_accuracy_is_the_share_of_right_answers(trained, digits):
    x, y = digits.x_test[:50], digits.y_test[:50]
    expected = (np.asarray(trained[0](x.astype("float32"))).argmax(-1) == y).mean()
    assert training.accuracy(trained[0], x, y)["accuracy"] == pytest.approx(expected)


# What the loss is made of


@pytest.fixture(scope="module")
def two_heads():
    """(history of one step, outputs and weights before, weights after, labels, weights of the
    images).
    """
    rng = np.random.default_rng(0)
    x, y = (
        rng.integers(0, 255, (32, 12, 12, 3), dtype=np.uint8),
        (np.arange(32) % 4 == 0).astype(np.int32),
    )
    recipe = Recipe(
        epochs=1,
        batch_size=32,
        auxiliary_weight=0.4,
        label_smoothing=0.1,
        weight_decay=0.0,
        freeze_batch_norms=True,
    )
    options = dict(input_shape=(12, 12, 3), classes=2, mean=(128,) * 3, std=(64,) * 3)
    keras.utils.set_random_seed(0)
    model = Network(TINY, **SIZE, **options, **training.training_arguments(recipe, 1))
    before = {w.path: v for w, v in zip(model.weights, values(model.weights), strict=True)}
    outputs = model.predict(x.astype("float32"), verbose=0)
    batches = data.pipeline(x, y, 32, weights=[0.5, 2.0])
    history = training.train(model, batches, data.pipeline(x, y, 32), recipe)
    after = {w.path: v for w, v in zip(model.weights, values(model.weights), strict=True)}
    return history, outputs, before, after, y, np.where(y == 1, 2.0, 0.5)


def test_the_loss_is_that_of_both_heads_smoothed_and_weighted(two_heads):
    history, outputs, _, _, y, weights = two_heads
    true = np.eye(2)[y] * 0.9 + 0.05
    main, auxiliary = (
        (-(true * np.log(outputs[head])).sum(-1) * weights).mean()
        for head in ("predictions", "auxiliary")
    )
    assert history["predictions_loss"] == pytest.approx([main], rel=1e-4)
    assert history["auxiliary_loss"] == pytest.approx([auxiliary], rel=1e-4)
    assert history["loss"] == pytest.approx([main + 0.4 * auxiliary], rel=1e-4)


def test_balanced_classes_weigh_the_images_of_the_batches(digits):
    few = dataclasses.replace(
        digits, x_train=digits.x_train[:4], y_train=np.array([7, 7, 7, 1], np.int32)
    )
    batches, validation = recipe_batches(
        few, Recipe(epochs=1, batch_size=4, class_weights="balanced")
    )
    ((_, labels, weights),) = batches(0)
    assert (
        sorted(zip(labels.numpy().tolist(), weights.numpy().tolist(), strict=True))
        == [(1, 2.0)] + [(7, pytest.approx(2 / 3))] * 3
    )
    assert len(next(iter(validation))) == 2


def test_the_batches_of_a_recipe_are_changed_and_mixed_but_for_the_norms_plain(digits):
    recipe = Recipe(epochs=1, augmentation="none", rand_augment=0.5, mixup=0.5)
    batches, validation = recipe_batches(digits, recipe)
    whole = {image.tobytes() for image in digits.x_train.astype("float32")}

    def originals(batches):
        images, labels = next(iter(batches))
        return sum(image.numpy().tobytes() in whole for image in images), labels.shape

    assert originals(batches.plain(0)) == (32, (32,))
    changed, shape = originals(batches(0))
    assert changed < 16 and shape == (32, 10)
    assert next(iter(validation))[1].shape == (32,)


def test_the_figures_of_the_main_head_are_called_as_without_another(two_heads):
    assert {"accuracy", "val_accuracy", "loss", "val_loss"} <= set(two_heads[0])


def test_frozen_batch_norms_keep_what_they_have_while_their_layers_learn(two_heads):
    _, _, before, after, _, _ = two_heads
    norms = [
        path
        for path in before
        if path.endswith(("gamma", "beta", "moving_mean", "moving_variance"))
    ]
    changed = {path for path in before if not np.array_equal(before[path], after[path])}
    assert norms and not changed & set(norms)
    assert changed == set(before) - set(norms)


# Phases and frozen layers


@pytest.fixture(scope="module")
def two_phases(digits):
    """(paths of the weights, their values before, after the first phase, after the second; model;
    history; told).
    """
    recipe = Recipe(
        epochs=1, head_epochs=1, batch_size=256, freeze_until="reduction_cell_1", warmup_epochs=0.2
    )
    model, told = network(digits, recipe, TINY), []
    seen = [values(model.weights)]

    def on_epoch(*figures):
        told.append(figures)
        seen.append(values(model.weights))

    history = training.train(model, *recipe_batches(digits, recipe), recipe, on_epoch=on_epoch)
    return [weight.path for weight in model.weights], seen, model, history, told


def changed(two_phases, before, after):
    paths, seen = two_phases[:2]
    return {
        path
        for path, one, other in zip(paths, seen[before], seen[after], strict=True)
        if not np.array_equal(one, other)
    }


def test_in_the_first_phase_the_classifier_alone_changes(two_phases):
    assert changed(two_phases, 0, 1) == {"predictions/kernel", "predictions/bias"}


def test_what_lies_before_the_first_layer_that_learns_is_bit_for_bit_what_it_was(two_phases):
    different = changed(two_phases, 0, 2)
    assert {path.split("/")[0] for path in different} == {"reduction_cell_1", "predictions"}
    assert different == {
        path for path in two_phases[0] if path.startswith(("reduction_cell_1/", "predictions/"))
    }


def test_both_phases_are_told_as_one_training(two_phases):
    _, _, _, history, told = two_phases
    assert (history["phase"], history["epoch"]) == ([0, 1], [1, 1])
    assert [(epoch, share) for epoch, share, _ in told] == [(1, 0.5), (2, 1.0)]


def test_the_gradients_of_two_batches_make_the_step_of_one_batch_of_both(digits):
    import tensorflow as tf

    images = tf.data.Dataset.from_tensor_slices(
        (digits.x_train[:128].astype("float32"), digits.y_train[:128])
    )
    ends = []
    for batch_size, batches in ((64, 1), (32, 2)):
        recipe = Recipe(
            epochs=1,
            batch_size=batch_size,
            gradient_accumulation_steps=batches,
            schedule="constant",
            clip_norm=0.1,
            freeze_batch_norms=True,
        )
        model = network(digits, recipe)
        training.train(model, images.batch(batch_size), images.batch(64).take(1), recipe)
        ends.append(values(model.trainable_variables))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def learning(model):
    return {variable.path for variable in model.trainable_variables}


def test_freezing_is_undone_by_freezing_nothing(digits):
    model = network(digits, None)
    everything = learning(model)
    training.freeze(model, "predictions", batch_norms=True)
    assert learning(model) == {"predictions/kernel", "predictions/bias"}
    assert learning(training.freeze(model)) == everything
    assert not any(getattr(layer, "freeze_batch_norms", False) for layer in model.layers)


def test_layers_from_the_one_that_is_named_learn_and_their_batch_norms_if_not_frozen(digits):
    model = network(digits, None)
    everything = learning(model)
    late = {
        path for path in everything if path.split("/")[0] in ("reduction_cell_1", "predictions")
    }
    assert learning(training.freeze(model, "reduction_cell_1")) == late
    assert learning(training.freeze(model, "reduction_cell_1", batch_norms=True)) == {
        path for path in late if not path.endswith((".gamma", ".beta"))
    }
    assert learning(training.freeze(model, "stem")) == everything


def test_both_heads_learn_when_the_classifier_alone_does():
    model = Network(TINY, **SIZE, input_shape=(12, 12, 3), auxiliary_head=True)
    assert {path.split("/")[0] for path in learning(training.freeze(model, "predictions"))} == {
        "predictions",
        "auxiliary",
    }


def test_an_unknown_layer_is_told_with_those_there_are(digits):
    with pytest.raises(
        ValueError, match="no layer 'cell_9' to freeze until; there are stem, cell_0, .*predictions"
    ):
        training.freeze(network(digits, None), "cell_9")


# Resumption

REGULAR = Recipe(
    epochs=3, batch_size=256, average_weights=0.9, drop_path_rate=0.3, dropout_rate=0.2
)


def run(digits, recipe, folder=None, **options):
    """(model, history) of a training from the same seed, every epoch of which is written."""
    model = network(digits, recipe)
    return model, training.train(
        model,
        *recipe_batches(digits, recipe),
        recipe,
        folder=folder,
        checkpoint_seconds=0,
        **options,
    )


def interrupt(digits, recipe, folder, **options):
    with pytest.raises(Stop):
        run(digits, recipe, folder, **options)


def stop(*figures):
    raise Stop


class StopAt(keras.callbacks.Callback):
    """Raises at a batch of an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise Stop


def same(one, other):
    """Two (model, history) are of the same training."""
    for name in ("phase", "epoch"):
        assert one[1][name] == other[1][name]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(one[1][name], other[1][name], rtol=1e-4, err_msg=name)
    for mine, theirs in zip(values(one[0].variables), values(other[0].variables), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def uninterrupted(digits):
    return run(digits, REGULAR)


@pytest.fixture(scope="module")
def interrupted(digits, tmp_path_factory):
    """The folder of a training that ended in the middle of its second epoch."""
    folder = tmp_path_factory.mktemp("interrupted") / "not there yet"
    interrupt(digits, REGULAR, folder, callbacks=[StopAt(1, 1)])
    return folder


@pytest.fixture
def folder(interrupted, tmp_path):
    return shutil.copytree(interrupted, tmp_path / "copy")


def test_a_training_goes_on_from_the_middle_of_an_epoch_and_from_its_very_end(
    uninterrupted, folder, digits
):
    def stop_after_the_last(epoch, share, figures):
        if epoch == 3:
            raise Stop

    assert json.loads((folder / "training.json").read_text())["epoch"] == 1
    interrupt(digits, REGULAR, folder, resume=True, on_epoch=stop_after_the_last)
    assert json.loads((folder / "training.json").read_text())["epoch"] == 3, (
        "written, but the average is not yet the weights"
    )
    finished = run(digits, REGULAR, folder, resume=True)
    same(finished, uninterrupted)
    rows = list(csv.DictReader((folder / "log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    np.testing.assert_allclose(
        [float(row["loss"]) for row in rows], uninterrupted[1]["loss"], rtol=1e-4
    )
    assert [float(row["seconds"]) for row in rows] == sorted(float(row["seconds"]) for row in rows)
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["log.csv"]


@pytest.mark.slow
def test_a_training_of_two_phases_goes_on_from_wherever_it_ended(digits, tmp_path):
    recipe = dataclasses.replace(
        REGULAR, epochs=2, head_epochs=1, optimizer="rmsprop", learning_rate=0.01
    )
    whole = run(digits, recipe)
    for name, options in {
        "after the last epoch of the first phase": dict(on_epoch=stop),
        "in the second epoch of the second": dict(callbacks=[StopAt(1, 1)]),
    }.items():
        folder = tmp_path / name
        interrupt(digits, recipe, folder, **options)
        same(run(digits, recipe, folder, resume=True), whole)


@pytest.fixture(scope="module")
def refusing(digits):
    """A network whose trainings are refused, so that it stays as it is."""
    return network(digits, REGULAR)


def resume(model, folder, recipe=REGULAR, **options):
    return training.train(model, None, None, recipe, folder=folder, resume=True, **options)


@pytest.mark.parametrize(
    ("recipe", "arguments", "complaint"),
    [
        (dataclasses.replace(REGULAR, momentum=0.8), {}, "has recipe momentum = 0.9, not 0.8"),
        (REGULAR, dict(filters=8), "has network filters = 4, not 8"),
        (REGULAR, dict(weight_decay=0.0), "has network weight_decay = 0.0005, not 0.0"),
    ],
)
def test_another_training_is_not_gone_on_with(recipe, arguments, complaint, folder, digits):
    model = training.network_for(TINIEST, digits, REGULAR, **{**SIZE, **arguments})
    with pytest.raises(
        ValueError, match=f"the training in {folder} {complaint}; give what it was begun with"
    ) as found:
        resume(model, folder, recipe)
    assert len(str(found.value)) < 400 + len(str(folder))


def test_a_training_by_epochs_is_not_gone_on_with_by_the_clock(folder, refusing):
    with pytest.raises(ValueError, match="epochs = 3, not None"):
        resume(refusing, folder, dataclasses.replace(REGULAR, epochs=None), minutes=1)


def test_where_nothing_is_there_is_nothing_to_go_on_with(refusing, tmp_path):
    for nothing in (tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match=f"{nothing} holds no training to go on with"):
            resume(refusing, nothing)
    with pytest.raises(ValueError, match="resume needs the folder"):
        resume(refusing, None)


@pytest.mark.parametrize(
    "torn",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text[:-3],
        lambda text: "[]",
        lambda text: "null",
        lambda text: "[" * 100_000,
        lambda text: '{"training": {}}',
        lambda text: json.dumps({**json.loads(text), "training": []}),
        lambda text: json.dumps({**json.loads(text), "epoch": "1"}),
        lambda text: json.dumps(
            {name: value for name, value in json.loads(text).items() if name != "random"}
        ),
    ],
)
def test_a_torn_state_is_one_clear_error(torn, folder, refusing):
    path = folder / "training.json"
    path.write_text(torn(path.read_text()))
    with pytest.raises(ValueError, match="training.json cannot be read .*begin it anew"):
        resume(refusing, folder)


@pytest.mark.parametrize(
    "torn",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"",
        lambda whole: whole[:-1] + b"x",
        None,
    ],
)
def test_torn_weights_are_one_clear_error(torn, folder, refusing):
    (path,) = folder.glob("*.weights.h5")
    path.unlink() if torn is None else path.write_bytes(torn(path.read_bytes()))
    with pytest.raises(ValueError, match="weights.h5 (is damaged|cannot be read).*begin it anew"):
        resume(refusing, folder)


def test_weights_that_are_no_numbers_end_a_training_and_are_not_written(digits, tmp_path):
    recipe = Recipe(epochs=2, batch_size=32)
    x = np.full((32, 8, 8, 1), np.nan, np.float32)
    batches = data.pipeline(x, np.zeros(32, np.int32), 32)
    with pytest.raises(ArithmeticError, match="the loss became nan; try a smaller learning rate"):
        training.train(
            network(digits, recipe), batches, batches, recipe, folder=tmp_path, checkpoint_seconds=0
        )
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["log.csv"]


# By the clock


@pytest.fixture
def now(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(clock.keras.backend, "backend", lambda: "tensorflow")
    return now


class Model:
    """As much of a network as the clock knows."""

    def __init__(self):
        self.optimizer, self.stop_training = type("Optimizer", (), {"learning_rate": None})(), False


def ticking(schedule, now, seconds, validation=0.0, first=0):
    """(steps of each epoch, the rate at every step), where a step of epoch k takes seconds(k), and
    a validation so many of those.
    """
    model, rates, counts = Model(), [], []
    schedule.set_model(model)
    for epoch in range(first, 1000):
        schedule.on_epoch_begin(epoch)
        counts.append(0)
        for batch in range(schedule.steps):
            schedule.on_train_batch_begin(batch)
            rates.append(model.optimizer.learning_rate)
            counts[-1] += 1
            now[0] += seconds(epoch)
            schedule.on_train_batch_end(batch)
            if model.stop_training:
                break
        schedule.on_test_begin()
        now[0] += validation * seconds(epoch)
        schedule.on_test_end()
        schedule.on_epoch_end(epoch)
        if model.stop_training:
            return counts, rates
    raise AssertionError("it never stops")


def test_by_the_clock_a_training_ends_in_the_middle_of_an_epoch(now):
    counts, _ = ticking(Clock(0.1, 8, 100.0, 160.0), now, lambda epoch: 5)
    assert counts == [8, 4] and now[0] == 160.0


def test_by_the_clock_the_rate_falls_along_a_cosine_over_the_time(now):
    _, rates = ticking(Clock(0.1, 4, 100.0, 160.0), now, lambda epoch: 2)
    np.testing.assert_allclose(
        rates[2:],
        [0.1 * 0.5 * (1 + math.cos(math.pi * step / 29)) for step in range(2, 30)],
        rtol=1e-6,
    )


def test_trainings_that_follow_one_another_share_a_cosine(now):
    _, together = ticking(Clock(0.1, 4, 100.0, 220.0), now, lambda epoch: 2)
    now[0], each = 100.0, []
    for part, ends in (((0.0, 0.5), 160.0), ((0.5, 1.0), 220.0)):
        each += ticking(Clock(0.1, 4, now[0], ends, part=part), now, lambda epoch: 2)[1]
    np.testing.assert_allclose(each, together, atol=4e-3)


def test_by_the_clock_the_rate_warms_up_too(now):
    _, rates = ticking(Clock(0.1, 4, 100.0, 160.0, warmup=2.0), now, lambda epoch: 2)
    _, without = ticking(Clock(0.1, 4, 160.0, 220.0), now, lambda epoch: 2)
    np.testing.assert_allclose(
        rates, [rate * min(step / 8, 1) for step, rate in enumerate(without)]
    )


def test_by_the_clock_an_epoch_on_jax_has_the_rate_of_its_middle(now, monkeypatch):
    monkeypatch.setattr(clock.keras.backend, "backend", lambda: "jax")
    _, rates = ticking(Clock(0.1, 2, 100.0, 160.0), now, lambda epoch: 3)
    expected = [
        0.1 * 0.5 * (1 + math.cos(math.pi * (6 * epoch + 3) / 57)) for epoch in range(1, 10)
    ]
    np.testing.assert_allclose(rates[2:], np.repeat(expected, 2))


def test_by_the_clock_one_step_may_be_all_there_is_time_for_and_600_epochs_are_the_most(now):
    assert ticking(Clock(0.1, 5, now[0], now[0] + 60), now, lambda epoch: 300)[0] == [1]
    assert len(ticking(Clock(0.1, 1, now[0], now[0] + 60), now, lambda epoch: 1e-6)[0]) == 600


def test_by_the_clock_there_is_time_for_the_last_validation_and_for_what_comes_after(now):
    schedule = Clock(0.1, 10, 100.0, 160.0)
    schedule.measured(validation=3.0, after=7.0)
    counts, _ = ticking(schedule, now, lambda epoch: 1, validation=3)
    assert counts == [10] * 4 and now[0] + 7 == 159.0, "a fifth epoch of one step would end at 163"


@pytest.mark.parametrize("slower", [2, 4])
def test_by_the_clock_all_is_over_in_time_on_a_machine_that_becomes_slower(now, slower):
    schedule = Clock(0.1, 10, 100.0, 400.0)
    schedule.measured(validation=3.0, after=7.0)
    counts, _ = ticking(schedule, now, lambda epoch: 1 if epoch < 5 else slower, validation=3)
    assert 380 < now[0] + 7 * slower <= 400 and len(counts) > 5


def test_by_the_clock_no_epoch_is_begun_that_has_no_time_for_its_validation(now):
    schedule = Clock(0.1, 10, 100.0, 127.5)
    schedule.measured(validation=3.0, after=0.0)
    assert ticking(schedule, now, lambda epoch: 1, validation=3)[0] == [10, 10]


def test_a_training_by_the_clock_goes_on_at_the_rate_it_had_with_the_time_that_is_left(now):
    _, whole = ticking(Clock(0.1, 2, 100.0, 160.0), now, lambda epoch: 2)
    now[0] += 1000
    goes_on = Clock(0.1, 2, now[0] - 24, now[0] + 36)
    _, rest = ticking(goes_on, now, lambda epoch: 2, first=6)
    np.testing.assert_allclose(rest[2:], whole[14:])
    assert rest[-1] < 0.001


def test_a_training_by_the_clock_whose_time_is_over_has_no_step_left(now):
    assert Clock(0.1, 1, 40.0, 100.0).is_over and not Clock(0.1, 1, 40.0, 101.0).is_over
    assert Clock(0.1, 1, 40.0, 101.0, after=2.0).is_over


def test_the_share_is_of_the_time_or_of_the_epochs_where_that_is_more(now):
    schedule = Clock(0.1, 2, 70.0, 130.0)
    assert schedule.share_done(0, 1) == pytest.approx(0.5)
    assert schedule.share_done(450, 0) == pytest.approx(0.75) and schedule.share_done(600, 0) == 1.0
    now[0] += 100
    assert schedule.share_done(4, 0) == 1.0


class Ticks(keras.callbacks.Callback):
    """Lets a second pass with every batch, and 20 before the first of a fit; notes the rate at the
    end of every epoch.
    """

    def __init__(self, now, rates):
        super().__init__()
        self.now, self.rates = now, rates

    def on_train_begin(self, logs=None):
        self.now[0] += 20

    def on_train_batch_end(self, batch, logs=None):
        self.now[0] += 1

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


@pytest.mark.slow
def test_a_training_by_the_clock_takes_its_time_in_two_parts(digits, tmp_path, monkeypatch):
    now, rates, told = [1000.0], [], []
    for module in (fit, clock, steps, follow, checkpoint):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: now[0]))

    def stop_at(last):
        def on_epoch(epoch, share, figures):
            told.append((epoch, share))
            if epoch == last:
                raise Stop

        return on_epoch

    recipe = Recipe(batch_size=256, head_epochs=2, average_weights=0.999)
    interrupt(digits, recipe, tmp_path, minutes=2, on_epoch=stop_at(5), callbacks=[Ticks(now, [])])
    now[0] += 12345
    _, history = run(
        digits,
        recipe,
        tmp_path,
        minutes=2,
        on_epoch=stop_at(None),
        callbacks=[Ticks(now, rates)],
        resume=True,
    )
    count = len(history["phase"])
    assert (history["phase"], history["epoch"]) == ([0] + [1] * (count - 1), [1, *range(1, count)])
    assert history["seconds"][0] in (24, 25), "the classifier alone has a fifth of the time"
    assert 118 <= history["seconds"][-1] <= 121 and history["seconds"] == sorted(history["seconds"])
    assert rates[-1] < 0.001 and rates == sorted(rates, reverse=True)
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] > 0.98


def test_by_the_clock_the_whole_of_a_training_takes_its_time(digits, monkeypatch):
    now = [1000.0]
    for module in (fit, clock, steps, follow, checkpoint):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    model, recipe = network(digits, Recipe()), Recipe(batch_size=256)
    batches = recipe_batches(digits, recipe)
    history = training.train(
        model, *batches, recipe, minutes=1, after=10.0, callbacks=[Ticks(now, [])]
    )
    assert 48 <= now[0] - 1000 <= 51, "ten of the sixty seconds are for what comes after"
    assert history["epoch"][-1] > 1


@pytest.mark.parametrize(
    "budget", [{}, {"minutes": 0}, {"minutes": -1}, {"minutes": math.nan}, {"minutes": math.inf}]
)
def test_a_training_needs_a_budget(budget):
    with pytest.raises(ValueError, match="give one of them, above 0"):
        training.train(None, None, None, **budget)


def test_a_training_has_one_budget():
    with pytest.raises(ValueError, match="epochs is 600 and minutes is 5; give one of them"):
        training.train(None, None, None, "cifar", minutes=5)


# Batches, batch norms


def test_batches_for_several_devices_have_their_first_images_twice():
    batches = data.pipeline(
        np.arange(7, dtype=np.float32).reshape(7, 1, 1, 1), np.arange(7), 4, weights=np.arange(7.0)
    )
    found = [
        [np.asarray(part).ravel().tolist() for part in batch] for batch in divisible(batches, 4)
    ]
    assert found == [[[0, 1, 2, 3]] * 3, [[4, 5, 6, 4]] * 3]
    assert len(divisible(batches, 4)) == 2 and divisible(batches, 1) is batches


def test_a_batch_of_one_image_is_enough_for_several_devices():
    batches = data.pipeline(np.ones((1, 2, 2, 1), np.float32), np.array([3]), 4)
    assert [labels.numpy().tolist() for _, labels in divisible(batches, 4)] == [[3, 3, 3, 3]]


def test_after_a_hundred_steps_the_batch_norms_of_the_cifar_recipe_know_the_images(digits):
    recipe = dataclasses.replace(
        RECIPES["cifar"],
        epochs=6,
        batch_size=64,
        auxiliary_weight=0,
        drop_path_rate=0,
        cutout=0,
        augmentation="none",
    )
    model = network(digits, recipe)
    assert model.get_layer("cell_0").batch_norm_momentum == 0.9
    history = training.train(model, *recipe_batches(digits, recipe), recipe)
    assert int(model.optimizer.iterations) == 108
    found = training.accuracy(model, digits.x_train, digits.y_train)
    assert abs(history["accuracy"][-1] - found["accuracy"]) < 0.05


@pytest.mark.parametrize(
    ("side", "stem"),
    [(8, "cifar"), (32, "cifar"), (63, "cifar"), (64, "imagenet"), (224, "imagenet")],
)
def test_the_stem_suits_the_size_of_the_images(side, stem):
    assert default_stem((side, side, 3)) == stem


# What a training is of, and whose folder it is.


def state_of(folder, **described):
    """A folder with the state of a training that is described so."""
    folder.mkdir()
    state = {
        "phase": 0,
        "epoch": 1,
        "seconds": 1.0,
        "history": [],
        "weights": "w",
        "sha256": "",
        "random": [],
        "training": described,
    }
    (folder / "training.json").write_text(json.dumps(state))
    return folder


@pytest.mark.parametrize(
    "before, now, says",
    [
        ({"classes": 10}, {"classes": 12}, "has data classes = 10, not 12"),
        (
            {"shape": [8, 8, 1]},
            {"shape": [9, 8, 1]},
            r"has data shape = \[8, 8, 1\], not \[9, 8, 1\]",
        ),
        (
            None,
            {"classes": 12},
            "cannot be read",
        ),  # the weights are not there: the data was no reason to refuse
        ({"classes": 10}, None, "cannot be read"),
        ({"classes": 10}, {"classes": 10}, "cannot be read"),
    ],
)
def test_a_training_does_not_go_on_with_other_data(tmp_path, before, now, says):
    from nasnet_tf.training.checkpoint import Checkpoint

    folder = state_of(tmp_path / "m.training", **({"data": before} if before else {}))
    with pytest.raises(ValueError, match=says):
        Checkpoint(folder, {"data": now} if now else {}).resume()


def test_only_a_trainings_folder_is_written_to(tmp_path):
    from nasnet_tf.training.checkpoint import holds_other_things

    own, empty, killed, theirs = (tmp_path / name for name in ("own", "empty", "killed", "theirs"))
    state_of(own), empty.mkdir(), theirs.mkdir()
    (killed / "tensorboard").mkdir(parents=True)
    (theirs / "training.json").write_text("{}")
    assert [
        holds_other_things(folder) for folder in (own, empty, killed, tmp_path / "nowhere", theirs)
    ] == [False] * 4 + [True]
    (theirs / "log.csv").write_text("phase,epoch,seconds\n")
    assert not holds_other_things(theirs)
