"""A cell as a layer: any genotype's cell has the planned shape, runs, trains and comes back from a
file.
"""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from nasnet_tf.genotype import NASNET_A, Block, check
from nasnet_tf.genotype import Cell as Wiring
from nasnet_tf.graph import nodes as graphs
from nasnet_tf.layers.parts import Bound, graph_of
from nasnet_tf.systems.cells.layer import Cell

FILTERS = 4


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def inputs(adapt, size=(6, 5), batch=2, filters=FILTERS):
    """An h and a p that suit `adapt`."""
    h = images(batch, *size, 3)
    if adapt == "share":
        return [h, h]
    if adapt == "reduce":
        return [h, images(batch, 2 * size[0] - 1, 2 * size[1], 5, seed=1)]
    return [h, images(batch, *size, filters if adapt == "keep" else 5, seed=1)]


def wiring(*blocks, concat=None):
    return check(Wiring(tuple(Block(*block) for block in blocks), concat or (len(blocks) + 1,)))


def called(layer, values, seed=1):
    """The output of `layer` after all its weights became random."""
    layer(values)
    rng = np.random.default_rng(seed)
    layer.set_weights(
        [
            rng.uniform(0.5, 1.5, w.shape) if "variance" in w.path else rng.normal(size=w.shape)
            for w in layer.weights
        ]
    )
    return np.asarray(layer(values))


def at(layer, name, x):
    """What the operation of that name in the cell makes of `x`."""
    for site, (spec, _) in layer.bound.graph.sites.items():
        if site == name or site.startswith(f"{name}."):
            alone = graph_of(
                x.shape[-1],
                lambda graph, site=site, spec=spec, channels=x.shape[-1]: graph.part(
                    site, spec, channels
                ),
            )
            x = Bound(layer, alone, list(layer.bound.named(site).values()))(x)
    return x


def close(one, two):
    one, two = np.asarray(one, "float64"), np.asarray(two, "float64")
    assert np.linalg.norm(one - two) <= 1e-5 * np.linalg.norm(two)


# ---- shape ----


