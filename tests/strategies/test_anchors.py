"""The controller with anchor points (Zoph & Le 2017), and the searches it leads."""

import itertools
import math

import numpy as np
import pytest

from nasnet_tf.spaces import Choices, LayerwiseSpace
from nasnet_tf.strategies import PPO, RandomSearch, Reinforce
from nasnet_tf.strategies.anchors import AnchorController

GROWING = LayerwiseSpace(8, fewest=4)


# ---- the controller ----


def tiny(grows):
    """(a controller of three layers, two of them there if the first decision is 0 and the space
    grows; weights; its points).
    """
    sizes, anchors = (2, 3, 3, 2, 2, 2, 2), (range(2, 2), range(3, 4), range(5, 7))
    controller = AnchorController(
        sizes, anchors, (0, 0, 0, 0, 1, 1, 1) if grows else (), units=4, embedding=3
    )
    points = [
        p for p in itertools.product(*map(range, sizes)) if p[0] or not grows or not any(p[4:])
    ]
    return controller, controller.initial(np.random.default_rng(0), limit=0.8), points


def test_the_papers_controller_has_its_19880_and_2485_weights():
    controller = AnchorController(LayerwiseSpace().sizes, LayerwiseSpace().anchors)
    counts = {name: math.prod(shape) for name, shape in controller.shapes.items()}
    assert (
        sum(count for name, count in counts.items() if name.startswith(("input", "hidden", "gate")))
        == 2 * 4 * (35 + 35 + 1) * 35
    )
    assert 2 * 4 * (35 + 35 + 1) * 35 == 19_880
    assert (
        sum(counts[name] for name in ("previous_anchor", "current_anchor", "attention"))
        == 2 * 35**2 + 35
        == 2_485
    )
    weights = controller.initial(np.random.default_rng(0))
    assert np.abs(weights).max() <= 0.08 and weights.std() == pytest.approx(0.08 / 3**0.5, rel=0.02)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def naive_probability(controller, weights, point):
    """Of one point, straight from the paper: one step after the other, one layer after the
    other.
    """
    w = controller.named(weights)
    state = {layer: (np.zeros(4), np.zeros(4)) for layer in ("", "_2")}

    def step(x):
        for layer in ("", "_2"):
            cell, hidden = state[layer]
            gates = (
                x @ w["input_kernel" + layer]
                + hidden @ w["hidden_kernel" + layer]
                + w["gate_bias" + layer]
            )
            enter, keep, show, new = gates.reshape(4, 4)
            cell = sigmoid(keep) * cell + sigmoid(enter) * np.tanh(new)
            x = sigmoid(show) * np.tanh(cell)
            state[layer] = cell, x
        return x

    probability, read, anchors = 1.0, w["start"], []
    for row, decisions in enumerate([(0,), (1,), "anchor", (2,), "anchor", (4,), "anchor"]):
        heard = step(read)
        if decisions == "anchor":
            skips = {0: [], 1: [3], 2: [5, 6]}[len(anchors)]
            for earlier, number in zip(anchors, skips, strict=True):
                chance = sigmoid(
                    w["attention"]
                    @ np.tanh(earlier @ w["previous_anchor"] + heard @ w["current_anchor"])
                )
                probability *= chance if point[number] else 1 - chance
            anchors.append(heard)
            decisions = skips
        else:
            [number] = decisions
            kernel = {0: 0, 1: 1, 2: 2, 4: 3}[number]
            odds = np.exp(heard @ w["softmax_kernel"][kernel] + w["softmax_bias"][kernel])[
                : controller.sizes[number]
            ]
            probability *= odds[point[number]] / odds.sum()
        read = (
            sum((w["embeddings"][number, point[number]] for number in decisions), np.zeros(3))
            if row < 6
            else None
        )
    return probability


def test_a_point_is_as_likely_as_the_papers_formula_says():
    controller, weights, points = tiny(grows=False)
    ours = np.exp(controller.log_probs(weights, points)[0].sum(1))
    np.testing.assert_allclose(
        ours, [naive_probability(controller, weights, point) for point in points], rtol=1e-10
    )


