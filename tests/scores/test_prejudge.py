"""What is decided before a child is trained, and while it is: scores, limits, rewards, the front,
the median rule.
"""

import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasnet_tf.children import early
from nasnet_tf.children.early import MedianStopping, StopBelowMedian
from nasnet_tf.cost import cost
from nasnet_tf.evaluation import Limits, SoftLimit, pareto_front
from nasnet_tf.genotype import GENOTYPES, Block, Cell, Genotype
from nasnet_tf.network import Network
from nasnet_tf.scores.latency import latency, latency_of
from nasnet_tf.scores.limits import soft_reward
from nasnet_tf.scores.zero_cost import SCORES, agreements, naswot, parameters, score, synflow
from nasnet_tf.spaces import Choices, NASNetSpace
from nasnet_tf.strategies import PPO, STRATEGIES, Prejudged, RandomSearch, Refused

NASNET_A = GENOTYPES["nasnet_a"]
SMALL = dict(num_cells=(1, 0, 0), filters=2, classes=3, stem="cifar", input_shape=(8, 8, 1))
EVERY = pytest.mark.parametrize("kind", STRATEGIES.values(), ids=STRATEGIES)


def dense(*units, **kwargs):
    return keras.layers.Dense(*units, dtype="float64", **kwargs)


def model_of(*layers, shape=(4,)):
    return keras.Sequential([keras.Input(shape, dtype="float64"), *layers])


# ---- synflow ----


def chain(widths):
    model = model_of(*(dense(width, use_bias=False, activation="relu") for width in widths))
    return model, [np.abs(w) for w in model.get_weights()]


@pytest.mark.parametrize("widths", [(1,), (3, 2), (5, 4, 3, 2)], ids=str)
def test_synflow_of_a_chain_is_its_depth_times_the_sum_over_all_paths(widths):
    """Of a chain every weight's w * dR/dw sums to R, layer by layer; R is 1' |W1| |W2| ... 1."""
    model, kernels = chain(widths)
    assert synflow(model) == pytest.approx(
        len(widths) * np.linalg.multi_dot([np.ones(4), *kernels, np.ones(widths[-1])])
    )


def test_synflow_equals_finite_differences_where_paths_join():
    x = keras.Input((3,), dtype="float64")
    h = dense(3, activation="relu")(x)
    model = keras.Model(
        x, dense(2)(keras.layers.Add(dtype="float64")([h, dense(3, activation="relu")(h)]))
    )
    w1, b1, w2, b2, w3, b3 = parts = [np.abs(w) for w in model.get_weights()]

    def flow():
        h = np.ones(3) @ w1 + b1
        return ((h + h @ w2 + b2) @ w3 + b3).sum()

    expected = 0.0
    for part in parts:
        for place in np.ndindex(part.shape):
            before, step = part[place], 1e-6
            part[place] = before + step
            up = flow()
            part[place] = before - step
            expected += before * (up - flow()) / (2 * step)
            part[place] = before
    assert synflow(model) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("norm", ["keras", "ours"])
def test_synflow_passes_batch_norms_by_whatever_they_have_learned(norm):
    from nasnet_tf.layers.operations import ConvNorm

    shape = (4, 4, 2)
    convolution = keras.layers.Conv2D(3, 1, use_bias=False, dtype="float64")
    layers = [convolution, keras.layers.BatchNormalization(epsilon=0.1, dtype="float64")]
    model = model_of(
        *(
            layers
            if norm == "keras"
            else [ConvNorm(3, relu=False, batch_norm_epsilon=0.1, dtype="float64")]
        ),
        shape=shape,
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 3, w.shape) for w in model.get_weights()])
    kernel = model.get_weights()[0]
    assert synflow(model) == pytest.approx(16 * np.abs(kernel).sum(), rel=1e-12)


def test_synflow_leaves_the_model_as_it_is_and_knows_no_signs():
    model = Network(NASNET_A, classifier_activation=None, dtype="float64", **SMALL)
    before = model.get_weights()
    found = synflow(model)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    model.set_weights([-w if w.ndim > 1 else w for w in before])
    assert synflow(model) == pytest.approx(found, rel=1e-12)


