"""Networks of motifs of motifs: what the cell computes, the steps around it, and a search of them
on real data.
"""

import csv
import json
import warnings

import keras
import numpy as np
import pytest
from reference import arrays, averaged, depthwise, highest, normed, part_of, relu, shuffled
from trainings import assert_equal_trainings

from nasnet_tf import genotype as genotypes
from nasnet_tf import spaces
from nasnet_tf.cli import main
from nasnet_tf.cost import cost_of
from nasnet_tf.genotype import NASNET_A, Hierarchical
from nasnet_tf.native import NativeNetwork, labels_of
from nasnet_tf.spaces import HierarchicalSpace
from nasnet_tf.systems import networks
from nasnet_tf.systems.hierarchical import plan as motifs
from nasnet_tf.systems.hierarchical.genotype import pairs
from nasnet_tf.systems.hierarchical.network import HierarchicalNetwork, MotifCell
from nasnet_tf.systems.hierarchical.space import FLAT as FLAT_SIZES

SPACE, FLAT = HierarchicalSpace(), spaces.get("hierarchical-flat")()
BOTH = pytest.mark.parametrize("space", [SPACE, FLAT], ids=["hierarchical", "flat"])
TINY = dict(num_cells=1, filters=2, input_shape=(8, 8, 1), classes=3)
IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
LABELS = np.array([0, 1, 2, 0])
FILTERS = 2


def members(space, count, seed=0):
    rng = np.random.default_rng(seed)
    return [space.decode(space.random(rng)) for _ in range(count)]


def severed(space):
    return space.decode((0,) * len(space.decisions))


# ---- the cell against NumPy, from the genotype itself ----


def computed(x, weights, name, filters):
    """Depthwise, pointwise or both, whatever kernels there are; batch norm by the averages; ReLU.
    NaN where the cell has no weights.
    """
    if f"{name}.gamma" not in weights:
        return np.full((*x.shape[:-1], filters), np.nan)
    if f"{name}.depthwise_kernel" in weights:
        x = depthwise(x, weights[f"{name}.depthwise_kernel"])
    kernel = weights.get(f"{name}.pointwise_kernel", weights.get(f"{name}.kernel"))
    x = x if kernel is None else x @ kernel[0, 0]
    return relu(normed(x, part_of(weights, name)))


def motif(genotype, level, number, x, weights, name=""):
    """What the motif makes of x, by the definition, or None if nothing reaches its sink."""
    edges = genotype.levels[level][number]
    nodes = {0: x}
    for node in range(1, 1 + max(b for _, b in pairs(99)[: len(edges)])):
        brought = []
        for (source, to), operation in zip(pairs(99)[: len(edges)], edges, strict=True):
            if to == node and operation != "none" and nodes[source] is not None:
                brought.append(
                    operate(
                        level, operation, genotype, nodes[source], weights, f"{name}{source}_{to}"
                    )
                )
        brought = [y for y in brought if y is not None]
        nodes[node] = np.concatenate(brought, -1) if brought else None
    return (
        nodes[node]
        if level or nodes[node] is None
        else computed(nodes[node], weights, f"{name}merge", x.shape[-1])
    )


def operate(level, operation, genotype, x, weights, name):
    if level:
        return motif(genotype, level - 1, int(operation[-1]), x, weights, f"{name}.")
    if operation in ("max_pool_3x3", "avg_pool_3x3"):
        return highest(x) if "max" in operation else averaged(x)
    if operation == "identity":
        return x
    kernels = [key for key in weights if key.startswith(f"{name}.") and "kernel" in key]
    assert len(kernels) in (
        0,
        {"conv_1x1": 1, "depthwise_conv_3x3": 1, "sep_conv_3x3": 2}[operation],
    )
    return computed(x, weights, name, x.shape[-1] if operation == "depthwise_conv_3x3" else FILTERS)


@pytest.mark.parametrize("seed", (0, 1, 3))
@pytest.mark.parametrize(
    "sizes",
    [dict(), dict(motifs=(2, 2, 1), nodes=(3, 3, 3)), FLAT_SIZES],
    ids=["levels-3", "4", "2"],
)
def test_a_cell_computes_what_numpy_computes_by_the_definition(sizes, seed):
    (genotype,) = members(HierarchicalSpace(**sizes), 1, seed)
    layer, x = (
        MotifCell(genotype, FILTERS),
        np.random.default_rng(1).normal(size=(2, 5, 4, 3)).astype("float32"),
    )
    layer.build(x.shape)
    expected = motif(genotype, len(genotype.levels) - 1, 0, x, arrays(shuffled(layer, 0, 0.5)))
    found = keras.ops.convert_to_numpy(layer(x))
    assert found.shape == expected.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


