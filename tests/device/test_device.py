"""A network trained by what JAX compiled for others is the one that the compiled kernels train."""

import random

import jax
import keras
import numpy as np
import pytest

from nasnet_tf import native
from nasnet_tf.children.progress import Progress
from nasnet_tf.device import DeviceNetwork, compiled
from nasnet_tf.genotype import NASNET_A, Block, Cell, Genotype, NASBench201, unused
from nasnet_tf.graph import OPERATION_SPECS, Window
from nasnet_tf.graph.windows import windows_of
from nasnet_tf.layers import windowed
from nasnet_tf.spaces import SPACES

SIZE = dict(
    num_cells=(1, 0, 0), filters=4, classes=3, input_shape=(8, 8, 3), mean=120.0, std=60.0,
    weight_decay=1e-2, label_smoothing=0.1, batch_norm_epsilon=1e-2,
)  # fmt: skip
RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (7, 8, 8, 3)).astype("uint8"), np.arange(7) % 3


def of(kind, genotype, seed=0, **arguments):
    keras.utils.set_random_seed(seed)
    return kind(genotype, **{**SIZE, **arguments})


def twins(genotype, **arguments):
    return of(DeviceNetwork, genotype, **arguments), of(native.NativeNetwork, genotype, **arguments)


def velocities(network):
    if isinstance(network, native.NativeNetwork):
        return network.velocities
    pairs = zip(network.graph.trained, network.velocities, strict=True)
    return {weight.name: np.asarray(values) for weight, values in pairs}


def assert_equal_steps(genotype, **arguments):
    """A step of a whole batch and one of a batch that is not full, from the same weights."""
    device, other = twins(genotype, **arguments)
    assert device.named().keys() == other.named().keys()
    before = {name: np.array(values) for name, values in other.named().items()}
    assert all(np.array_equal(other.named()[name], v) for name, v in device.named().items())
    for count, (batch, labels) in zip((4, 3), device.batches(X, Y, 4), strict=True):
        seen = slice(4) if count == 4 else slice(4, 7)
        loss, right = device.step(batch, labels, 1e-3)
        expected = other.step(other.prepared(X[seen]), native.labels_of(Y[seen]), 1e-3)
        assert (float(loss), int(right)) == (pytest.approx(expected[0], rel=1e-5), expected[1])
    norm = np.linalg.norm
    for name, values in velocities(other).items():
        assert norm(velocities(device)[name] - values) <= 5e-4 * norm(values) + 1e-6, name
    for name, values in other.named().items():  # some were 0: all of them is what a step added
        allowed = max(1e-4 * norm(values), 5e-4 * norm(values - before[name])) + 1e-6
        assert norm(device.named()[name] - values) <= allowed, name
    inside = device.evaluate(*device._prepared(X, Y), batch_size=4)
    assert inside == pytest.approx(other.evaluate(other.prepared(X), native.labels_of(Y)), rel=1e-4)


def cell(*operations, combine="add"):
    a, b, c = (operations * 3)[:3]
    blocks = (Block(0, a, 1, b, combine), Block(2, c, 0, "identity", combine))
    return Cell(blocks, unused(blocks))


def test_a_cell_with_joined_inputs_and_pools():
    one = cell("max_pool_3x3", "avg_pool_3x3", combine="concatenate")
    assert_equal_steps(Genotype(one, cell("identity", "conv_1x1")))


