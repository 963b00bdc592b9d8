"""Initial values: of the right spread, and the same for a seed on every backend."""

import keras
import numpy as np
import pytest

from nasnet_tf.layers.initializers import VarianceScaling, ones, zeros
from nasnet_tf.network import Network


@pytest.mark.parametrize("distribution", ["truncated_normal", "uniform"])
@pytest.mark.parametrize(
    ("shape", "mode"),
    [((3, 3, 64, 128), "fan_out"), ((5, 5, 400, 1), "fan_out"), ((300, 500), "fan_avg")],
)
def test_values_are_spread_as_those_of_keras(shape, mode, distribution):
    ours = np.asarray(VarianceScaling(2.0, mode, distribution, seed=1)(shape))
    theirs = np.asarray(keras.initializers.VarianceScaling(2.0, mode, distribution, seed=1)(shape))
    assert ours.std() == pytest.approx(theirs.std(), rel=0.03)
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.02)
    assert abs(ours.mean()) < 0.02 * ours.std()


def test_a_normal_is_cut_at_two_deviations_and_has_the_variance_it_says():
    values = np.asarray(VarianceScaling(seed=0)((3, 3, 64, 64)))
    assert values.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.01)
    assert np.abs(values).max() <= 2.28 * values.std()


def test_a_seed_gives_the_same_values_and_no_seed_others():
    one, two = (
        VarianceScaling(seed=3),
        VarianceScaling.from_config(VarianceScaling(seed=3).get_config()),
    )
    assert np.array_equal(one((4, 5)), two((4, 5)))
    assert not np.array_equal(VarianceScaling()((4, 5)), VarianceScaling()((4, 5)))


def test_a_seeded_network_is_the_same_again():
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        weights.append(
            Network("nasnet_a", num_cells=1, filters=2, input_shape=(8, 8, 3)).get_weights()
        )
    assert all(np.array_equal(one, two) for one, two in zip(*weights, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("initializer", [zeros, ones, VarianceScaling()])
def test_values_have_the_type_that_is_asked_for(initializer, dtype):
    assert (
        keras.backend.standardize_dtype(
            keras.Variable(initializer, shape=(3, 4), dtype=dtype).dtype
        )
        == dtype
    )
