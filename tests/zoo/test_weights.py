"""Weights from every source: Keras' files and models, our own, checkpoints of the original code,
dicts; and what is refused.
"""

import gzip
import json
import pathlib
import shutil
import tarfile
import zipfile

import h5py
import keras
import numpy as np
import pytest

from nasnet_tf.genotype import Genotype
from nasnet_tf.network import Network
from nasnet_tf.zoo import NASNetA, from_keras_applications, hdf5, official
from nasnet_tf.zoo.keras_layers import layer_name, scopes
from nasnet_tf.zoo.models import variant_arguments
from nasnet_tf.zoo.slim import slim_variables
from nasnet_tf.zoo.weights import load_weights
from tests.genotypes import BRIEF

SLOW = pytest.mark.slow
IMAGENET = dict(
    stem="imagenet", num_cells=1, filters=4, stem_filters=8, classes=5, input_shape=(64, 64, 3)
)
CIFAR = dict(stem="cifar", num_cells=1, filters=4, classes=3, input_shape=(20, 20, 3))
LAYOUTS = [
    "h5",
    "keras",
    "weights.h5",
    "in order.h5",
    "old names.h5",
    "no names.weights.h5",
    "no names.keras",
    "inside.h5",
    "inside.keras",
]


def randomized(model, seed=0):
    """`model` with random weights and batch norm statistics, so that no part of it is without
    effect.
    """
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        positive = "gamma" in weight.path or "variance" in weight.path
        weight.assign(
            rng.uniform(0.5, 2, weight.shape) if positive else rng.normal(0, 0.3, weight.shape)
        )
    return model


def values(model):
    return {role: variable.numpy() for role, variable in slim_variables(model).items()}


def same(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[role], two[role]) for role in one)


def distance(one, two):
    return np.linalg.norm(np.asarray(one, "float64") - two) / np.linalg.norm(two)


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


# ---- sources, each written once ----


def keras_nasnet(**options):
    """The function under NASNetMobile and NASNetLarge, at its smallest; private in Keras."""
    module = pytest.importorskip("keras.src.applications.nasnet")
    smallest = dict(
        penultimate_filters=96,
        num_blocks=1,
        stem_block_filters=8,
        skip_reduction=False,
        weights=None,
        classes=5,
    )
    return randomized(module.NASNet(**{**smallest, "input_shape": (64, 64, 3), **options}))


@pytest.fixture(scope="module")
def theirs():
    return keras_nasnet()


@pytest.fixture(scope="module")
def outputs(theirs):
    """Images, and what `theirs` makes of them."""
    x = images(1, 64, 64, 3)
    return x, np.asarray(theirs(x))


@pytest.fixture(scope="module")
def by_role(theirs):
    """The arrays of `theirs` by role."""
    scopes_and_arrays = [
        (scope, theirs.get_layer(layer_name(scope, num_cells=1)).get_weights())
        for scope in scopes(num_cells=1)
    ]
    names = {1: ["weights"], 4: ["gamma", "beta", "moving_mean", "moving_variance"]}
    roles = {}
    for scope, arrays in scopes_and_arrays:
        pair = (
            ["weights", "biases"]
            if scope.endswith("FC")
            else ["depthwise_weights", "pointwise_weights"]
        )
        roles.update(
            {
                f"{scope}/{name}": array
                for name, array in zip(names.get(len(arrays), pair), arrays, strict=True)
            }
        )
    return roles


@pytest.fixture(scope="module")
def saved(theirs, tmp_path_factory):
    """The folder with `theirs` saved as file.<layout> for each of LAYOUTS."""
    folder = tmp_path_factory.mktemp("saved")
    inside = keras.Sequential([keras.Input((64, 64, 3)), theirs])
    for name, model in (("file", theirs), ("file.inside", inside)):
        for ending in ("h5", "keras"):
            model.save(folder / f"{name}.{ending}")
    theirs.save_weights(folder / "file.weights.h5")
    layers = [layer for layer in theirs.layers if layer.weights]
    legacy(
        folder / "file.in order.h5",
        {f"layer_{number}": layer.get_weights() for number, layer in enumerate(layers)},
    )
    old = {
        layer.name.replace("reduction_right1", "reduction_1"): layer.get_weights()
        for layer in layers
    }
    legacy(folder / "file.old names.h5", dict(sorted(old.items())))
    with (
        zipfile.ZipFile(folder / "file.keras") as archive,
        zipfile.ZipFile(folder / "file.no names.keras", "w") as copy,
    ):
        for member in ("metadata.json", "config.json", "model.weights.h5"):
            archive.extract(member, folder)
            if member.endswith("h5"):
                without_names(folder / member)
            copy.write(folder / member, member)
    (folder / "model.weights.h5").rename(folder / "file.no names.weights.h5")
    return folder


