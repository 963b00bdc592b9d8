"""Published networks: equal to the original graph's outputs, and to `keras.applications` with its
own weights.
"""

import collections
import json
import pathlib

import keras
import numpy as np
import pytest

from nasnet_tf.genotype import PNASNET_5
from nasnet_tf.layers import AuxiliaryHead
from nasnet_tf.network import Network
from nasnet_tf.zoo import (
    NASNetA,
    adapt,
    create_model,
    from_keras_applications,
    list_models,
    load_weights,
    models,
)
from nasnet_tf.zoo.slim import slim_variables
from tests.genotypes import BRIEF

HERE = pathlib.Path(__file__).parents[1] / "data"
SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data" / "slim_golden"
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
        self.weights = {
            name.removeprefix("weight|"): array
            for name, array in self.arrays.items()
            if name.startswith("weight|")
        }
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
        load_weights(self.network, self.weights)
        self.taps = keras.Model(
            self.network.input,
            {**self.network.endpoints, "Logits": self.network.endpoints["Predictions"]},
        )

    def expected(self, mode):
        return {
            name.split("|")[1]: array
            for name, array in self.arrays.items()
            if name.startswith(f"{mode}|") and name != f"{mode}|l2"
        }


# cifar_n2_f8_core is cifar_n2_f8 without auxiliary head and without the endpoints before the second
# reduction.
FILES = [
    HERE / "mobile_n1_f8_80px.npz",
    HERE / "cifar_n2_f8_core.npz",
    SHARED / "cifar_n2_f8.npz",
    SHARED / "large_n1_f8_75px.npz",
]


SLOW = pytest.mark.slow


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(path, id=path.stem, marks=SLOW if path.stem == "cifar_n2_f8" else [])
        for path in FILES
    ],
)
def golden(request):
    return Golden(request.param)


@pytest.fixture(scope="module")
def tiny():
    return NASNetA("cifar", **TINY)


@pytest.fixture(scope="module")
def brief():
    """A network that does not normalize its images."""
    return create_model(BRIEF, **TINY)


# ---- the original graph ----


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_every_endpoint_is_that_of_the_original_graph(golden, mode):
    statistics = [np.array(w) for w in golden.network.non_trainable_weights]
    outputs = golden.taps(golden.arrays["x"], training=mode == "train")
    for w, before in zip(golden.network.non_trainable_weights, statistics, strict=True):
        w.assign(before)
    expected = golden.expected(mode)
    assert {"Logits", "global_pool", "Reduction_Cell_1"} <= set(expected)
    assert {
        name: distance(outputs[name], array)
        for name, array in expected.items()
        if distance(outputs[name], array) > 1e-4
    } == {}


def test_the_l2_loss_is_that_of_the_original_graph(golden):
    auxiliary = sum(
        float(loss)
        for layer in golden.network.layers
        if isinstance(layer, AuxiliaryHead)
        for loss in layer.losses
    )
    losses = float(sum(golden.network.losses))
    assert losses - auxiliary == pytest.approx(float(golden.arrays["eval|l2"]), rel=1e-5)
    if auxiliary:  # the original graph has its auxiliary head in training only
        assert losses == pytest.approx(float(golden.arrays["train|l2"]), rel=1e-5)


def test_every_variable_of_the_original_graph_has_its_place(golden):
    assert set(slim_variables(golden.network)) == set(golden.weights)
    assert len(golden.weights) == len(golden.network.weights)


def test_any_genotypes_variables_have_names_of_their_own(random_genotype):
    network = Network(random_genotype(0, most=3), **TINY, residual=True)
    assert len(slim_variables(network)) == len(network.weights)


# ---- NASNetA ----