# ---- the identity chain ----


def with_unit_kernels(layer):
    """Every 1x1 kernel the unit matrix, every batch norm without effect."""
    for weight in layer.weights:
        if weight.name.endswith(".kernel"):
            weight.assign(np.eye(weight.shape[-1])[None, None])
        elif weight.name.endswith("moving_variance"):
            weight.assign(np.full(weight.shape, 1 - layer.batch_norm_epsilon))
    return layer


@BOTH
def test_the_chain_of_identities_is_the_identity_up_to_its_1x1_convolutions(space):
    layer = MotifCell(space.decode(space.trivial), filters=5)
    x = np.abs(np.random.default_rng(0).normal(size=(2, 6, 6, 3))).astype(
        "float32"
    )  # as after a ReLU
    layer.build(x.shape)
    kernels = [weight.name for weight in layer.trainable_weights if "kernel" in weight.name]
    assert kernels == [
        f"{edge}merge.kernel"
        for edge in (("0_1.", "1_2.", "2_3.", "3_4.") if space is SPACE else ("",))
    ]
    np.testing.assert_allclose(with_unit_kernels(layer)(x), x, rtol=1e-6)


@BOTH
def test_a_network_of_that_chain_is_the_network_without_cells(space):
    chain = networks.build(space.decode(space.trivial), **TINY)
    random = np.random.default_rng(3)
    steps = [layer for layer in chain.layers if layer.weights and not isinstance(layer, MotifCell)]
    for layer in steps:
        layer.set_weights([random.uniform(0.1, 1, weight.shape) for weight in layer.weights])
    for layer in chain.layers:
        if isinstance(layer, MotifCell):
            with_unit_kernels(layer)
    x = IMAGES
    for layer in chain.layers[1:]:
        if not isinstance(layer, MotifCell):
            x = layer(x)
    np.testing.assert_allclose(chain(IMAGES), x, rtol=1e-4)


# ---- channels ----


def test_channels_grow_by_concatenation_on_level_3_and_are_restored_after_each_motif_of_level_2():
    """All edges of all motifs are identities: widths of the nodes are 1, 1, 2, 4, ... times what is
    read.
    """
    genotype = Hierarchical(((("identity",) * 6,), (("motif_0",) * 10,)))
    made = motifs.feature_maps(genotype, filters=7, channels=3)
    joined = {
        name: [m.channels for m in made if m.part is None and m.name.endswith(name)]
        for name in ("4", "2", "3")
    }
    merges = {m.name: m.channels for m in made if m.part is not None}
    assert made[-1].channels == 8 * 3 and [m.channels for m in made if "." not in m.name] == [
        6,
        12,
        24,
    ]
    assert merges == {f"{a}_{b}.merge": 3 * 2 ** max(a - 1, 0) for a, b in pairs(5)}
    assert joined["4"] == [24]
    assert [m.channels for m in made if m.name == "3_4.3"] == [4 * 12], (
        "inside a motif they grow too"
    )


def test_convolutions_have_c_filters_and_all_else_as_many_as_it_reads():
    operations = ("conv_1x1", "sep_conv_3x3", "depthwise_conv_3x3", "none", "none", "max_pool_3x3")
    made = motifs.feature_maps(Hierarchical((((operations),),)), filters=4, channels=10)
    assert [(m.name, m.sources, m.channels) for m in made] == [
        ("0_1", (0,), 4),
        ("0_2", (0,), 4),
        ("1_2", (1,), 4),
        ("2", (2, 3), 8),
        ("2_3", (4,), 8),
        ("merge", (5,), 10),
    ]


def test_a_flat_cell_of_identities_is_as_wide_as_what_it_reads():
    made = motifs.feature_maps(Hierarchical(((("identity",) * 55,),)), filters=4, channels=4)
    assert (made[-2].channels, made[-1].channels) == (4 * 2**9, 4)


# ---- what nothing reaches ----