def legacy(path, layers, prefix="model"):
    """Writes {layer: arrays} as Keras did before version 3."""
    with h5py.File(path, "w") as file:
        names = [name.encode() for name in layers]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = (
            names[:50],
            names[50:],
        )  # as where one attribute has no room
        for name, arrays in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [
                f"{prefix}/{name}/array_{number}:0".encode() for number in range(len(arrays))
            ]
            for number, array in enumerate(arrays):
                group[f"{prefix}/{name}/array_{number}:0"] = array


def without_names(path):
    """Takes the names of layers out of a file in the layout of Keras 3, as older releases wrote
    none.
    """
    with h5py.File(path, "a") as file:
        file.visititems(lambda name, thing: thing.attrs.pop("name", None) and None)


def checkpoint(prefix, arrays):
    """Writes a checkpoint by variable name, as tf_slim does."""
    tf = pytest.importorskip("tensorflow")
    names = sorted(arrays)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(arrays[name]) for name in names],
    )
    return prefix


@pytest.fixture(scope="module")
def model():
    """A network of the shapes of `theirs`, with its pools."""
    return Network("nasnet_a", **IMAGENET, zero_padded_pools=True)


@pytest.fixture(scope="module")
def small():
    return Network(BRIEF, **CIFAR)


@pytest.fixture(scope="module")
def donor():
    return values(randomized(Network(BRIEF, **CIFAR), seed=1))


@pytest.fixture
def arrays(donor):
    """A random network's arrays by slim name, those of `small`."""
    return {role: array.copy() for role, array in donor.items()}


def refused(network, source, message, error=ValueError, **options):
    """Whether `source` is refused by name with `message`, and nothing has changed."""
    before = values(network)
    with pytest.raises(error, match=message) as caught:
        load_weights(network, source, **options)
    name = str(source) if isinstance(source, pathlib.Path) else ""
    return same(values(network), before) and name in str(caught.value)


# ---- keras.applications ----


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_saved_keras_nasnet_gives_every_variable_its_array(
    saved, model, by_role, outputs, layout
):
    randomized(model, seed=2)
    report = load_weights(model, saved / f"file.{layout}")
    assert (
        set(report.loaded) == set(slim_variables(model)) and not report.kept and not report.unused
    )
    assert same(values(model), by_role)
    if layout == LAYOUTS[0]:  # of the same arrays the outputs are the same
        x, expected = outputs
        assert distance(model(x), expected) < 1e-5


@pytest.mark.parametrize(
    "options", [dict(), pytest.param(dict(num_blocks=2, skip_reduction=True), marks=SLOW)], ids=str
)
def test_layers_with_weights_stand_in_the_known_order(theirs, options):
    model = keras_nasnet(**options) if options else theirs
    num_cells = options.get("num_blocks", 1)
    assert [layer_name(scope, num_cells) for scope in scopes(num_cells)] == [
        layer.name for layer in model.layers if layer.weights
    ]


@SLOW
@pytest.mark.parametrize("size, num_cells", [("Mobile", 4), ("Large", 6)])
def test_layers_of_the_published_networks_stand_in_the_known_order(size, num_cells):
    model = getattr(keras.applications, f"NASNet{size}")(
        weights=None, input_shape=(64, 64, 3), include_top=False
    )
    expected = [layer_name(scope, num_cells) for scope in scopes(num_cells, include_top=False)]
    assert expected == [layer.name for layer in model.layers if layer.weights]


@pytest.mark.parametrize("inside", [False, True])
def test_a_keras_nasnet_in_memory_gives_its_weights(theirs, model, outputs, inside):
    randomized(model, seed=2)
    source = keras.Sequential([keras.Input((64, 64, 3)), theirs]) if inside else theirs
    load_weights(model, source)
    x, expected = outputs
    assert distance(model(x), expected) < 1e-5


def test_a_classifier_of_ones_own_on_a_keras_nasnet_is_its_classifier(theirs, model):
    own = keras.Model(theirs.input, keras.layers.Dense(5, name="mine")(theirs.layers[-2].output))
    report = load_weights(model, own)
    assert {"final_layer/FC/weights", "final_layer/FC/biases"} <= set(report.loaded)
    assert np.array_equal(values(model)["final_layer/FC/weights"], own.get_layer("mine").kernel)


