"""Genotypes of every kind: files, networks, costs, pictures; and NAS-Bench-201's cell and
network.
"""

import csv
import gzip
import importlib
import itertools
import json
import pathlib
import re
import sys
import warnings

import keras
import numpy as np
import pytest
from reference import arrays, averaged, convolved, normed, part_of, relu, shuffled

from nasnet_tf import genotype as genotypes
from nasnet_tf import spaces
from nasnet_tf.contracts.genotype import SCHEMAS
from nasnet_tf.cost import cost_of
from nasnet_tf.genotype import NASNET_A, PNASNET_5, NASBench201
from nasnet_tf.report import draw_genotype
from nasnet_tf.systems import SYSTEMS, networks
from nasnet_tf.systems.nas_bench_201.genotype import EDGES, NAS_BENCH_201_OPERATIONS
from nasnet_tf.systems.nas_bench_201.network import EdgesCell, NASBench201Network, ResidualReduction
from nasnet_tf.training import RECIPES, network_for
from nasnet_tf.training.freezing import freeze

ROOT = pathlib.Path(__file__).parents[2]
TABLE = ROOT.parent / "shared" / "data" / "nas_bench_201" / "nb201_merged.csv.gz"
ARCH = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
CELL = NASBench201.from_arch(ARCH)
LARGEST, SMALLEST = NASBench201(*["nor_conv_3x3"] * 6), NASBench201(*["none"] * 6)
TINY = dict(num_cells=1, filters=4, input_shape=(8, 8, 3), classes=3)
EVERY_CELL = [
    NASBench201(*operations) for operations in itertools.product(NAS_BENCH_201_OPERATIONS, repeat=6)
]


def published_parameters(cell, classes=10):
    """Trainable parameters on images of three channels; facts of the benchmark, exact for all its
    cells.
    """
    n3, n1 = (list(cell.edges.values()).count(name) for name in ("nor_conv_3x3", "nor_conv_1x1"))
    total = 16 * 27 + 32 + 128 + 64 * classes + classes
    total += sum(5 * (n3 * (9 * c * c + 2 * c) + n1 * (c * c + 2 * c)) for c in (16, 32, 64))
    return total + sum(9 * c // 2 * c + 2 * c + 9 * c * c + 2 * c + c // 2 * c for c in (32, 64))


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


# ---- files of any kind ----


@pytest.mark.parametrize("genotype", [NASNET_A, CELL], ids=["cells", "nas-bench-201"])
def test_one_reader_knows_which_kind_a_file_is_of(tmp_path, genotype):
    genotype.save(tmp_path / "best.json")
    assert (
        genotypes.load(tmp_path / "best.json")
        == genotypes.from_json(genotype.to_json())
        == type(genotype).load(tmp_path / "best.json")
    )
    assert genotypes.load(tmp_path / "best.json") == genotype


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda text: text[:50], "best.json: not a whole genotype JSON"),
        (lambda text: "[1]", "best.json: not a genotype"),
        (
            lambda text: text.replace("nas_bench_201", "nas_bench_301"),
            "there are nasnet_tf.genotype, .*nasnet_tf.nas_bench_201",
        ),
        (
            lambda text: text.replace('"version": 1', '"version": 2'),
            "genotype of version 2; this release reads version 1",
        ),
        (
            lambda text: text.replace("skip_connect", "skip"),
            "edge_0_3 is 'skip'; there are none, skip_connect",
        ),
        (
            lambda text: text.replace('"edge_0_3"', '"edge_3_0"'),
            "unknown keys in genotype: 'edge_3_0'",
        ),
        (lambda text: text.replace(', "edge_2_3": "nor_conv_3x3"', ""), "genotype lacks edge_2_3"),
        (lambda text: text.replace('"nor_conv_1x1"', '["none"]'), r"edge_1_2 is \('none',\)"),
    ],
)
def test_a_file_that_holds_no_genotype_is_refused_by_name(tmp_path, edit, says):
    (tmp_path / "best.json").write_text(edit(CELL.to_json()))
    with pytest.raises(ValueError, match=says):
        genotypes.load(tmp_path / "best.json")


