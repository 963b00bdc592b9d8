"""Which kernels train a child."""

import random

import keras
import numpy as np
import pytest

from nasnet_tf import search
from nasnet_tf.children import kernels
from nasnet_tf.children.cells import CellChild
from nasnet_tf.children.train import train_child
from nasnet_tf.device import DeviceNetwork
from nasnet_tf.genotype import NASBench201
from nasnet_tf.native import NativeNetwork
from nasnet_tf.spaces import SPACES

SMALL = NASBench201(*["nor_conv_1x1"] + 5 * ["skip_connect"])
SIZE = dict(num_cells=1, filters=2, classes=2, input_shape=(8, 8, 1))
RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (16, 8, 8, 1)).astype("uint8"), RNG.integers(0, 2, 16)


@pytest.fixture
def accelerator(monkeypatch):
    """As if JAX had one."""
    monkeypatch.setattr(kernels, "jax_has_accelerator", lambda: True)
    monkeypatch.setattr(kernels, "_faster", {})


def test_without_an_accelerator_those_of_the_processor():
    assert isinstance(kernels.bare_network(SMALL, **SIZE), NativeNetwork)


@pytest.mark.parametrize("faster", [NativeNetwork, DeviceNetwork])
def test_with_one_those_that_were_measured_to_be_faster_for_a_size(
    accelerator, monkeypatch, faster
):
    measured = []

    def seconds_of(model, shape):
        measured.append(shape)
        random.random()
        return 1.0 if isinstance(model, faster) else 2.0

    monkeypatch.setattr(kernels, "_seconds_of", seconds_of)
    random.seed(3)
    weights = kernels.bare_network(SMALL, **SIZE)
    assert isinstance(weights, faster)
    random.seed(3)
    again = kernels.bare_network(SMALL, **SIZE)
    assert measured == [(8, 8, 1)] * 2  # once each
    for name, values in weights.named().items():  # what is measured draws no weights
        assert np.array_equal(values, again.named()[name])
    kernels.bare_network(SMALL, **{**SIZE, "filters": 4})
    assert len(measured) == 4


def test_the_measure_is_of_a_training():
    network = kernels.bare_network(SMALL, "cpu", **SIZE)
    before = network.weights.copy()
    assert kernels._seconds_of(network, (8, 8, 1), images=8, batch_size=4) > 0
    assert not np.array_equal(network.weights, before)


def test_mixed_precision_is_for_jax_alone(accelerator):
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert kernels.bare_network(SMALL, **SIZE).dtype == "bfloat16"
    with pytest.raises(NotImplementedError, match="float32"):
        kernels.bare_network(SMALL, "cpu", **SIZE)
    keras.config.set_dtype_policy("mixed_float16")
    assert kernels.bare_network(SMALL, **SIZE) is None


def test_what_was_asked_for_and_cannot_be_is_refused(monkeypatch):
    first = SPACES["recurrent"]().decode(SPACES["recurrent"]().first)
    with pytest.raises(NotImplementedError, match="language models"):
        kernels.bare_network(first, "jax", num_cells=1, filters=2, words=5)
    monkeypatch.setitem(__import__("sys").modules, "nasnet_tf.device", None)
    with pytest.raises(ImportError, match=r"pip install 'nasnet-tf\[jax-gpu\]'"):
        kernels.bare_network(SMALL, "jax", **SIZE)
    with pytest.raises(ValueError, match="names no kernels; they are True, False, auto, cpu"):
        CellChild((8, 8, 1), 2, native="gpu")


@pytest.mark.parametrize(
    "asked, why",
    [
        (dict(space="dna", child_kernels="jax"), "child_kernels=jax is nothing for the space dna"),
        (dict(child_kernels="tpu"), "child_kernels"),
    ],
)
def test_a_search_refuses_them_before_it_begins(tmp_path, asked, why):
    with pytest.raises(ValueError, match=why):
        search("digits", runs_dir=tmp_path, **asked)
    assert not list(tmp_path.iterdir())


def test_a_score_that_the_backend_does_not_have_is_refused_before_a_search_begins(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="naswot needs the TensorFlow backend; this is jax"):
        search("digits", runs_dir=tmp_path, prejudge="naswot")
    assert not list(tmp_path.iterdir())


def test_a_child_by_jax_is_the_child_of_the_processor(tmp_path):
    space = SPACES["nas-bench-201"]()
    found = {}
    for native in ("cpu", "jax"):
        child = CellChild((8, 8, 1), 2, space=space, filters=2, stem=None, native=native)
        values = space.values(space.encode(SMALL))
        metrics, _ = train_child(
            child, values, values, 3, "float32", str(tmp_path / native), X, Y,
            validation_data=(X[:8], Y[:8]), epochs=2, batch_size=8,
        )  # fmt: skip
        metrics.pop("seconds")
        found[native] = metrics
    assert found["jax"] == pytest.approx(found["cpu"], rel=1e-4)
