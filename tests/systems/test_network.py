"""Cells stacked into networks: the shapes and counts of the original graph, and any genotype at any
legal size.
"""

import copy
import math
import pickle

import keras
import numpy as np
import pytest

from nasnet_tf import spaces, zoo
from nasnet_tf.cost import cost
from nasnet_tf.genotype import NASNET_A, PNASNET_5, Block, Genotype
from nasnet_tf.genotype import Cell as Wiring
from nasnet_tf.layers import AuxiliaryHead, FactorizedReduction, operations
from nasnet_tf.layers.operations import CellLayer
from nasnet_tf.network import Network
from nasnet_tf.systems import networks
from nasnet_tf.systems.cells.layer import Cell
from nasnet_tf.systems.cells.plan import plan
from nasnet_tf.tuners import CellHyperModel
from nasnet_tf.zoo import NASNetA

# Height, width and channels that the original code's tests assert
# (slim/nets/nasnet/nasnet_test.py).
SLIM_SHAPES = {
    "cifar": {
        "Stem": (32, 32, 96),
        **{f"Cell_{i}": (32, 32, 192) for i in range(6)},
        "Reduction_Cell_0": (16, 16, 256),
        **{f"Cell_{i}": (16, 16, 384) for i in range(6, 12)},
        "Reduction_Cell_1": (8, 8, 512),
        **{f"Cell_{i}": (8, 8, 768) for i in range(12, 18)},
        "global_pool": (768,),
        "Predictions": (10,),
    },
    "mobile": {
        "Stem": (28, 28, 88),
        **{f"Cell_{i}": (28, 28, 264) for i in range(4)},
        "Reduction_Cell_0": (14, 14, 352),
        **{f"Cell_{i}": (14, 14, 528) for i in range(4, 8)},
        "Reduction_Cell_1": (7, 7, 704),
        **{f"Cell_{i}": (7, 7, 1056) for i in range(8, 12)},
        "global_pool": (1056,),
        "Predictions": (1000,),
    },
    "large": {
        "Stem": (42, 42, 336),
        **{f"Cell_{i}": (42, 42, 1008) for i in range(6)},
        "Reduction_Cell_0": (21, 21, 1344),
        **{f"Cell_{i}": (21, 21, 2016) for i in range(6, 12)},
        "Reduction_Cell_1": (11, 11, 2688),
        **{f"Cell_{i}": (11, 11, 4032) for i in range(12, 18)},
        "global_pool": (4032,),
        "Predictions": (1000,),
    },
}
PLANS = {
    "cifar": dict(num_cells=6, filters=32),
    "mobile": dict(num_cells=4, filters=44, stem="imagenet"),
    "large": dict(num_cells=6, filters=168, stem="imagenet", skip_reduction=True),
}
TINY = dict(num_cells=(1, 0, 0), filters=2, classes=3, input_shape=(16, 16, 3))
TINY_IMAGENET = dict(
    num_cells=(1, 0, 0), filters=4, classes=3, stem="imagenet", input_shape=(64, 64, 3)
)
# The smallest cells: quick to build where the cell does not matter.
SMALL = Genotype(
    Wiring((Block(0, "sep_conv_3x3", 1, "identity"),), (1, 2)),
    Wiring((Block(0, "max_pool_3x3", 1, "conv_3x3"),), (2,)),
)


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def count(weights):
    return sum(math.prod(w.shape) for w in weights)


def shuffled(model, seed=1):
    """`model` with random weights and batch norm statistics near those of a trained one."""
    rng = np.random.default_rng(seed)
    for w in model.weights:
        if "float" in w.dtype:
            around = 1 if "variance" in w.path or "gamma" in w.path else 0
            w.assign(around + rng.uniform(-0.3, 0.3, w.shape))
    return model


def close(one, two, tolerance=1e-5):
    for a, b in zip(keras.tree.flatten(one), keras.tree.flatten(two), strict=True):
        a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


def by_name(steps):
    """{name of a cell: names of the h and the p it reads}."""
    names = ["stem", *(step.name for step in steps)]
    return {step.name: (names[step.h], names[step.p]) for step in steps}


@pytest.fixture(scope="module")
def cifar():
    return Network("nasnet_a", auxiliary_head=True)


@pytest.fixture(scope="module")
def mobile():
    return NASNetA("mobile", auxiliary_head=True)


# ---- the plan ----


