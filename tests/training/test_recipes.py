"""Recipes: as JSON, what is refused, what the released ones say; rates, optimizers and losses
against NumPy.
"""

import dataclasses
import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasnet_tf.training import RECIPES, Recipe, get, training_arguments
from nasnet_tf.training.fit import phases
from nasnet_tf.training.optimizers import (
    SGD,
    Rate,
    RMSprop,
    SmoothedCrossentropy,
    optimizer_for,
    rate_for,
)

FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}
OTHER = Recipe(
    epochs=7,
    batch_size=8,
    gradient_accumulation_steps=2,
    optimizer="rmsprop",
    momentum=0.8,
    rho=0.7,
    epsilon=0.1,
    clip_norm=None,
    learning_rate=0.3,
    schedule="exponential",
    decay_rate=0.5,
    decay_epochs=1.5,
    warmup_epochs=0.5,
    weight_decay=1e-4,
    label_smoothing=0.2,
    average_weights=0.99,
    auxiliary_weight=0.3,
    drop_path_rate=0.1,
    dropout_rate=0.2,
    batch_norm_momentum=0.95,
    augmentation="none",
    rand_augment=0.4,
    cutout=3,
    mixup=0.3,
    class_weights="balanced",
    freeze_until="cell_1",
    freeze_batch_norms=True,
    head_epochs=2,
    head_learning_rate=0.01,
    dtype="mixed_bfloat16",
    gradient_checkpointing=True,
    source="a test",
)


# As JSON


@pytest.mark.parametrize("recipe", [*RECIPES.values(), OTHER], ids=[*RECIPES, "other"])
def test_a_recipe_is_the_same_after_json(recipe):
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_no_field_of_the_other_recipe_has_its_default():
    assert [name for name, field in FIELDS.items() if getattr(OTHER, name) == field.default] == []


def test_a_recipe_can_be_had_by_name_by_path_and_as_it_is(tmp_path):
    (tmp_path / "mine.json").write_text(OTHER.to_json())
    assert get("child") is RECIPES["child"] and get(OTHER) is OTHER
    assert get(tmp_path / "mine.json") == get(str(tmp_path / "mine.json")) == OTHER


def test_fields_left_out_have_their_defaults():
    assert Recipe.from_json('{"epochs": 3}') == Recipe(epochs=3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"learning_rat": 1}', "no field 'learning_rat'; is it learning_rate?"),
        ('{"zzz": 1}', "no field 'zzz'; there are epochs, batch_size"),
        ('{"epochs": "ten"}', "epochs is 'ten'; give a whole number"),
        ('{"epochs": 1.5}', "epochs is 1.5; give a whole number"),
        ('{"epochs": true}', "epochs is True; give a whole number"),
        ('{"batch_size": null}', "batch_size is None; give a whole number"),
        ('{"learning_rate": "fast"}', "learning_rate is 'fast'; give a number"),
        ('{"freeze_batch_norms": 1}', "freeze_batch_norms is 1; give true or false"),
        ('{"freeze_until": 1}', "freeze_until is 1; give text"),
        ('{"source": null}', "source is None; give text"),
        ('{"optimizer": "adagrad"}', "optimizer is 'adagrad'; there are sgd, rmsprop, adam"),
        (
            '{"schedule": ["cosine"]}',
            "schedule is .'cosine'.; there are cosine, exponential, constant",
        ),
        ('{"class_weights": "even"}', "class_weights is 'even'; there are balanced, None"),
        ('{"epochs": 0}', "epochs is 0; give a number of at least 1"),
        ('{"batch_size": -1}', "batch_size is -1; give a number of at least 1"),
        ('{"learning_rate": 0}', "learning_rate is 0; give a number above 0"),
        ('{"learning_rate": NaN}', "learning_rate is nan; give a number above 0"),
        ('{"learning_rate": Infinity}', "learning_rate is inf; give a number above 0"),
        ('{"weight_decay": 1e400}', "weight_decay is inf; give a number of at least 0"),
        ('{"epochs": 1' + "0" * 400 + "}", "epochs is 10+; give a number of at least 1"),
        ('{"momentum": 1}', "momentum is 1; give a number of at least 0 and below 1"),
        (
            '{"label_smoothing": -0.1}',
            "label_smoothing is -0.1; give a number of at least 0 and below 1",
        ),
        ('{"decay_rate": 0}', "decay_rate is 0; give a number above 0 and at most 1"),
        ('{"decay_rate": 1.01}', "decay_rate is 1.01; give a number above 0 and at most 1"),
        ('{"epochs": 3, "warmup_epochs": 3}', "warmup_epochs is 3 of 3 epochs; give fewer"),
        ('{"schema": "nasnet_tf.genotype"}', 'with "schema": "nasnet_tf.recipe" and "version": 1'),
        ('{"version": 2}', 'with "schema": "nasnet_tf.recipe" and "version": 1'),
        ("[]", "a recipe is a JSON object"),
        ("null", "a recipe is a JSON object"),
        ("", "this is no JSON"),
        ('{"epochs": 3', "this is no JSON"),
        ("[" * 100_000, "this is no JSON"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said_by_field_and_by_file(text, complaint, tmp_path):
    with pytest.raises(ValueError, match=complaint):
        Recipe.from_json(text)
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"^{path}: .*{complaint}"):
        get(path)


