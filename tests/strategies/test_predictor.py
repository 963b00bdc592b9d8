"""The Gaussian process against its formulas and finite differences; the search it leads; `auto`."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from nasnet_tf.spaces import Choices, Decision, NASBench201Space
from nasnet_tf.strategies import Auto, Predictor, RandomSearch
from nasnet_tf.strategies.gaussian_process import GaussianProcess, normal_scores

SIZES = (3, 1, 4, 2)
EVERY = np.array(list(itertools.product(*map(range, SIZES))))


def landscape(seed, sizes=SIZES):
    """Rewards in which decisions matter alone and in pairs."""
    rng = np.random.default_rng(seed)
    alone = [rng.normal(size=size) for size in sizes]
    pairs = rng.normal(size=(sizes[0], sizes[2]))
    return lambda point: (
        sum(table[choice] for table, choice in zip(alone, point, strict=True))
        + pairs[point[0], point[2]]
    )


def searched(strategy, reward, trials):
    points = []
    for number in range(trials):
        points.append(strategy.propose(number))
        strategy.observe(points[-1], reward(points[-1]))
    return points


def test_scores_go_by_rank_and_equal_values_share_one():
    assert normal_scores([5.0, -1e9, 7.0]) == pytest.approx(norm.ppf([0.5, 1 / 6, 5 / 6]))
    tied = normal_scores([2, 1, 2, 9])
    assert (
        tied[0] == tied[2] == pytest.approx(norm.ppf(1.5 / 4 + 0.5 / 4))
        and tied[1] < tied[0] < tied[3]
    )


STARTS = np.cumsum([0, *SIZES[:-1]])
MEANINGS = pytest.mark.parametrize(
    "meanings", [range(10), (0, 1, 2, 0, 1, 3, 0, 1, 2, 3)], ids=["own", "shared"]
)


def trend(points, others, meanings):
    """The cosine of two points' options, plus that of how often they have each meaning; both less
    what is to be expected.
    """

    def cosines(labels):
        mean = np.zeros(10)
        np.add.at(mean, list(labels), np.repeat(1 / np.array(SIZES), SIZES))
        left, right = (
            [
                np.bincount(
                    [labels[start + option] for start, option in zip(STARTS, point, strict=True)],
                    minlength=10,
                )
                - mean
                for point in side
            ]
            for side in (points, others)
        )
        return np.array([[a @ b / np.sqrt(a @ a * (b @ b)) for b in right] for a in left])

    return cosines(range(10)) + cosines(meanings)


@MEANINGS
def test_the_process_predicts_as_the_textbook_does(meanings):
    rng = np.random.default_rng(0)
    points, values, process = (
        EVERY[rng.permutation(len(EVERY))[:9]],
        rng.normal(size=9),
        GaussianProcess(SIZES, meanings),
    )
    process.parameters[:-1] += 0.2 * rng.normal(size=sum(SIZES) ** 2) * process._free.ravel()
    places = process._places()

    def covariance(left, right):
        def apart(a, b):
            return sum(
                np.sum((places[s + i] - places[s + j]) ** 2)
                for s, i, j in zip(STARTS, a, b, strict=True)
            )

        return np.exp(-np.array([[apart(a, b) for b in right] for a in left])) + trend(
            left, right, meanings
        )

    known, crossed = (
        covariance(points, points) + process.noise * np.eye(9),
        covariance(EVERY, points),
    )
    variance = values @ np.linalg.solve(known, values) / 9
    process.condition(points, values)
    means, deviations = process.predict(EVERY)
    assert means == pytest.approx(crossed @ np.linalg.solve(known, values), abs=1e-4)
    explained = np.einsum("ij,ji->i", crossed, np.linalg.solve(known, crossed.T))
    assert deviations**2 == pytest.approx(
        variance * (np.diag(covariance(EVERY, EVERY)) - explained), abs=1e-4
    )


@MEANINGS
def test_slopes_of_the_likelihood_are_those_of_finite_differences(meanings):
    rng = np.random.default_rng(1)
    points, values, process = (
        EVERY[rng.permutation(len(EVERY))[:8]],
        rng.normal(size=8),
        GaussianProcess(SIZES, meanings),
    )
    start = process.parameters + np.append(0.1 * rng.normal(size=(10, 10)) * process._free, 0.3)
    hot, along = process._one_hot(points), trend(points, points, meanings)

    def loss(parameters):
        process.parameters = parameters
        places = hot @ process._places()
        apart = np.square(places[:, None] - places).sum(-1)
        covariance = np.exp(-apart) + along + process.noise * np.eye(8)
        fit = (
            4 * np.log(values @ np.linalg.solve(covariance, values))
            + 0.5 * np.linalg.slogdet(covariance)[1]
        )
        spread = np.append(np.full(100, 0.3), 1.5)
        return fit + 0.5 * np.sum(((parameters - process._prior) / spread) ** 2)

    process.parameters = start.copy()
    slopes = process._slopes(hot, along, values)
    for number in [*np.flatnonzero(process._free.ravel())[:12], 100]:
        step = np.zeros(101)
        step[number] = 1e-5
        assert slopes[number] == pytest.approx(
            (loss(start + step) - loss(start - step)) / 2e-5, rel=1e-4, abs=1e-6
        )


def test_an_operation_is_believed_to_be_worth_the_same_wherever_it_stands():
    operations = ("good", "bad", "worse")
    space = Choices(Decision(str(place), operations) for place in range(4))
    points = np.array(
        [(0, 1, 1, 1), (1, 1, 2, 1), (2, 2, 1, 1), (0, 2, 0, 1), (1, 0, 0, 1), (2, 1, 0, 1)]
    )  # the last place never changes
    values = normal_scores([-(row == 1).sum() - 2 * (row == 2).sum() for row in points])
    for meanings, known in ((space.meanings, True), (None, False)):
        process = GaussianProcess(space.sizes, meanings)
        process.condition(points, values)
        good, worse = process.predict(np.array([(1, 1, 1, 0), (1, 1, 1, 2)]))[0]
        assert good > worse + 0.2 if known else good == pytest.approx(worse)


def test_options_that_do_alike_come_to_lie_together():
    points, process = EVERY, GaussianProcess(SIZES)
    values = normal_scores([(0.0, 0.0, 1.0)[point[0]] + 0.01 * point[2] for point in points])
    process.fit(points, values, 60)
    places = process._places()
    near, far = (np.linalg.norm(places[a] - places[b]) for a, b in ((0, 1), (1, 2)))
    assert near < 0.5 * far


@pytest.mark.parametrize("seed", range(4))
def test_the_predictor_finds_the_best_of_a_space_in_a_fraction_of_its_points(seed):
    sizes = (4, 4, 4, 4, 4)
    reward = landscape(seed, sizes)
    best = max(map(reward, itertools.product(*map(range, sizes))))
    assert max(map(reward, searched(Predictor(sizes, seed), reward, 60))) == pytest.approx(best)


def test_no_point_is_tried_twice_until_all_are():
    points = searched(Predictor(SIZES, 0), landscape(0), len(EVERY))
    assert len(set(points)) == len(EVERY)
    searched(Predictor((2, 2)), lambda point: 0.0, 9)  # and then it goes on


def test_twins_are_known_by_the_space():
    space = NASBench201Space()
    keys = [
        space.key(point)
        for point in searched(Predictor(space, 1), lambda point: float(sum(point)), 40)
    ]
    assert len(set(keys)) == 40


def test_pending_points_are_left_to_others():
    strategy = Predictor((4, 4, 4), 0)
    searched(strategy, lambda point: float(sum(point)), 20)
    first = strategy.propose(20)
    assert strategy.propose(20, [first]) != first


def test_rewards_of_any_unit_and_failures_lead_the_same_way():
    reward = landscape(3)

    def other(point):
        return None if point == (0, 0, 0, 0) else 1000 * reward(point) - 5

    plain = searched(
        Predictor(SIZES, 3), lambda point: None if point == (0, 0, 0, 0) else reward(point), 20
    )
    assert searched(Predictor(SIZES, 3), other, 20) == plain


def test_with_noise_it_still_beats_random_search():
    sizes, found = (4, 4, 4, 4, 4), []
    for seed, kind in itertools.product(range(8), (Predictor, RandomSearch)):
        reward, noise = landscape(seed, sizes), np.random.default_rng(seed)
        points = searched(
            kind(sizes, seed),
            told := _remembering(lambda p, r=reward, n=noise: r(p) + 0.5 * n.normal()),
            50,
        )
        found.append(reward(max(points, key=told)))
    predicted, drawn = np.reshape(found, (8, 2)).T
    assert (predicted - drawn).mean() > 0.3


def _remembering(reward):
    told = {}

    def reward_of(point):
        if point not in told:
            told[point] = reward(point)
        return told[point]

    return reward_of


def test_auto_is_the_predictor_first_and_takes_turns_later():
    reward = landscape(5)
    assert searched(Auto(SIZES, 2, alone=12), reward, 12) == searched(
        Predictor(SIZES, 2), reward, 12
    )
    auto = Auto(SIZES, 2, alone=12)
    searched(auto, reward, 12)
    assert auto.propose(12) == auto.predictor.propose(12) and auto.propose(
        13
    ) == auto.evolution.propose(13)


@pytest.mark.parametrize("settings", [{"first": 0}, {"most": 1}, {"alone": -1}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match="must be|give"):
        Auto(SIZES, **settings)