@pytest.mark.parametrize("grows", [False, True])
def test_probabilities_of_all_networks_sum_to_one_and_samples_come_as_often(grows):
    controller, weights, points = tiny(grows)
    log_probs, entropies = controller.log_probs(weights, points)
    chances = np.exp(log_probs.sum(1))
    assert chances.sum() == pytest.approx(1)
    assert -(chances * log_probs.sum(1)).sum() == pytest.approx(
        (chances * entropies.sum(1)).sum()
    )  # chain rule
    counts = dict.fromkeys(points, 0)
    for point in controller.sample(weights, np.random.default_rng(0), 50_000):
        counts[point] += 1
    expected = 50_000 * chances
    statistic = (((np.array(list(counts.values())) - expected) ** 2) / expected).sum()
    assert statistic < len(points) + 3.5 * (2 * len(points)) ** 0.5  # chi-squared
    assert all(
        point[0] == 1
        for point in controller.sample(weights, np.random.default_rng(0), 100, given=(1,))
    )


@pytest.mark.parametrize("grows", [False, True])
def test_the_gradient_equals_finite_differences(grows):
    controller, weights, points = tiny(grows)
    batch, slopes = (
        np.array(points[::7]),
        np.random.default_rng(1).normal(size=(len(points[::7]), 7)),
    )

    def loss(weights):
        log_probs, entropies = controller.log_probs(weights, batch)
        return (slopes * log_probs).sum() + 0.3 * entropies.sum()

    ours = controller.backward(weights, controller.forward(weights, batch), slopes, 0.3)
    theirs = np.array(
        [(loss(weights + d) - loss(weights - d)) / 2e-6 for d in np.eye(len(weights)) * 1e-6]
    )
    for name, expected in controller.named(theirs).items():
        np.testing.assert_allclose(controller.named(ours)[name], expected, atol=1e-6, err_msg=name)
        assert np.abs(expected).max() > 1e-3, f"{name} does nothing, so nothing was tested"


def test_skips_are_as_likely_as_not_at_first():
    space = LayerwiseSpace()
    strategy = Reinforce(space)
    points = np.array(strategy.controller.sample(strategy.weights, np.random.default_rng(0), 200))
    skips = [number for anchor in space.anchors for number in anchor]
    np.testing.assert_allclose(points[:, skips].mean(), 0.5, atol=0.03)


# ---- the search ----


class Tiny(Choices):
    """Two or three layers of two kinds, and which feed which."""

    def __init__(self, grows):
        names = ["layers"] * grows + [
            "1/kind",
            "2/kind",
            "2/skip_1",
            "3/kind",
            "3/skip_1",
            "3/skip_2",
        ]
        super().__init__([(name, (0, 1)) for name in names])
        self.anchors = tuple(
            range(first + grows, last + grows) for first, last in ((1, 1), (2, 3), (4, 6))
        )
        self.counts_from = (0, 0, 0, 0, 1, 1, 1) if grows else ()


@pytest.mark.parametrize("grows", [False, True])
@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_the_expected_step_of_reinforce_is_the_gradient_of_the_expected_reward(grows, baseline):
    """All 64 networks of a bandit, each step weighed by how likely it is, against finite
    differences of the expected reward.
    """
    space = Tiny(grows)
    strategy = Reinforce(
        space,
        minibatch=1,
        normalise=False,
        elites=0,
        entropy_weight=0.0,
        draws=1,
        units=3,
        embedding=2,
        every=1,
    )
    strategy.weights *= 8  # far from uniform
    strategy.observe((0,) * len(space.sizes), baseline)
    state, steps = strategy.state(), []
    strategy.adam.descend = lambda weights, gradient, learning_rate: steps.append(gradient.copy())
    free = list(itertools.product((0, 1), repeat=6))
    points = (
        [(1, *point) for point in free] if grows else free
    )  # `every=1`: from the second proposal on there are three layers
    assert all(strategy.propose(number) in points for number in range(1, 20))
    rewards = np.random.default_rng(0).normal(size=64)

    def expected(weights):
        return (
            np.exp(strategy.controller.log_probs(weights, points)[0][:, int(grows) :].sum(1))
            @ rewards
        )

    for point, reward in zip(points, rewards, strict=True):
        strategy.restore(state)
        strategy.observe(point, reward)
    chances = np.exp(
        strategy.controller.log_probs(state["weights"], points)[0][:, int(grows) :].sum(1)
    )
    numeric = [
        (expected(state["weights"] + d) - expected(state["weights"] - d)) / 2e-6
        for d in np.eye(len(state["weights"])) * 1e-6
    ]
    np.testing.assert_allclose(
        chances @ np.array(steps), -np.array(numeric), atol=1e-8
    )  # Adam goes down, the reward up
    assert np.abs(numeric).max() > 1e-3