def test_a_cell_is_written_as_the_benchmark_writes_it():
    assert CELL.edges == dict(
        zip(
            EDGES,
            (
                "nor_conv_3x3",
                "none",
                "nor_conv_1x1",
                "skip_connect",
                "avg_pool_3x3",
                "nor_conv_3x3",
            ),
            strict=True,
        )
    )
    assert all(NASBench201.from_arch(cell.to_arch()) == cell for cell in EVERY_CELL[::97])
    for text in ("", ARCH[:-2], ARCH.replace("~2", "~1"), ARCH.replace("none", "noise")):
        with pytest.raises(ValueError, match="no cell of NAS-Bench-201|edge_0_2 is 'noise'"):
            NASBench201.from_arch(text)


# ---- the key of NAS-Bench-201: the same network, and only it ----

PIXELS = 5
POOL = np.random.default_rng(0).dirichlet(
    np.ones(PIXELS), PIXELS
)  # linear, and leaves a constant alone, as an average does
KERNELS = {
    name: np.random.default_rng(n).normal(size=(6, PIXELS, PIXELS))
    for n, name in enumerate(["nor_conv_1x1", "nor_conv_3x3"])
}
INPUT, CONSTANTS = (
    np.random.default_rng(2).normal(size=PIXELS),
    np.random.default_rng(3).normal(size=6),
)


def nonlinear(name, weights, x):
    """Some nonlinear function with weights that is the same constant, for either size, where the
    input is zero.
    """
    return np.tanh(KERNELS[name][weights] @ x) + CONSTANTS[weights]


def output(cell, weights):
    """The cell's output on five pixels; `weights`: edge -> which of six sets of weights its
    convolution has.
    """
    nodes = [INPUT]
    for node in (1, 2, 3):
        total = np.zeros(PIXELS)
        for source in range(node):
            name, x = cell.edges[source, node], nodes[source]
            if name == "skip_connect":
                total = total + x
            elif name == "avg_pool_3x3":
                total = total + POOL @ x
            elif name != "none":
                total = total + nonlinear(name, weights[source, node], x)
        nodes.append(total)
    return nodes[3]


def same_network(one, other):
    """Whether weights can be dealt to `other`'s convolutions so that it computes what `one` does:
    all deals are tried.
    """
    ours, theirs = (
        [edge for edge, name in cell.edges.items() if "conv" in name] for cell in (one, other)
    )
    target = output(one, {edge: number for number, edge in enumerate(ours)})
    deals = (
        dict(zip(theirs, deal, strict=True))
        for deal in itertools.permutations(range(6), len(theirs))
    )
    return any(np.allclose(output(other, deal), target, rtol=1e-9) for deal in deals)


def test_cells_of_one_key_compute_the_same_and_cells_of_two_do_not():
    rng = np.random.default_rng(0)
    groups = {}
    for cell in EVERY_CELL:
        groups.setdefault(cell.canonical_key(), []).append(cell)
    twins = [group for group in groups.values() if len(group) > 1]
    for number in rng.choice(len(twins), 120, replace=False):
        one, other = (twins[number][i] for i in rng.choice(len(twins[number]), 2, replace=False))
        assert same_network(one, other), f"{one.to_arch()} is not {other.to_arch()}"
    keys = list(groups)
    for _ in range(40):
        one, other = (groups[keys[i]][0] for i in rng.choice(len(keys), 2, replace=False))
        assert not same_network(one, other), f"{one.to_arch()} is {other.to_arch()}"