@pytest.mark.parametrize("variant, size", [("cifar", 32), ("mobile", 111), ("large", 165)])
def test_the_plan_has_the_shapes_of_the_original_graph(variant, size):
    sizes, shapes = [size], {}
    for step in plan(NASNET_A, **PLANS[variant]):
        sizes.append(-(-sizes[step.h] // step.strides))
        shapes[step.name] = (
            sizes[-1],
            sizes[-1],
            step.filters * len(getattr(NASNET_A, step.kind).concat),
        )
    expected = {
        name.lower(): shape for name, shape in SLIM_SHAPES[variant].items() if "Cell" in name
    }
    if variant != "cifar":
        expected["cell_stem_1"] = SLIM_SHAPES[variant]["Stem"]
        shapes.pop("cell_stem_0")
    assert shapes == expected


def test_cells_read_the_two_outputs_before_them():
    reads = by_name(plan(NASNET_A, 6, 32))
    assert reads["cell_0"] == ("stem", "stem")
    assert reads["cell_1"] == ("cell_0", "stem")
    assert reads["cell_5"] == ("cell_4", "cell_3")
    assert reads["reduction_cell_0"] == ("cell_5", "cell_4")
    assert reads["cell_7"] == ("cell_6", "reduction_cell_0")


@pytest.mark.parametrize(
    "n, skip, name, p",
    [
        (4, False, "cell_4", "cell_3"),  # NASNet-A mobile: what the reduction read
        (4, False, "cell_8", "cell_7"),
        (6, True, "cell_6", "cell_4"),  # NASNet-A large: what the reduction took as p
        (6, True, "cell_12", "cell_10"),
        (6, False, "cell_6", "cell_5"),
        (4, True, "cell_4", "cell_2"),
    ],
)
def test_the_cell_after_a_reduction_reads_behind_it(n, skip, name, p):
    reduction = "reduction_cell_0" if name in ("cell_4", "cell_6") else "reduction_cell_1"
    assert by_name(plan(NASNET_A, n, 32, "imagenet", skip))[name] == (reduction, p)


@pytest.mark.parametrize("n", [4, 6])
def test_skip_reduction_changes_only_the_cells_after_the_reductions(n):
    plain, skipping = (by_name(plan(NASNET_A, n, 32, "imagenet", skip)) for skip in (False, True))
    assert {name for name in plain if plain[name] != skipping[name]} == {
        f"cell_{n}",
        f"cell_{2 * n}",
    }


def test_the_imagenet_stem_reads_its_convolution_twice():
    reads = by_name(plan(NASNET_A, 4, 44, "imagenet"))
    assert reads["cell_stem_0"] == ("stem", "stem")
    assert reads["cell_stem_1"] == ("cell_stem_0", "stem")
    assert reads["cell_0"] == ("cell_stem_1", "cell_stem_0")


def test_p_is_adapted_by_its_size_first_then_by_its_channels():
    adapts = {step.name: step.adapt for step in plan(NASNET_A, 4, 44, "imagenet")}
    assert {name for name, adapt in adapts.items() if adapt == "share"} == {"cell_stem_0"}
    assert {name for name, adapt in adapts.items() if adapt == "reduce"} == {
        "cell_stem_1",
        "cell_0",
        "cell_4",
        "cell_8",
    }
    assert set(adapts.values()) == {"share", "reduce", "project"}


def test_p_of_the_right_size_and_channels_is_kept():
    one = Wiring((Block(0, "identity", 1, "identity"),), (2,))
    assert {step.name: step.adapt for step in plan(Genotype(one, one), 3, 8)}["cell_2"] == "keep"


@pytest.mark.parametrize(
    "variant, filters",
    [
        ("cifar", (32, 64, 128)),
        ("mobile", (11, 22, 44, 88, 176)),
        ("large", (42, 84, 168, 336, 672)),
    ],
)
def test_filters_double_at_each_reduction(variant, filters):
    assert tuple(sorted({step.filters for step in plan(NASNET_A, **PLANS[variant])})) == filters


@pytest.mark.parametrize("variant, cells", [("cifar", 20), ("mobile", 16), ("large", 22)])
def test_drop_path_grows_with_depth_to_one_at_the_last_cell(variant, cells):
    ratios = [step.drop_ratio for step in plan(NASNET_A, **PLANS[variant])]
    assert ratios == pytest.approx([(c + 1) / cells for c in range(cells)])


def test_each_stage_can_have_its_own_number_of_cells():
    names = [step.name for step in plan(PNASNET_5, (2, 0, 1), 4)]
    assert names == ["cell_0", "cell_1", "reduction_cell_0", "reduction_cell_1", "cell_2"]


# ---- NASNet-A ----


@pytest.mark.parametrize("variant", ["cifar", "mobile"])
def test_endpoints_are_those_of_the_original_graph(variant, request):
    network = request.getfixturevalue(variant)
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in network.endpoints.items()}
    shapes.pop("Cell_Stem_0", None)
    classes = SLIM_SHAPES[variant]["Predictions"]
    assert shapes == {**SLIM_SHAPES[variant], "AuxLogits": classes}


def test_mobile_has_the_parameters_of_the_paper(mobile):
    head = mobile.get_layer("auxiliary")
    assert count(mobile.trainable_weights) == 7_701_218
    assert count(mobile.trainable_weights) - count(head.trainable_weights) == 5_289_978
    assert mobile.count_params() - head.count_params() == 5_326_716


def test_cifar_has_the_parameters_of_the_paper(cifar):
    head = cifar.get_layer("auxiliary")
    assert count(cifar.trainable_weights) == 4_978_036
    assert count(cifar.trainable_weights) - count(head.trainable_weights) == 3_346_538
    assert cifar.count_params() - head.count_params() == 3_383_786


@pytest.mark.slow
def test_a_network_for_images_of_any_size_has_the_same_parameters():
    assert NASNetA("mobile", input_shape=(None, None, 3)).count_params() == 5_326_716


@pytest.mark.slow
def test_mobile_without_top_has_the_parameters_of_keras_applications():
    assert NASNetA("mobile", include_top=False).count_params() == 4_269_716


@pytest.mark.slow
@pytest.mark.parametrize(
    "include_top, parameters, trainable",
    [(True, 88_949_818, 88_753_150), (False, 84_916_818, None)],
)
def test_large_is_that_of_the_paper(include_top, parameters, trainable):
    network = NASNetA("large", include_top=include_top)
    assert network.count_params() == parameters
    assert trainable in (None, count(network.trainable_weights))
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in network.endpoints.items()}
    expected = {
        name: shape
        for name, shape in SLIM_SHAPES["large"].items()
        if include_top or name[0] in "SCR"
    }
    assert {name: shapes[name] for name in expected} == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, trainable",
    [
        (
            dict(
                num_cells=(4, 3, 3),
                filters=216,
                stem="imagenet",
                stem_filters=96,
                classes=1000,
                input_shape=(331, 331, 3),
            ),
            86_057_668,
        ),
        (
            dict(
                num_cells=(3, 2, 2),
                filters=54,
                stem="imagenet",
                stem_cell_filters=(13, 27),
                classes=1000,
            ),
            5_064_487,
        ),
        (dict(num_cells=(3, 2, 2), filters=48), 3_189_082),
    ],
    ids=["large", "mobile", "cifar"],
)
def test_pnasnet_5_has_the_trainable_parameters_of_its_specification(arguments, trainable):
    assert count(Network("pnasnet_5", **arguments).trainable_weights) == trainable