def test_layers_that_are_no_part_of_a_nasnet_are_passed_over_only_if_asked(theirs, model):
    features = keras.layers.Dense(7, name="hidden")(theirs.layers[-2].output)
    own = keras.Model(theirs.input, keras.layers.Dense(5, name="mine")(features))
    assert refused(model, own, r"2 have no place \(hidden, \.\.\.\)")
    report = load_weights(model, own, partial=True)
    assert set(report.unused) == {"hidden", "mine"}
    assert report.kept == dict.fromkeys(
        ["final_layer/FC/weights", "final_layer/FC/biases"], "the source has no classifier"
    )


@pytest.mark.parametrize(
    "ending", ["keras", pytest.param("h5", marks=SLOW), pytest.param("weights.h5", marks=SLOW)]
)
def test_a_training_that_keras_wrote_along_is_passed_over(theirs, model, ending, tmp_path):
    theirs.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    theirs.optimizer.build(theirs.trainable_variables)
    path = tmp_path / f"trained.{ending}"
    theirs.save_weights(path) if ending == "weights.h5" else theirs.save(path)
    assert not load_weights(model, path).unused


def test_arrays_of_bfloat16_are_read(tmp_path):
    dense = keras.layers.Dense(3, dtype="bfloat16")
    keras.Sequential([keras.Input((4,)), dense]).save_weights(tmp_path / "dense.weights.h5")
    with hdf5.datasets(tmp_path / "dense.weights.h5") as (root, found):
        (layer,) = hdf5.checkpoint_layers(root, found, {})
        kernel = layer.arrays[0].read()
    assert layer.name == dense.name and np.array_equal(
        kernel.astype("float32"), keras.ops.convert_to_numpy(dense.kernel).astype("float32")
    )


def test_a_model_around_a_network_is_refused(small, tmp_path):
    inputs = keras.Input((20, 20, 3))
    keras.Model(inputs, small(inputs)).save(tmp_path / "around.keras")
    assert refused(
        small,
        tmp_path / "around.keras",
        "is a model around a network of nasnet_tf; open it with keras.saving.load_model",
    )


def test_a_network_in_the_legacy_layout_is_refused(small, tmp_path):
    small.save(tmp_path / "small.h5")
    assert refused(
        small,
        tmp_path / "small.h5",
        "is a nasnet_tf network in the legacy layout, which is not read; save it with",
    )


def test_wiring_that_a_keras_file_states_must_be_the_models(saved):
    skipping = Network("nasnet_a", **IMAGENET, skip_reduction=True)
    assert refused(skipping, saved / "file.keras", "is of a network with skip_reduction=False")
    assert refused(skipping, saved / "file.h5", "is of a network with skip_reduction=False")


@pytest.mark.parametrize("layout", ["h5", "keras", pytest.param("inside.keras", marks=SLOW)])
def test_a_saved_keras_nasnet_becomes_a_network_with_its_outputs(saved, outputs, layout):
    ours = from_keras_applications(saved / f"file.{layout}")
    x, expected = outputs
    assert distance(ours(x), expected) < 1e-5


@pytest.mark.parametrize(
    "layout",
    [
        "weights.h5",
        pytest.param("in order.h5", marks=SLOW),
        pytest.param("no names.weights.h5", marks=SLOW),
    ],
)
def test_saved_weights_of_a_keras_nasnet_become_a_network_of_their_size(saved, model, layout):
    ours = from_keras_applications(saved / f"file.{layout}")
    config, expected = ours.get_config(), model.get_config()
    keys = (
        "num_cells",
        "filters",
        "stem_filters",
        "classes",
        "skip_reduction",
        "zero_padded_pools",
    )
    assert {key: config[key] for key in keys} == {key: expected[key] for key in keys}
    assert config["input_shape"] == [224, 224, 3]
    load_weights(model, saved / "file.h5")
    assert same(values(ours), values(model))


