"""Published networks: equal to the original graph's outputs, and to `keras.applications` with its own weights."""

import collections
import json
import pathlib

import keras
import numpy as np
import pytest

from nasnet_tf.layers import AuxiliaryHead
from nasnet_tf.network import Network
from nasnet_tf.zoo import NASNetA, from_keras_applications, load_slim_weights
from nasnet_tf.zoo.slim import slim_variables

HERE = pathlib.Path(__file__).parent / "data"
SHARED = pathlib.Path(__file__).parents[2] / "shared" / "data" / "slim_golden"
WEIGHT_DECAY = {"cifar": 5e-4, "mobile": 4e-5, "large": 5e-5}
TINY = dict(num_cells=1, filters=4, classes=3, input_shape=(16, 16, 3))


def distance(one, two):
    """Relative L2 distance of `one` from `two`."""
    return np.linalg.norm(np.asarray(one, "float64") - two) / np.linalg.norm(two)


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class Golden:
    """What the original graph computed (run under TF 2.12), and our network with its weights."""

    def __init__(self, path):
        if not path.is_file():
            pytest.skip(f"{path} is not there")
        with np.load(path) as file:
            self.arrays = dict(file)
        config = json.loads(str(self.arrays["config"]))
        self.weights = {name.removeprefix("weight|"): array for name, array in self.arrays.items() if name.startswith("weight|")}
        self.network = NASNetA(
            config["kind"],
            num_cells=config["num_cells"] // 3,
            filters=config["num_conv_filters"],
            classes=config["classes"],
            input_shape=self.arrays["x"].shape[1:],
            auxiliary_head=any(name.startswith("aux_") for name in self.weights),
            classifier_activation=None,
            weight_decay=WEIGHT_DECAY[config["kind"]],
        )
        load_slim_weights(self.network, self.weights)
        self.taps = keras.Model(self.network.input, {**self.network.endpoints, "Logits": self.network.endpoints["Predictions"]})

    def expected(self, mode):
        return {name.split("|")[1]: array for name, array in self.arrays.items() if name.startswith(f"{mode}|") and name != f"{mode}|l2"}


# cifar_n2_f8_core is cifar_n2_f8 without auxiliary head and without the endpoints before the second reduction.
FILES = [HERE / "mobile_n1_f8_80px.npz", HERE / "cifar_n2_f8_core.npz", SHARED / "cifar_n2_f8.npz", SHARED / "large_n1_f8_75px.npz"]


SLOW = pytest.mark.slow


@pytest.fixture(
    scope="module", params=[pytest.param(path, id=path.stem, marks=SLOW if path.stem == "cifar_n2_f8" else []) for path in FILES]
)
def golden(request):
    return Golden(request.param)


@pytest.fixture(scope="module")
def tiny():
    return NASNetA("cifar", **TINY)


@pytest.fixture
def arrays(tiny):
    """Weights for `tiny` by their names in the original code."""
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=variable.shape).astype("float32") for name, variable in slim_variables(tiny).items()}


# ---- the original graph ----


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_every_endpoint_is_that_of_the_original_graph(golden, mode):
    statistics = [np.array(w) for w in golden.network.non_trainable_weights]
    outputs = golden.taps(golden.arrays["x"], training=mode == "train")
    for w, before in zip(golden.network.non_trainable_weights, statistics, strict=True):
        w.assign(before)
    expected = golden.expected(mode)
    assert {"Logits", "global_pool", "Reduction_Cell_1"} <= set(expected)
    assert {name: distance(outputs[name], array) for name, array in expected.items() if distance(outputs[name], array) > 1e-4} == {}


def test_the_l2_loss_is_that_of_the_original_graph(golden):
    auxiliary = sum(float(loss) for layer in golden.network.layers if isinstance(layer, AuxiliaryHead) for loss in layer.losses)
    losses = float(sum(golden.network.losses))
    assert losses - auxiliary == pytest.approx(float(golden.arrays["eval|l2"]), rel=1e-5)
    if auxiliary:  # the original graph has its auxiliary head in training only
        assert losses == pytest.approx(float(golden.arrays["train|l2"]), rel=1e-5)


def test_every_variable_of_the_original_graph_has_its_place(golden):
    assert set(slim_variables(golden.network)) == set(golden.weights)
    assert len(golden.weights) == len(golden.network.weights)


# ---- load_slim_weights ----


def test_slim_weights_fill_every_variable(tiny, arrays):
    assert load_slim_weights(tiny, arrays) is tiny
    assert all(np.array_equal(variable, arrays[name]) for name, variable in slim_variables(tiny).items())
    assert len(arrays) == len(tiny.weights)


def refused(network, weights, message):
    """Whether `weights` are refused with `message` and nothing has changed."""
    before = network.get_weights()
    with pytest.raises(ValueError, match=message):
        load_slim_weights(network, weights)
    return all(map(np.array_equal, network.get_weights(), before))


