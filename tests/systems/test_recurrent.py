"""Recurrent cells: the genotype, its space, searches of it; the Keras cell and the language
model.
"""

import itertools
from collections import defaultdict

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from nasnet_tf import genotype as genotypes
from nasnet_tf.cost import cost_of
from nasnet_tf.genotype import NAS_CELL, RecurrentCell
from nasnet_tf.spaces import RecurrentSpace
from nasnet_tf.strategies import RandomSearch, Reinforce
from nasnet_tf.systems import networks
from nasnet_tf.systems.figures import figure_of
from nasnet_tf.systems.recurrent.network import LanguageModel, Perplexity, TreeCell

SPACE, SMALLEST = RecurrentSpace(), RecurrentSpace(2)
POINTS = st.tuples(*(st.integers(0, size - 1) for size in SPACE.sizes))
ACTIVATE = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
}
COMBINE = {"add": np.add, "elem_mult": np.multiply}


def numpy_step(cell, leaves, c):
    """(h, c) after one step, by the definition. leaves: for each leaf (W x, U h)."""
    row, number, kept = [], 0, None
    pairs = list(leaves)
    while pairs:
        row = []
        for a, b in pairs:
            combiner, activation = cell.nodes[number]
            combined = COMBINE[combiner](a, b)
            if number == cell.cell_out:
                kept = combined
            value = ACTIVATE[activation](combined)
            if number == cell.cell_in:
                value = ACTIVATE[cell.inject[1]](COMBINE[cell.inject[0]](value, c))
            row.append(value)
            number += 1
        pairs = list(zip(row[::2], row[1::2], strict=True)) if len(row) > 1 else []
    return row[0], kept


# ---- the space ----


def test_the_paper_s_space_has_6e16_cells():
    nodes, labels = 8 + 4 + 2 + 1, 2 * 4  # a combiner and an activation each
    assert (
        SPACE.size == labels**nodes * labels * nodes**2 == 63_331_869_759_897_600
    )  # nodes, inject, and two nodes for c
    assert len(SPACE.decisions) == 2 * nodes + 2 + 2
    assert SMALLEST.size == 8**3 * 8 * 3**2


@given(POINTS)
def test_a_point_and_its_cell_are_one_to_one(point):
    cell = SPACE.decode(point)
    assert SPACE.encode(cell) == point and RecurrentCell.from_json(cell.to_json()) == cell
    assert len(cell.lines()) == 17


@pytest.mark.parametrize("base", [2, 4, 8, 16])
def test_every_node_but_the_root_is_read_once_by_a_node_after_it(base):
    space = RecurrentSpace(base)
    cell = space.decode(space.random(np.random.default_rng(0)))
    read = [child for number in range(2 * base - 1) for child in cell.children(number) or ()]
    assert read == list(range(2 * base - 2)) and cell.base == base
    assert all(max(cell.children(number) or (-1,)) < number for number in range(2 * base - 1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(nodes=NAS_CELL.nodes[:-1]), "nodes are 14; a tree of base 2, 4, 8"),
        (dict(nodes="tree"), "nodes are 'tree'"),
        (
            dict(nodes=(("max", "tanh"), *NAS_CELL.nodes[1:])),
            "node 0 is .'max', 'tanh'.; give one of add, elem_mult",
        ),
        (dict(nodes=(("add", "sin"), *NAS_CELL.nodes[1:])), "one of identity, tanh, sigmoid, relu"),
        (dict(inject=("add",)), "inject is"),
        (dict(cell_in=15), "cell_in is 15; give the number of a node, 0 to 14"),
        (dict(cell_out=True), "cell_out is True"),
    ],
)
def test_a_cell_that_makes_no_sense_is_refused(change, says):
    whole = dict(nodes=NAS_CELL.nodes, inject=NAS_CELL.inject, cell_in=8, cell_out=12)
    with pytest.raises(ValueError, match=says):
        RecurrentCell(**(whole | change))


def test_a_space_of_another_base_has_no_such_cell():
    with pytest.raises(ValueError, match=r"base 8, this space of 2; give RecurrentSpace\(8\)"):
        SMALLEST.encode(NAS_CELL)
    with pytest.raises(ValueError, match="base is 6"):
        RecurrentSpace(6)


# ---- which cells are the same ----


