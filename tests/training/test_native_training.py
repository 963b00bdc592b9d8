"""A training by compiled kernels is the training by Keras: its losses, its weights, its optimizer's
state, its checkpoints.
"""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from nasnet_tf import training
from nasnet_tf.data.batches import pipeline
from nasnet_tf.genotype import Block, Cell, Genotype, unused
from nasnet_tf.network import Network
from nasnet_tf.training import Recipe, trainers
from nasnet_tf.training.networks import training_arguments

BLOCKS = (Block(0, "sep_conv_3x3", 1, "avg_pool_3x3"),)
GENOTYPE = Genotype(Cell(BLOCKS, unused(BLOCKS)), Cell(BLOCKS, unused(BLOCKS)))
RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.01)
RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (20, 8, 8, 3), "uint8"), np.arange(20) % 3


def network(recipe=RECIPE, **arguments):
    keras.utils.set_random_seed(0)
    size = dict(num_cells=(1, 0, 0), filters=4, classes=3, input_shape=(8, 8, 3))
    pixels = dict(mean=(127.0,) * 3, std=(70.0,) * 3)
    given = training_arguments(recipe, 3) | dict(batch_norm_epsilon=1e-2)
    return Network(GENOTYPE, **size, **pixels, **given, **arguments)


def batches(first_pass=0, mixup=0.0):
    return pipeline(X, Y, 8, seed=0, first_pass=first_pass, mixup=mixup, classes=3)


def trained(recipe=RECIPE, model=None, **options):
    """(the model, its history, by what it was trained)."""
    model, said = model or network(recipe), []
    validation = pipeline(X, Y, 8)
    own = functools.partial(batches, mixup=recipe.mixup)
    history = training.train(model, own, validation, recipe, say=said.append, **options)
    return model, history, said[-1]


@pytest.fixture(autouse=True)
def nothing_is_traced():
    """Keras traces longer than it trains here."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def state(model):
    """All that is trained, and what the optimizer, whatever its name, knows of it."""
    own = {v.path: np.array(v) for v in model.variables if "seed" not in v.path}
    return own | {v.path.partition("/")[2]: np.array(v) for v in model.optimizer.variables}


def assert_equal_states(ours, theirs, tolerance):
    ours, theirs = state(ours), state(theirs)
    assert ours.keys() == theirs.keys()
    for path, values in theirs.items():
        apart = np.linalg.norm(ours[path] - values)
        assert apart <= tolerance * max(np.linalg.norm(values), 1e-2), path


@pytest.mark.parametrize(
    "changes",
    [
        {},
        dict(momentum=0.0, clip_norm=None, weight_decay=0.0),
        dict(mixup=1.0, label_smoothing=0.1),
        dict(
            label_smoothing=0.2,
            clip_norm=0.5,
            schedule="exponential",
            decay_epochs=0.5,
            average_weights=0.99,
            warmup_epochs=1.0,
            batch_norm_momentum=0.8,
        ),
    ],
    ids=lambda changes: next(iter(changes), "as it is"),
)
def test_it_is_the_training_by_keras(changes):
    recipe = dataclasses.replace(RECIPE, **changes)
    model, history, said = trained(recipe)
    other, expected, told = trained(recipe, native=False)
    assert "compiled kernels" in said and "Keras" in told
    assert history.keys() == expected.keys()
    for name in history.keys() - {"seconds", "examples_per_second"}:
        np.testing.assert_allclose(history[name], expected[name], rtol=2e-3, err_msg=name)
    np.testing.assert_allclose(history["loss"][0], expected["loss"][0], rtol=1e-4)
    assert_equal_states(model, other, 1e-2)
    x = X.astype("float32")
    np.testing.assert_allclose(model.predict(x, verbose=0), other.predict(x, verbose=0), atol=1e-3)
    np.testing.assert_allclose(training.predict(model, x), model.predict(x, verbose=0), atol=1e-5)


def test_one_step_is_that_of_keras():
    recipe = dataclasses.replace(RECIPE, epochs=1, label_smoothing=0.1, average_weights=0.9)
    models, losses = [], []
    for native in (True, False):
        model = network(recipe)
        one = pipeline(X[:8], Y[:8], 8)
        found = training.train(model, one, one, recipe, native=native)
        models.append(model)
        losses.append(found["loss"] + found["val_loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert_equal_states(*models, 1e-4)


class Stop(keras.callbacks.Callback):
    """Ends a training as if it were killed."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


Stop.__module__ = "nasnet_tf.stop"


@pytest.mark.parametrize("then", [True, False])
def test_a_killed_training_goes_on_to_the_same_end_by_whatever_trains_it(tmp_path, then):
    recipe = dataclasses.replace(RECIPE, average_weights=0.9)
    whole, history, _ = trained(recipe)
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, folder=tmp_path, checkpoint_seconds=0, callbacks=[Stop()])
    model, resumed, said = trained(recipe, folder=tmp_path, resume=True, native=then)
    assert ("compiled kernels" in said) == then
    np.testing.assert_allclose(resumed["loss"], history["loss"], rtol=1e-6 if then else 1e-3)
    assert_equal_states(model, whole, 1e-6 if then else 1e-2)


def test_it_ends_in_time_and_by_a_number_that_is_none():
    recipe = dataclasses.replace(RECIPE, epochs=None)
    _, history, said = trained(recipe, minutes=0.02)
    assert "compiled kernels" in said and history["seconds"][-1] < 3
    with pytest.raises(ArithmeticError, match="diverged"):
        trained(dataclasses.replace(RECIPE, learning_rate=1e12, clip_norm=None))


class Foreign(keras.callbacks.Callback):
    def __repr__(self):
        return "foreign"


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        (dict(optimizer="rmsprop"), {}),
        (dict(drop_path_rate=0.2), {}),
        (dict(dropout_rate=0.2), {}),
        (dict(freeze_until="reduction_cell_0"), {}),
        ({}, dict(callbacks=[Foreign()])),
        ({}, dict(jit_compile=False)),
        ({}, dict(native=False)),
    ],
    ids=str,
)
def test_what_the_kernels_cannot_do_is_trained_by_keras(changes, options, monkeypatch):
    recipe = dataclasses.replace(RECIPE, epochs=1, **changes)
    monkeypatch.setattr(trainers.KerasTrainer, "fit", lambda *args: None)
    monkeypatch.setattr(training.norms.Norms, "measure", lambda *args, **kwargs: None)
    _, _, said = trained(recipe, network(recipe, trainable=True), **options)
    assert "Keras" in said


@pytest.mark.parametrize("gpu", [True, False])
def test_with_an_accelerator_keras_trains(gpu, monkeypatch):
    monkeypatch.setattr(trainers, "accelerated", lambda: gpu)
    model = network()
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    given = model, RECIPE, batches(), batches(), []
    assert isinstance(trainers.trainer_for(*given), trainers.KerasTrainer) == gpu
