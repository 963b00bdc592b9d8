"""Networks layer by layer (Zoph & Le 2017): genotype, space, reward, network, command. The
controller is in test_anchors.py.
"""

import csv
import itertools
import json
import math

import keras
import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import arrays, convolved, normed, part_of, relu, shuffled

from nasnet_tf import genotype as genotypes
from nasnet_tf.children.progress import Progress
from nasnet_tf.cli import main
from nasnet_tf.cost import cost_of
from nasnet_tf.evaluation import SoftLimit, cubed_best
from nasnet_tf.genotype import Layer, Layerwise
from nasnet_tf.spaces import LayerwiseSpace
from nasnet_tf.systems import networks
from nasnet_tf.systems.layerwise.network import LayerwiseNetwork
from nasnet_tf.systems.layerwise.plan import plan_layerwise
from nasnet_tf.tuners import CellHyperModel

FOUR = Layerwise(
    (
        Layer(3, 3, 24),
        Layer(1, 5, 36, strides=(2, 1)),
        Layer(3, 1, 48, pool=True, inputs=(1, 2)),
        Layer(5, 5, 64, inputs=(1,)),
    )
)
GROWING = LayerwiseSpace(8, fewest=4)
SPACES = [
    LayerwiseSpace(5),
    LayerwiseSpace(4, strides=True),
    LayerwiseSpace(6, pooling=True),
    GROWING,
]


# ---- the genotype ----


def test_a_network_is_read_as_it_was_written():
    assert genotypes.from_json(FOUR.to_json()) == FOUR
    assert all(type(layer) is Layer for layer in genotypes.from_json(FOUR.to_json()).layers)
    assert FOUR.loose == (3, 4)
    assert FOUR.lines() == [
        "1: 3x3, 24 filters, of the image",
        "2: 1x5, 36 filters, strides 2x1, of the image",
        "3: 3x1, 48 filters, max-pool, of 1, 2",
        "4: 5x5, 64 filters, of 1",
        "classifier: of 3, 4",
    ]


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ((), "at least one Layer"),
        ((3, 3, 24), "layer 1 is 3; give a Layer: height, width"),
        (((3, 3, 24),), "layer 1 is .*; give a Layer"),
        ((Layer(0, 3, 24),), "layer 1 is .* whole numbers of at least 1"),
        ((Layer(3, 3, 24.0),), "whole numbers"),
        ((Layer(3, 3, 24, strides=(1,)),), "two strides"),
        ((Layer(3, 3, 24, pool=1),), "pool true or false"),
        ((Layer(3, 3, 24, inputs=(1,)),), r"layer 1 has inputs \(1,\); give earlier layers"),
        ((Layer(3, 3, 24), Layer(3, 3, 24, inputs=(0,))), "layer 2 has inputs"),
        (
            (Layer(3, 3, 24), Layer(3, 3, 24), Layer(3, 3, 24, inputs=(2, 1))),
            "from 1 to 2, ascending",
        ),
    ],
)
def test_what_is_no_network_is_refused(layers, says):
    with pytest.raises(ValueError, match=says):
        Layerwise(layers)


# ---- the space ----


def test_the_paper_s_15_layers_are_2_to_the_195_networks():
    """A layer has 4 * 4 * 4 = 64 = 2^6 kinds of filters; each of the 15 * 14 / 2 = 105 pairs of
    layers has a skip or not.
    """
    assert [math.prod(LayerwiseSpace(1, strides=strides).sizes) for strides in (False, True)] == [
        64,
        576,
    ]
    pairs = len(list(itertools.combinations(range(15), 2)))
    assert LayerwiseSpace().size == 64**15 * 2**pairs == 2**195 and pairs == 105
    assert LayerwiseSpace(strides=True).size == 576**15 * 2**105
    assert sum("skip" in name for name, _ in LayerwiseSpace(20).decisions) == 190


def test_a_small_space_has_as_many_networks_as_points():
    space = LayerwiseSpace(2)
    assert (
        len({space.key(point) for point in itertools.product(*map(range, space.sizes))})
        == space.size
        == 64 * 64 * 2
    )