def functions(cells, rng, inputs=200):
    """What each cell of base 2 computes, whichever leaf has which weights: a set of numbers for
    each cell.
    """
    products, c = rng.normal(size=(2, 2, inputs)), rng.normal(size=inputs)
    deals = [[products[a], products[b]] for a, b in ((0, 1), (1, 0))]
    return [
        frozenset(tuple(np.round(np.ravel(numpy_step(cell, deal, c)), 9) + 0.0) for deal in deals)
        for cell in cells
    ]


def test_cells_of_base_2_that_have_one_key_compute_the_same_and_nearly_all_others_do_not():
    """A sample of the 36,864, and beside each its mirror image and the same with or without a ReLU
    at the root.
    """
    rng = np.random.default_rng(0)
    cells = {SMALLEST.decode(SMALLEST.random(rng)) for _ in range(1500)}
    for cell in list(cells):
        (left, right, root), swap = cell.nodes, {0: 1, 1: 0, 2: 2}
        cells.add(
            RecurrentCell((right, left, root), cell.inject, swap[cell.cell_in], swap[cell.cell_out])
        )
        other = "relu" if root[1] == "identity" else "identity" if root[1] == "relu" else root[1]
        cells.add(
            RecurrentCell((left, right, (root[0], other)), cell.inject, cell.cell_in, cell.cell_out)
        )
    cells = sorted(cells, key=str)
    computed = defaultdict(set)  # by key
    for cell, function in zip(cells, functions(cells, rng), strict=True):
        computed[cell.canonical_key()].add(function)
    assert len(computed) < len(cells) - 1000 and all(len(same) == 1 for same in computed.values())
    assert len(set.union(*computed.values())) > 0.99 * len(
        computed
    )  # what is not seen: a positive factor may leave a ReLU


def mirrored(cell, number, rng):
    """The subtree below `number` with the two sides of each node swapped or not: its nodes in the
    new order, by rows from below.
    """
    children = cell.children(number)
    if children is None:
        return [[number]]
    a, b = (
        mirrored(cell, child, rng) for child in (children if rng.random() < 0.5 else children[::-1])
    )
    return [x + y for x, y in zip(a, b, strict=True)] + [[number]]


@given(POINTS, st.integers(0, 10**6))
def test_swapping_the_sides_of_nodes_leaves_the_key_and_what_is_computed(point, seed):
    cell, rng = SPACE.decode(point), np.random.default_rng(seed)
    order = list(itertools.chain(*mirrored(cell, 14, rng)))
    other = RecurrentCell(
        tuple(cell.nodes[n] for n in order),
        cell.inject,
        order.index(cell.cell_in),
        order.index(cell.cell_out),
    )
    assert other.canonical_key() == cell.canonical_key()
    leaves, c = rng.normal(size=(8, 2, 5)), rng.normal(size=5)
    np.testing.assert_allclose(
        numpy_step(other, leaves[order[:8]], c), numpy_step(cell, leaves, c), rtol=1e-9
    )


# ---- the published cell ----


def test_nascell_s_step_is_the_published_one():
    """The formulas of the published code, one a line."""
    rng = np.random.default_rng(0)
    (x0, h0), (x1, h1), (x2, h2), (x3, h3), (x4, h4), (x5, h5), (x6, h6), (x7, h7) = leaves = (
        rng.normal(size=(8, 2, 5))
    )
    c = rng.normal(size=5)
    sigmoid, relu, tanh = ACTIVATE["sigmoid"], ACTIVATE["relu"], np.tanh
    first = tanh(sigmoid(x0 + h0) * relu(x1 + h1))
    second = tanh(sigmoid(x2 + h2) + relu(x3 * h3))
    third = tanh(tanh(x4 + h4) * sigmoid(x5 + h5))
    fourth = sigmoid(tanh(x6 + h6) + sigmoid(x7 + h7))
    new_c = tanh(first + c) * second
    new_h = tanh(new_c * tanh(third + fourth))
    np.testing.assert_allclose(numpy_step(NAS_CELL, leaves, c), [new_h, new_c], rtol=1e-12)
    assert genotypes.NAMED["nas_cell"] == NAS_CELL == SPACE.decode(SPACE.encode(NAS_CELL))


def test_a_picture_shows_every_node_and_where_the_memory_goes():
    texts = [
        text.get_text() for text in figure_of(NAS_CELL, "NASCell").axes[0].texts if text.get_text()
    ]
    for label, count in (
        ("+  sigmoid", 5),
        ("×  identity", 1),
        ("x", 8),
        ("h", 8),
        ("+ c, tanh", 1),
        ("= new c", 1),
        ("NASCell", 1),
    ):
        assert texts.count(label) == count, label
    assert sorted(int(text) for text in texts if text.isdigit()) == list(range(15))