def test_synflow_of_a_network_needs_double_precision_and_gets_it():
    size = {**SMALL, "num_cells": 3, "filters": 16}
    assert score("synflow", NASNET_A, **size) > float(np.finfo("float32").max)
    with pytest.raises(ArithmeticError, match="synflow overflows"):
        synflow(Network(NASNET_A, classifier_activation=None, **size))


# ---- NASWOT ----


def test_agreements_are_counted():
    codes = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]], bool)
    expected = [
        [sum(a == b for a, b in zip(one, other, strict=True)) for other in codes] for one in codes
    ]
    np.testing.assert_array_equal(agreements(codes), expected)


def test_naswot_of_known_codes():
    """The identity before a ReLU makes the signs of the input the codes; a second ReLU on it counts
    them once more.
    """
    images = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [-1, -1, 1, -1]], float)
    codes = images > 0
    kernel = np.array([[(one == other).sum() for other in codes] for one in codes])
    one_relu = model_of(keras.layers.ReLU(dtype="float64"))
    assert naswot(one_relu, images) == pytest.approx(np.log(abs(np.linalg.det(kernel))))
    x = keras.Input((4,), dtype="float64")
    two_relus = keras.Model(x, [keras.layers.ReLU(dtype="float64")(x), keras.ops.relu(x)])
    assert naswot(two_relus, images) == pytest.approx(np.log(abs(np.linalg.det(2.0 * kernel))))


def test_naswot_sees_every_relu_of_a_network():
    """Against the ReLUs of the traced graph, found in another way."""
    import tensorflow as tf

    model = Network(NASNET_A, **SMALL)
    images = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype("float32")
    before = model.get_weights()
    found = naswot(model, images)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)

    @tf.function(autograph=False)
    def read(x):
        model(x, training=True)
        return [
            tf.reshape(op.inputs[0] > 0, (6, -1))
            for op in x.graph.get_operations()
            if op.type == "Relu"
        ]

    codes = np.concatenate(read(tf.constant(images)), axis=1)
    kernel = (codes[:, None] == codes[None]).sum(-1).astype(float)
    assert found == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-4)


def test_images_that_all_ReLUs_take_for_the_same_are_the_worst():
    assert naswot(model_of(keras.layers.ReLU(dtype="float64")), np.ones((3, 4))) == -math.inf


def test_a_model_without_relu_has_no_codes():
    with pytest.raises(ValueError, match="no ReLU"):
        naswot(model_of(dense(2)), np.ones((3, 4)))


# ---- scores by name ----


def test_the_number_of_parameters_is_the_networks_own():
    assert parameters(NASNET_A, **SMALL) == sum(
        math.prod(v.shape) for v in Network(NASNET_A, **SMALL).trainable_variables
    )


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_repeatable(name):
    images = np.random.default_rng(0).normal(size=(8, 8, 8, 1))
    one, two = (score(name, NASNET_A, images, seed=3, **SMALL) for _ in range(2))
    assert one == pytest.approx(two, rel=1e-6) and type(one) is float


def test_a_score_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no score 'grasp'; there are parameters, synflow, naswot"):
        score("grasp", NASNET_A, **SMALL)
    with pytest.raises(ValueError, match="needs images"):
        score("naswot", NASNET_A, **SMALL)


# ---- limits ----


def never():
    raise AssertionError(
        "latency is measured though it is not limited, or another limit is broken already"
    )


@pytest.mark.parametrize("name", ["parameters", "multiply_adds"])
def test_a_limit_holds_to_the_last_one(name):
    exact = getattr(cost(NASNET_A, **SMALL), name)
    assert Limits(**{name: exact}).exceeded(NASNET_A, SMALL, never) is None
    assert (
        Limits(**{name: exact - 1}, latency=1.0).exceeded(NASNET_A, SMALL, never)
        == f"{name} above {exact - 1:,}"
    )