def test_cells_one_edge_apart_have_one_key_exactly_if_they_are_the_same_network():
    """Near misses: most of the networks that are nearly the same are neighbours."""
    rng = np.random.default_rng(1)
    space, found = spaces.NASBench201Space(), []
    for _ in range(120):
        point = space.random(rng)
        one, other = space.decode(point), space.decode(space.mutate(point, rng))
        found.append(one.canonical_key() == other.canonical_key())
        assert found[-1] == same_network(one, other), f"{one.to_arch()} and {other.to_arch()}"
    assert 0 < sum(found) < len(found)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (
            "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
            "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
            True,
        ),
        (  # names of the middle nodes
            "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|skip_connect~1|avg_pool_3x3~2|",
            "|nor_conv_1x1~0|+|nor_conv_3x3~0|none~1|+|none~0|avg_pool_3x3~1|skip_connect~2|",
            True,
        ),
        (  # one convolution read twice is not two convolutions
            "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|avg_pool_3x3~2|",
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|avg_pool_3x3~2|",
            False,
        ),
        (  # a convolution of zero adds a constant: what its batch norm learned
            "|none~0|+|none~0|none~1|+|skip_connect~0|nor_conv_1x1~1|none~2|",
            "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
            False,
        ),
    ],
)
def test_what_is_the_same_network(one, other, same):
    one, other = NASBench201.from_arch(one), NASBench201.from_arch(other)
    assert (one.canonical_key() == other.canonical_key()) is same is same_network(one, other)


# ---- NAS-Bench-201's network ----


def test_the_cost_of_a_cell_is_the_published_formula():
    some = [SMALLEST, LARGEST, *EVERY_CELL[::11]]
    assert [cost_of(cell).trainable for cell in some] == [
        published_parameters(cell) for cell in some
    ]
    every = [published_parameters(cell) for cell in EVERY_CELL]
    assert (
        (min(every), max(every))
        == (cost_of(SMALLEST).trainable, cost_of(LARGEST).trainable)
        == (73_306, 1_531_546)
    )


@pytest.mark.skipif(
    not TABLE.exists(), reason="needs the table of NAS-Bench-201 beside the repository"
)
def test_the_published_table_has_our_cells_parameters_and_twins():
    with gzip.open(TABLE, "rt") as file:
        rows = {NASBench201.from_arch(row["arch"]): row for row in csv.DictReader(file)}
    assert set(rows) == set(EVERY_CELL)
    agree = [
        abs(float(row["params_M"]) * 1e6 - published_parameters(cell)) < 0.5
        for cell, row in rows.items()
    ]
    assert (
        np.mean(agree) > 0.98
    )  # the other rows are means over cells of several sizes: they are not even whole numbers
    twins = {}
    for cell, row in rows.items():
        twins.setdefault(cell.canonical_key(), []).append(float(row["c10_test_200"]))
    spread = np.median([np.std(accuracies) for accuracies in twins.values() if len(accuracies) > 1])
    assert (
        spread < 0.2 < np.std(list(itertools.chain(*twins.values()))) / 10
    )  # what is one network to us was trained to one accuracy


@pytest.mark.parametrize("cell", [SMALLEST, LARGEST, CELL], ids=["smallest", "largest", "mixed"])
def test_a_built_network_has_the_published_parameters(cell):
    model = networks.build(cell)
    side = cost_of(cell)
    assert trainable(model) == published_parameters(cell) == side.trainable
    assert model.count_params() == side.parameters
    assert model.output_shape == (None, 10)
    sizes = [model.get_layer(name).output.shape[1:] for name in ("cell_4", "cell_9", "cell_14")]
    assert sizes == [(32, 32, 16), (16, 16, 32), (8, 8, 64)]


def test_the_cost_holds_for_other_sizes_too():
    size = dict(num_cells=[2, 0, 1], filters=6, classes=7, input_shape=(9, 15, 1))
    model, side = networks.build(CELL, **size), cost_of(CELL, **size)
    assert (trainable(model), model.count_params()) == (side.trainable, side.parameters)