def test_decisions_come_layer_by_layer_with_the_skips_last():
    names = [name for name, _ in LayerwiseSpace(6, fewest=2, strides=True).decisions]
    assert names[:6] == [
        "layers",
        *(
            f"layer_1/{part}"
            for part in ("height", "width", "stride_height", "stride_width", "filters")
        ),
    ]
    assert names[-5:] == [f"layer_6/skip_{earlier}" for earlier in (1, 2, 3, 4, 5)]
    assert dict(LayerwiseSpace(20, fewest=6).decisions)["layers"] == (6, 8, 10, 12, 14, 16, 18, 20)


def test_the_pools_of_39_layers_follow_layers_12_and_24():
    space = LayerwiseSpace(13, pooling=True)
    layers = space.decode((0,) * len(space.decisions)).layers
    assert [number for number, layer in enumerate(layers, start=1) if layer.pool] == [
        4,
        8,
    ]  # each stands for three layers
    assert dict(space.decisions)["layer_1/filters"] == (6, 12, 24, 36)


@pytest.mark.parametrize("space", SPACES, ids=["plain", "strides", "pooling", "growing"])
@given(seed=st.integers(0, 10**6))
def test_a_point_is_a_sound_network_that_is_that_point_again(space, seed):
    rng = np.random.default_rng(seed)
    point = space.random(rng)
    network = space.decode(point)
    again = space.encode(network)
    assert (
        space.decode(again) == network
        and space.key(again) == space.key(point) == network.canonical_key()
    )
    assert again == tuple(
        choice if counts else 0 for choice, counts in zip(point, counted(space, point), strict=True)
    )
    other = space.mutate(point, rng)
    assert sum(a != b for a, b in zip(point, other, strict=True)) == 1 and space.key(
        other
    ) != space.key(point)


def counted(space, point):
    """Which decisions are of a layer that is there, by their names."""
    layers = len(space.decode(point).layers)
    return [
        name == "layers" or int(name.split("/")[0].removeprefix("layer_")) <= layers
        for name, _ in space.decisions
    ]


def test_what_lies_beyond_the_depth_makes_no_other_network():
    shallow, rng = (0, *GROWING.random(np.random.default_rng(0))[1:]), np.random.default_rng(1)
    beyond = [number for number, counts in enumerate(counted(GROWING, shallow)) if not counts]
    for _ in range(20):
        other = list(shallow)
        other[beyond[rng.integers(len(beyond))]] = 1
        assert GROWING.key(other) == GROWING.key(shallow)
    assert [option > 0 for option in GROWING.counts_from] == [
        number in beyond for number in range(len(shallow))
    ]


@pytest.mark.parametrize(
    ("space", "network", "says"),
    [
        (LayerwiseSpace(3), FOUR, "4 layers; this space has 3"),
        (LayerwiseSpace(4), FOUR, "strides or pools that this space has not"),
        (LayerwiseSpace(4, strides=True), FOUR, "strides or pools"),
        (
            LayerwiseSpace(1),
            Layerwise((Layer(9, 3, 24),)),
            "layer_1/height is 9; its options are 1, 3, 5, 7",
        ),
    ],
)
def test_a_network_that_the_space_has_not_is_refused(space, network, says):
    with pytest.raises(ValueError, match=says):
        space.encode(network)


@pytest.mark.parametrize(
    "arguments",
    [dict(layers=0), dict(layers=9, fewest=6), dict(layers=6, fewest=8), dict(layers=4, fewest=0)],
)
def test_a_depth_that_is_never_reached_is_refused(arguments):
    with pytest.raises(ValueError, match="give fewest=6"):
        LayerwiseSpace(**arguments)


# ---- the reward ----


def test_the_reward_is_the_cubed_best_of_the_last_five_epochs():
    assert cubed_best([0.5]) == pytest.approx(0.125)
    assert cubed_best([0.99, 0.2, 0.5, 0.4, 0.3, 0.1]) == pytest.approx(0.125)


X = np.random.default_rng(0).integers(0, 255, (24, 8, 8, 1)).astype("float32")
Y = np.arange(24) % 2
FIT = dict(y=Y, epochs=3, validation_data=(X, Y), batch_size=8, verbose=0)


def child(**arguments):
    return CellHyperModel(
        (8, 8, 1),
        2,
        **(dict(space=LayerwiseSpace(2), filters=2, reward=cubed_best, name="child") | arguments),
    )