def test_latency_is_measured_last():
    for measured, says in ((4.9, None), (5.1, "latency above 5 ms")):
        assert (
            Limits(parameters=10**9, latency=5.0).exceeded(NASNET_A, SMALL, lambda m=measured: m)
            == says
        )


@pytest.mark.parametrize(
    "limits", [{"parameters": 0}, {"multiply_adds": -1}, {"latency": math.nan}]
)
def test_a_limit_of_nothing_is_refused(limits):
    with pytest.raises(ValueError, match="give a number above 0, or None"):
        Limits(**limits)


def test_latency_is_the_median_of_calls_after_the_first(monkeypatch):
    class Sleepy:
        input_shape, calls = (None, 2), 0

        def predict_on_batch(self, image):
            assert image.shape == (1, 2)
            self.calls += 1
            clock[0] += {1: 30.0, 2: 20.0}.get(self.calls, 0.001 * self.calls)  # tracing takes long

    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    assert latency_of(Sleepy(), repeats=5) == pytest.approx(1000 * 0.005)  # calls 3 to 7


def test_a_network_is_timed():
    cell = Cell((Block(0, "conv_1x1", 1, "identity"),), (2,))
    assert 0 < latency(Genotype(cell, cell), repeats=3, **SMALL) < 60_000


# ---- rewards ----


def test_at_the_target_the_reward_is_the_accuracy_and_twice_the_cost_weighs_5_percent():
    assert soft_reward(0.9, 300, 300) == 0.9
    assert soft_reward(0.9 * 1.05, 600, 300) == pytest.approx(0.9, rel=0.001)
    assert soft_reward(0.9, 150, 300) > 0.9


@pytest.mark.parametrize("name", ["multiply_adds", "parameters", "trainable"])
def test_a_soft_limit_weighs_the_cost_of_the_network_that_is_meant(name):
    spent = getattr(cost(NASNET_A, **SMALL), name)
    assert SoftLimit(1000, -0.5, name, SMALL).reward(0.8, NASNET_A) == pytest.approx(
        0.8 * math.sqrt(1000 / spent)
    )


@pytest.mark.parametrize(
    "wrong", [{"target": 0}, {"target": 5, "weight": 0.07}, {"target": 5, "cost": "watts"}], ids=str
)
def test_a_soft_limit_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(
        ValueError, match="give a target above 0 and a weight below 0|no cost 'watts'"
    ):
        SoftLimit(**wrong)


# ---- the front ----


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            name: st.one_of(st.none(), st.integers(0, 4))
            for name in ("val_accuracy", "parameters", "multiply_adds")
        }
    ),
    max_size=12,
)


@given(ROWS)
def test_the_front_is_what_brute_force_finds(rows):
    lowest = ("multiply_adds", "parameters")

    def beats(one, other):
        gains = [
            one["val_accuracy"] - other["val_accuracy"],
            *(other[name] - one[name] for name in lowest),
        ]
        return min(gains) >= 0 and max(gains) > 0

    whole = [row for row in rows if None not in row.values()]
    expected = [row for row in whole if not any(beats(other, row) for other in whole)]
    front = pareto_front(rows, lowest=lowest)
    assert {tuple(sorted(row.items())) for row in front} == {
        tuple(sorted(row.items())) for row in expected
    }
    assert len({tuple(row.items()) for row in front}) == len(front)
    assert [row["multiply_adds"] for row in front] == sorted(row["multiply_adds"] for row in front)


def test_of_equal_rows_the_first_stays():
    rows = [{"trial": n, "val_accuracy": 0.5, "multiply_adds": 10} for n in range(3)]
    assert pareto_front(rows) == rows[:1]


# ---- the wrapper ----

SIZES = (3, 4, 2, 5)


def even(point):
    return sum(point) % 2 == 0


@EVERY
def test_only_what_is_accepted_is_proposed_and_what_was_accepted_before_stays(kind):
    plain, judged = kind(SIZES, seed=2), Prejudged(kind(SIZES, seed=2), even)
    proposals = [judged.propose(number) for number in range(40)]
    assert all(map(even, proposals))
    for number, proposal in enumerate(proposals):
        if even(plain.propose(number)):
            assert proposal == plain.propose(number)