@pytest.mark.parametrize(
    "name", [name for name, field in FIELDS.items() if field.type.split(" ")[0] in ("int", "float")]
)
@pytest.mark.parametrize(
    "value", ["1", [], {}, False, float("nan"), float("inf"), -1, 10**400], ids=repr
)
def test_a_field_that_is_a_number_takes_nothing_else(name, value):
    with pytest.raises(ValueError, match=f"^{name} is "):
        Recipe(**{name: value})


def test_a_recipe_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(ValueError, match="cifer: cannot be read .* one of short, cifar"):
        get("cifer")
    with pytest.raises(ValueError, match="cannot be read"):
        get(tmp_path)


def test_a_recipe_that_is_no_text_is_refused_with_its_path(tmp_path):
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="bytes.json: cannot be read"):
        get(tmp_path / "bytes.json")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["sgd", "cosine", "none", "float32"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(
    VALUES
    | st.dictionaries(
        st.sampled_from([*FIELDS, "schema", "version"]) | st.text(max_size=8), VALUES, max_size=6
    )
)
def test_any_json_is_a_recipe_or_a_value_error(value):
    try:
        recipe = Recipe.from_json(json.dumps(value))
    except ValueError:
        return
    assert Recipe.from_json(recipe.to_json()) == recipe


@given(st.text())
def test_any_text_is_a_recipe_or_a_value_error(text):
    try:
        Recipe.from_json(text)
    except ValueError:
        pass


def test_scaled_to_another_batch_size_the_rates_are_in_proportion():
    scaled = OTHER.scaled(32)
    assert (scaled.batch_size, scaled.learning_rate, scaled.head_learning_rate) == (
        32,
        pytest.approx(1.2),
        pytest.approx(0.04),
    )
    assert (
        dataclasses.replace(scaled, batch_size=8, learning_rate=0.3, head_learning_rate=0.01)
        == OTHER
    )
    with pytest.raises(ValueError, match="batch_size is 0"):
        OTHER.scaled(0)


# What the released ones say


def says(name, **facts):
    assert {field: getattr(RECIPES[name], field) for field in facts} == facts


def test_the_cifar_recipe_is_the_papers():
    says(
        "cifar",
        optimizer="sgd",
        momentum=0.9,
        schedule="cosine",
        warmup_epochs=0,
        clip_norm=5.0,
        batch_size=32,
        learning_rate=0.025,
        epochs=600,
        weight_decay=5e-4,
        drop_path_rate=1 - 0.6,
        auxiliary_weight=0.4,
        batch_norm_momentum=0.9,
        augmentation="standard",
        cutout=16,
        dropout_rate=0.0,
        label_smoothing=0.0,
        average_weights=0.0,
        dtype="float32",
        freeze_until=None,
        head_epochs=0,
    )
    steps = 50_000 // 32
    assert RECIPES["cifar"].epochs * 50_000 / 32 == 937_500, "as slim counts them"
    assert training_arguments(RECIPES["cifar"], steps)["drop_path_steps"] == 600 * steps


@pytest.mark.parametrize(
    ("size", "rate", "decay", "drop"),
    [("mobile", 0.04 * 50, 4e-5, 0.0), ("large", 0.015 * 100, 5e-5, 1 - 0.7)],
)
def test_the_imagenet_recipes_are_the_papers(size, rate, decay, drop):
    says(
        f"imagenet_{size}",
        optimizer="rmsprop",
        rho=0.9,
        momentum=0.9,
        epsilon=1.0,
        schedule="exponential",
        decay_rate=0.97,
        decay_epochs=2.4,
        clip_norm=10.0,
        batch_size=1600,
        learning_rate=rate,
        weight_decay=decay,
        label_smoothing=0.1,
        average_weights=0.9999,
        auxiliary_weight=0.4,
        dropout_rate=0.5,
        drop_path_rate=pytest.approx(drop),
        batch_norm_momentum=0.9997,
        augmentation="inception",
        cutout=0,
    )
    assert abs(RECIPES[f"imagenet_{size}"].epochs - 250_000 * 1600 / 1_281_167) < 1


def test_the_child_recipe_is_the_papers_and_says_what_it_is_not():
    says(
        "child",
        epochs=20,
        optimizer="sgd",
        momentum=0.9,
        schedule="cosine",
        drop_path_rate=0.0,
        auxiliary_weight=0.0,
    )
    assert "states no rate" in RECIPES["child"].source


def test_the_other_recipes_say_that_they_are_not_the_papers():
    assert "not the paper's" in RECIPES["fine_tune"].source and "chosen" in RECIPES["short"].source
    assert all(recipe.source for recipe in RECIPES.values())


def test_a_network_gets_from_a_recipe_what_is_its():
    assert training_arguments(RECIPES["imagenet_large"], 800) == dict(
        auxiliary_head=True,
        drop_path_rate=0.3,
        drop_path_steps=312 * 800,
        dropout_rate=0.5,
        weight_decay=5e-5,
        dtype="float32",
        gradient_checkpointing=False,
        batch_norm_momentum=0.9997,
        batch_norm_epsilon=None,
    )


def test_drop_path_rises_over_the_epochs_of_both_phases():
    recipe = Recipe(epochs=3, head_epochs=2, drop_path_rate=0.1)
    assert training_arguments(recipe, 10)["drop_path_steps"] == 50


def test_by_the_clock_drop_path_does_not_rise():
    assert training_arguments(Recipe(drop_path_rate=0.1), 10)["drop_path_steps"] is None


def test_the_phases_are_the_head_and_the_rest_and_only_the_rest_warms_up():
    head, rest = phases(OTHER)
    assert (head.until, head.batch_norms, head.learning_rate, head.warmup, head.epochs) == (
        "predictions",
        True,
        0.01,
        0.0,
        2,
    )
    assert (rest.until, rest.batch_norms, rest.learning_rate, rest.warmup, rest.epochs) == (
        "cell_1",
        True,
        0.3,
        0.5,
        7,
    )
    assert len(phases(RECIPES["cifar"])) == 1


# Rates


def expected_rate(recipe, rate, epochs, steps):
    step = np.arange(epochs * steps + 3)
    warmup = recipe.warmup_epochs * steps
    after = np.maximum(step - warmup, 0)
    factor = {
        "cosine": 0.5 * (1 + np.cos(np.pi * np.minimum(after / (epochs * steps - warmup), 1))),
        "exponential": recipe.decay_rate ** np.floor(after / (recipe.decay_epochs * steps)),
        "constant": np.ones(len(step)),
    }[recipe.schedule]
    return rate * factor * (np.minimum(step / warmup, 1) if warmup else 1)


@pytest.mark.parametrize("warmup", [0.0, 1.5])
@pytest.mark.parametrize("schedule", ["cosine", "exponential", "constant"])
def test_a_rate_is_what_numpy_says_at_every_step(schedule, warmup):
    recipe = Recipe(schedule=schedule, decay_rate=0.5, decay_epochs=1.5)
    rate = rate_for(recipe, 0.3, 6, 4, warmup)
    expected = expected_rate(dataclasses.replace(recipe, warmup_epochs=warmup), 0.3, 6, 4)
    np.testing.assert_allclose(
        [float(rate(step)) for step in range(len(expected))], expected, rtol=1e-5, atol=1e-8
    )


def test_the_staircase_of_imagenet_falls_every_2_4_epochs():
    rate = rate_for(RECIPES["imagenet_mobile"], 2.0, 312, 800)
    assert [float(rate(step)) for step in (0, 1919, 1920, 3840)] == pytest.approx(
        [2.0, 2.0, 2.0 * 0.97, 2.0 * 0.97**2], rel=1e-6
    )


# Optimizers


def run(optimizer, start, gradients):
    """The weights after each step, and their averages."""
    variable = keras.Variable(np.float32(start))
    optimizer.build([variable])
    weights, averages = [], []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(np.float32(gradient))])
        weights.append(keras.ops.convert_to_numpy(variable).copy())
        averages += [
            keras.ops.convert_to_numpy(a).copy()
            for a in getattr(optimizer, "_model_variables_moving_average", [])
        ]
    return np.array(weights), np.array(averages)