def test_missing_weights_are_refused_before_anything_changes(tiny, arrays):
    del arrays["final_layer/FC/biases"]
    assert refused(tiny, arrays, r"1 arrays are missing \(final_layer/FC/biases\), 0 have no place; compare genotype")


def test_weights_left_over_are_refused_before_anything_changes(tiny, arrays):
    arrays["cell_9/1x1/weights"] = np.zeros(1)
    assert refused(tiny, arrays, r"0 arrays are missing, 1 have no place \(cell_9/1x1/weights\)")


def test_misshapen_weights_are_refused_before_anything_changes(tiny, arrays):
    arrays["cell_2/1x1/weights"] = arrays["cell_2/1x1/weights"][..., :1]
    assert refused(tiny, arrays, r"1 arrays have another shape: cell_2/1x1/weights is \(1, 1, \d+, 1\), expected \(1, 1, \d+, \d+\)")


def test_the_background_class_is_dropped(tiny, arrays):
    wide = {name: np.concatenate([array[..., :1] * 0 + 9, array], axis=-1) if "/FC/" in name else array for name, array in arrays.items()}
    load_slim_weights(tiny, wide)
    assert np.array_equal(tiny.get_layer("predictions").kernel, arrays["final_layer/FC/weights"])
    assert np.array_equal(tiny.get_layer("predictions").bias, arrays["final_layer/FC/biases"])


@pytest.mark.parametrize(
    "name",
    [
        "aux_1/aux_logits/FC/biases",
        "global_step",
        "cell_0/1x1/weights/RMSProp",
        "cell_0/1x1/weights/Momentum",
        "conv0/weights/ExponentialMovingAverage",
    ],
)
def test_weights_that_only_training_needs_are_passed_over(tiny, arrays, name):
    load_slim_weights(tiny, {**arrays, name: np.zeros(3)})


def test_any_genotypes_variables_have_names_of_their_own(random_genotype):
    network = Network(random_genotype(0, most=3), **TINY, residual=True)
    assert len(slim_variables(network)) == len(network.weights)


# ---- NASNetA ----


def test_filters_can_be_given_as_penultimate_filters():
    network = NASNetA("cifar", **{**TINY, "filters": None}, penultimate_filters=96, include_top=False)
    assert network.output_shape[-1] == 96


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(variant="huge"), "no variant 'huge'; there are mobile, large, cifar"),
        (dict(weights="imagenet"), "weights is 'imagenet'; give None or the path of a .weights.h5 or .keras file"),
        (dict(penultimate_filters=100), "penultimate_filters is 100; give a multiple of 24"),
        (dict(penultimate_filters=96, filters=4), "got both filters=4 and penultimate_filters=96; give one of them"),
        (dict(filters=42), "filters is 42; .* multiple of 4"),
        (dict(penultimate_filters=24), "filters is 1; .* multiple of 4"),
    ],
    ids=str,
)
def test_what_makes_no_nasnet_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NASNetA(**arguments)


def test_a_network_stands_on_a_given_tensor(tiny):
    inputs = keras.Input((16, 16, 3))
    model = NASNetA("cifar", **{**TINY, "input_shape": None}, input_tensor=keras.layers.Rescaling(2.0)(inputs))
    tiny.set_weights(model.get_weights())
    x = images(2, 16, 16, 3)
    assert distance(model(x), np.asarray(tiny(2 * x))) < 1e-5
    assert model.name == "nasnet_a_cifar"


@pytest.mark.parametrize("ending", ["weights.h5", pytest.param("keras", marks=SLOW)])
def test_weights_are_read_from_a_file(tiny, tmp_path, ending):
    path = tmp_path / f"model.{ending}"
    tiny.save_weights(path) if ending == "weights.h5" else tiny.save(path)
    x = images(2, 16, 16, 3)
    assert distance(NASNetA("cifar", **TINY, weights=path)(x), np.asarray(tiny(x))) < 1e-6


# ---- keras.applications ----


def randomized(model):
    """`model` with random batch norm, so that no part of it is without effect."""
    rng = np.random.default_rng(0)
    for w in model.weights:
        if "variance" in w.path or "gamma" in w.path:
            w.assign(rng.uniform(0.5, 2, w.shape))
        elif "mean" in w.path or "beta" in w.path:
            w.assign(rng.normal(0, 0.3, w.shape))
    return model


def small(size=(64, 64, 3), **options):
    """The function under NASNetMobile and NASNetLarge, at their smallest; private in Keras."""
    module = pytest.importorskip("keras.src.applications.nasnet")
    settings = dict(
        penultimate_filters=96, num_blocks=1, stem_block_filters=32, skip_reduction=False, filter_multiplier=2, include_top=True
    )
    defaults = dict(weights=None, classes=7, default_size=224, classifier_activation=None)
    return randomized(module.NASNet(input_shape=size, **{**settings, **defaults, **options}))


def shapes(model):
    return collections.Counter(tuple(w.shape) for w in model.weights)