@EVERY
def test_it_is_a_strategy_like_the_one_inside(kind):
    """Observations and state go through: restored, it goes on the same."""
    one, other = (
        Prejudged(kind(SIZES), even, sum, pool=2),
        Prejudged(kind(SIZES), even, sum, pool=2),
    )
    for number in range(6):
        one.observe(one.propose(number), float(number % 5))
    other.restore(one.state())
    assert (other.observed, other.lowest, other.name) == (6, 0.0, kind.name)
    assert [other.propose(number) for number in range(6, 9)] == [
        one.propose(number) for number in range(6, 9)
    ]
    inside = kind(SIZES)
    inside.restore(one.state())
    assert inside.observed == 6


def test_the_best_scored_of_a_pool_is_proposed():
    inner = RandomSearch(SIZES, seed=1)
    judged = Prejudged(inner, score=sum, pool=3)
    for number in range(20):
        pool = list(dict.fromkeys(inner.propose(number, attempt=a) for a in range(12)))[:3]
        assert judged.propose(number) == max(pool, key=sum)


def test_a_larger_pool_scores_better():
    means = [
        np.mean(
            [
                sum(Prejudged(RandomSearch(SIZES), score=sum, pool=pool).propose(n))
                for n in range(200)
            ]
        )
        for pool in (1, 4, 16)
    ]
    assert means[0] + 0.5 < means[1] < means[2]


def test_another_attempt_is_another_answer():
    judged = Prejudged(RandomSearch((50, 50)), even)
    assert len({judged.propose(3, attempt=attempt) for attempt in range(10)}) > 5


def test_where_the_strategy_finds_nothing_allowed_random_points_are_tried():
    class Stubborn(RandomSearch):
        def propose(self, number, pending=(), attempt=0):
            return (0,) * len(self.sizes)

    judged = Prejudged(Stubborn(SIZES), lambda point: point != (0, 0, 0, 0))
    assert judged.propose(0) != (0, 0, 0, 0) and judged.propose(0) == judged.propose(0)


def test_where_nothing_is_allowed_the_error_says_what_turned_down_how_many():
    def accepts(point):
        if point[0]:
            raise Refused("parameters above 10")
        return False

    with pytest.raises(
        ValueError,
        match=(
            r"none of 4 different points is allowed \(parameters above 10: 3, not accepted: 1\);"
            r" loosen"
        ),
    ):
        Prejudged(RandomSearch((4,)), accepts).propose(0)


def test_a_score_may_turn_a_point_down_and_one_that_is_no_number_does():
    def judge(point):
        if point == (0,):
            raise Refused("it broke")
        return math.nan if point == (1,) else 1.0

    judged = Prejudged(RandomSearch((3,)), score=judge)
    assert {judged.propose(number) for number in range(20)} == {(2,)}


def test_points_are_judged_once_and_the_memory_is_bounded():
    judged_points = []

    def accepts(point):
        judged_points.append(point)
        return even(point)

    judged = Prejudged(RandomSearch((6, 6)), accepts)
    for number in range(300):
        judged.propose(number)
    assert len(judged_points) == len(set(judged_points)) <= 36
    small = Prejudged(RandomSearch((60, 60)), even, remember=5)
    for number in range(50):
        small.propose(number)
    assert len(small._verdicts) == 5


def test_points_with_the_same_key_are_judged_once():
    class Unordered(Choices):
        def key(self, choices):
            return str(sorted(choices))

    seen = []
    space = Unordered([("a", range(4)), ("b", range(4))])
    judged = Prejudged(PPO(space), lambda point: seen.append(space.key(point)) or True)
    for number in range(100):
        judged.propose(number)
    assert len(seen) == len(set(seen)) == 10


@pytest.mark.parametrize("wrong", [{"pool": 0}, {"attempts": 0}, {"remember": 0}], ids=str)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must be 1 or more"):
        Prejudged(RandomSearch(SIZES), **wrong)