# ---- searching ----


def alike(target):
    """point -> in how many of the decisions it agrees with `target`, and in how many pairs of
    neighbours.
    """

    def reward(point):
        same = [a == b for a, b in zip(point, target, strict=True)]
        return float(sum(same) + sum(a and b for a, b in itertools.pairwise(same))) / 67

    return reward


def best_of(strategy, reward, trials):
    found = []
    for number in range(trials):
        point = strategy.propose(number)
        found.append(reward(point))
        strategy.observe(point, found[-1])
    return max(found)


def test_reinforce_beats_random_search_on_a_toy_landscape_with_every_seed():
    reward = alike(SPACE.encode(NAS_CELL))
    for seed in range(5):
        learned, drawn = (
            best_of(kind(SPACE, seed), reward, 150) for kind in (Reinforce, RandomSearch)
        )
        assert learned > drawn + 0.1, f"seed {seed}: {learned:.3f} against {drawn:.3f}"


# ---- the Keras cell ----


def numpy_layer(cell, x, kernel, recurrent_kernel, bias=0.0):
    """(batch, steps, features) -> (batch, steps, units), and c at the end."""
    units = recurrent_kernel.shape[0]
    h, c = np.zeros((2, len(x), units))
    outputs = []
    for step in range(x.shape[1]):
        of_x, of_h = x[:, step] @ kernel, h @ recurrent_kernel + bias
        columns = [slice(leaf * units, (leaf + 1) * units) for leaf in range(cell.base)]
        h, c = numpy_step(cell, [(of_x[:, some], of_h[:, some]) for some in columns], c)
        outputs.append(h)
    return np.stack(outputs, 1), c


