"""Temperature scaling against a search over temperatures, and the calibration error by hand."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasnet_tf import data, training
from nasnet_tf.genotype import Block, Cell, Genotype, unused
from nasnet_tf.network import Network
from nasnet_tf.training import calibrate
from nasnet_tf.training.calibration import calibration_error, temperature, warmer


def sampled(truth, count=4000, classes=5, seed=0):
    """Probabilities whose logits are `truth` times too large, and labels drawn from the right
    ones.
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    right = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (right.cumsum(1) > rng.random((count, 1))).argmax(1)
    return warmer(right, 1 / truth), labels


@pytest.mark.parametrize("truth", [0.4, 1.0, 2.5])
def test_it_finds_the_temperature_that_was_taken_away(truth):
    probabilities, labels = sampled(truth)
    found = temperature(probabilities, labels)
    assert found == pytest.approx(truth, rel=0.1)
    before = calibration_error(probabilities, labels)
    after = calibration_error(warmer(probabilities, found), labels)
    assert after < 0.03 and (truth == 1 or before > 2 * after)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.3, 3), st.integers(2, 300))
def test_no_other_temperature_makes_the_labels_more_probable(seed, truth, count):
    probabilities, labels = sampled(truth, count, seed=seed)

    def loss(each):
        own = warmer(probabilities, each)[np.arange(count), labels]
        return -np.log(own).sum() + np.log(each) ** 2 / 2

    grid = np.exp(np.linspace(-np.log(10), np.log(10), 400))
    assert loss(temperature(probabilities, labels)) <= min(map(loss, grid)) + 1e-6


def test_of_few_images_that_are_all_right_little_follows():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert 0.4 < temperature(probabilities, np.array([0, 1])) < 1
    assert temperature(np.zeros((0, 2)), np.zeros(0, int)) == pytest.approx(1)


def test_the_calibration_error_is_the_gap_of_each_bin_weighed_by_its_images():
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.6, 0.4], [0.3, 0.7]])
    labels = np.array([0, 1, 0, 0])
    # of two bins, (0.95 + 0.95 + 0.6 + 0.7) / 4 sure and 2 / 4 right are all in the upper one
    assert calibration_error(probabilities, labels, 2) == pytest.approx(0.3)
    gaps = 2 * abs(0.95 - 0.5), abs(0.6 - 1), abs(0.7 - 0)
    assert calibration_error(probabilities, labels, 10) == pytest.approx(sum(gaps) / 4)


def test_a_calibrated_network_is_the_same_network_with_another_classifier():
    blocks = (Block(0, "sep_conv_3x3", 1, "avg_pool_3x3"),)
    genotype = Genotype(Cell(blocks, unused(blocks)), Cell(blocks, unused(blocks)))
    digits = data.load("digits")
    keras.utils.set_random_seed(0)
    size = dict(num_cells=1, filters=4, classes=10, input_shape=(8, 8, 1))
    model = Network(genotype, **size, mean=digits.mean, std=digits.std)
    before = training.predict(model, digits.x_validation)
    found = calibrate(model, digits)
    after = training.predict(model, digits.x_validation)
    np.testing.assert_allclose(after, warmer(before, found), atol=1e-5)
    assert found == pytest.approx(temperature(before, digits.y_validation))
    assert found != pytest.approx(1, abs=1e-3)


def test_a_network_without_a_softmax_is_refused():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="predictions")(inputs))
    with pytest.raises(ValueError, match="softmax"):
        calibrate(model, None)