# ---- any size ----


@pytest.mark.parametrize(
    "stem, sizes",
    [
        ("cifar", [(8, 8), (7, 5), (1, 1), (33, 12)]),
        ("imagenet", [(64, 64), (65, 47), (33, 128), (3, 3)]),
    ],
)
def test_a_network_of_unknown_size_runs_at_odd_even_and_oblong_sizes(stem, sizes):
    network = Network(
        SMALL, num_cells=1, filters=4, classes=3, stem=stem, input_shape=(None, None, 3)
    )
    for size in sizes:
        y = network(images(2, *size, 3))
        assert tuple(y.shape) == (2, 3)
        np.testing.assert_allclose(np.sum(y, -1), 1, rtol=1e-5)


def test_a_network_of_unknown_size_computes_what_one_of_that_size_does():
    arguments = dict(num_cells=1, filters=4, classes=3, stem="imagenet")
    unknown, known = (
        shuffled(Network(SMALL, **arguments, input_shape=shape))
        for shape in ((None, None, 3), (33, 47, 3))
    )
    assert unknown.count_params() == known.count_params() == cost(SMALL, **arguments).parameters
    close(unknown(images(2, 33, 47, 3)), known(images(2, 33, 47, 3)))


def legal(seed):
    """Random legal arguments of a network, and the size of its images."""
    rng = np.random.default_rng(seed)
    stem = ("cifar", "imagenet")[seed % 2]
    size = tuple(
        int(s) for s in (rng.integers(1, 14, 2) if stem == "cifar" else rng.integers(3, 60, 2))
    )
    return dict(
        num_cells=[1, (1, 0, 1), (2, 1, 0), (1, 1, 2)][rng.integers(4)],
        filters=int(rng.integers(1, 6)) * (4 if stem == "imagenet" else 1),
        stem=stem,
        classes=int(rng.integers(2, 6)),
        residual=bool(rng.integers(2)),
        drop_path_rate=float(rng.choice([0, 0.3])),
        drop_path_steps=[None, 3][rng.integers(2)],
        dropout_rate=float(rng.choice([0, 0.3])),
        weight_decay=float(rng.choice([0, 1e-3])),
        input_shape=(*size, int(rng.integers(1, 5))),
    )


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=[pytest.mark.slow] if seed >= 4 else []) for seed in range(20)],
)
def test_any_genotype_builds_as_planned_and_trains(seed, random_genotype):
    arguments, genotype = legal(seed), random_genotype(100 + seed, most=5 if seed >= 6 else 3)
    network = Network(genotype, **arguments)
    shapes = [network.get_layer("stem").output.shape[1:]]
    for step in plan(genotype, **{key: arguments[key] for key in ("num_cells", "filters", "stem")}):
        height, width, _ = shapes[step.h]
        shapes.append(
            (
                -(-height // step.strides),
                -(-width // step.strides),
                step.filters * len(getattr(genotype, step.kind).concat),
            )
        )
        assert network.get_layer(step.name).output.shape[1:] == shapes[-1]

    x, y = images(4, *arguments["input_shape"]), np.arange(4) % arguments["classes"]
    network.compile(keras.optimizers.SGD(1e-4), "sparse_categorical_crossentropy", run_eagerly=True)
    before = [np.array(w) for w in network.trainable_weights]
    assert np.isfinite(network.train_on_batch(x, y))
    assert np.isfinite(network(x)).all()
    assert any(
        not np.array_equal(w, b) for w, b in zip(network.trainable_weights, before, strict=True)
    )


@pytest.mark.parametrize(
    "num_cells", [1, 2, (2, 1, 1), (1, 0, 1), (2, 0, 1), (1, 1, 0), (1, 0, 0)], ids=str
)
@pytest.mark.parametrize("skip", [False, True], ids=["plain", "skip"])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_what_a_cell_reads_has_the_size_its_plan_says(stem, skip, num_cells):
    sizes = [1024]
    for step in plan(SMALL, num_cells, 4, stem, skip):
        assert sizes[step.p] == sizes[step.h] * (2 if step.adapt == "reduce" else 1), step
        sizes.append(sizes[step.h] // step.strides)


@pytest.fixture(scope="module")
def trained():
    """A network after 20 steps on two images, and its losses."""
    x, y = images(2, *TINY["input_shape"]), np.arange(2)
    network = Network(SMALL, **TINY, drop_path_rate=0.1, drop_path_steps=30)
    network.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    return network, network.fit(x, y, epochs=20, batch_size=2, verbose=0).history["loss"]


def test_a_network_learns_to_tell_two_images_apart(trained):
    _, losses = trained
    assert losses[-1] < 0.3 * losses[0]


def test_a_trained_network_comes_back_with_its_optimizer_and_its_schedule(trained, tmp_path):
    network, _ = trained
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert int(loaded.optimizer.iterations) == 20
    assert {
        int(loaded.get_layer(name).drop_path.step) for name in ("cell_0", "reduction_cell_1")
    } == {20}


# ---- the auxiliary head ----


def test_the_auxiliary_head_sits_before_the_second_reduction(mobile, cifar):
    assert mobile.get_layer("auxiliary").input is mobile.endpoints["Cell_7"]
    assert cifar.get_layer("auxiliary").input is cifar.endpoints["Cell_11"]


def test_the_auxiliary_head_covers_four_by_four_pixels(mobile, cifar):
    assert mobile.get_layer("auxiliary").size == cifar.get_layer("auxiliary").size == (4, 4)


def test_with_an_auxiliary_head_the_output_is_a_dict():
    y = Network(SMALL, **TINY, auxiliary_head=True)(images(2, 16, 16, 3))
    assert {name: tuple(value.shape) for name, value in y.items()} == {
        "predictions": (2, 3),
        "auxiliary": (2, 3),
    }


def test_both_outputs_of_an_auxiliary_network_train():
    network = Network(SMALL, **TINY, auxiliary_head=True)
    loss = dict.fromkeys(("predictions", "auxiliary"), "sparse_categorical_crossentropy")
    network.compile(
        keras.optimizers.SGD(0.1),
        loss,
        loss_weights={"predictions": 1, "auxiliary": 0.4},
        run_eagerly=True,
    )
    before = network.get_layer("auxiliary").dense.get_weights()[0]
    y = np.arange(4) % 3
    assert np.isfinite(
        network.train_on_batch(
            images(4, 16, 16, 3), {"predictions": y, "auxiliary": y}, return_dict=True
        )["loss"]
    )
    assert not np.array_equal(before, network.get_layer("auxiliary").dense.get_weights()[0])


def test_the_features_of_an_auxiliary_network_are_its_predictions_without_top():
    network = Network(SMALL, **TINY, auxiliary_head=True, include_top=False, pooling="avg")
    y = network(images(2, 16, 16, 3))
    assert {name: tuple(value.shape) for name, value in y.items()} == {
        "predictions": (2, 8),
        "auxiliary": (2, 3),
    }


@pytest.mark.parametrize(
    "shape, message",
    [
        ((None, None, 3), "needs a fixed height and width"),
        ((8, 8, 3), "too small for the auxiliary head"),
    ],
)
def test_an_auxiliary_head_that_does_not_fit_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        Network(SMALL, **{**TINY, "input_shape": shape}, auxiliary_head=True)


# ---- head and settings ----


@pytest.mark.parametrize("pooling, shape", [(None, (4, 4, 8)), ("avg", (8,)), ("max", (8,))])
def test_without_top_the_output_is_the_features_after_the_last_relu(pooling, shape):
    network = Network(SMALL, **TINY, include_top=False, pooling=pooling)
    y = np.asarray(network(images(2, 16, 16, 3)))
    assert y.shape == (2, *shape)
    assert y.min() >= 0


def test_logits_are_given_without_activation():
    network = shuffled(Network(SMALL, **TINY, classifier_activation=None))
    softmax = Network(SMALL, **TINY)
    softmax.set_weights(network.get_weights())
    close(softmax(images(2, 16, 16, 3)), keras.ops.softmax(network(images(2, 16, 16, 3))))


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (TINY, (0.9, 1e-5)),
        (TINY_IMAGENET, (0.9997, 1e-3)),
        ({**TINY_IMAGENET, "batch_norm_momentum": 0.5}, (0.5, 1e-3)),
        ({**TINY, "batch_norm_epsilon": 0.25}, (0.9, 0.25)),
        ({**TINY, "batch_norm_momentum": 0.0}, (0.0, 1e-5)),
    ],
    ids=["cifar", "imagenet", "momentum", "epsilon", "momentum 0"],
)
def test_batch_norm_is_that_of_the_stem_unless_given(arguments, expected):
    layers = [layer for layer in Network(SMALL, **arguments).layers if isinstance(layer, CellLayer)]
    assert {(layer.batch_norm_momentum, layer.batch_norm_epsilon) for layer in layers} == {expected}


def test_weight_decay_is_on_all_kernels_and_nothing_else():
    network = shuffled(Network(SMALL, **TINY, weight_decay=0.1, auxiliary_head=True))
    kernels = [w for w in network.trainable_weights if "kernel" in w.path]
    assert len(network.losses) == len(kernels)
    expected = 0.1 * sum((np.asarray(k, "float64") ** 2).sum() for k in kernels) / 2
    assert float(sum(network.losses)) == pytest.approx(expected, rel=1e-5)


def test_drop_path_of_a_cell_is_its_share_of_the_rate():
    cells = [
        layer
        for layer in Network(
            SMALL, **{**TINY, "num_cells": 1}, drop_path_rate=0.5, drop_path_steps=7
        ).layers
        if isinstance(layer, Cell)
    ]
    assert [cell.drop_path_rate for cell in cells] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert {cell.drop_path_steps for cell in cells} == {7}


def test_mean_and_std_normalize_the_images():
    x = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype("float32")
    mean, std = np.array([10.0, 100, 200]), np.array([20.0, 50, 90])
    inside, outside = (
        shuffled(Network(SMALL, **TINY, mean=mean.tolist(), std=std.tolist())),
        Network(SMALL, **TINY),
    )
    outside.set_weights([np.array(w) for w in inside.weights][-len(outside.weights) :])
    close(inside(x), outside((x - mean) / std))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_the_head_answers_in_float32_under_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    network = Network(SMALL, **TINY, auxiliary_head=True, mean=[0.0] * 3, std=[1.0] * 3)
    y = network(images(2, 16, 16, 3))
    assert {keras.backend.standardize_dtype(value.dtype) for value in y.values()} == {"float32"}
    assert network.get_layer("cell_0").compute_dtype == policy.removeprefix("mixed_")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_policy_can_be_given_to_one_network(policy):
    network = Network(SMALL, **TINY, dtype=policy)
    assert network.get_layer("stem").compute_dtype == policy.removeprefix("mixed_")
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_network_trains_in_half_precision(policy):
    network = Network(SMALL, **TINY, dtype=policy, drop_path_rate=0.3, drop_path_steps=10)
    network.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    assert np.isfinite(network.train_on_batch(images(4, 16, 16, 3), np.arange(4) % 3))


# ---- files ----

VARIETIES = {
    "plain": dict(),
    "imagenet": dict(**{k: v for k, v in TINY_IMAGENET.items() if k != "classes"}),
    "any size": dict(input_shape=(None, None, 1)),
    "own stages": dict(num_cells=(2, 1, 1), stem_filters=5),
    "normalizing": dict(
        mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0], class_names=["cat", "dog", "cow"]
    ),
    "auxiliary": dict(auxiliary_head=True, weight_decay=0.1),
    "drop path": dict(drop_path_rate=0.3, drop_path_steps=10, dropout_rate=0.2),
    "half": dict(dtype="mixed_bfloat16"),
    "float16": dict(dtype="mixed_float16"),
    "features": dict(include_top=False, pooling="max", residual=True, skip_reduction=True),
    "padded": dict(zero_padded_pools=True, classifier_activation=None),
}