NAMES = sorted(OPERATION_SPECS)
PAIRS = list(zip(NAMES[::2], NAMES[1::2], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=", ".join)
def test_every_operation_in_both_cells(pair):
    one, other = pair
    assert_equal_steps(Genotype(cell(one, other), cell(other, one)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nas-bench-201", "hierarchical", "darts", "pnas"])
def test_random_networks_of_every_space(name):
    space = SPACES[name]()
    assert_equal_steps(space.decode(space.random(np.random.default_rng(0))), stem=None)


def test_what_nothing_reads_still_decays():
    assert_equal_steps(
        NASBench201("none", "none", "skip_connect", "nor_conv_1x1", "none", "none"),
        num_cells=1,
        filters=2,
    )


@pytest.mark.parametrize("kind", ["max", "depthwise"])
@pytest.mark.parametrize("side, stride, dilation", [(3, 1, 1), (3, 2, 1), (5, 2, 1), (3, 2, 2)])
def test_the_way_back_is_that_of_xla(kind, side, stride, dilation):
    windows = windows_of(Window((side, side), (stride, stride), "same", dilation), (6, 5))
    x = RNG.integers(0, 4, (2, 6, 5, 3)).astype("float32")  # with equal maxima
    taps = RNG.normal(size=(side * side, 3)).astype("float32")
    dy = RNG.normal(size=(2, *windows.out, 3)).astype("float32")

    def first_of_equals(x):
        best = None
        for pixels in windowed._covered(x, windows, -np.inf):
            best = pixels if best is None else jax.numpy.where(pixels > best, pixels, best)
        return best

    def grouped(x, taps):
        return windowed._general(x, taps.reshape(side, side, 1, 3), windows, 3)

    ours, theirs, of = {
        "max": (lambda x: windowed.maximum(x, windows), first_of_equals, (x,)),
        "depthwise": (lambda *of: windowed._by_slices(*of, windows), grouped, (x, taps)),
    }[kind]
    (y, back), (expected, expected_back) = jax.vjp(ours, *of), jax.vjp(theirs, *of)
    for one, other in zip((y, *back(dy)), (expected, *expected_back(dy)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def fit(network, epochs=2, **arguments):
    random.seed(0)
    validation = dict(validation_data=(X, Y)) if arguments.pop("validate", True) else {}
    return network.fit(X, Y, batch_size=4, epochs=epochs, **validation, **arguments).history


SMALL = Genotype(cell("identity"), cell("identity"))


def test_a_training_is_that_of_the_kernels_of_the_processor():
    device, other = twins(SMALL)
    one, two = fit(device), fit(other)
    assert one.keys() == two.keys()
    for name, values in two.items():
        assert one[name] == pytest.approx(values, rel=1e-4), name
    said = device.probabilities(X, batch_size=4)
    np.testing.assert_allclose(said, other.probabilities(other.prepared(X)), atol=1e-4)


def test_batches_of_a_data_set_are_trained_as_arrays_are():
    batches = [(X[:4], Y[:4]), (X[4:], Y[4:])]
    one, two = of(DeviceNetwork, SMALL), of(DeviceNetwork, SMALL)
    history = fit(one, shuffle=False, validate=False)
    again = two.fit(batches, batch_size=4, epochs=2, steps=2).history
    assert history["loss"] == pytest.approx(again["loss"])


def test_equal_networks_compile_nothing_twice():
    fit(of(DeviceNetwork, SMALL), epochs=1)
    before = compiled.ways.cache_info().misses, compiled.classify._cache_size()
    fit(of(DeviceNetwork, SMALL, seed=1), epochs=1)
    assert (compiled.ways.cache_info().misses, compiled.classify._cache_size()) == before


def test_what_is_compiled_beforehand_changes_nothing_and_is_all():
    network = of(DeviceNetwork, SMALL, filters=3)
    before = [np.asarray(variable).copy() for variable in network.changing]
    network.compile(4)
    for variable, values in zip(network.changing, before, strict=True):
        assert np.array_equal(np.asarray(variable), values)
    ways, known = compiled.ways.cache_info().misses, compiled.classify._cache_size()
    fit(network, epochs=1)
    assert (compiled.ways.cache_info().misses, compiled.classify._cache_size()) == (ways, known)


def test_longer_chains_are_fewer_pieces_that_compute_the_same():
    whole, single = of(DeviceNetwork, NASNET_A), of(DeviceNetwork, NASNET_A, longest=1)
    assert len(whole.pieces) < len(single.pieces) == len(single.graph.nodes)
    one, two = of(DeviceNetwork, SMALL), of(DeviceNetwork, SMALL, longest=1)
    found, expected = fit(two), fit(one)
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-4), name


@pytest.mark.slow
def test_bfloat16_is_nearly_the_same():
    one, two = of(DeviceNetwork, SMALL), of(DeviceNetwork, SMALL, dtype="bfloat16")
    assert fit(two, epochs=1)["loss"] == pytest.approx(fit(one, epochs=1)["loss"], rel=2e-2)
    assert all(np.asarray(weight).dtype == "float32" for weight in two.changing)


def test_a_training_goes_on_where_it_was_interrupted(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    expected = fit(of(DeviceNetwork, SMALL), epochs=4)
    path = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        interrupted = Progress(path, "toy", seconds=0)
        fit(of(DeviceNetwork, SMALL), epochs=4, callbacks=[interrupted, Stop()])
    progress = Progress(path, "toy", seconds=0)
    fit(of(DeviceNetwork, SMALL, seed=9), epochs=4, callbacks=[progress])
    assert progress.resumed
    assert progress.history["loss"] == pytest.approx(expected["loss"])


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match="this network takes"):
        of(DeviceNetwork, SMALL).fit(X[:, 1:], Y)
