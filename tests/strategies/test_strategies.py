"""Search strategies: ask, tell, stop, go on."""

import itertools

import numpy as np
import pytest
from searching import search

from nasnet_tf import strategies
from nasnet_tf.spaces import NASBench201Space, NASNetSpace
from nasnet_tf.strategies import PPO, STRATEGIES, RandomSearch, Reinforce
from nasnet_tf.strategies.controller import Controller
from nasnet_tf.strategies.logits import Logits
from nasnet_tf.strategies.ppo import clipped_slopes

NASNET = NASNetSpace().sizes
LEARNERS = pytest.mark.parametrize("kind", [Reinforce, PPO], ids=lambda kind: kind.name)
CONTROLLERS = pytest.mark.parametrize("controller", ["lstm", "table"])


# ---- the controller ----


def tiny(kind="lstm"):
    if kind == "table":
        controller = Logits((2, 3, 1, 4))
        return controller, controller.initial(np.random.default_rng(0), deviation=0.8)
    controller = Controller((2, 3, 1, 4), units=5, embedding=3)
    return controller, controller.initial(np.random.default_rng(0), limit=0.8)


def numeric(loss, weights, step=1e-6):
    """Central finite differences."""
    return np.array(
        [(loss(weights + d) - loss(weights - d)) / (2 * step) for d in np.eye(len(weights)) * step]
    )


def assert_same_gradient(controller, ours, theirs):
    named = getattr(controller, "named", lambda flat: {"logits": flat})
    for name, expected in named(theirs).items():
        np.testing.assert_allclose(named(ours)[name], expected, atol=1e-7, err_msg=name)
        assert np.abs(expected).max() > 1e-4, f"{name} does nothing, so nothing was tested"


BATCH = np.array([(0, 2, 0, 3), (1, 1, 0, 0), (1, 1, 0, 2)])
ADVANTAGES = np.array([[1.5], [-0.5], [0.7]])


@CONTROLLERS
def test_probabilities_of_all_points_sum_to_one(controller):
    controller, weights = tiny(controller)
    points = np.array(list(itertools.product(*map(range, controller.sizes))))
    log_probs, entropies = controller.log_probs(weights, points)
    assert np.exp(log_probs.sum(1)).sum() == pytest.approx(1)
    assert -(np.exp(log_probs.sum(1)) * log_probs.sum(1)).sum() == pytest.approx(
        (np.exp(log_probs.sum(1)) * entropies.sum(1)).sum()
    )  # chain rule


@CONTROLLERS
def test_samples_come_as_often_as_their_probability_says(controller):
    controller, weights = tiny(controller)
    rng = np.random.default_rng(0)
    points = list(itertools.product(*map(range, controller.sizes)))
    counts = dict.fromkeys(points, 0)
    for _ in range(8000):
        counts[controller.sample(weights, rng)[0]] += 1
    expected = 8000 * np.exp(controller.log_probs(weights, points)[0].sum(1))
    assert (
        ((np.array(list(counts.values())) - expected) ** 2) / expected
    ).sum() < 49.7  # chi-squared, 23 degrees of freedom, p = 0.001


def test_a_fresh_controller_is_near_uniform_and_within_the_paper_s_weights():
    controller = Controller(NASNET)
    weights = controller.initial(np.random.default_rng(0))
    assert np.abs(weights).max() <= 0.1 and weights.std() == pytest.approx(0.1 / 3**0.5, rel=0.01)
    _, entropies = controller.log_probs(weights, [[0] * 50])
    np.testing.assert_allclose(entropies[0], np.log(NASNET), atol=0.05)


@CONTROLLERS
def test_gradient_of_reinforce_with_entropy_equals_finite_differences(controller):
    controller, weights = tiny(controller)

    def loss(weights):
        log_probs, entropies = controller.log_probs(weights, BATCH)
        return (ADVANTAGES * log_probs).sum() + 0.3 * entropies.sum()

    slopes = Reinforce(controller.sizes).objective_slopes(
        controller.log_probs(weights, BATCH)[0], None, ADVANTAGES
    )
    assert_same_gradient(
        controller,
        controller.backward(weights, controller.forward(weights, BATCH), slopes, 0.3),
        numeric(loss, weights),
    )


@CONTROLLERS
def test_gradient_of_entropy_alone_equals_finite_differences(controller):
    controller, weights = tiny(controller)
    ours = controller.backward(weights, controller.forward(weights, BATCH), 0.0, 1.0)
    assert_same_gradient(
        controller, ours, numeric(lambda w: controller.log_probs(w, BATCH)[1].sum(), weights)
    )