QUICK = {"imagenet", "any size", "normalizing", "auxiliary", "drop path", "half"}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in VARIETIES
    ],
)
def varied(request):
    """A network with random weights, and images for it."""
    network = shuffled(Network(SMALL, **{**TINY, **VARIETIES[request.param]}))
    return network, images(2, *(size or 16 for size in network.input_shape[1:]))


def test_a_network_comes_back_from_a_keras_file(varied, tmp_path):
    network, x = varied
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, Network)
    assert loaded.genotype == network.genotype
    assert loaded.class_names == network.class_names
    assert loaded.get_config() == network.get_config()
    assert all(map(np.array_equal, loaded.get_weights(), network.get_weights()))
    close(loaded(x), network(x))


def test_a_network_comes_back_from_its_configuration_and_its_weights(varied, tmp_path):
    network, x = varied
    network.save_weights(tmp_path / "model.weights.h5")
    copy = Network.from_config(network.get_config())
    copy.load_weights(tmp_path / "model.weights.h5")
    assert copy.get_config() == network.get_config()
    assert all(map(np.array_equal, copy.get_weights(), network.get_weights()))
    close(copy(x), network(x))


def test_mean_and_std_can_be_arrays(tmp_path):
    network = Network(SMALL, **TINY, mean=np.array([1.0, 2, 3]), std=np.array([4.0, 5, 6]))
    network.save(tmp_path / "model.keras")
    close(
        keras.models.load_model(tmp_path / "model.keras")(images(2, 16, 16, 3)),
        network(images(2, 16, 16, 3)),
    )