def numpy_conv_norm(x, weights, name, stride=1):
    """ReLU, convolution with as many pixels of zeros on both sides, batch norm."""
    part = part_of(weights, name)
    kernel = part["kernel"]
    y = convolved(relu(x), kernel, (stride, stride), padding=kernel.shape[0] // 2)
    return normed(y, part)


def test_a_cell_computes_what_numpy_computes():
    rng = np.random.default_rng(0)
    x, layer = rng.normal(size=(2, 6, 5, 3)).astype("float32"), EdgesCell(CELL)
    ours = keras.ops.convert_to_numpy(layer(x))
    weights = arrays(shuffled(layer, rng))
    ours = keras.ops.convert_to_numpy(layer(x))
    one = numpy_conv_norm(x, weights, "edge_0_1.1")
    two = numpy_conv_norm(one, weights, "edge_1_2.1")
    theirs = x + averaged(one) + numpy_conv_norm(two, weights, "edge_2_3.1")
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("side", [6, 5])
def test_a_reduction_computes_what_numpy_computes(side):
    rng = np.random.default_rng(0)
    x, layer = rng.normal(size=(2, side, side, 3)).astype("float32"), ResidualReduction(4)
    layer(x)
    weights = arrays(shuffled(layer, rng))
    ours = keras.ops.convert_to_numpy(layer(x))
    deep = numpy_conv_norm(numpy_conv_norm(x, weights, "first", 2), weights, "second")
    half = np.stack(
        [
            np.stack([x[:, i : i + 2, j : j + 2].mean((1, 2)) for j in range(0, side, 2)], 1)
            for i in range(0, side, 2)
        ],
        1,
    )
    np.testing.assert_allclose(ours, deep + half @ weights["shortcut"][0, 0], atol=1e-3)


def test_a_network_is_saved_with_its_genotype_and_loads(tmp_path):
    model = networks.build(
        CELL, **TINY, mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0], class_names=["a", "b", "c"]
    )
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (type(loaded), loaded.genotype, loaded.class_names) == (
        NASBench201Network,
        CELL,
        ("a", "b", "c"),
    )
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    json.dumps(model.get_config())