@pytest.mark.parametrize("seed", range(16))
def test_any_cell_has_the_shape_it_promises(seed, random_cell):
    adapt, strides, residual = (
        ("project", "reduce", "keep", "share")[seed % 4],
        1 + seed // 4 % 2,
        bool(seed // 8),
    )
    cell = random_cell(seed)
    layer = Cell(cell, FILTERS, strides, adapt, residual=residual)
    for size in ((6, 5), (1, 4)):
        values = inputs(adapt, size)
        y = layer(values, training=True)
        expected = (2, -(-size[0] // strides), -(-size[1] // strides), FILTERS * len(cell.concat))
        assert tuple(y.shape) == expected == layer.compute_output_shape([v.shape for v in values])
        assert np.isfinite(y).all()


def test_an_unknown_size_stays_unknown():
    shape = Cell(NASNET_A.normal, 4, 2).compute_output_shape(
        [(None, None, 7, 3), (None, None, 7, 3)]
    )
    assert shape == (None, None, 4, 24)


def test_any_cell_works_on_symbolic_images_of_unknown_size(random_cell):
    h, p = keras.Input((None, None, 3)), keras.Input((None, None, 5))
    layer = Cell(random_cell(3), FILTERS, 2)
    model = keras.Model([h, p], layer([h, p]))
    assert model.output_shape == (None, None, None, model.output_shape[-1])
    close(model(inputs("project")), layer(inputs("project")))


# ---- what it computes ----


def test_a_block_adds_its_two_operations():
    values = inputs("share")
    layer = Cell(wiring((0, "identity", 1, "sep_conv_3x3")), 3, adapt="share")
    y = called(layer, values)
    close(y, at(layer, "base", values[0]) + at(layer, "right_2", values[1]))


def test_a_block_that_concatenates_projects_both_operations_together():
    layer = Cell(
        wiring((0, "identity", 1, "conv_1x1", "concatenate")), FILTERS, batch_norm_epsilon=0.5
    )
    values = inputs("project")
    y = called(layer, values)
    both = np.concatenate(
        [at(layer, "base", values[0]), at(layer, "right_2.1", at(layer, "previous", values[1]))],
        axis=-1,
    )
    kernel, gamma, beta, mean, variance = (
        np.asarray(weight) for weight in layer.bound.named("combine_2").values()
    )
    close(
        y,
        (np.maximum(both, 0) @ kernel[0, 0] - mean)
        / np.sqrt(variance + layer.batch_norm_epsilon)
        * gamma
        + beta,
    )


@pytest.mark.parametrize(
    "combine, axes", [("add_layer_norm", (1, 2, 3)), ("add_instance_norm", (1, 2))]
)
def test_a_block_that_adds_and_normalizes_does_so_image_by_image(combine, axes):
    layer = Cell(wiring((0, "identity", 1, "conv_1x1", combine)), FILTERS)
    values = inputs("project")
    y = called(layer, values)
    both = np.asarray(
        at(layer, "base", values[0]) + at(layer, "right_2.1", at(layer, "previous", values[1])),
        "float64",
    )
    norm = layer.bound.named("combine_2")
    scaled = (both - both.mean(axes, keepdims=True)) / np.sqrt(both.var(axes, keepdims=True) + 1e-6)
    close(y, scaled * np.asarray(norm["gamma"]) + np.asarray(norm["beta"]))


def test_concat_orders_the_output():
    blocks = ((0, "conv_1x1", 1, "identity"), (2, "avg_pool_3x3", 1, "conv_3x3"))
    values = inputs("project")
    straight, turned = (
        called(Cell(wiring(*blocks, concat=concat), FILTERS), values) for concat in ((2, 3), (3, 2))
    )
    close(turned, np.concatenate([straight[..., FILTERS:], straight[..., :FILTERS]], axis=-1))


def test_concat_can_name_a_state_that_a_block_reads():
    layer = Cell(
        wiring((0, "conv_1x1", 1, "identity"), (2, "identity", 2, "identity"), concat=(2, 3)),
        FILTERS,
    )
    y = called(layer, inputs("project"))
    close(y[..., FILTERS:], 2 * y[..., :FILTERS])


def test_concat_can_name_the_inputs_of_a_normal_cell():
    layer = Cell(wiring((0, "conv_1x1", 1, "identity"), concat=(0, 1, 2)), FILTERS, adapt="keep")
    values = inputs("keep")
    y = called(layer, values)
    close(y[..., :FILTERS], at(layer, "base", values[0]))
    assert np.array_equal(y[..., FILTERS : 2 * FILTERS], values[1])


def test_concat_of_an_input_is_halved_without_relu_in_a_reduction_cell():
    layer = Cell(wiring((0, "conv_1x1", 1, "identity"), concat=(1, 2)), FILTERS, 2, "keep")
    values = inputs("keep")
    y = called(layer, values)
    assert not layer.bound.graph.sites["output_1"].spec.relu
    close(y[..., :FILTERS], at(layer, "output_1", values[1]))


def test_only_what_reads_the_inputs_is_strided():
    layer = Cell(NASNET_A.reduction, FILTERS, 2)
    layer(inputs("project"))
    whole, halved = layer.bound.graph.inputs[0].size, layer.bound.graph.output.size
    moves = Counter(
        (node.x.size, node.y.size)
        for node in layer.bound.graph.nodes
        if isinstance(node, graphs.Pool | graphs.Depthwise)
    )
    assert moves[whole, halved] == 7 and set(moves) == {(whole, halved), (halved, halved)}


def test_a_residual_is_h_itself_where_shapes_are_equal():
    cell, h = wiring((0, "conv_1x1", 1, "identity"), concat=(1, 2)), images(2, 6, 5, 2 * FILTERS)
    values = [h, images(2, 6, 5, 5, seed=1)]
    plain, residual = (
        called(Cell(cell, FILTERS), values),
        called(Cell(cell, FILTERS, residual=True), values),
    )
    close(residual, plain + h)


@pytest.mark.parametrize("strides", [1, 2])
def test_a_residual_is_projected_where_shapes_differ(strides):
    layer = Cell(wiring((0, "conv_1x1", 1, "identity")), FILTERS, strides, residual=True)
    values = inputs("project")
    y = called(layer, values)
    plain = Cell(layer.cell, FILTERS, strides)
    plain.build([value.shape for value in values])
    plain.set_weights(
        [np.asarray(weight) for weight in layer.weights if "shortcut" not in weight.path]
    )
    close(y, np.asarray(plain(values)) + np.asarray(at(layer, "shortcut", values[0])))


@pytest.mark.parametrize("seed", range(3))
def test_any_cell_computes_the_same_in_a_graph(seed, random_cell):
    layer, values = Cell(random_cell(seed), FILTERS, 2, "reduce"), inputs("reduce")
    y = called(layer, values)
    close(tf.function(layer)([tf.constant(v) for v in values]), y)


@pytest.mark.parametrize("seed", range(3))
def test_any_cell_trains_the_same_in_a_graph(seed, random_cell):
    layer, values = Cell(random_cell(seed), FILTERS), inputs("project", batch=4)
    called(layer, values)
    eager = layer(values, training=True)
    close(tf.function(lambda v: layer(v, training=True))([tf.constant(v) for v in values]), eager)


def test_batch_norm_and_weight_decay_reach_every_part():
    def moved(momentum):
        keras.utils.set_random_seed(0)
        layer = Cell(
            NASNET_A.reduction,
            FILTERS,
            2,
            "reduce",
            residual=True,
            batch_norm_momentum=momentum,
            weight_decay=0.3,
        )
        layer(inputs("reduce"), training=True)
        return layer, [
            np.asarray(weight) for weight in layer.weights if "moving_mean" in weight.path
        ]

    (layer, means), (_, of_the_batch) = moved(0.25), moved(0.0)
    for mean, batch in zip(means, of_the_batch, strict=True):
        close(mean, 0.75 * batch)
    kernels = [w for w in layer.trainable_weights if "kernel" in w.path]
    expected = 0.3 * sum((np.asarray(k, "float64") ** 2).sum() for k in kernels) / 2
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-5)


# ---- drop path ----


@pytest.mark.parametrize(
    "cell, sites", [(NASNET_A.normal, 8), (NASNET_A.reduction, 9)], ids=["normal", "reduction"]
)
def test_nasnet_a_drops_paths_at_the_sites_of_the_original_graph(cell, sites, monkeypatch):
    drawn, uniform = [], keras.random.uniform

    def counted(shape, **kwargs):
        drawn.append(np.prod([int(n) for n in shape]))
        return uniform(shape, **kwargs)

    layer = Cell(cell, FILTERS, drop_path_rate=0.5)
    layer(inputs("project"))
    monkeypatch.setattr(keras.random, "uniform", counted)
    layer(inputs("project", batch=7), training=True)
    assert sum(drawn) == 7 * sites


@pytest.mark.parametrize("adapt, strides", [("project", 1), ("share", 2)])
def test_identity_is_never_dropped_even_where_it_projects(adapt, strides):
    cell = wiring((0, "identity", 1, "identity"), (2, "identity", 0, "identity"))
    values = inputs(adapt)
    plain, dropped = (Cell(cell, FILTERS, strides, adapt, drop_path_rate=rate) for rate in (0, 0.9))
    called(plain, values), called(dropped, values)
    close(dropped(values, training=True), plain(values, training=True))


def test_paths_are_dropped_by_example_and_apart_from_each_other():
    block = (1, "max_pool_3x3", 1, "identity")
    layer = Cell(wiring(block, block, concat=(2, 3)), 1, adapt="keep", drop_path_rate=0.5)
    values = [images(1000, 2, 2, 1), np.ones((1000, 2, 2, 1), "float32")]
    layer(values)
    y = np.asarray(layer(values, training=True))  # 1 of the identity, and 0 or 2 of the pool
    assert set(np.unique(y)) == {1.0, 3.0}
    assert (y == y[:, :1, :1]).all()
    kept = y[:, 0, 0] == 3
    assert kept.mean(0) == pytest.approx([0.5, 0.5], abs=0.1)
    assert kept.all(-1).mean() == pytest.approx(0.25, abs=0.1)


def test_at_inference_no_path_is_dropped():
    values = inputs("project")
    close(
        called(Cell(NASNET_A.normal, FILTERS, drop_path_rate=0.9), values),
        called(Cell(NASNET_A.normal, FILTERS), values),
    )


def test_one_training_step_of_a_cell_is_one_step_of_its_schedule():
    layer = Cell(NASNET_A.normal, FILTERS, drop_path_rate=0.5, drop_path_steps=10)
    for _ in range(3):
        layer(inputs("project"), training=True)
    assert int(layer.drop_path.step) == 3


# ---- configuration and files ----


@pytest.mark.parametrize("seed", range(3))
def test_any_cell_comes_back_from_its_configuration(seed, random_cell):
    layer = Cell(
        random_cell(seed),
        7,
        2,
        "reduce",
        drop_path_rate=0.3,
        drop_path_steps=9,
        residual=True,
        zero_padded_pools=True,
        batch_norm_momentum=0.5,
        batch_norm_epsilon=0.1,
        weight_decay=0.2,
        dtype="mixed_bfloat16",
        name="cell_3",
    )
    assert Cell.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize(
    "drop_path", [{}, dict(drop_path_rate=0.5, drop_path_steps=10)], ids=["plain", "drop path"]
)
def test_a_model_of_one_cell_comes_back_from_a_file(tmp_path, random_cell, drop_path):
    h, p = keras.Input((6, 5, 3)), keras.Input((6, 5, 5))
    layer = Cell(random_cell(1), FILTERS, 2, residual=True, **drop_path)
    model = keras.Model([h, p], layer([h, p]))
    y = called(model, inputs("project")) if not drop_path else np.asarray(model(inputs("project")))
    model.save(tmp_path / "model.keras")
    close(keras.models.load_model(tmp_path / "model.keras")(inputs("project")), y)


def test_the_step_of_the_schedule_is_stored(tmp_path):
    h, p = keras.Input((6, 5, 3)), keras.Input((6, 5, 5))
    model = keras.Model(
        [h, p],
        Cell(NASNET_A.normal, FILTERS, drop_path_rate=0.5, drop_path_steps=10, name="cell")([h, p]),
    )
    for _ in range(3):
        model(inputs("project"), training=True)
    model.save(tmp_path / "model.keras")
    assert (
        int(keras.models.load_model(tmp_path / "model.keras").get_layer("cell").drop_path.step) == 3
    )


def test_a_cell_that_is_not_sound_is_refused():
    with pytest.raises(ValueError, match="block 0 reads state 5"):
        Cell(Wiring((Block(5, "identity", 0, "identity"),), (2,)), 4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_any_cell_trains_in_half_precision(policy, random_cell):
    layer = Cell(
        random_cell(2),
        FILTERS,
        2,
        residual=True,
        drop_path_rate=0.3,
        drop_path_steps=5,
        dtype=policy,
    )
    y = layer(inputs("project"), training=True)
    assert keras.backend.standardize_dtype(y.dtype) == policy.removeprefix("mixed_")
    assert {w.dtype for w in layer.trainable_weights} == {"float32"}
    assert np.isfinite(keras.ops.cast(y, "float32")).all()


# ---- gradient checkpointing ----


def test_a_cell_that_computes_twice_learns_the_same_and_moves_its_averages_once():
    import tensorflow as tf

    values, found = [tf.constant(v) for v in inputs("reduce")], []
    for twice in (False, True):
        keras.utils.set_random_seed(0)
        layer = Cell(
            NASNET_A.reduction,
            FILTERS,
            2,
            "reduce",
            drop_path_rate=0.5,
            gradient_checkpointing=twice,
        )
        layer.build([v.shape for v in values])
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(values, training=True)))
        gradients = tape.gradient(loss, [w.value for w in layer.trainable_weights])
        found.append(
            [*map(np.asarray, gradients), *(np.asarray(w) for w in layer.non_trainable_weights)]
        )
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)