def test_the_activation_can_be_a_function(tmp_path):
    network = Network(SMALL, **TINY, classifier_activation=keras.activations.sigmoid)
    network.save(tmp_path / "model.keras")
    close(
        keras.models.load_model(tmp_path / "model.keras")(images(2, 16, 16, 3)),
        network(images(2, 16, 16, 3)),
    )


def test_a_part_of_a_network_comes_back_from_a_keras_file(tmp_path):
    network = shuffled(Network(SMALL, **TINY))
    part = keras.Model(network.input, network.endpoints["Reduction_Cell_0"])
    part.save(tmp_path / "part.keras")
    close(
        keras.models.load_model(tmp_path / "part.keras")(images(2, 16, 16, 3)),
        part(images(2, 16, 16, 3)),
    )


@pytest.mark.parametrize("steps", [10, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("direction", ["into", "out of"])
def test_weights_go_between_networks_with_and_without_drop_path(direction, steps, tmp_path):
    pair = (
        shuffled(Network(SMALL, **TINY)),
        shuffled(Network(SMALL, **TINY, drop_path_rate=0.5, drop_path_steps=steps), seed=2),
    )
    source, target = pair if direction == "into" else pair[::-1]
    source.save_weights(tmp_path / "model.weights.h5")
    target.load_weights(tmp_path / "model.weights.h5")
    assert all(map(np.array_equal, target.trainable_weights, source.trainable_weights))
    close(target(images(2, 16, 16, 3)), source(images(2, 16, 16, 3)))


def test_weights_go_between_networks_with_and_without_a_schedule(tmp_path):
    constant, scheduled = (
        shuffled(Network(SMALL, **TINY, drop_path_rate=0.5, drop_path_steps=steps), seed)
        for steps, seed in ((None, 1), (10, 2))
    )
    constant.save_weights(tmp_path / "model.weights.h5")
    scheduled.load_weights(tmp_path / "model.weights.h5")
    close(scheduled(images(2, 16, 16, 3)), constant(images(2, 16, 16, 3)))


# ---- what is refused ----


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(num_cells=0), "num_cells is 0; give the number of normal cells a stage, at least 1"),
        (dict(num_cells=-1), "num_cells is -1"),
        (dict(num_cells=(0, 1, 1)), r"num_cells is \(0, 1, 1\)"),
        (dict(num_cells=(1, 1)), r"num_cells is \(1, 1\)"),
        (dict(num_cells=True), "num_cells is True"),
        (dict(filters=0), "filters is 0; give a whole number of at least 1"),
        (dict(filters=2.5), "filters is 2.5"),
        (
            dict(filters=42, stem="imagenet"),
            "filters is 42; .* give a multiple of 4, such as 44, or .* stem_cell_filters",
        ),
        (dict(stem="svhn"), "stem is 'svhn'; there are cifar, imagenet"),
        (dict(classes=0), "classes is 0; give a whole number of at least 1"),
        (dict(classes=2.0), "classes is 2.0"),
        (dict(pooling="mean"), 'pooling is \'mean\'; give None, "avg" or "max"'),
        (
            dict(drop_path_rate=1.0),
            "drop_path_rate is 1.0; give a number of at least 0 and below 1",
        ),
        (dict(dropout_rate=-0.1), "dropout_rate is -0.1"),
        (dict(mean=[0.0] * 3), "give both mean and std"),
        (dict(input_shape=(32, 32)), "give .height, width, channels., channels last"),
        (dict(input_shape=(3, 32, 32)), "channels last, such as"),
        (
            dict(input_shape=(2, 64, 3), stem="imagenet", filters=4),
            "the imagenet stem needs at least 3 pixels each way",
        ),
        (dict(input_shape=(0, 8, 3)), "needs at least 1 pixels each way"),
        (dict(genotype="nasnet_d"), "no genotype 'nasnet_d'; there are nasnet_a"),
        (
            dict(genotype=Genotype(SMALL.normal, Wiring((), (2,)))),
            "reduction cell: a cell needs at least one block",
        ),
        (dict(mean=[0.0], std=[1.0, 1.0, 1.0]), "mean"),
        (dict(num_cells=None), "num_cells is None"),
        (dict(num_cells=1.5), "num_cells is 1.5"),
        (dict(stem="imagenet", filters=4, stem_cell_filters=(1,)), "stem_cell_filters"),
    ],
    ids=str,
)
def test_arguments_that_make_no_network_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        Network(**{"genotype": SMALL, **TINY, **arguments})