def test_a_limit_on_parameters_holds_for_every_proposed_cell():
    space = NASNetSpace(2)
    costs = [
        cost(space.decode(space.random(np.random.default_rng(n))), **SMALL).parameters
        for n in range(50)
    ]
    limits = Limits(parameters=int(np.median(costs)))
    judged = Prejudged(
        PPO(space), lambda point: limits.exceeded(space.decode(point), SMALL, never) is None
    )
    assert all(
        cost(space.decode(judged.propose(n)), **SMALL).parameters <= limits.parameters
        for n in range(30)
    )


# ---- the median rule ----


def test_thresholds_are_medians_of_running_averages():
    curves = [[0.2, 0.4, 0.6], [0.1, 0.5], [0.3, 0.9, 0.9]]
    assert MedianStopping(grace=1, fewest=3).thresholds(curves) == pytest.approx(
        [-math.inf, np.median([0.3, 0.3, 0.6]), -math.inf]
    )
    assert MedianStopping(grace=1, fewest=2).thresholds(curves) == pytest.approx(
        [-math.inf, 0.3, np.median([0.4, 0.7])]
    )
    assert MedianStopping(grace=2, fewest=2).thresholds(curves)[1] == -math.inf
    assert MedianStopping().thresholds([]) == []


def curve_of(thresholds, values, **kwargs):
    """After which of the epochs with these figures a training stops."""
    stop = StopBelowMedian(thresholds, **kwargs)

    class Model:
        stop_training = False

    stop.set_model(Model())
    stop.on_train_begin()
    for epoch, value in enumerate(values):
        stop.on_epoch_end(epoch, {"val_accuracy": value, "val_loss": value})
        if stop.model.stop_training:
            return epoch + 1
    return None


def test_a_child_is_stopped_when_its_best_is_below_the_threshold():
    thresholds = [-math.inf, 0.5, 0.6]
    assert curve_of(thresholds, [0.1, 0.4, 0.9]) == 2
    assert curve_of(thresholds, [0.1, 0.5, 0.5]) == 3
    assert curve_of(thresholds, [0.7, 0.1, 0.1]) is None, "its best counts, not its last"
    assert curve_of(thresholds, [0.1, 0.5, 0.6, 0.0]) is None, (
        "nobody is stopped beyond what others have reached"
    )
    assert curve_of([-math.inf, -0.5], [3.0, 0.6], monitor="val_loss", direction="min") == 2
    assert curve_of([-math.inf, -0.5], [3.0, 0.4], monitor="val_loss", direction="min") is None


def test_a_figure_that_training_does_not_tell_is_an_error():
    with pytest.raises(
        ValueError, match="tells no 'accuracy' after an epoch, but val_accuracy, val_loss"
    ):
        curve_of([], [0.5], monitor="accuracy")


def test_the_best_of_many_noisy_children_is_never_stopped_and_work_is_saved():
    """Curves that rise to a level of their own."""
    rule, epochs = MedianStopping(), 10
    for seed in range(20):
        rng = np.random.default_rng(seed)
        levels = rng.uniform(0.3, 0.9, 60)
        curves, reached, spent = [], [], 0
        for level in levels:
            whole = level * (1 - np.exp(-np.arange(1, epochs + 1) / 3)) + 0.01 * rng.normal(
                size=epochs
            )
            stopped = curve_of(rule.thresholds(curves), whole) or epochs
            curves.append(list(whole[:stopped]))
            reached.append(curves[-1][-1])
            spent += stopped
        assert (
            len(curves[int(np.argmax(levels))]) == epochs
            and levels[int(np.argmax(reached))] > levels.max() - 0.04
        )
        assert spent < 0.9 * 60 * epochs


def test_the_rule_needs_an_epoch_and_a_child():
    for wrong in ({"grace": 0}, {"fewest": 0}):
        with pytest.raises(ValueError, match="at least 1 epoch and 1 child"):
            early.MedianStopping(**wrong)


def test_rooms_below_need_no_keras():
    import subprocess
    import sys

    code = (
        "import nasnet_tf.strategies, nasnet_tf.scores.limits, sys; assert 'keras' not in"
        " sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