def test_filters_can_be_given_as_penultimate_filters():
    network = NASNetA(
        "cifar", **{**TINY, "filters": None}, penultimate_filters=96, include_top=False
    )
    assert network.output_shape[-1] == 96


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(variant="huge"), "no variant 'huge' of nasnet_a; there are mobile, large, cifar"),
        (dict(penultimate_filters=100), "penultimate_filters is 100; give a multiple of 24"),
        (
            dict(penultimate_filters=96, filters=4),
            "got both filters=4 and penultimate_filters=96; give one of them",
        ),
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
    model = NASNetA(
        "cifar", **{**TINY, "input_shape": None}, input_tensor=keras.layers.Rescaling(2.0)(inputs)
    )
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
        penultimate_filters=96,
        num_blocks=1,
        stem_block_filters=32,
        skip_reduction=False,
        filter_multiplier=2,
        include_top=True,
    )
    defaults = dict(weights=None, classes=7, default_size=224, classifier_activation=None)
    return randomized(module.NASNet(input_shape=size, **{**settings, **defaults, **options}))


def shapes(model):
    return collections.Counter(tuple(w.shape) for w in model.weights)


def same_outputs(theirs, batch=2):
    x = images(batch, *theirs.input_shape[1:])
    return distance(from_keras_applications(theirs)(x), np.asarray(theirs(x))) < 1e-5


def mobile():
    return randomized(
        keras.applications.NASNetMobile(
            weights=None, input_shape=(64, 64, 3), classifier_activation=None
        )
    )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            lambda: small(
                (75, 65, 3),
                num_blocks=2,
                skip_reduction=True,
                stem_block_filters=96,
                classifier_activation="softmax",
            ),
            id="75x65, softmax",
        ),
        pytest.param(lambda: small(include_top=False, pooling="max"), id="64x64, max"),
        pytest.param(lambda: small((47, 96, 3), num_blocks=2), id="47x96, logits", marks=SLOW),
        pytest.param(lambda: small(include_top=False), id="64x64, no top", marks=SLOW),
        pytest.param(mobile, id="mobile", marks=SLOW),
    ],
)
def converted(request):
    """A NASNet of keras.applications, and ours with its weights."""
    theirs = request.param()
    return theirs, from_keras_applications(theirs)


def test_a_converted_nasnet_has_the_outputs_of_its_source_at_any_size_and_top(converted):
    theirs, ours = converted
    x = images(2, *theirs.input_shape[1:])
    assert ours.output_shape == theirs.output_shape
    assert distance(ours(x), np.asarray(theirs(x))) < 1e-5


def test_a_converted_nasnet_has_the_weights_of_its_source_by_count_and_shape(converted):
    theirs, ours = converted
    assert ours.count_params() == theirs.count_params()
    assert shapes(ours) == shapes(theirs)


def test_every_number_of_a_nasnet_is_converted(converted):
    theirs, ours = (
        np.sort(np.concatenate([w.ravel() for w in model.get_weights()])) for model in converted
    )
    assert np.array_equal(ours, theirs)


def test_a_converted_network_keeps_the_name_and_the_activation_of_its_classifier(converted):
    theirs, ours = converted
    assert ours.name == theirs.name
    if theirs.layers[-1].name == "predictions":
        assert ours.get_layer("predictions").activation == theirs.layers[-1].activation


@pytest.mark.slow
def test_our_own_pools_differ_from_those_of_keras_applications(converted):
    theirs, ours = converted
    original = Network.from_config({**ours.get_config(), "zero_padded_pools": False})
    original.set_weights(ours.get_weights())
    x = images(2, *theirs.input_shape[1:])
    assert distance(original(x), np.asarray(theirs(x))) > 1e-4


@pytest.mark.parametrize(
    "model",
    [
        lambda ours: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]),
        lambda ours: keras.Sequential([keras.layers.Dense(2)], name="unbuilt"),
        lambda ours: ours,
    ],
    ids=["sequential", "unbuilt", "ours"],
)
def test_a_model_that_is_no_nasnet_is_refused(tiny, model):
    with pytest.raises(ValueError, match="is no NASNet of keras.applications"):
        from_keras_applications(model(tiny))


@pytest.mark.slow
def test_nasnet_mobile_at_its_own_size_has_the_outputs_of_keras_applications():
    theirs = randomized(
        keras.applications.NASNetMobile(
            weights=None, input_shape=(224, 224, 3), classifier_activation=None
        )
    )
    assert theirs.count_params() == 5_326_716
    assert same_outputs(theirs, batch=1)


