"""The same training on TensorFlow and on JAX, in mixed precision, and on several devices at once.

What needs JAX runs in a process of its own and is skipped where JAX is not installed.
"""

import dataclasses
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)
BACKENDS = ["tensorflow", pytest.param("jax", marks=needs_jax)]

PRELUDE = """
import os, json, sys
if os.environ["KERAS_BACKEND"] == "tensorflow" and "DEVICES" in os.environ:
    import tensorflow as tf
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * int(os.environ["DEVICES"])
    )
import keras, numpy as np
from nasnet_tf import data, training
from nasnet_tf.data.recipes import recipe_batches
from nasnet_tf.genotype import Block, Cell, Genotype
from nasnet_tf.network import Network
from nasnet_tf.training import Recipe

TINY = Genotype(*[Cell((Block(0, "conv_1x1", 1, "max_pool_3x3"),), (2,))] * 2)
digits = data.load("digits", validation=0.2)

def values(variables):
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]

def network(recipe):
    keras.utils.set_random_seed(0)
    return training.network_for(TINY, digits, recipe, num_cells=(1, 0, 0), filters=4)
"""


def run(code, backend, **environment):
    """What `code` leaves as `found`, run in a process on `backend`."""
    variables = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-c", f"{PRELUDE}{code}\nprint(json.dumps(found))"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


# Mixed precision


@pytest.mark.parametrize(
    ("dtype", "scaled"), [("float32", False), ("mixed_float16", True), ("mixed_bfloat16", False)]
)
def test_the_loss_is_scaled_for_float16_alone(dtype, scaled):
    from nasnet_tf.network import Network
    from nasnet_tf.training import RECIPES, fit, training_arguments

    recipe = dataclasses.replace(RECIPES["short"], epochs=1, dtype=dtype, average_weights=0.9)
    model = Network(
        "nasnet_a",
        num_cells=(1, 0, 0),
        filters=4,
        input_shape=(8, 8, 3),
        **training_arguments(recipe, 1),
    )
    fit._compile(model, recipe, fit.phases(recipe)[0], 1, "auto")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) is scaled
    assert model.get_layer("predictions").compute_dtype == "float32"
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