@SLOW
@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize(
    "options",
    [
        dict(include_top=False, pooling="max", skip_reduction=True),
        dict(classifier_activation="sigmoid"),
    ],
    ids=str,
)
def test_pooling_wiring_and_activation_are_read_from_the_configuration(options, ending, tmp_path):
    theirs = keras_nasnet(**options)
    theirs.save(tmp_path / f"model.{ending}")
    ours = from_keras_applications(tmp_path / f"model.{ending}")
    x = images(2, 64, 64, 3)
    assert ours.get_config()["skip_reduction"] == options.get("skip_reduction", False)
    assert distance(ours(x), np.asarray(theirs(x))) < 1e-5


def test_a_model_that_computes_more_than_a_nasnet_is_not_converted(theirs):
    more = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Rescaling(2.0), theirs])
    with pytest.raises(
        ValueError, match=r"has layers a NASNet has not \(Rescaling\); give the NASNet inside it"
    ):
        from_keras_applications(more)


# ---- our own ----


@pytest.mark.parametrize(
    "options",
    [
        dict(auxiliary_head=True, drop_path_rate=0.3, drop_path_steps=10),
        dict(stem="imagenet", stem_filters=6, include_top=False),
        pytest.param(
            dict(num_cells=[2, 1, 1], stem_filters=5, residual=True, classes=7), marks=SLOW
        ),
    ],
    ids=str,
)
def test_a_saved_network_gives_its_weights(options, tmp_path):
    source = randomized(Network(BRIEF, **{**CIFAR, **options}), seed=1)
    source.compile("adam", "mse")
    source.optimizer.build(source.trainable_variables)
    source.save(tmp_path / "model.keras")
    source.save_weights(tmp_path / "model.weights.h5")
    target = Network(BRIEF, **{**CIFAR, **options, "drop_path_rate": 0.1})
    for ending in ("keras", "weights.h5"):
        report = load_weights(randomized(target, seed=2), tmp_path / f"model.{ending}")
        assert same(values(target), values(source))
        assert not report.kept and not report.unused


def test_a_file_is_known_by_its_content(small, arrays, tmp_path):
    load_weights(small, arrays)
    small.save_weights(tmp_path / "small.weights.h5")
    (tmp_path / "small.weights.h5").rename(tmp_path / "renamed.keras")
    load_weights(randomized(small), tmp_path / "renamed.keras")
    assert same(values(small), arrays)


@pytest.mark.parametrize("ending", ["keras", pytest.param("weights.h5", marks=SLOW)])
def test_heads_that_only_one_side_has_are_left_alone(ending, tmp_path):
    source = randomized(Network(BRIEF, **{**CIFAR, "classes": 7}, auxiliary_head=True), seed=1)
    path = tmp_path / f"model.{ending}"
    source.save(path) if ending == "keras" else source.save_weights(path)
    target = Network(BRIEF, **{**CIFAR, "input_shape": (32, 32, 3)})
    report = load_weights(target, path)
    assert report.kept == dict.fromkeys(
        ["final_layer/FC/weights", "final_layer/FC/biases"], "the source has 7 classes, the model 3"
    )
    assert (
        set(report.unused.values()) == {"the model has no auxiliary head"}
        and len(report.unused) == 12
    )
    assert set(report.loaded) == set(values(target)) - set(report.kept)
    after, given = values(target), values(source)
    assert all(np.array_equal(after[role], given[role]) for role in report.loaded)


def test_a_network_in_memory_gives_its_weights_alone_or_as_a_layer(small):
    source = randomized(Network(BRIEF, **CIFAR, drop_path_rate=0.2), seed=1)
    inputs = keras.Input((20, 20, 3))
    for given in (source, keras.Model(inputs, source(keras.layers.Rescaling(2.0)(inputs)))):
        load_weights(randomized(small), given)
        assert same(values(small), values(source))


def test_another_stem_is_taken_over_only_if_asked(small, tmp_path):
    target = Network(BRIEF, **{**CIFAR, "stem": "imagenet", "input_shape": (64, 64, 3)})
    randomized(small).save_weights(tmp_path / "small.weights.h5")
    assert refused(
        target, tmp_path / "small.weights.h5", r"\d+ arrays are missing \(cell_0/.*partial=True"
    )
    before, given = values(target), values(small)
    report = load_weights(target, tmp_path / "small.weights.h5", partial=True)
    after = values(target)
    assert report.kept["conv0/weights"] == "the source has no such array"
    assert report.unused["l1_stem_3x3/weights"] == "the model has no such variable"
    assert all(np.array_equal(after[role], before[role]) for role in report.kept)
    assert all(np.array_equal(after[role], given[role]) for role in report.loaded)
    assert {"cell_2/1x1/weights", "reduction_cell_0/1x1/weights", "final_layer/FC/biases"} <= set(
        report.loaded
    )