# ---- what is said about training stays said ----


def said(model):
    """Which layers are trained and which batch norms are frozen, and what that leaves to learn."""
    layers = [
        (layer.name, layer.trainable, getattr(layer, "freeze_batch_norms", None))
        for layer in model._flatten_layers()
    ]
    return layers, [weight.path for weight in model.trainable_weights]


def partly_frozen(model):
    model.layers[1].trainable = False
    model.layers[3].trainable = False
    for layer in model.layers:
        if isinstance(layer, CellLayer):
            layer.freeze_batch_norms = layer is not model.layers[2]
    return model


def wholly_frozen(model):
    model.trainable = False
    return model


def all_but_the_last(model):
    model.trainable = False
    model.layers[-1].trainable = True
    return model


def through_a_file(model, path):
    model.save(path / "m.keras")
    return keras.saving.load_model(path / "m.keras")


def inside_another(model, path):
    outer = through_a_file(
        keras.Sequential([keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype), model]),
        path,
    )
    return outer.layers[-1]


COPIES = {
    "file": through_a_file,
    "pickle": lambda model, path: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, path: copy.deepcopy(model),
    "configuration": lambda model, path: type(model).from_config(model.get_config()),
    "inside another": inside_another,
}


@pytest.mark.parametrize(
    ("way", "freeze"),
    [
        pytest.param(
            way,
            freeze,
            marks=(
                ()
                if (way, freeze) in {("file", partly_frozen), ("deepcopy", all_but_the_last)}
                else pytest.mark.slow
            ),
        )
        for way in COPIES
        for freeze in (partly_frozen, wholly_frozen, all_but_the_last)
    ],
)
def test_frozen_layers_stay_frozen(way, freeze, tmp_path):
    model = freeze(
        Network(
            SMALL, **{**TINY, "input_shape": (32, 32, 3)}, auxiliary_head=True, drop_path_rate=0.3
        )
    )
    there = COPIES[way](model, tmp_path)
    assert type(there) is Network and said(there) == said(model)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(spaces.SPACES))