@CONTROLLERS
def test_gradient_of_ppo_equals_finite_differences_clipped_or_not(controller):
    controller, weights = tiny(controller)
    trace = controller.forward(weights, BATCH)
    old = trace.log_probs - np.random.default_rng(3).normal(scale=0.3, size=trace.log_probs.shape)

    def loss(weights):
        ratios = np.exp(controller.log_probs(weights, BATCH)[0] - old)
        return np.minimum(ratios * ADVANTAGES, np.clip(ratios, 0.8, 1.2) * ADVANTAGES).sum()

    slopes = clipped_slopes(trace.log_probs, old, ADVANTAGES, 0.2)
    assert 2 < (slopes == 0).sum() < slopes.size - 2
    assert_same_gradient(
        controller, controller.backward(weights, trace, slopes, 0.0), numeric(loss, weights)
    )


# ---- learning ----


@LEARNERS
@pytest.mark.parametrize(
    "rewards", [(0.0, 1.0), (-2.0, -1.0), (1.0, 0.0), (-1.0, -2.0), (0.90, 0.91)], ids=str
)
def test_of_two_arms_the_better_ends_above_90_percent(kind, rewards):
    strategy = kind((2,))
    search(strategy, lambda choices: rewards[choices[0]], 400)
    log_probs, _ = strategy.controller.log_probs(strategy.weights, [[int(np.argmax(rewards))]])
    assert np.exp(log_probs[0, 0]) > 0.9


def test_the_paper_s_own_settings_learn_too_only_slowly():
    strategy = PPO.paper((2,))
    assert (
        strategy.learning_rate,
        strategy.minibatch,
        strategy.entropy_weight,
        strategy.elites,
    ) == (0.00035, 20, 1e-5, 0)
    assert strategy.draws == 1
    search(strategy, lambda choices: float(choices[0]), 2000)
    assert np.exp(strategy.controller.log_probs(strategy.weights, [[1]])[0][0, 0]) > 0.6


def test_the_baseline_of_a_minibatch_is_of_the_rewards_before_it():
    strategy = PPO((2, 2), minibatch=2, elites=0)
    seen = []
    strategy._update = lambda batch, baseline: seen.append(baseline)
    for reward in (1.0, 3.0, 10.0, 20.0, 0.0, 0.0):
        strategy.observe((0, 0), reward)
    average = (0.95 * 1 + 3) / 1.95  # weights 0.95 and 1, the newest last
    assert seen[:2] == pytest.approx(
        [2.0, average]
    )  # the first minibatch has none before it, and takes its own mean
    assert seen[2] == pytest.approx(
        np.average([1, 3, 10, 20], weights=0.95 ** np.arange(3, -1, -1))
    )


OPERATIONS = [n for n in range(50) if n % 5 in (2, 3)]


def matching(rng):
    target = rng.integers(0, NASNET)
    return lambda choices: float((np.array(choices) == target).sum())


def separable(rng):
    return lambda choices: float(sum(choices[n] >= 10 for n in OPERATIONS))


def mixture(rng):
    match = matching(rng)
    return lambda choices: match(choices) / 50 + separable(rng)(choices) / 20 + 0.1 * rng.normal()


def accuracies(rng):
    """Validation accuracies in a narrow band: each decision adds a little, noise has standard
    deviation 0.01.
    """
    effects = [rng.normal(size=size) / 50**0.5 for size in NASNET]
    return lambda choices: float(
        np.clip(0.86 + 0.02 * sum(e[c] for e, c in zip(effects, choices, strict=True)), 0.80, 0.93)
        + 0.01 * rng.normal()
    )


def pairs(rng):
    """Only pairs of neighbouring decisions count."""
    effects = [rng.normal(size=pair) for pair in itertools.pairwise(NASNET)]
    return lambda choices: float(
        sum(e[pair] for e, pair in zip(effects, itertools.pairwise(choices), strict=True))
    )


@pytest.mark.slow
@pytest.mark.parametrize("landscape", [accuracies, mixture, pairs])
def test_ppo_s_last_100_of_500_beat_random_clearly(landscape):
    assert margin(landscape, seed=0) > 5


def margin(landscape, seed, **settings):
    """How far the mean reward of proposals 400 to 499 lies above random search's, in standard
    errors.
    """
    means, errors = [], []
    for strategy in (PPO(NASNET, seed, **settings), RandomSearch(NASNET, seed)):
        score = landscape(np.random.default_rng([seed, 1]))
        search(strategy, score, 400)
        last = (
            [score(strategy.propose(number)) for number in range(400, 500)]
            if isinstance(strategy, RandomSearch)
            else []
        )
        for number in range(400, 500) if not last else ():
            choices = strategy.propose(number)
            last.append(score(choices))
            strategy.observe(choices, last[-1])
        means.append(np.mean(last))
        errors.append(np.var(last, ddof=1) / 100)
    return (means[0] - means[1]) / np.sqrt(sum(errors))


# ---- the protocol ----