def test_another_width_of_the_stem_is_taken_over_only_if_asked(saved):
    target = Network("nasnet_a", **{**IMAGENET, "stem_filters": 6})
    assert refused(
        target,
        saved / "file.h5",
        r"have another shape \(conv0/weights: it is \(3, 3, 3, 8\) in the source, \(3, 3, 3, 6\)",
    )
    report = load_weights(target, saved / "file.h5", partial=True)
    assert (
        report.kept["conv0/weights"]
        == "it is (3, 3, 3, 8) in the source, (3, 3, 3, 6) in the model"
    )


@pytest.mark.parametrize("ending", ["keras", "weights.h5", pytest.param("object", marks=SLOW)])
@pytest.mark.parametrize(
    "options", [dict(num_cells=2), dict(filters=8), dict(genotype="other")], ids=str
)
def test_another_body_is_refused_even_in_part(small, options, ending, random_genotype, tmp_path):
    genotype = random_genotype(0, most=3) if "genotype" in options else BRIEF
    source = Network(
        **{
            "genotype": genotype,
            **CIFAR,
            **{key: value for key, value in options.items() if key != "genotype"},
        }
    )
    path = tmp_path / f"model.{ending}"
    if ending != "object":
        source.save(path) if ending == "keras" else source.save_weights(path)
    assert refused(small, source if ending == "object" else path, "cells|genotype", partial=True)


# ---- the original code's names ----


def test_a_dict_fills_every_variable(small, arrays):
    assert set(load_weights(small, arrays).loaded) == set(arrays)
    assert same(values(small), arrays)


@pytest.mark.parametrize("kind", ["prefix", "index", "data", "folder", "tar.gz"])
def test_a_checkpoint_of_the_original_code_fills_every_variable(small, arrays, kind, tmp_path):
    background = {
        role: np.concatenate([array[..., :1] * 0 + 9, array], -1) if "/FC/" in role else array
        for role, array in arrays.items()
    }
    trained = {
        f"{role}/{slot}": array * 0
        for role, array in background.items()
        for slot in ("Momentum", "RMSProp_1")
    }
    (tmp_path / "folder").mkdir()
    prefix = checkpoint(
        tmp_path / "folder" / "model.ckpt", {**background, **trained, "global_step": np.int64(7)}
    )
    paths = {
        "prefix": prefix,
        "index": prefix.with_name("model.ckpt.index"),
        "folder": prefix.parent,
    }
    paths["data"] = prefix.with_name("model.ckpt.data-00000-of-00001")
    if kind == "tar.gz":
        paths[kind] = tmp_path / "model.tar.gz"
        with tarfile.open(paths[kind], "w:gz") as archive:
            archive.add(prefix.parent, "nasnet")
    report = load_weights(randomized(small), paths[kind])
    assert same(values(small), arrays)
    assert set(report.unused) == {*trained, "global_step"} and set(report.unused.values()) == {
        "only training needs it"
    }


def test_moving_averages_are_preferred(small, arrays):
    averages = {
        f"{role}/ExponentialMovingAverage": array + 1
        for role, array in arrays.items()
        if role != "cell_0/1x1/weights"
    }
    load_weights(small, {**arrays, **averages})
    assert np.array_equal(values(small)["cell_1/1x1/weights"], arrays["cell_1/1x1/weights"] + 1)
    assert np.array_equal(values(small)["cell_0/1x1/weights"], arrays["cell_0/1x1/weights"])


def test_a_class_more_is_a_background_class_in_the_original_code_alone(small):
    source = Network(BRIEF, **{**CIFAR, "classes": 4})
    assert set(load_weights(small, source).kept.values()) == {
        "the source has 4 classes, the model 3"
    }
    assert not load_weights(small, values(source)).kept


def test_a_checkpoint_of_objects_is_refused(small, tmp_path):
    tf = pytest.importorskip("tensorflow")
    path = tf.train.Checkpoint(x=tf.Variable(1.0)).write(str(tmp_path / "objects"))
    assert refused(small, path, "is a checkpoint of objects")


def test_a_folder_of_several_checkpoints_is_refused(small, arrays, tmp_path):
    for name in ("one.ckpt", "two.ckpt"):
        checkpoint(tmp_path / name, {"conv0/weights": np.zeros(1, "float32")})
    assert refused(
        small, tmp_path, r"holds 2 checkpoints: one.ckpt, two.ckpt; give a folder with one"
    )