def some(hypermodel):
    hp = keras_tuner.HyperParameters()
    hypermodel.declare_hyperparameters(hp)
    return hp


def test_training_tells_the_reward_after_every_epoch():
    hypermodel = child()
    assert hypermodel.objective.name == "reward" and child(reward=None).objective == "val_accuracy"
    hp = some(hypermodel)
    history = hypermodel.fit(hp, hypermodel.build(hp), X, **FIT).history
    assert history["reward"] == pytest.approx(
        [max(history["val_accuracy"][: n + 1]) ** 3 for n in range(3)]
    )


def test_the_reward_is_weighed_against_the_cost_too():
    hypermodel = child(soft=SoftLimit(1000, cost="parameters", size=child().size))
    hp = some(hypermodel)
    history = hypermodel.fit(hp, hypermodel.build(hp), X, **FIT | {"epochs": 1}).history
    factor = hypermodel.soft.reward(1.0, hypermodel.genotype(hp))
    assert factor != 1 and history["reward"] == pytest.approx(
        [factor * history["val_accuracy"][0] ** 3]
    )


def test_a_training_that_goes_on_remembers_the_epochs_before(tmp_path):
    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    hypermodel = child(reward=all_of_them)
    hp = some(hypermodel)
    progress = [Progress(tmp_path / "progress.npz", "this", seconds=0) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt):
        hypermodel.fit(hp, hypermodel.build(hp), X, **FIT, callbacks=[Killed(), progress[0]])
    hypermodel.fit(hp, hypermodel.build(hp), X, **FIT, callbacks=[progress[1]])
    accuracies = progress[1].history["val_accuracy"]
    assert progress[1].resumed and len(accuracies) == 3
    assert progress[1].history["reward"] == pytest.approx(
        [sum(accuracies[: n + 1]) for n in range(3)]
    )


def all_of_them(accuracies):
    return sum(accuracies)


# ---- the network ----

TINY = dict(filters=2, input_shape=(8, 8, 1), classes=3)


def between(model, before, after, x):
    """What the layer named `after` gives if that named `before`, or the input, gives `x`."""
    start = model.input if before == "image" else model.get_layer(before).output
    return keras.ops.convert_to_numpy(keras.Model(start, model.get_layer(after).output)(x))


def chain(*inputs, **changes):
    """A network whose layer k is fed by inputs[k], all else alike but for changes[layer_k]."""
    return Layerwise(
        tuple(
            Layer(3, 3, 24, inputs=of)._replace(**changes.get(f"layer_{k}", {}))
            for k, of in enumerate(inputs, start=1)
        )
    )


def numpy_layer(x, layer, strides=(1, 1)):
    """Convolution, batch norm, ReLU."""
    part = part_of(arrays(layer), "convolution")
    return relu(normed(convolved(x, part["kernel"], strides), part))


IMAGES = np.random.default_rng(3).normal(size=(2, 8, 8, 1)).astype("float32")


def test_a_layer_is_convolution_batch_norm_and_relu_whatever_its_sides_and_strides():
    network = chain((), layer_1=dict(height=5, width=3, strides=(2, 3), filters=48))
    model = networks.build(network, **TINY)
    shuffled(model, seed=0)
    theirs = numpy_layer(IMAGES, model.get_layer("layer_1_convolution_1"), (2, 3))
    assert theirs.shape == (2, 4, 3, 4)
    np.testing.assert_allclose(between(model, "image", "layer_1_relu_1", IMAGES), theirs, atol=1e-4)


def test_a_layer_that_none_feeds_reads_the_image():
    model = networks.build(chain((), (1,), ()), **TINY)
    shuffled(model, seed=0)
    theirs = numpy_layer(IMAGES, model.get_layer("layer_3_convolution_1"))
    np.testing.assert_allclose(between(model, "image", "layer_3_relu_1", IMAGES), theirs, atol=1e-4)


def test_what_feeds_a_layer_is_concatenated_on_depth():
    model = networks.build(chain((), (1,), (1, 2)), **TINY)
    shuffled(model, seed=0)
    parts = [between(model, "image", f"layer_{number}_relu_1", IMAGES) for number in (1, 2)]
    theirs = numpy_layer(np.concatenate(parts, -1), model.get_layer("layer_3_convolution_1"))
    np.testing.assert_allclose(between(model, "image", "layer_3_relu_1", IMAGES), theirs, atol=1e-3)