def test_frozen_layers_of_every_kind_of_network_stay_frozen(name, tmp_path):
    space = spaces.get(name)()
    genotype = space.decode(space.first)
    shape = (8,) if getattr(genotype, "reads", "images") == "text" else (16, 16, 3)
    model = partly_frozen(
        networks.build(genotype, num_cells=1, filters=4, classes=3, input_shape=shape)
    )
    for way in COPIES.values():
        assert said(way(model, tmp_path)) == said(model)


def test_layers_of_a_keras_clone_stay_frozen():
    model = partly_frozen(Network(SMALL, **TINY))
    there = keras.models.clone_model(model)
    assert said(there) == said(model)


def test_the_order_of_the_weights_of_a_frozen_network_is_that_of_another(tmp_path):
    model, frozen = Network(SMALL, **TINY), partly_frozen(Network(SMALL, **TINY))
    frozen.save(tmp_path / "m.keras")
    there = keras.saving.load_model(tmp_path / "m.keras")
    for one, other in zip(model.layers, there.layers, strict=True):
        one.set_weights(other.get_weights())
    there.trainable = True
    for layer in there.layers:
        if isinstance(layer, CellLayer):
            layer.freeze_batch_norms = False
    assert [weight.path for weight in there.weights] == [weight.path for weight in model.weights]


def test_class_names_that_are_set_later_are_saved(tmp_path):
    model = Network(SMALL, **TINY)
    model.class_names = ["a", "b", "c"]
    assert through_a_file(model, tmp_path).class_names == ("a", "b", "c")


# ---- on a given tensor ----