def test_operations_of_another_genotype_are_refused_even_in_part(small, arrays):
    other = {
        role.replace("separable_5x5", "separable_7x7").replace("sep_5x5", "sep_7x7"): array
        for role, array in arrays.items()
    }
    assert refused(small, other, "has other operations in every cell than the model", partial=True)


def test_a_dict_of_which_nothing_fits_is_refused_even_in_part(small):
    assert refused(
        small,
        {"weights": np.zeros(3)},
        r"has no array \(weights\) that fits the model",
        partial=True,
    )


def test_a_part_of_the_weights_is_taken_only_if_asked(small, arrays):
    del arrays["cell_1/1x1/weights"]
    assert refused(
        small,
        arrays,
        r"1 arrays are missing \(cell_1/1x1/weights\), 0 have another shape, 0 have no place;"
        r" compare stem",
    )
    assert load_weights(small, arrays, partial=True).kept == {
        "cell_1/1x1/weights": "the source has no such array"
    }


# ---- what is damaged, or of another kind ----


@pytest.mark.parametrize(
    "value, partial", [(np.nan, False), (np.nan, True), (np.inf, False), (-np.inf, False)]
)
def test_numbers_that_are_none_are_refused(small, arrays, value, partial):
    arrays["cell_0/1x1/weights"].flat[3] = value
    assert refused(
        small, arrays, "holds values in cell_0/1x1/weights that are not finite", partial=partial
    )


def test_negative_variances_are_refused(small, arrays):
    arrays["cell_0/beginning_bn/moving_variance"][0] = -1e-3
    assert refused(small, arrays, "holds negative variances in cell_0/beginning_bn/moving_variance")


@pytest.mark.parametrize(
    "value",
    [np.array(["a"] * 4), np.zeros(4, complex), np.array([None] * 4)],
    ids=["text", "complex", "objects"],
)
def test_arrays_of_no_numbers_are_refused(small, arrays, value):
    arrays["cell_0/beginning_bn/beta"] = value
    assert refused(small, arrays, "weights are numbers")


@pytest.mark.parametrize("layout", ["h5", "keras", "weights.h5", "in order.h5"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_a_file_cut_short_is_refused(saved, model, tmp_path, layout, share):
    path = tmp_path / f"file.{layout}"
    whole = (saved / path.name).read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert refused(model, path, "it is cut short, damaged or of another kind")


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_changed_byte_in_a_keras_file_is_refused_even_in_part(saved, model, tmp_path, place):
    content = bytearray((saved / "file.keras").read_bytes())
    content[int(len(content) * place)] ^= 1
    path = tmp_path / "file.keras"
    path.write_bytes(content)
    assert refused(model, path, "Bad CRC-32", partial=True)


def test_a_changed_byte_in_a_checkpoint_is_refused(small, arrays, tmp_path):
    prefix = checkpoint(tmp_path / "model.ckpt", arrays)
    data = prefix.with_name("model.ckpt.data-00000-of-00001")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    assert refused(small, prefix, "it is cut short, damaged or of another kind")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """The folder with files that are no weights of a NASNet."""
    folder = tmp_path_factory.mktemp("foreign")
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(inputs))
    other = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))
    other.save(folder / "other.keras")
    other.save(folder / "other.h5")
    other.save_weights(folder / "other.weights.h5")
    (folder / "text.h5").write_text("no weights")
    (folder / "empty.keras").write_bytes(b"")
    (folder / "packed.h5.gz").write_bytes(gzip.compress(b"no tar"))
    with zipfile.ZipFile(folder / "zip.keras", "w") as archive:
        archive.writestr("a.txt", "no model")
    with zipfile.ZipFile(folder / "no json.keras", "w") as archive:
        archive.writestr("config.json", "{")
        archive.writestr("model.weights.h5", "")
    with h5py.File(folder / "arrays.h5", "w") as file:
        file["x"] = np.zeros(3)
    with tarfile.open(folder / "empty.tar.gz", "w:gz"):
        pass
    return folder