def test_a_state_of_another_strategy_space_seed_or_width_is_refused():
    state = PPO((2, 3)).state()
    for strategy, message in (
        (Reinforce((2, 3)), "strategy 'ppo', this search 'reinforce'"),
        (PPO((3, 2)), r"sizes \[2, 3\], this search \[3, 2\]"),
        (PPO((2, 3), seed=1), "seed 0, this search 1"),
        (PPO((2, 3), units=50), "widths"),
        (PPO((2, 3), controller="table"), "controller"),
    ):
        before = strategy.state()
        with pytest.raises(ValueError, match=message):
            strategy.restore(state)
        assert all(
            np.array_equal(before[key], value, equal_nan=key == "lowest")
            for key, value in strategy.state().items()
        )
    with pytest.raises(ValueError, match="weights; restore what state"):
        PPO((2, 3)).restore({key: value for key, value in state.items() if key != "weights"})


def test_a_climb_stands_at_no_failed_trial():
    strategy = STRATEGIES["local-search"]((4, 4, 4), starts=2)
    for point, reward in (
        ((0, 0, 0), None),
        ((1, 1, 1), -5.0),
        ((2, 2, 2), None),
        ((3, 3, 3), -7.0),
        ((1, 1, 2), None),
    ):
        strategy.observe(point, reward)
    assert strategy.archive.points[strategy.centre].tolist() == [1, 1, 1]
    assert sum(a != b for a, b in zip(strategy.propose(5), (1, 1, 1), strict=True)) == 1


@LEARNERS
def test_a_controller_makes_a_failure_less_likely_but_not_part_of_its_baseline(kind):
    for rewards in ((-2.0, None), (2.0, None)):
        strategy = kind((2,), seed=0, minibatch=4)
        search(
            strategy,
            lambda choices, rewards=rewards: -1.5 + rewards[0] if sum(choices) else None,
            40,
        )
        assert strategy.baseline == pytest.approx(-1.5 + rewards[0])
        assert all(reward == -1.5 + rewards[0] for _, reward in strategy.best)


@LEARNERS
def test_a_search_where_every_trial_fails_goes_on(kind):
    strategy = kind((2, 3))
    search(strategy, lambda choices: None, 60)
    assert np.isfinite(strategy.weights).all()
    assert strategy.entropy() > 0.9


def test_the_papers_reinforce_has_its_lstm_and_the_default_a_row_of_logits_a_decision():
    assert (
        isinstance(Reinforce.paper((2, 3)).controller, Controller)
        and Reinforce.paper((2, 3)).minibatch == 20
    )
    assert isinstance(Reinforce((2, 3), controller="lstm").controller, Controller)
    assert (
        Reinforce((2, 3)).controller.count == 6
        and PPO((2, 3), controller="table").controller.count == 6
    )


@LEARNERS
def test_results_may_come_late_and_out_of_order(kind):
    strategy, out = kind((4, 4, 4)), []
    rng = np.random.default_rng(0)
    for number in range(400):
        out.append(strategy.propose(number))
        if len(out) == 5:  # five are out before the first result
            choices = out.pop(int(rng.integers(5)))
            strategy.observe(choices, -abs(sum(choices) - 9))
    assert np.mean([sum(strategy.propose(number)) for number in range(400, 450)]) > 7  # random: 4.5


@LEARNERS
def test_the_default_keeps_exploring_at_first(kind):
    strategy = kind((5,) * 6)
    search(strategy, lambda choices: float(sum(choices)), 50)
    assert strategy.entropy() > 0.4


@pytest.mark.parametrize(
    "arguments",
    [
        {"space": ()},
        {"space": (2, 0)},
        {"seed": -1},
        {"seed": 2**63},
        {"minibatch": 0},
        {"clip": 0.0},
        {"learning_rate": 0.0},
        {"controller": "rnn"},
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments):
    with pytest.raises(ValueError, match="give|must be"):
        PPO(**{"space": (2, 2)} | arguments)


def test_strategies_are_got_by_name():
    assert [strategies.get(name) for name in ("random", "reinforce", "ppo")] == [
        RandomSearch,
        Reinforce,
        PPO,
    ]
    assert all(strategy.name == name for name, strategy in STRATEGIES.items())
    with pytest.raises(
        ValueError, match="no strategy 'evolution'; there are auto, ppo, reinforce, random, "
    ):
        strategies.get("evolution")


def test_a_controller_tries_no_network_again_while_it_has_others_to_offer():
    def repeated(**settings):
        strategy, points = PPO(NASBench201Space(), **settings), []
        for number in range(60):
            points.append(strategy.propose(number))
            strategy.observe(
                points[-1], float(points[-1] == points[0])
            )  # wants the first again and again
        return len(points) - len(set(map(strategy.space.key, points)))

    assert repeated() == 0 < repeated(draws=1, learning_rate=0.03)


def test_a_controller_offers_what_it_knows_when_it_knows_everything():
    strategy, points = PPO((2,)), []
    for number in range(4):
        points.append(strategy.propose(number))
        strategy.observe(points[-1], 1.0)
    assert {*points[:2]} == {(0,), (1,)} >= {*points[2:]}