TWENTY_STEPS = """
recipe = Recipe(epochs=5, batch_size=256, dtype=os.environ["DTYPE"], average_weights=0.5 * (os.environ["DTYPE"] == "mixed_float16"))
found = training.train(network(recipe), lambda k: recipe_batches(digits, recipe)[0](k).take(4), recipe_batches(digits, recipe)[1], recipe)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend, dtype",
    [("tensorflow", "mixed_float16"), pytest.param("jax", "mixed_bfloat16", marks=needs_jax)],
)
def test_twenty_steps_in_mixed_precision_lower_the_loss(backend, dtype):
    found = run(TWENTY_STEPS, backend, DTYPE=dtype)
    assert np.isfinite(found["loss"]).all() and found["loss"][-1] < 0.95 * found["loss"][0]
    assert np.isfinite(found["val_loss"]).all()


# The same on both backends


SEEDED = """
keras.utils.set_random_seed(0)
model = Network("nasnet_a", num_cells=1, filters=8, classes=10, input_shape=(16, 16, 3), auxiliary_head=True)
initial = values(model.weights)
x = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype("float32")
outputs = model(x, training=False)
moving = model(x, training=True)
model.compile(keras.optimizers.SGD(0.1), {name: "sparse_categorical_crossentropy" for name in outputs})
before = values(model.trainable_variables)
model.train_on_batch(x, {name: np.arange(4) for name in outputs})
gradients = [(old - new) / 0.1 for old, new in zip(before, values(model.trainable_variables))]
found = {
    "gradients": [g.ravel()[:: max(g.size // 20, 1)].tolist() for g in gradients],
    "weights": [[w.path, list(w.shape), float(np.sum(v, dtype="float64")), float(np.sum(np.abs(v), dtype="float64"))]
                for w, v in zip(model.weights, initial)],
    "outputs": {name: keras.ops.convert_to_numpy(y).tolist() for name, y in outputs.items()},
    "training": {name: keras.ops.convert_to_numpy(y).tolist() for name, y in moving.items()},
}
"""


@pytest.mark.slow
@needs_jax
def test_a_seeded_network_is_the_same_on_both_backends():
    one, other = run(SEEDED, "tensorflow"), run(SEEDED, "jax")
    assert one["weights"] == other["weights"]
    for when in ("outputs", "training"):
        for head in ("predictions", "auxiliary"):
            np.testing.assert_allclose(one[when][head], other[when][head], atol=1e-4)
    for mine, theirs in zip(one["gradients"], other["gradients"], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-2, atol=1e-3)


WHOLE = """
import tempfile
recipe = Recipe(
    epochs=3, head_epochs=1, batch_size=256, average_weights=0.9, freeze_until="reduction_cell_1", drop_path_rate=0.3, dropout_rate=0.2,
    warmup_epochs=0.5,
)
class Stop(Exception):
    pass

def stop(epoch, share, figures):
    if epoch == 3:
        raise Stop

def go(**options):
    model = network(recipe)
    seen = [values(model.weights)]
    on_epoch = options.pop("on_epoch", lambda *figures: seen.append(values(model.weights)))
    return model, seen, training.train(model, *recipe_batches(digits, recipe), recipe, on_epoch=on_epoch, checkpoint_seconds=0, **options)

model, seen, history = go()
def changed(one, other):  # but for the counters of drop path
    found = {w.path.split("/")[0] for w, a, b in zip(model.weights, one, other) if w.dtype == "float32" and not np.array_equal(a, b)}
    return sorted(found)

accuracy = training.accuracy(model, digits.x_validation, digits.y_validation)["accuracy"]
found = {"first": changed(seen[0], seen[1]), "all": changed(seen[0], seen[-1]), "history": history, "accuracy": accuracy}
found["averaged"] = changed(seen[-1], values(model.weights))
with tempfile.TemporaryDirectory() as folder:
    try:
        go(folder=folder, on_epoch=stop)
    except Stop:
        pass
    again, _, found["resumed"] = go(folder=folder, resume=True)
    model.save(os.path.join(folder, "model.keras"))
    loaded = keras.saving.load_model(os.path.join(folder, "model.keras"))
    found["loaded"] = training.accuracy(loaded, digits.x_validation, digits.y_validation)["accuracy"]
found["difference"] = max(float(np.abs(a - b).max()) for a, b in zip(values(model.weights), values(again.weights)))
"""


@pytest.mark.slow
@needs_jax
def test_phases_frozen_layers_averages_and_resumption_work_on_jax():
    """As test_training.py asks of TensorFlow."""
    found = run(WHOLE, "jax")
    assert found["first"] == ["predictions"] and found["all"] == ["predictions", "reduction_cell_1"]
    assert found["averaged"] == ["predictions", "reduction_cell_1"], (
        "the average takes the place of the weights at the end"
    )
    assert found["accuracy"] == pytest.approx(found["history"]["val_accuracy"][-1]), (
        "and was what was validated"
    )
    np.testing.assert_allclose(found["resumed"]["loss"], found["history"]["loss"], rtol=1e-4)
    np.testing.assert_allclose(
        found["resumed"]["val_loss"], found["history"]["val_loss"], rtol=1e-4
    )
    assert found["difference"] < 1e-4
    assert found["loaded"] == found["accuracy"], "a network can be saved after it has predicted"


# Several devices


def virtual(devices):
    """So many virtual devices of the processor, on either backend."""
    flag = f"--xla_force_host_platform_device_count={devices}"
    return {"DEVICES": str(devices), "XLA_FLAGS": flag}


SHARED = """
recipe = Recipe(epochs=1, batch_size=575, weight_decay=0.0, augmentation="none")
devices = ["CPU:0", "CPU:1"] if keras.backend.backend() == "tensorflow" else None
with training.data_parallel(devices):
    model = network(recipe)
before, steps = values(model.weights), []

def places(variable):
    if keras.backend.backend() == "tensorflow":
        return [np.asarray(part) for part in model.distribute_strategy.experimental_local_results(variable.value)]
    return [np.asarray(part.data) for part in variable.value.addressable_shards]

note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
history = training.train(model, *recipe_batches(digits, recipe), recipe, callbacks=[note])
found = {
    "places": [len(places(w)) for w in model.weights],
    "alike": all(np.array_equal(places(w)[0], part) for w in model.weights for part in places(w)),
    "still": [w.path for w, old, new in zip(model.weights, before, values(model.weights)) if np.array_equal(old, new)],
    "steps": len(steps), "images": len(digits.x_train), "history": history,
    "accuracy": training.accuracy(model, digits.x_validation, digits.y_validation)["accuracy"],
}
"""


@pytest.mark.slow
def test_a_training_on_two_devices_keeps_them_alike():
    found = run(SHARED, "tensorflow", **virtual(2))
    assert found["images"] == 2 * 575 + 1 and found["steps"] == 3, (
        "so the last batch is one image, and none is even"
    )
    assert set(found["places"]) == {2} and found["alike"]
    assert found["still"] == [], "all weights and all averages of batch norms move"
    assert np.isfinite(found["history"]["loss"]).all()
    assert found["accuracy"] == pytest.approx(found["history"]["val_accuracy"][-1], abs=0.01)


EQUAL = """
import tempfile
recipe = Recipe(epochs=2, batch_size=256, clip_norm=None, freeze_batch_norms=True, average_weights=0.9)
training_batches, validation = recipe_batches(digits, recipe)
def go(context):
    with context:
        model = network(recipe)
    batches = training_batches(0).take(4).cache()
    list(batches)  # fills the cache: Keras' look at a batch before it trains on several is a pass
    with tempfile.TemporaryDirectory() as folder:
        history = training.train(model, batches, validation.take(1), recipe, folder=folder, checkpoint_seconds=0)
    return values(model.weights), history

import contextlib
one, history = go(contextlib.nullcontext())
devices = [f"CPU:{number}" for number in range(4)]
four, again = go(training.data_parallel(devices if keras.backend.backend() == "tensorflow" else None))
found = {"difference": max(float(np.abs(a - b).max()) for a, b in zip(one, four)), "histories": [history, again]}
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_four_devices_learn_what_one_does(backend):
    """Batch norms are frozen: on TensorFlow each device has the statistics of its own share."""
    found = run(EQUAL, backend, **virtual(4))
    assert found["difference"] < 1e-4
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(
            *(history[name] for history in found["histories"]), rtol=1e-4, atol=1e-4
        )