@pytest.mark.slow
def test_nasnet_large_has_the_outputs_and_the_weights_of_keras_applications():
    theirs = randomized(
        keras.applications.NASNetLarge(
            weights=None, input_shape=(331, 331, 3), include_top=False, pooling="avg"
        )
    )
    ours = from_keras_applications(theirs)
    assert ours.count_params() == theirs.count_params() == 84_916_818
    assert shapes(ours) == shapes(theirs)
    x = images(1, 331, 331, 3)
    assert distance(ours(x), np.asarray(theirs(x))) < 1e-5


# ---- the family ----


def test_every_model_is_listed_and_made_by_its_name():
    assert {
        "nasnet_a_mobile",
        "nasnet_a_large",
        "nasnet_a_cifar",
        "pnasnet_5_mobile",
        "amoebanet_a_cifar",
    } <= set(list_models())
    network = create_model("pnasnet_5_cifar", num_cells=1, filters=4, classes=3)
    assert (network.name, network.genotype, network.output_shape) == (
        "pnasnet_5_cifar",
        PNASNET_5,
        (None, 3),
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("*pnas*",), ["pnasnet_5_mobile", "pnasnet_5_large", "pnasnet_5_cifar"]),
        (("*_CIFAR",), ["nasnet_a_cifar", "pnasnet_5_cifar", "amoebanet_a_cifar"]),
        ((["amoeba*", "pnasnet_?_large"],), ["pnasnet_5_large", "amoebanet_a_cifar"]),
        (("*", ["*_a_*", "*large"]), ["pnasnet_5_mobile", "pnasnet_5_cifar"]),
        (("", "*", True), []),
        (("", "*large", True), ["nasnet_a_mobile"]),
        (("nasnet",), []),
    ],
)
def test_models_are_listed_by_patterns(arguments, expected):
    assert list_models(*arguments) == expected


def test_a_softmax_of_one_class_is_refused_and_a_sigmoid_is_not():
    with pytest.raises(
        ValueError,
        match=(
            "classes is 1, whose softmax is always 1.*classes=2, or classifier_activation=.sigmoid"
        ),
    ):
        create_model(BRIEF, num_cells=1, filters=4, classes=1)
    assert create_model(
        BRIEF, num_cells=1, filters=4, classes=1, classifier_activation="sigmoid"
    ).output_shape == (None, 1)


@pytest.mark.parametrize(
    ("name", "variant"),
    [("4@1056", "mobile"), ("6 @ 4032", "large"), ("6@768", "cifar"), ("5@1538", "5@1536")],
)
def test_a_size_of_the_paper_is_the_variant_it_names(name, variant, monkeypatch):
    monkeypatch.setattr(models, "Network", lambda *genotype, **arguments: (genotype, arguments))
    assert NASNetA(name) == NASNetA(variant)


@pytest.mark.parametrize(
    "given",
    [lambda path: path, lambda path: str(path), lambda path: BRIEF],
    ids=["path", "text", "genotype"],
)
def test_any_genotype_makes_a_network(tmp_path, given):
    BRIEF.save(tmp_path / "best.json")
    assert create_model(given(tmp_path / "best.json"), **TINY).genotype == BRIEF


def test_an_unknown_model_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match="no model 'nasnet_d'; there are nasnet_a_mobile, .* or the path"
    ):
        create_model("nasnet_d")


def test_an_adapted_network_has_the_weights_and_the_normalization_of_its_source(tmp_path):
    source = named("a", "b", "c")
    source.save(tmp_path / "m.keras")
    network = adapt(tmp_path / "m.keras", classes=5, input_shape=(24, 24, 3))
    assert network.output_shape == (None, 5) and network.class_names is None
    assert set(network.weights_report.kept) == {"final_layer/FC/weights", "final_layer/FC/biases"}
    x = images(2, 24, 24, 3) * 50 + 100
    wide = adapt(source, input_shape=(24, 24, 3))
    features = [keras.Model(n.input, n.endpoints["global_pool"])(x) for n in (network, wide)]
    assert distance(*features) < 1e-6