def test_the_depth_goes_by_the_number_of_the_proposal():
    space = LayerwiseSpace(20, fewest=6)
    strategy = Reinforce.paper(space)
    depths = [
        len(space.decode(strategy.propose(number)).layers)
        for number in (0, 1599, 1600, 3199, 3200, 11_199, 11_200, 12_799, 50_000)
    ]
    assert depths == [6, 6, 8, 8, 10, 18, 20, 20, 20]  # 12,800 networks: eight depths of 1,600
    ours = PPO(space, every=3, controller="table")
    assert [len(space.decode(ours.propose(number)).layers) for number in (0, 2, 3, 5, 6)] == [
        6,
        6,
        8,
        8,
        10,
    ]


def test_what_is_beyond_the_depth_is_not_drawn_nor_learned():
    strategy = Reinforce(GROWING, draws=1, minibatch=1, every=1000)
    point = strategy.propose(0)
    assert not any(
        choice
        for choice, counts in zip(point, np.less_equal(GROWING.counts_from, point[0]), strict=True)
        if not counts
    )
    before = {
        name: array.copy() for name, array in strategy.controller.named(strategy.weights).items()
    }
    for number in range(5):
        strategy.observe(strategy.propose(number), float(number))
    after = strategy.controller.named(strategy.weights)
    moved = [
        bool((before["softmax_kernel"][row] != after["softmax_kernel"][row]).any())
        for row in range(len(before["softmax_kernel"]))
    ]
    assert (
        moved == [False] + [True] * 12 + [False] * 12
    )  # three decisions a layer; "layers" is nobody's to learn


def test_a_space_of_layers_has_its_papers_controller_and_settings():
    space = LayerwiseSpace(20, fewest=6)
    assert isinstance(Reinforce(space).controller, AnchorController) and isinstance(
        PPO(space).controller, AnchorController
    )
    assert not isinstance(Reinforce(space, controller="table").controller, AnchorController)
    paper = Reinforce.paper(space)
    assert (
        paper.learning_rate,
        paper.minibatch,
        paper.every,
        paper.entropy_weight,
        paper.elites,
    ) == (0.0006, 8, 1600, 0.0, 0)
    assert (paper.controller.units, paper.normalise, paper.draws) == (35, False, 1)
    assert Reinforce.paper((2, 3)).learning_rate == 0.00035
    with pytest.raises(ValueError, match="every, units and embedding must be 1 or more"):
        Reinforce(space, every=0)
    with pytest.raises(ValueError, match="it must end with the last"):
        AnchorController((2, 2), (range(1, 1),))


def landscape(seed):
    """A reward of a network of six layers: each kind of filter is worth something, each skip too;
    and there is noise.
    """
    rng = np.random.default_rng([seed, 9])
    sides, filters, skips = (
        rng.normal(size=(6, 2, 8)),
        rng.normal(size=(6, 65)),
        rng.normal(size=(7, 7)),
    )

    def reward(network):
        worth = [
            sides[n, 0, layer.height] + sides[n, 1, layer.width] + filters[n, layer.filters]
            for n, layer in enumerate(network.layers)
        ]
        fed = [
            skips[n, earlier] for n, layer in enumerate(network.layers) for earlier in layer.inputs
        ]
        return float(sum(worth) + sum(fed) + rng.normal())

    return reward


@pytest.mark.parametrize("seed", range(5))
def test_reinforce_beats_random_at_equal_budget(seed):
    space, found = LayerwiseSpace(6), {}
    for strategy in (Reinforce(space, seed), RandomSearch(space, seed)):
        reward, rewards = landscape(seed), []
        for number in range(200):
            point = strategy.propose(number)
            rewards.append(reward(space.decode(point)))
            strategy.observe(point, rewards[-1])
        found[strategy.name] = rewards
    best, mean = (
        {name: measure(rewards) for name, rewards in found.items()}
        for measure in (max, lambda all: np.mean(all[-50:]))
    )
    assert best["reinforce"] > best["random"]
    assert mean["reinforce"] > mean["random"] + 3 * np.std(found["random"]) / 50**0.5