GRADIENTS = np.random.default_rng(0).normal(size=(12, 3))


@pytest.mark.parametrize(("momentum", "epsilon"), [(0.9, 1.0), (0.9, 1e-3), (0.0, 1.0)])
def test_rmsprop_is_that_of_tensorflow_1_with_slots_at_one(momentum, epsilon):
    optimizer = optimizer_for(
        Recipe(optimizer="rmsprop", momentum=momentum, epsilon=epsilon, rho=0.9, clip_norm=None),
        0.1,
    )
    w, squares, moved, expected = np.ones(3), np.ones(3), np.zeros(3), []
    for g in GRADIENTS:
        squares = 0.9 * squares + 0.1 * g**2
        moved = momentum * moved + 0.1 * g / np.sqrt(squares + epsilon)
        w = w - moved
        expected.append(w)
    np.testing.assert_allclose(run(optimizer, np.ones(3), GRADIENTS)[0], expected, rtol=1e-5)


def test_sgd_has_momentum_and_cuts_the_global_norm():
    optimizer = optimizer_for(Recipe(momentum=0.9, clip_norm=0.5), 0.1)
    w, moved, expected = np.ones(3), np.zeros(3), []
    for g in GRADIENTS:
        moved = 0.9 * moved - 0.1 * g * min(1, 0.5 / np.linalg.norm(g))
        w = w + moved
        expected.append(w)
    np.testing.assert_allclose(run(optimizer, np.ones(3), GRADIENTS)[0], expected, rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_the_average_of_weights_spans_a_ninth_of_the_steps_until_its_momentum_is_reached(optimizer):
    weights, averages = run(
        optimizer_for(Recipe(optimizer=optimizer, average_weights=0.3), 0.1), np.ones(3), GRADIENTS
    )
    expected = [weights[0]]
    for step in range(1, len(weights)):
        momentum = min(0.3, (1 + step) / (10 + step))
        expected.append(momentum * expected[-1] + (1 - momentum) * weights[step])
    np.testing.assert_allclose(averages, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", [SGD, RMSprop])
def test_an_optimizer_is_the_same_after_serialization(kind):
    made = kind(
        Rate(0.1, "cosine", 10, 2),
        momentum=0.8,
        global_clipnorm=3.0,
        use_ema=True,
        ema_momentum=0.99,
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(made))
    assert (
        type(again) is kind
        and again.get_config() == made.get_config()
        and again.get_config()["ema_momentum"] == 0.99
    )
    assert float(again.learning_rate) == float(made.learning_rate)


def test_a_rate_is_the_same_after_serialization():
    rate = Rate(0.3, "exponential", 10, 2, 0.5, 3.0)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(rate))
    assert again.get_config() == rate.get_config()
    assert [float(again(step)) for step in range(12)] == [float(rate(step)) for step in range(12)]


# Loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_smoothed_cross_entropy_is_what_numpy_says(smoothing):
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(5), 8).astype("float32"), rng.integers(0, 5, 8)
    true = np.eye(5)[labels] * (1 - smoothing) + smoothing / 5
    expected = -(true * np.log(probabilities)).sum(-1)
    loss, weights = SmoothedCrossentropy(smoothing), rng.random(8).astype("float32")
    assert float(loss(labels, probabilities)) == pytest.approx(expected.mean(), rel=1e-5)
    assert float(loss(labels[:, None], probabilities)) == pytest.approx(expected.mean(), rel=1e-5)
    assert float(loss(labels, probabilities, sample_weight=weights)) == pytest.approx(
        (expected * weights).mean(), rel=1e-5
    )


def test_a_loss_is_the_same_after_serialization():
    again = keras.losses.deserialize(
        keras.losses.serialize(SmoothedCrossentropy(0.2, name="other"))
    )
    assert type(again) is SmoothedCrossentropy and (again.label_smoothing, again.name) == (
        0.2,
        "other",
    )