def test_weights_that_lead_nowhere_are_trained_without_a_warning():
    dead = NASBench201.from_arch("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    model = networks.build(dead, **TINY)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    before = [
        keras.ops.convert_to_numpy(weight) for weight in model.get_layer("cell_0").trainable_weights
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(np.ones((4, 8, 8, 3), "float32"), np.array([0, 1, 2, 0]), verbose=0)
    for old, weight in zip(before, model.get_layer("cell_0").trainable_weights, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(weight))


def test_a_network_computes_in_half_precision_and_tells_classes_in_full():
    model = networks.build(CELL, **TINY, dtype="mixed_bfloat16")
    assert (
        model.get_layer("cell_0").compute_dtype,
        model.get_layer("global_pool").compute_dtype,
    ) == ("bfloat16", "bfloat16")
    assert model(np.zeros((1, 8, 8, 3), "float32")).dtype == "float32"


def test_layers_freeze_as_those_of_a_network_of_cells():
    model = freeze(networks.build(CELL, **TINY), "reduction_cell_1", batch_norms=True)
    names = {weight.path for weight in model.trainable_weights}
    assert any(name.startswith("reduction_cell_1/") for name in names) and not any(
        "gamma" in name or "cell_0" in name for name in names
    )


# ---- the table of networks ----


def test_build_leaves_out_what_asks_for_nothing_and_refuses_the_rest():
    quiet = dict(stem=None, auxiliary_head=False, drop_path_rate=0.0)
    assert (
        networks.build(CELL, **TINY, **quiet).count_params()
        == networks.build(CELL, **TINY).count_params()
    )
    with pytest.raises(
        ValueError,
        match=(
            "auxiliary_head is True, but a network of nasnet_tf.nas_bench_201 has no auxiliary_head"
        ),
    ):
        networks.build(CELL, **TINY, auxiliary_head=True)
    with pytest.raises(
        ValueError,
        match=r"no network for Cell \(schema None\); there are those of nasnet_tf.genotype",
    ):
        networks.build(NASNET_A.normal)
    for wrong in (
        dict(filters=0),
        dict(classes=0),
        dict(num_cells=0),
        dict(input_shape=(8, 8)),
        dict(mean=[1.0]),
    ):
        with pytest.raises(ValueError, match="give"):
            networks.build(CELL, **{**TINY, **wrong})


@pytest.mark.parametrize(("side", "stem"), [(32, "cifar"), (64, "imagenet")])
def test_the_stem_of_a_network_of_cells_goes_by_the_size_of_the_image(side, stem):
    size = dict(num_cells=1, filters=4, input_shape=(side, side, 3), classes=2, stem=None)
    model = networks.build(PNASNET_5, **size)
    assert model.get_config()["stem"] == stem
    assert model.count_params() == cost_of(PNASNET_5, **size).parameters


@pytest.mark.parametrize("genotype", [PNASNET_5, CELL], ids=["cells", "nas-bench-201"])
def test_a_network_for_data_and_recipe_is_of_the_genotype_s_kind(genotype):
    class Data:
        input_shape, classes, mean, std, class_names, x_train = (
            (8, 8, 3),
            2,
            [0.0] * 3,
            [1.0] * 3,
            ["a", "b"],
            range(100),
        )

    model = network_for(genotype, Data, RECIPES["short"], num_cells=1, filters=4)
    assert (model.genotype, model.output_shape) == (genotype, (None, 2))


@pytest.mark.parametrize("name", sorted(spaces.SPACES))
def test_every_space_is_paired_with_a_network_a_cost_and_a_picture(tmp_path, name):
    space = spaces.get(name)()
    genotype = space.decode(space.random(np.random.default_rng(0)))
    input_shape = (8,) if getattr(genotype, "reads", "images") == "text" else (8, 8, 1)
    model = networks.build(genotype, num_cells=1, filters=2, input_shape=input_shape, classes=3)
    assert (
        model.count_params()
        == cost_of(genotype, num_cells=1, filters=2, input_shape=input_shape, classes=3).parameters
    )
    draw_genotype(genotype, tmp_path / "cells.png")
    assert (tmp_path / "cells.png").read_bytes().startswith(b"\x89PNG")


# ---- the guide ----


@pytest.fixture
def guide(tmp_path, monkeypatch):
    """The two programs of the guide, the first a module that can be imported; what they enter in
    the tables is taken out again.
    """
    space, search = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "add_a_space.md").read_text(), re.DOTALL
    )
    (tmp_path / "stacks.py").write_text(space)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for table in (SCHEMAS, SYSTEMS, spaces.SPACES):
        monkeypatch.setitem(table, "stacks", None)
    yield space, search
    sys.modules.pop("stacks", None)


def test_the_guide_s_space_is_encoded_saved_read_built_and_drawn(tmp_path, guide):
    assert guide[0].count("\n") <= 45
    stacks = importlib.import_module("stacks")
    space = stacks.StackSpace()
    every = {space.decode(point): point for point in itertools.product(*map(range, space.sizes))}
    assert len(every) == space.size == 24 and all(
        space.encode(stack) == point for stack, point in every.items()
    )
    stack = stacks.Stack((3, 5), "max")
    stack.save(tmp_path / "best.json")
    assert genotypes.load(tmp_path / "best.json") == stack
    assert networks.build(stack, **TINY).output_shape == (None, 3)
    assert cost_of(stack) is None
    draw_genotype(stack, tmp_path / "best.png", title="stack")
    assert (tmp_path / "best.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_guide_s_search_ends_with_a_stack(tmp_path, guide):
    exec(compile(guide[1], "add_a_space.md", "exec"), {})
    assert isinstance(
        genotypes.load(tmp_path / "best.json"), importlib.import_module("stacks").Stack
    )