def test_a_motif_that_brings_nothing_has_no_weights_and_no_part_in_the_network():
    broken, sound = ("conv_1x1", "none", "none"), ("none", "conv_1x1", "none")
    with_it = Hierarchical(((broken, sound), (("motif_1", "motif_0", "motif_1"),)))
    without = Hierarchical(((broken, sound), (("motif_1", "none", "motif_1"),)))
    assert motifs.feature_maps(with_it, 3, 3) == motifs.feature_maps(without, 3, 3)


@BOTH
def test_a_network_whose_cell_is_cut_says_the_same_of_every_image_and_trains_without_a_warning(
    space,
):
    model = networks.build(severed(space), **TINY)
    assert motifs.feature_maps(severed(space), 2, 2) == () and not model.get_layer("cell_0").weights
    assert not np.any(model.get_layer("cell_0")(np.ones((1, 4, 4, 2))))
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(IMAGES, LABELS, verbose=0)
    said = keras.ops.convert_to_numpy(model(IMAGES))
    assert np.ptp(said, axis=0).max() == 0 and np.isfinite(said).all()


def test_genotypes_of_one_key_are_made_of_the_same_feature_maps():
    space, kinds = HierarchicalSpace((2, 1), (3, 3)), {}
    rng = np.random.default_rng(0)
    for _ in range(3000):
        point = np.array(space.random(rng)) * (rng.random(len(space.decisions)) < 0.5)
        genotype = space.decode(point)
        parts = sorted((str(m.part), m.channels) for m in motifs.feature_maps(genotype, 2, 2))
        kinds.setdefault(genotype.canonical_key(), []).append(parts)
    assert sum(len(of) for of in kinds.values() if len(of) > 1) > 1000
    assert all(of.count(of[0]) == len(of) for of in kinds.values())


# ---- the steps of a network ----


def test_the_large_network_for_cifar_has_two_cells_a_stage_and_a_separable_convolution_after_each():
    told = [
        (
            step.name,
            step.filters,
            step.part and step.part.strides[0],
            step.part and step.part.separable,
        )
        for step in motifs.plan(2, 64)
    ]
    assert told == [
        ("stem", 64, 1, False),
        ("cell_0", 64, None, None),
        ("separable_0", 64, 1, True),
        ("cell_1", 64, None, None),
        ("reduction_0", 128, 2, True),
        ("cell_2", 128, None, None),
        ("separable_2", 128, 1, True),
        ("cell_3", 128, None, None),
        ("reduction_1", 256, 2, True),
        ("cell_4", 256, None, None),
        ("separable_4", 256, 1, True),
        ("cell_5", 256, None, None),
        ("separable_5", 256, 1, True),
    ]


def test_the_stem_for_imagenet_quarters_the_image():
    steps = motifs.plan(1, 8, "imagenet")
    assert [(step.name, step.filters, step.part.strides[0]) for step in steps[:2]] == [
        ("stem", 8, 2),
        ("stem_1", 8, 2),
    ]
    assert steps[2:] == motifs.plan(1, 8)[1:]
    genotype = Hierarchical.chain()
    model = networks.build(
        genotype, num_cells=1, filters=2, input_shape=(64, 72, 3), classes=2, stem=None
    )
    assert [model.get_layer(name).output.shape[1:3] for name in ("cell_0", "cell_1", "cell_2")] == [
        (16, 18),
        (8, 9),
        (4, 5),
    ]
    assert networks.build(genotype, **TINY, stem=None).get_layer("cell_0").output.shape[1:3] == (
        8,
        8,
    )


@BOTH
@pytest.mark.parametrize(
    "size",
    [
        TINY,
        dict(num_cells=[2, 0, 1], filters=3, classes=7, input_shape=(9, 15, 3), stem="imagenet"),
    ],
    ids=str,
)
def test_the_cost_is_what_a_built_network_has_and_does(space, size):
    for genotype in (*members(space, 2), severed(space)):
        model, side = networks.build(genotype, **size), cost_of(genotype, **size)
        kernels = [
            (layer, weight)
            for layer in model.layers
            for weight in layer.trainable_weights
            if "kernel" in weight.name
        ]
        assert model.count_params() == side.parameters
        assert (
            sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == side.trainable
        )
        assert (
            sum(
                int(np.prod(weight.shape)) * int(np.prod(layer.output.shape[1:-1]))
                for layer, weight in kernels
            )
            == side.multiply_adds
        )