def named(*names, **arguments):
    """A small network of these classes that normalizes."""
    return create_model(
        BRIEF,
        **{**TINY, "classes": len(names)},
        mean=[100.0] * 3,
        std=[50.0] * 3,
        class_names=names,
        **arguments,
    )


def classifier(network):
    return [np.asarray(weight) for weight in network.get_layer("predictions").weights]


@pytest.mark.parametrize(
    "names",
    [("c", "x", "a"), ("b", "a", "c"), ("x", "y", "z"), ("a", "b", "c", "d"), ("b",) + ("a",)],
    ids="".join,
)
def test_a_classifier_is_carried_over_by_the_names_of_the_classes(names):
    source = named("a", "b", "c")
    source.get_layer("predictions").set_weights(
        [np.arange(48.0).reshape(16, 3), np.array([1.0, 2, 3])]
    )
    network = adapt(source, classes=len(names), class_names=names)
    theirs, ours = classifier(source), classifier(network)
    for place, name in enumerate(names):
        taken = (
            np.array_equal(ours[0][:, place], theirs[0][:, "abc".index(name)])
            if name in "abc"
            else abs(ours[0][:, place]).max() < 1
        )
        assert taken and ours[1][place] == (1 + "abc".index(name) if name in "abc" else 0)
    known = sum(name in "abc" for name in names)
    assert f"of the model's {len(names)} classes the source knows {known} by name" in str(
        network.weights_report
    )


def test_a_classifier_of_the_same_classes_is_carried_over_whole_and_one_of_unknown_classes_is_not():
    source = named("a", "b", "c")
    same = adapt(source, class_names=("a", "b", "c"))
    assert not same.weights_report.kept and np.array_equal(
        classifier(same)[0], classifier(source)[0]
    )
    unnamed = create_model(BRIEF, **TINY, mean=[100.0] * 3, std=[50.0] * 3)
    assert not np.array_equal(
        classifier(adapt(unnamed, class_names=("a", "b", "c")))[0], classifier(unnamed)[0]
    )


@pytest.mark.parametrize(
    "input_range, mean, std",
    [((-1, 1), 127.5, 127.5), ((0, 1), 0, 255), ((0, 255), 0, 1), (None, None, None)],
)
def test_a_network_that_does_not_normalize_is_told_what_its_images_were(
    brief, input_range, mean, std
):
    config = adapt(brief, input_range=input_range).get_config()
    assert (config["mean"], config["std"]) == (
        (None, None) if mean is None else ([mean] * 3, [std] * 3)
    )


def test_a_network_of_which_it_is_not_known_what_its_images_were_is_refused(brief):
    with pytest.raises(
        ValueError, match="does not say what images it was trained on.*-1 and 1.*0 and 1.*0 and 255"
    ):
        adapt(brief)
    with pytest.raises(
        ValueError, match=r"input_range is \(1, 0\); give the lowest and the highest"
    ):
        adapt(brief, input_range=(1, 0))


def test_of_a_network_of_imagenet_it_is_known_what_its_images_were(tmp_path):
    from nasnet_tf.zoo.classes import class_names

    source = create_model(BRIEF, **{**TINY, "classes": 1000}, class_names=class_names())
    assert adapt(source, classes=2).get_config()["mean"] == [127.5] * 3


def test_a_network_that_is_none_of_ours_cannot_be_adapted(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="holds a Sequential, not a Network"):
        adapt(tmp_path / "m.keras")


def test_the_pyramid_has_the_last_cell_at_every_stride():
    network = NASNetA("mobile", num_cells=1, filters=8, input_shape=(64, 64, 3), classes=2)
    strides = {name: 64 // tensor.shape[1] for name, tensor in network.pyramid_outputs.items()}
    assert strides == {"P2": 4, "P3": 8, "P4": 16, "P5": 32}
    assert network.pyramid_outputs["P5"] is network.endpoints["Cell_2"]


def test_a_stage_without_normal_cells_gives_its_reduction_cell_to_the_pyramid():
    network = create_model(BRIEF, num_cells=(1, 0, 1), filters=4, classes=2)
    assert network.pyramid_outputs["P1"] is network.endpoints["Reduction_Cell_0"]
    assert list(network.pyramid_outputs) == ["P0", "P1", "P2"]