def test_what_feeds_no_layer_goes_to_the_classifier():
    network = chain((), (), (1,), ())
    model = networks.build(network, **TINY)
    shuffled(model, seed=0)
    assert network.loose == (2, 3, 4)
    means = [
        between(model, "image", f"layer_{number}_relu_1", IMAGES).mean((1, 2))
        for number in network.loose
    ]
    kernel, bias = (
        keras.ops.convert_to_numpy(weight) for weight in model.get_layer("predictions").weights
    )
    odds = np.exp(np.concatenate(means, -1) @ kernel + bias)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(model(IMAGES)), odds / odds.sum(1, keepdims=True), atol=1e-4
    )


def test_the_smaller_is_padded_with_zeros():
    model = networks.build(
        chain((), (), (), (1, 2, 3), layer_2=dict(strides=(2, 1)), layer_3=dict(strides=(3, 3))),
        **TINY,
    )
    shuffled(model, seed=0)
    one, two, three = (
        between(model, "image", f"layer_{number}_relu_1", IMAGES) for number in (1, 2, 3)
    )
    assert (one.shape[1:3], two.shape[1:3], three.shape[1:3]) == ((8, 8), (4, 8), (3, 3))
    theirs = np.zeros((2, 8, 8, 6))
    theirs[..., :2], theirs[:, 2:6, :, 2:4], theirs[:, 2:5, 2:5, 4:] = one, two, three
    np.testing.assert_allclose(between(model, "image", "layer_4_inputs", IMAGES), theirs, atol=1e-5)


def test_a_pool_halves_what_a_layer_gives():
    model = networks.build(chain((), (1,), layer_1=dict(pool=True)), **TINY)
    before = between(model, "image", "layer_1_relu_1", IMAGES)
    theirs = before.reshape(2, 4, 2, 4, 2, 2).max((2, 4))
    np.testing.assert_allclose(between(model, "image", "layer_1_pool", IMAGES), theirs, atol=1e-6)
    assert model.get_layer("layer_2_relu_1").output.shape == (None, 4, 4, 2)


@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
def test_a_layer_may_stand_for_three_densely_connected_convolutions(strides):
    model = networks.build(chain((), (1,), layer_2=dict(strides=strides)), **TINY, num_cells=3)
    shuffled(model, seed=0)
    x = between(model, "image", "layer_1_output", IMAGES)
    dense, found = strides == (1, 1), []
    for number in (1, 2, 3):
        reads = np.concatenate([x, *found] if dense or not found else found, -1)
        found.append(
            numpy_layer(
                reads,
                model.get_layer(f"layer_2_convolution_{number}"),
                strides if number == 1 else (1, 1),
            )
        )
    theirs = np.concatenate(found, -1)
    np.testing.assert_allclose(
        between(model, "image", "layer_2_output", IMAGES), theirs, rtol=1e-3, atol=1e-2
    )
    assert [model.get_layer(f"layer_{k}_output").output.shape[-1] for k in (1, 2)] == [6, 6]


def test_filters_are_in_proportion_to_the_paper_s_24():
    widths = [
        step.convolutions[0].filters
        for filters in (24, 8, 1)
        for step in plan_layerwise(WIDTHS, 1, filters, (8, 8, 3))[0]
    ]
    assert widths == [24, 36, 48, 64, 6, 8, 12, 16, 21, 2, 1, 2, 2, 3, 1]


WIDTHS = Layerwise(tuple(Layer(3, 3, filters) for filters in (24, 36, 48, 64, 6)))


@pytest.mark.parametrize("space", SPACES, ids=["plain", "strides", "pooling", "growing"])
@pytest.mark.parametrize("num_cells", [1, 3])
def test_the_cost_is_that_of_the_network_that_is_built(space, num_cells):
    network = space.decode(space.random(np.random.default_rng(num_cells)))
    size = dict(num_cells=num_cells, filters=3, input_shape=(9, 7, 2), classes=4)
    model, side = networks.build(network, **size), cost_of(network, **size)
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == side.trainable
    assert model.count_params() == side.parameters
    convolutions = [layer for layer in model.layers if "_convolution_" in layer.name]
    adds = [
        math.prod(layer.output.shape[1:3]) * math.prod(layer.weights[0].shape)
        for layer in convolutions
    ]
    assert side.multiply_adds == sum(adds) + math.prod(model.get_layer("predictions").kernel.shape)