def test_a_network_is_saved_with_its_genotype_and_loads(tmp_path):
    (genotype,) = members(SPACE, 1)
    model = networks.build(genotype, **TINY, mean=[1.0], std=[2.0], class_names=["a", "b", "c"])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (type(loaded), loaded.genotype, loaded.class_names) == (
        HierarchicalNetwork,
        genotype,
        ("a", "b", "c"),
    )
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))
    json.dumps(model.get_config())


def test_a_network_computes_in_half_precision_and_tells_classes_in_full():
    (genotype,) = members(SPACE, 1)
    model = networks.build(genotype, **TINY, dtype="mixed_bfloat16")
    assert (model.get_layer("cell_0").compute_dtype, model(IMAGES).dtype) == ("bfloat16", "float32")


@pytest.mark.parametrize(
    "wrong",
    [
        dict(filters=0),
        dict(classes=0),
        dict(num_cells=0),
        dict(stem="mnist"),
        dict(input_shape=(8, 8)),
    ],
)
def test_a_network_of_senseless_size_is_refused(wrong):
    with pytest.raises(ValueError, match="give|there are cifar, imagenet"):
        networks.build(Hierarchical.chain(), **{**TINY, **wrong})
    with pytest.raises(ValueError, match="genotype is a Genotype; give a Hierarchical"):
        HierarchicalNetwork(NASNET_A)


# ---- trained by compiled kernels ----


@BOTH
def test_compiled_kernels_train_it_as_keras_does(space):
    assert_equal_trainings(members(space, 1, seed=2)[0], steps=2, filters=3, num_cells=(1, 0, 0))


@BOTH
def test_compiled_kernels_train_a_chain_and_a_cut_cell_as_keras_does(space):
    assert_equal_trainings(
        space.decode(space.trivial),
        steps=2,
        filters=3,
        stem="imagenet",
        input_shape=(9, 15, 3),
        num_cells=[2, 0, 1],
    )
    assert_equal_trainings(severed(space), steps=2, filters=3, num_cells=(1, 0, 0))


@pytest.mark.slow
@BOTH
def test_a_hundred_random_members_build_run_and_train_a_step(space):
    """All by compiled kernels, every twentieth by Keras too; the count of weights, from the plan
    alone, holds for all.
    """
    size = dict(num_cells=(1, 0, 0), filters=2, input_shape=(4, 4, 1), classes=3)
    images = IMAGES[:, :4, :4]
    for number, genotype in enumerate(members(space, 100)):
        child = NativeNetwork(genotype, **size)
        before = child.named()["predictions/kernel"].copy()
        loss, _ = child.step(child.prepared(images), labels_of(LABELS), 0.1)
        assert (
            np.isfinite(loss)
            and sum(weight.size for weight in child.named().values())
            == cost_of(genotype, **size).parameters
        )
        assert np.any(before != child.named()["predictions/kernel"]) or not genotype.living[-1][0]
        if number % 20 == 0:
            model = networks.build(genotype, **size)
            model.compile(
                keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True
            )
            assert (
                np.isfinite(model.train_on_batch(images, LABELS))
                and np.isfinite(model(images)).all()
            )


# ---- the command ----


@pytest.mark.slow
def test_digits_are_searched_by_tournament_evolution_and_resumed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["search", "digits", "--space", "hierarchical", "--strategy", "tournament-evolution"]
    command += ["--child-epochs", "1", "--child-images", "60"]
    command += [
        "--child-filters",
        "2",
        "--num-cells",
        "1",
        "--filters",
        "2",
        "--epochs",
        "1",
        "--json",
    ]
    assert main([*command, "--max-trials", "2"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["trials"] == 4 and 0 <= result["accuracy"] <= 1
    assert isinstance(genotypes.load("runs/digits/best.json"), Hierarchical)
    assert isinstance(keras.saving.load_model("runs/digits/model.keras"), HierarchicalNetwork)
    with open("runs/digits/trials.csv") as file:
        before = list(csv.DictReader(file))
    assert {row["status"] for row in before} == {"completed"}
    assert main([*command, "--max-trials", "3", "--resume"]) == 0
    with open("runs/digits/trials.csv") as file:
        after = list(csv.DictReader(file))
    assert len(after) == 6 and all(row in after for row in before)