def assert_computes_what_numpy_computes(cell, seed, use_bias=False):
    rng = np.random.default_rng(seed)
    layer = layers.RNN(
        TreeCell(cell, 3, use_bias=use_bias), return_sequences=True, return_state=True
    )
    x = rng.normal(size=(2, 4, 5)).astype("float32")
    layer(x)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
    outputs, h, c = (ops.convert_to_numpy(part) for part in layer(x))
    expected, memory = numpy_layer(
        cell, x.astype("float64"), *(ops.convert_to_numpy(weight) for weight in layer.weights)
    )
    np.testing.assert_allclose(outputs, expected, rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(c, memory, rtol=2e-3, atol=1e-4)
    np.testing.assert_array_equal(h, outputs[:, -1])


@pytest.mark.parametrize("use_bias", [False, True])
def test_nascell_computes_what_numpy_computes(use_bias):
    assert_computes_what_numpy_computes(NAS_CELL, 0, use_bias)


@settings(max_examples=15)
@given(st.sampled_from([2, 4, 8]), st.integers(0, 10**6))
def test_any_cell_computes_what_numpy_computes(base, seed):
    space = RecurrentSpace(base)
    assert_computes_what_numpy_computes(
        space.decode(space.random(np.random.default_rng(seed))), seed
    )


@pytest.mark.parametrize(("features", "units"), [(7, 5), (200, 200), (1, 9)])
def test_nascell_has_the_published_number_of_parameters(features, units):
    for use_bias in (False, True):
        layer = layers.RNN(TreeCell(NAS_CELL, units, use_bias=use_bias))
        layer.build((None, 4, features))
        assert layer.count_params() == 8 * units * (features + units) + (
            8 * units if use_bias else 0
        )


def test_a_layer_of_it_is_saved_and_loads_as_any_other(tmp_path):
    inputs = keras.Input((None, 3))
    model = keras.Model(
        inputs, layers.RNN(TreeCell(NAS_CELL, 4, use_bias=True, weight_decay=0.1))(inputs)
    )
    model.save(tmp_path / "m.keras")
    loaded, x = keras.saving.load_model(tmp_path / "m.keras"), np.ones((2, 6, 3), "float32")
    np.testing.assert_array_equal(loaded(x), model(x))
    cell = loaded.layers[1].cell
    assert (cell.cell, cell.use_bias, cell.weight_decay, len(loaded.losses)) == (
        NAS_CELL,
        True,
        0.1,
        2,
    )


# ---- the language model ----

TINY = dict(num_cells=2, filters=4, input_shape=(5,), classes=7)
WORDS = np.random.default_rng(0).integers(0, 7, (3, 5))


@pytest.mark.parametrize("tied", [True, False])
def test_a_language_model_computes_what_numpy_computes(tied):
    model, rng = networks.build(NAS_CELL, **TINY, tied=tied), np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
    weights = {weight.path: ops.convert_to_numpy(weight) for weight in model.weights}
    x = weights["vocabulary/vectors"][WORDS].astype("float64")
    for number in range(2):
        parts = (value for path, value in weights.items() if path.startswith(f"cell_{number}/"))
        x, _ = numpy_layer(NAS_CELL, x, *parts)
    logits = (
        x @ weights["vocabulary/vectors" if tied else "vocabulary/outputs"].T
        + weights["vocabulary/bias"]
    )
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(model(WORDS), expected, rtol=2e-3, atol=1e-5)
    assert model.count_params() == cost_of(NAS_CELL, **TINY, tied=tied).parameters
    assert model.count_params() == 7 * 4 * (1 if tied else 2) + 7 + 2 * 8 * 4 * (4 + 4)


def test_a_language_model_sees_only_the_words_before():
    model = networks.build(NAS_CELL, **TINY)
    other = WORDS.copy()
    other[:, 3] = (other[:, 3] + 1) % 7
    one, two = ops.convert_to_numpy(model(WORDS)), ops.convert_to_numpy(model(other))
    np.testing.assert_array_equal(one[:, :3], two[:, :3])
    assert (one[:, 3:] != two[:, 3:]).any(-1).all()


def test_a_language_model_is_saved_with_its_cell_and_words_and_loads(tmp_path):
    model = networks.build(
        NAS_CELL,
        **TINY,
        class_names=list("abcdefg"),
        level="character",
        dropout_rate=0.5,
        weight_decay=1e-4,
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (type(loaded), loaded.genotype, loaded.class_names) == (
        LanguageModel,
        NAS_CELL,
        tuple("abcdefg"),
    )
    assert loaded.get_config()["level"] == "character" and len(loaded.losses) == 5
    np.testing.assert_array_equal(loaded(WORDS), model(WORDS))


def test_a_language_model_takes_any_number_of_steps_and_half_precision():
    model = networks.build(NAS_CELL, **{**TINY, "input_shape": (None,)}, dtype="mixed_bfloat16")
    probabilities = model(np.zeros((2, 9), "int32"))
    assert probabilities.shape == (2, 9, 7) and probabilities.dtype == "float32"
    assert model.get_layer("cell_0").cell.compute_dtype == "bfloat16"
    for wrong in (dict(filters=0), dict(num_cells=0), dict(input_shape=(8, 8, 3)), dict(classes=0)):
        with pytest.raises(ValueError, match="give|reads"):
            networks.build(NAS_CELL, **{**TINY, **wrong})


def test_perplexity_is_exp_of_the_mean_cross_entropy_over_all_words():
    rng, metric = np.random.default_rng(0), Perplexity()
    probabilities, words = rng.dirichlet(np.ones(7), size=(2, 3, 5)), rng.integers(0, 7, (2, 3, 5))
    for some, right in zip(probabilities, words, strict=True):
        metric.update_state(right, some)
    picked = np.take_along_axis(probabilities, words[..., None], -1)
    assert float(metric.result()) == pytest.approx(np.exp(-np.log(picked).mean()), rel=1e-5)


def train_a_step(cell):
    """Loss before and after a step on one batch, eagerly."""
    model = networks.build(cell, num_cells=1, filters=2, input_shape=(3,), classes=5)
    model.compile(
        keras.optimizers.SGD(0.1, global_clipnorm=1.0),
        "sparse_categorical_crossentropy",
        run_eagerly=True,
    )
    x, y = np.array([[0, 1, 2], [3, 4, 0]]), np.array([[1, 2, 3], [4, 0, 1]])
    before = [ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    loss = model.train_on_batch(x, y)
    after = [ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    assert (
        model.output_shape == (None, 3, 5)
        and np.isfinite(loss)
        and all(np.isfinite(weight).all() for weight in after)
    )
    assert any((old != new).any() for old, new in zip(before, after, strict=True))


def test_random_cells_build_run_and_train_a_step():
    rng = np.random.default_rng(0)
    for _ in range(5):
        train_a_step(SPACE.decode(SPACE.random(rng)))


@pytest.mark.slow
def test_sixty_random_cells_build_run_and_train_a_step():
    rng = np.random.default_rng(1)
    for _ in range(60):
        train_a_step(SPACE.decode(SPACE.random(rng)))