@pytest.mark.parametrize(
    "name, message",
    [
        ("other.keras", "is no NASNet of keras.applications: of its 3 layers"),
        ("other.h5", "is no NASNet of keras.applications: of its 3 layers"),
        ("other.weights.h5", "is no NASNet of keras.applications: of its 3 layers"),
        ("text.h5", "is no file of weights"),
        ("empty.keras", "is no file of weights"),
        ("packed.h5.gz", "is no file of weights"),
        ("zip.keras", "is a zip without config.json and model.weights.h5"),
        ("no json.keras", "cannot be read .config.json: .* in line 1"),
        ("arrays.h5", "is no NASNet of keras.applications: of its 0 layers"),
        ("empty.tar.gz", "holds 0 checkpoints"),
    ],
)
def test_a_file_of_another_kind_is_refused_even_in_part(model, foreign, name, message):
    assert refused(model, foreign / name, message, partial=True)


@SLOW
@pytest.mark.parametrize("ending", ["h5", "keras", "weights.h5"])
def test_another_published_network_is_refused(model, tmp_path, ending):
    other = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), include_top=False)
    path = tmp_path / f"resnet.{ending}"
    other.save_weights(path) if ending == "weights.h5" else other.save(path)
    assert refused(model, path, "is no NASNet of keras.applications", partial=True)


def test_a_file_that_is_not_there_is_refused(small, tmp_path):
    assert refused(small, tmp_path / "none.h5", "there is no file", error=FileNotFoundError)


@pytest.mark.parametrize("source", [5, None, ["a"], {1: np.zeros(1)}], ids=str)
def test_what_is_no_source_is_refused(small, source):
    assert refused(small, source, "is no source of weights|keys are slim variable names")


def test_only_networks_are_filled():
    with pytest.raises(ValueError, match="fills a nasnet_tf.network.Network; got Sequential"):
        load_weights(keras.Sequential(), {})


def test_links_out_of_a_file_are_not_followed(saved, model, tmp_path):
    path = tmp_path / "linked.weights.h5"
    shutil.copy(saved / "file.weights.h5", path)
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink(
            saved / "file.weights.h5", "layers/dense/vars/0"
        )
    assert refused(model, path, "has a link at layers/dense/vars/0, which is not followed")


def test_an_array_of_absurd_size_is_not_read(saved, model, tmp_path):
    path = tmp_path / "huge.weights.h5"
    shutil.copy(saved / "file.weights.h5", path)
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file.create_dataset(
            "layers/dense/vars/0", shape=(1 << 20, 1 << 20), dtype="float32", chunks=(64, 64)
        )
    assert refused(
        model,
        path,
        r"says that layers/dense/vars/0 is \(1048576, 1048576\), but does not hold so many",
    )


def test_groups_without_end_are_refused(model, tmp_path):
    with h5py.File(tmp_path / "loop.h5", "w") as file:
        file["layers/again"] = file["/"]
    assert refused(model, tmp_path / "loop.h5", "its groups go on and on")


def test_a_configuration_of_another_size_than_the_file_is_refused(small, tmp_path):
    path = tmp_path / "model.keras"
    Network(BRIEF, **CIFAR).save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["classes"] = 10**12
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, "config.json": json.dumps(config)}.items():
            archive.writestr(name, content)
    assert refused(small, path, "holds .* numbers, not the .* of a network of its kind")


# ---- ImageNet weights ----


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of Keras; downloads fail as they do without a connection."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()

    def fail(name, url, cache_subdir, file_hash):
        (tmp_path / cache_subdir / name).unlink(missing_ok=True)
        raise Exception(f"URL fetch failure on {url}: None -- no connection")

    monkeypatch.setattr(keras.utils, "get_file", fail)
    return tmp_path / "models"


@pytest.fixture
def as_mobile(monkeypatch):
    """Lets the networks of `model`'s size pass for NASNet-A mobile."""
    monkeypatch.setitem(
        official.VARIANTS,
        "mobile",
        official.Variant(num_cells=1, filters=4, stem_filters=8, skip_reduction=False),
    )


@pytest.mark.parametrize(
    "options, name",
    [
        (dict(classes=1000), "NASNet-mobile.h5"),
        (dict(classes=5), "NASNet-mobile-no-top.h5"),
        (dict(classes=1000, include_top=False), "NASNet-mobile-no-top.h5"),
    ],
    ids=str,
)
def test_the_published_file_has_the_models_head(as_mobile, options, name):
    assert official.file_for(Network("nasnet_a", **{**IMAGENET, **options})).name == name