def test_a_network_is_saved_with_its_genotype_and_loads(tmp_path):
    model = networks.build(
        FOUR, **TINY, num_cells=2, mean=[1.0], std=[2.0], class_names=["a", "b", "c"]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (type(loaded), loaded.genotype, loaded.class_names) == (
        LayerwiseNetwork,
        FOUR,
        ("a", "b", "c"),
    )
    np.testing.assert_array_equal(loaded.predict(X[:2], verbose=0), model.predict(X[:2], verbose=0))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (dict(filters=0), "filters is 0; give a whole number"),
        (dict(num_cells=(1, 2, 3)), r"num_cells is \(1, 2, 3\); give a whole number"),
        (
            dict(input_shape=(None, None, 3)),
            r"input_shape is \(None, None, 3\).*such as \(32, 32, 3\)",
        ),
        (dict(classes=0), "classes is 0"),
        (dict(stem="imagenet"), "has no stem"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        networks.build(FOUR, **TINY | arguments)


def one_step(network, num_cells):
    """Builds, runs and trains. Most weights move: a stride may pass over all that a layer gives."""
    model = networks.build(network, **TINY, num_cells=num_cells)
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", run_eagerly=True)
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    loss = model.train_on_batch(X[:8] / 255, Y[:8])
    after = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    assert np.isfinite(loss) and all(np.isfinite(weight).all() for weight in after)
    moved = [(one != two).any() for one, two in zip(before, after, strict=True)]
    assert np.mean(moved) > 0.5 and keras.ops.convert_to_numpy(model(X[:2] / 255)).sum(
        1
    ) == pytest.approx(1)


@pytest.mark.parametrize("space", SPACES, ids=["plain", "strides", "pooling", "growing"])
def test_a_random_network_trains_a_step(space):
    one_step(space.decode(space.random(np.random.default_rng(7))), 1)


@pytest.mark.slow
def test_forty_random_networks_train_a_step():
    """Of all kinds in turn, up to eight layers; every tenth with three convolutions a layer."""
    rng = np.random.default_rng(0)
    kinds = [
        LayerwiseSpace(8, fewest=6),
        LayerwiseSpace(6, strides=True),
        LayerwiseSpace(6, pooling=True),
        LayerwiseSpace(3),
    ]
    for number in range(40):
        one_step(
            kinds[number % 4].decode(kinds[number % 4].random(rng)), 3 if number % 10 == 0 else 1
        )
        if number % 20 == 0:
            keras.backend.clear_session()


# ---- the command ----


@pytest.mark.slow
def test_a_space_of_layers_is_searched_beside_its_baseline(tmp_path, capsys):
    arguments = [
        "search",
        "digits",
        "--space",
        "layerwise-pooling",
        "--strategy",
        "reinforce",
        "--max-trials",
        "1",
        "--child-images",
        "60",
    ]
    options = [
        "--child-epochs",
        "2",
        "--child-filters",
        "4",
        "--num-cells",
        "1",
        "--filters",
        "4",
        "--epochs",
        "1",
        "--json",
    ]
    assert main([*arguments, *options, "--runs-dir", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["trials"] == 2
    with open(tmp_path / "digits" / "trials.csv") as file:
        for row in csv.DictReader(file):
            network = genotypes.from_json(row["genotype"])
            assert 6 <= len(network.layers) <= 12
            assert (
                float(row["val_accuracy"]) ** 3 <= float(row["reward"]) + 1e-9 < 1
            )  # the best epoch, not the last
            assert (
                int(row["parameters"])
                == cost_of(
                    network, num_cells=1, filters=4, input_shape=(8, 8, 1), classes=10
                ).parameters
            )
    assert type(genotypes.load(tmp_path / "digits" / "best.json")) is Layerwise
    assert isinstance(
        keras.saving.load_model(tmp_path / "digits" / "model.keras", compile=False),
        LayerwiseNetwork,
    )