def same_outputs(theirs, batch=2):
    x = images(batch, *theirs.input_shape[1:])
    return distance(from_keras_applications(theirs)(x), np.asarray(theirs(x))) < 1e-5


@pytest.fixture(scope="module")
def keras_mobile():
    return randomized(keras.applications.NASNetMobile(weights=None, input_shape=(64, 64, 3), classifier_activation=None))


@pytest.fixture(scope="module")
def our_mobile(keras_mobile):
    return from_keras_applications(keras_mobile)


def test_a_converted_nasnet_mobile_has_the_outputs_of_its_source(keras_mobile, our_mobile):
    x = images(2, 64, 64, 3)
    assert distance(our_mobile(x), np.asarray(keras_mobile(x))) < 1e-5


def test_nasnet_mobile_has_the_weights_of_keras_applications_by_count_and_shape(keras_mobile, our_mobile):
    assert our_mobile.count_params() == keras_mobile.count_params() == 5_326_716
    assert shapes(our_mobile) == shapes(keras_mobile)


def test_every_number_of_nasnet_mobile_is_converted(keras_mobile, our_mobile):
    ours, theirs = (np.sort(np.concatenate([w.ravel() for w in model.get_weights()])) for model in (our_mobile, keras_mobile))
    assert np.array_equal(ours, theirs)


def test_a_converted_network_keeps_the_name_and_the_classes(keras_mobile, our_mobile):
    assert our_mobile.name == keras_mobile.name
    assert our_mobile.output_shape == keras_mobile.output_shape


@pytest.mark.parametrize(
    "size, options",
    [
        ((75, 65, 3), dict(num_blocks=2, skip_reduction=True, stem_block_filters=96)),
        ((64, 64, 3), dict(include_top=False, pooling="max")),
        pytest.param((47, 96, 3), dict(num_blocks=2), marks=SLOW),
        pytest.param((47, 96, 3), dict(num_blocks=1, skip_reduction=True), marks=SLOW),
        pytest.param((64, 64, 3), dict(include_top=False), marks=SLOW),
        pytest.param((64, 64, 3), dict(include_top=False, pooling="avg"), marks=SLOW),
        pytest.param((33, 33, 3), dict(skip_reduction=True), marks=SLOW),
    ],
    ids=str,
)
def test_a_converted_nasnet_has_the_outputs_of_its_source_at_any_size_and_top(size, options):
    theirs = small(size, **options)
    ours = from_keras_applications(theirs)
    x = images(2, *size)
    assert ours.output_shape == theirs.output_shape
    assert distance(ours(x), np.asarray(theirs(x))) < 1e-5


@pytest.mark.parametrize("activation", ["softmax", pytest.param("sigmoid", marks=SLOW), pytest.param(None, marks=SLOW)])
def test_a_converted_classifier_keeps_its_activation(activation):
    theirs = small(classifier_activation=activation)
    assert from_keras_applications(theirs).get_layer("predictions").activation == theirs.get_layer("predictions").activation


@pytest.mark.slow
def test_our_own_pools_differ_from_those_of_keras_applications(keras_mobile, our_mobile):
    original = NASNetA("mobile", input_shape=(64, 64, 3))
    original.set_weights(our_mobile.get_weights())
    x = images(2, 64, 64, 3)
    assert distance(original(x), np.asarray(keras_mobile(x))) > 1e-4


@pytest.mark.parametrize(
    "model",
    [
        lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]),
        lambda: keras.Sequential([keras.layers.Dense(2)], name="unbuilt"),
        lambda: NASNetA("cifar", **TINY),
    ],
    ids=["sequential", "unbuilt", "ours"],
)
def test_a_model_that_is_no_nasnet_is_refused(model):
    with pytest.raises(ValueError, match="is no NASNet of keras.applications"):
        from_keras_applications(model())


@pytest.mark.slow
@pytest.mark.parametrize(
    "options, parameters",
    [(dict(classifier_activation=None), 5_326_716), (dict(include_top=False, pooling="max"), 4_269_716)],
    ids=["top", "no top"],
)
def test_nasnet_mobile_at_its_own_size_has_the_outputs_of_keras_applications(options, parameters):
    theirs = randomized(keras.applications.NASNetMobile(weights=None, input_shape=(224, 224, 3), **options))
    assert theirs.count_params() == parameters
    assert same_outputs(theirs, batch=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options, parameters",
    [(dict(classifier_activation=None), 88_949_818), (dict(include_top=False, pooling="avg"), 84_916_818)],
    ids=["top", "no top"],
)
def test_nasnet_large_has_the_outputs_and_the_weights_of_keras_applications(options, parameters):
    theirs = randomized(keras.applications.NASNetLarge(weights=None, input_shape=(331, 331, 3), **options))
    ours = from_keras_applications(theirs)
    assert ours.count_params() == theirs.count_params() == parameters
    assert shapes(ours) == shapes(theirs)
    x = images(1, 331, 331, 3)
    assert distance(ours(x), np.asarray(theirs(x))) < 1e-5