def test_a_network_on_a_tensor_is_a_network(tmp_path):
    pixels = keras.Input((16, 16, 3), name="pixels")
    model = Network(
        SMALL,
        **{**TINY, "input_shape": None},
        input_tensor=keras.layers.Rescaling(0.5, name="scale")(pixels),
    )
    plain = Network(SMALL, **TINY)
    assert (model.input is pixels, model.genotype, list(model.pyramid_outputs)) == (
        True,
        SMALL,
        ["P0", "P1", "P2"],
    )
    assert list(model.endpoints) == list(plain.endpoints)
    plain.set_weights(model.get_weights())
    x = images(2, 16, 16, 3)
    np.testing.assert_allclose(model(x), plain(x * 0.5), rtol=1e-5, atol=1e-6)
    for there in (through_a_file(model, tmp_path), copy.deepcopy(model)):
        assert type(there) is Network and there.get_config() == model.get_config()
        np.testing.assert_allclose(there(x), model(x), rtol=1e-6)


@pytest.mark.slow
def test_a_network_on_a_tensor_of_several_inputs_comes_back_with_them(tmp_path):
    one, two = keras.Input((16, 16, 3), name="one"), keras.Input((16, 16, 3), name="two")
    model = Network(
        SMALL,
        **{**TINY, "input_shape": None},
        input_tensor=keras.layers.Average(name="mean")([one, two]),
    )
    x, y = images(1, 16, 16, 3), images(1, 16, 16, 3, seed=1)
    np.testing.assert_allclose(through_a_file(model, tmp_path)([x, y]), model([x, y]), rtol=1e-6)


def test_what_is_no_tensor_of_keras_or_has_another_shape_is_refused():
    with pytest.raises(ValueError, match="input_tensor is a ndarray; give a keras.Input"):
        Network(SMALL, **{**TINY, "input_shape": None}, input_tensor=images(1, 16, 16, 3))
    with pytest.raises(
        ValueError,
        match=r"input_shape is \(16, 16, 3\), but input_tensor has the shape \(8, 8, 3\)",
    ):
        Network(SMALL, **TINY, input_tensor=keras.Input((8, 8, 3)))


# ---- what is refused ----


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's tracing")
def test_a_step_of_training_is_traced_once(monkeypatch):
    """Where an optimizer makes its variables in the first step, TensorFlow traces that step
    twice.
    """
    traced, step = [], keras.Model.train_step
    monkeypatch.setattr(
        keras.Model, "train_step", lambda self, data: (traced.append(1), step(self, data))[1]
    )
    cell = Wiring((Block(0, "conv_1x1", 1, "identity"),), (2,))
    model = Network(
        Genotype(cell, cell), num_cells=(1, 0, 0), filters=2, classes=3, input_shape=(4, 4, 1)
    )
    x, y = np.zeros((6, 4, 4, 1), "float32"), np.zeros(6, "int32")
    for _ in range(2):  # compiled anew, as for a second phase
        model.compile(
            keras.optimizers.SGD(0.1, momentum=0.9), loss="sparse_categorical_crossentropy"
        )
        model.fit(x, y, batch_size=3, epochs=2, verbose=0)
    assert len(traced) == 2 and model.optimizer.iterations == 4


def test_quantization_is_refused_with_the_reason(tmp_path):
    model = Network(SMALL, **TINY)
    with pytest.raises(ValueError, match="Keras can quantize Dense layers only"):
        model.quantize("int8")
    outer = keras.Sequential([keras.Input((16, 16, 3)), model])
    outer.quantize("int8")  # Keras asks the layers inside, not the network
    with pytest.raises(ValueError, match="the saved file could not be loaded"):
        outer.save(tmp_path / "m.keras")


@pytest.mark.parametrize("name", sorted(spaces.SPACES))
def test_channels_first_is_refused_by_every_network_of_images(name, channels_first):
    space = spaces.get(name)()
    genotype = space.decode(space.first)
    if getattr(genotype, "reads", "images") == "text":  # has no channels
        return
    with pytest.raises(
        ValueError,
        match=(
            "image_data_format is 'channels_first'.*only: call keras.config.set_image_data_format"
        ),
    ):
        networks.build(genotype, num_cells=1, filters=4)


@pytest.mark.parametrize(
    "make",
    [
        NASNetA,
        zoo.PNASNet5,
        zoo.AmoebaNetA,
        lambda: zoo.create_model("nasnet_a"),
        lambda: CellHyperModel((8, 8, 3), 2),
        lambda: Cell(SMALL.normal, 4),
        lambda: operations.ConvNorm(4),
        lambda: operations.Operation("conv_1x1", 4),
        lambda: operations.Pool("max", 3),
        lambda: FactorizedReduction(4),
        lambda: AuxiliaryHead(3, (1, 1)),
    ],
)
def test_channels_first_is_refused_by_variants_children_and_layers(make, channels_first):
    with pytest.raises(ValueError, match="image_data_format is 'channels_first'"):
        make()


def test_a_file_is_not_loaded_under_channels_first(tmp_path, request):
    Network(SMALL, **TINY).save(tmp_path / "m.keras")
    request.getfixturevalue("channels_first")
    with pytest.raises(ValueError, match="image_data_format is 'channels_first'"):
        keras.saving.load_model(tmp_path / "m.keras")


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")
