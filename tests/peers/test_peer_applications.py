"""What Keras asks of `keras.applications`, of every variant of the zoo."""

import inspect
import json

import keras
import numpy as np
import pytest
from layer_checks import check_serialization

from nasnet_tf.zoo import (
    AmoebaNetA,
    NASNetA,
    PNASNet5,
    create_model,
    decode_predictions,
    list_models,
    preprocess_input,
)
from nasnet_tf.zoo.models import FAMILIES

BUILDERS = {"nasnet_a": NASNetA, "pnasnet_5": PNASNet5, "amoebanet_a": AmoebaNetA}
VARIANTS = [(family, variant) for family, (_, variants) in FAMILIES.items() for variant in variants]


def smallest(family, variant):
    """(builder of the variant at its smallest, channels of its features)."""
    genotype, variants = FAMILIES[family]
    one = dict(num_cells=1, filters=4)
    if "stem_cell_filters" in variants[variant]:
        one["stem_cell_filters"] = (1, 2)
    return lambda **options: BUILDERS[family](variant, **{**one, **options}), 4 * 4 * len(
        genotype.normal.concat
    )


def each(*quick):
    """All variants, slow but for those of `quick`."""
    return pytest.mark.parametrize(
        ("family", "variant"),
        [pytest.param(*one, marks=() if one in quick else pytest.mark.slow) for one in VARIANTS],
    )


@each(("pnasnet_5", "mobile"))
def test_without_a_classifier_any_size_and_one_to_four_channels_are_taken(family, variant):
    build, channels = smallest(family, variant)
    for depth in (1, 4):
        model = build(weights=None, include_top=False, input_shape=(None, None, depth))
        assert model.output_shape == (None, None, None, channels)


@each()
def test_without_a_classifier_a_size_of_its_own_is_taken(family, variant):
    build, channels = smallest(family, variant)
    model = build(weights=None, include_top=False, input_shape=(123, 123, 3))
    assert model.output_shape[-1] == channels and None not in model.output_shape[1:]


@each(("nasnet_a", "cifar"))
def test_a_tensor_made_by_layers_is_taken(family, variant):
    build, channels = smallest(family, variant)
    image = keras.Input((200, 200, 4), name="custom_input")
    model = build(
        weights=None,
        include_top=False,
        input_tensor=keras.layers.Conv2D(3, 2, 2, name="before")(image),
    )
    assert (model.output_shape[-1], model.input_shape) == (channels, (None, 200, 200, 4))
    serialized = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    there = keras.saving.deserialize_keras_object(serialized)
    assert (type(there), len(there.weights)) == (type(model), len(model.weights))


@each()
def test_pooled_features_have_a_number_a_channel(family, variant):
    build, channels = smallest(family, variant)
    for pooling in ("avg", "max"):
        assert build(weights=None, include_top=False, pooling=pooling).output_shape == (
            None,
            channels,
        )


@each()
def test_the_last_layer_has_the_activation_asked_for(family, variant):
    build, _ = smallest(family, variant)
    for name, activation in (("softmax", "softmax"), ("linear", None)):
        assert (
            build(weights=None, include_top=True, classifier_activation=activation)
            .layers[-1]
            .activation.__name__
            == name
        )


@each(("amoebanet_a", "cifar"))
def test_a_variant_with_its_classifier_predicts_and_comes_back(family, variant):
    build, _ = smallest(family, variant)
    model = build(input_shape=(64, 64, 3))
    check_serialization(model)
    there = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert len(there.weights) == len(model.weights)
    there.set_weights(model.get_weights())
    x = preprocess_input(np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)))
    predicted = model.predict(x, verbose=0)
    assert predicted.shape == (2, model.output_shape[-1])
    np.testing.assert_allclose(predicted.sum(1), 1.0, rtol=1e-4)
    np.testing.assert_allclose(there(x), predicted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        name if name == "nasnet_a_cifar" else pytest.param(name, marks=pytest.mark.slow)
        for name in list_models()
    ],
)
def test_every_variant_is_made_with_default_arguments(name):
    if name.endswith(
        ("large", "7_2304", "7_1920", "5_1536")
    ):  # tens of millions of weights: their sizes are in test_network.py
        model = create_model(name, num_cells=1)
    else:
        model = create_model(name)
    assert model.name == name and model.count_params() > 0


@pytest.mark.parametrize("function", BUILDERS.values(), ids=BUILDERS)
def test_a_variant_takes_the_arguments_of_keras_applications(function):
    wanted = set(inspect.signature(keras.applications.NASNetMobile).parameters)
    assert wanted <= set(inspect.signature(function).parameters)


# ---- imagenet_utils ----


def test_preprocessing_is_that_of_keras_for_arrays_of_any_type_and_tensors():
    theirs = keras.applications.nasnet.preprocess_input
    for dtype in ("uint8", "int32", "float32", "float64"):
        x = np.random.default_rng(0).uniform(0, 255, (2, 10, 10, 3)).astype(dtype)
        before = x.copy()
        np.testing.assert_allclose(
            preprocess_input(x), theirs(x.astype("float32")), rtol=1e-6, atol=1e-6
        )
        np.testing.assert_array_equal(x, before)
        np.testing.assert_allclose(
            preprocess_input(keras.ops.convert_to_tensor(x)),
            preprocess_input(x),
            rtol=1e-5,
            atol=1e-6,
        )
    assert preprocess_input(x[0]).shape == (10, 10, 3)


def test_preprocessing_stands_in_a_model():
    image = keras.Input((10, 10, 3))
    model = keras.Model(
        image, keras.layers.Lambda(preprocess_input, output_shape=(10, 10, 3))(image)
    )
    x = np.random.default_rng(0).uniform(0, 255, (2, 10, 10, 3)).astype("float32")
    np.testing.assert_allclose(model(x), preprocess_input(x), rtol=1e-5, atol=1e-6)


def test_predictions_are_decoded_most_likely_first_and_other_shapes_refused():
    probabilities = np.zeros((2, 1000))
    probabilities[0, 386], probabilities[0, 1], probabilities[1, 0] = 0.7, 0.3, 1.0
    one, two = decode_predictions(probabilities, top=2)
    assert (
        [len(one), len(two)] == [2, 2]
        and one[0][1:] == ("African_elephant", 0.7)
        and one[1][2] == 0.3
    )
    for shape in ((2, 100), (1000,)):
        with pytest.raises(ValueError, match="give \\(batch, 1000\\)"):
            decode_predictions(np.zeros(shape))
