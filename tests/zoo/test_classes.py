"""ImageNet's inputs and classes, beside those of `keras.applications`."""

import json
import pathlib

import keras
import numpy as np
import pytest

from nasnet_tf.zoo import decode_predictions, preprocess_input
from nasnet_tf.zoo.classes import class_names

INDEX = (
    pathlib.Path(__file__).parents[3]
    / "shared"
    / "data"
    / "nasnet_reference"
    / "imagenet_class_index.json"
)


def test_pixels_are_scaled_as_keras_applications_does():
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    expected = keras.applications.nasnet.preprocess_input(x.astype("float32"))
    np.testing.assert_allclose(preprocess_input(x), expected, atol=1e-6)
    np.testing.assert_allclose(
        preprocess_input(keras.ops.convert_to_tensor(x)), expected, atol=1e-6
    )


def test_an_array_is_not_changed_by_preprocessing():
    x = np.full((1, 2, 2, 3), 255.0, "float32")
    assert preprocess_input(x).max() == 1 and x.max() == 255


def test_channels_first_is_refused():
    with pytest.raises(ValueError, match="channels last"):
        preprocess_input(np.zeros((1, 3, 4, 4)), data_format="channels_first")


def test_the_classes_are_those_of_the_index_that_keras_downloads():
    if not INDEX.is_file():
        pytest.skip(f"{INDEX} is not there")
    index = json.loads(INDEX.read_text())
    probabilities = np.eye(1000, dtype="float32")
    decoded = decode_predictions(probabilities, top=1)
    assert [list(found[0][:2]) for found in decoded] == [index[str(n)] for n in range(1000)]


def test_the_most_likely_classes_come_first():
    row = np.zeros(1000, "float32")
    row[[7, 3, 281]] = 0.2, 0.5, 0.3
    ((first, second, third),) = decode_predictions(row[None], top=3)
    assert [first[1], second[1], third[1]] == ["tiger_shark", "tabby", "cock"]
    assert [first[2], second[2], third[2]] == pytest.approx([0.5, 0.3, 0.2])


def test_the_background_class_of_the_original_code_is_left_out():
    row = np.zeros(1001, "float32")
    row[0], row[4] = 0.6, 0.4
    assert decode_predictions(row[None], top=1)[0][0][1] == "tiger_shark"


@pytest.mark.parametrize("shape", [(1, 10), (1000,), (1, 1, 1000)])
def test_what_are_no_predictions_are_refused(shape):
    with pytest.raises(ValueError, match="give \\(batch, 1000\\)"):
        decode_predictions(np.zeros(shape))


@pytest.mark.parametrize("top", [0, 1001])
def test_so_many_classes_there_are_not(top):
    with pytest.raises(ValueError, match="from 1 to 1000"):
        decode_predictions(np.zeros((1, 1000)), top=top)


def test_names_are_one_line_each():
    assert len(class_names()) == 1000 and all(name and "\n" not in name for name in class_names())