def test_imagenet_weights_are_fetched_and_loaded(theirs, saved, model, as_mobile, monkeypatch):
    asked = {}

    def fetch(name, url, cache_subdir, file_hash):
        asked.update(name=name, url=url, cache_subdir=cache_subdir, file_hash=file_hash)
        return str(saved / "file.h5")

    monkeypatch.setattr(keras.utils, "get_file", fetch)
    load_weights(randomized(model), "imagenet")
    assert asked == {
        "name": "nasnet_mobile_no_top.h5",
        "url": (
            "https://storage.googleapis.com/tensorflow/keras-applications/nasnet/NASNet-mobile-no-top.h5"
        ),
        "cache_subdir": "models",
        "file_hash": "1ed92395b5b598bdda52abe5c0dbfd63",
    }
    assert np.array_equal(values(model)["conv0/weights"], theirs.get_layer("stem_conv1").kernel)


@pytest.mark.parametrize("cached", [None, b"of another time"])
def test_without_a_connection_it_is_said_what_to_put_where(model, as_mobile, cache, cached):
    place = cache / "nasnet_mobile_no_top.h5"
    if cached:
        place.write_bytes(cached)
    assert refused(model, "imagenet", "could not be downloaded")
    with pytest.raises(ValueError) as caught:
        load_weights(model, "imagenet")
    message = str(caught.value)
    url = "https://storage.googleapis.com/tensorflow/keras-applications/nasnet/NASNet-mobile-no-top.h5"
    assert all(
        part in message
        for part in (
            url,
            str(place),
            'weights="/path/NASNet-mobile-no-top.h5"',
            "1ed92395b5b598bdda52abe5c0dbfd63",
        )
    )
    assert (place.read_bytes() if cached else not place.exists()) == (cached or True)


@pytest.mark.parametrize("options", [dict(), dict(stem="cifar")], ids=str)
def test_networks_without_imagenet_weights_are_told_which_have_them(options, cache):
    network = Network("nasnet_a", **{**IMAGENET, **options})
    assert refused(
        network,
        "imagenet",
        r"ImageNet weights of NASNet-A mobile \(num_cells=4, filters=44, .* and large"
        r" \(num_cells=6, filters",
    )


def test_the_networks_with_imagenet_weights_are_those_of_the_zoo():
    for name, variant in official.VARIANTS.items():
        ours = {"skip_reduction": False, **variant_arguments(f"nasnet_a_{name}")[1]}
        assert variant._asdict() == {key: ours[key] for key in variant._fields}


@pytest.mark.parametrize("name", ["NASNet-mobile.h5", "nasnet_large_no_top.h5"])
def test_a_file_named_as_a_published_one_must_be_it(saved, model, tmp_path, name):
    shutil.copy(saved / "file.h5", tmp_path / name)
    assert refused(
        model,
        tmp_path / name,
        "has the name of a file that Keras publishes but not its MD5 .* or rename it",
        partial=True,
    )


# ---- the report, and full size ----


def test_a_report_says_what_matched_and_why_the_rest_did_not(small, arrays):
    del arrays["cell_1/1x1/weights"]
    report = load_weights(
        small,
        {**arrays, "global_step": np.int64(1), "aux_1/aux_logits/FC/biases": np.zeros(3)},
        partial=True,
    )
    assert str(report).splitlines() == [
        f"the dict: {len(arrays)} arrays loaded",
        "  not changed in the model: 1 (cell_1/1x1/weights): the source has no such array",
        "  not used of the source: 1 (aux_1/aux_logits/FC/biases): the model has no auxiliary head",
        "  not used of the source: 1 (global_step): only training needs it",
    ]


@SLOW
def test_nasnet_mobile_takes_its_weights_from_a_file_of_full_size(tmp_path):
    theirs = randomized(keras.applications.NASNetMobile(weights=None, input_shape=(64, 64, 3)))
    path = tmp_path / "mobile.keras"
    theirs.save(path)
    ours = NASNetA("mobile", input_shape=(64, 64, 3), zero_padded_pools=True)
    assert len(load_weights(ours, path).loaded) == 1126
    x = images(1, 64, 64, 3)
    assert distance(ours(x), np.asarray(theirs(x))) < 1e-5


def test_a_genotype_of_ones_own_keeps_its_weights(random_genotype, tmp_path):
    genotype = random_genotype(3, most=3)
    assert isinstance(genotype, Genotype)
    source = randomized(Network(genotype, **CIFAR), seed=1)
    source.save(tmp_path / "model.keras")
    target = Network(genotype, **CIFAR)
    load_weights(target, tmp_path / "model.keras")
    assert same(values(target), values(source))
