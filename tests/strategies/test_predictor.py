"""The Gaussian process against its formulas and finite differences; the search it leads; `auto`."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from nasnet_tf.spaces import Choices, Decision, NASBench201Space
from nasnet_tf.strategies import Auto, Predictor, RandomSearch
from nasnet_tf.strategies.gaussian_process import GaussianProcess, normal_scores
from nasnet_tf.strategies.traits import Traits, traits_of

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
OWN, SHARED, PLAIN = tuple(range(10)), (0, 1, 2, 0, 1, 3, 0, 1, 2, 3), (-1,) * 10
TRAITS = pytest.mark.parametrize(
    "traits",
    [
        Traits(OWN, PLAIN, (0.0,) * 10),
        Traits(SHARED, PLAIN, (0.0,) * 10),
        Traits(SHARED, (*PLAIN[:4], 0, 2, 1, 3, -1, -1), (0, 9.0, 1, 0, 0, 0, 0, 0, 5, 0)),
    ],
    ids=["own", "shared", "amounts"],
)


def parts_of(points, others, process, traits):
    """Covariances of two sets of points by the formulas: the cosine of their options; that of how
    often they have each meaning, both less what is to be expected; that of their standardized
    ranks; and how near their totals are.
    """
    codes, labels = process._codes, np.array(traits.meanings)
    means = np.repeat(1 / np.array(SIZES), SIZES) @ codes

    def cosines(of):
        left, right = ([of(point) for point in side] for side in (points, others))
        return np.array([[a @ b / np.sqrt(a @ a * (b @ b)) for b in right] for a in left])

    def options(point):
        return sum(codes[start + option] for start, option in zip(STARTS, point, strict=True))

    def counts(point):
        surplus = options(point) - means
        return np.array([surplus[labels == label].sum() for label in sorted(set(labels))])

    found = [cosines(lambda point: options(point) - means), cosines(counts)]
    if max(traits.ranks) < 0:
        return found
    found.append(cosines(lambda point: np.array([traits.ranks[4 + point[2]] - 1.5])))
    every = np.array([totals(point, traits) for point in EVERY])

    def total(point):
        return 0.7 * (totals(point, traits) - every.mean(0)) / every.std(0)

    apart = np.array([[(total(a) - total(b)) ** 2 for b in others] for a in points])
    return [*found, np.exp(-apart[..., 0]), np.exp(-apart[..., 1])]


def totals(point, traits):
    weights = [traits.weights[start + option] for start, option in zip(STARTS, point, strict=True)]
    return np.array([traits.ranks[4 + point[2]], sum(weights)])


@TRAITS
def test_the_process_predicts_as_the_textbook_does(traits):
    rng, process = np.random.default_rng(0), GaussianProcess(SIZES, traits=traits)
    points, values = EVERY[rng.permutation(len(EVERY))[:9]], rng.normal(size=9)
    process.parameters[:100] += 0.2 * rng.normal(size=100) * process._free.ravel()
    process.parameters[100:-1] = rng.normal(size=process._parts)
    places = process._places()

    def covariance(left, right):
        def apart(a, b):
            return sum(
                np.sum((places[s + i] - places[s + j]) ** 2)
                for s, i, j in zip(STARTS, a, b, strict=True)
            )

        combinations = np.exp(-np.array([[apart(a, b) for b in right] for a in left]))
        parts = parts_of(left, right, process, traits)
        return combinations + sum(w * p for w, p in zip(process.weights, parts, strict=True))

    known, crossed = (
        covariance(points, points) + process.noise * np.eye(9),
        covariance(EVERY, points),
    )
    variance = values @ np.linalg.solve(known, values) / 9
    likelihood = process.condition(points, values)
    assert likelihood == pytest.approx(
        -0.5 * np.linalg.slogdet(known)[1] - 4.5 * np.log(variance), abs=1e-3
    )
    means, deviations = process.predict(EVERY)
    assert means == pytest.approx(crossed @ np.linalg.solve(known, values), abs=1e-3)
    explained = np.einsum("ij,ji->i", crossed, np.linalg.solve(known, crossed.T))
    assert deviations**2 == pytest.approx(
        variance * (np.diag(covariance(EVERY, EVERY)) - explained), abs=1e-3
    )


@TRAITS
def test_slopes_of_the_likelihood_are_those_of_finite_differences(traits):
    rng, process = np.random.default_rng(1), GaussianProcess(SIZES, traits=traits)
    points, values = EVERY[rng.permutation(len(EVERY))[:8]], rng.normal(size=8)
    parts = process._parts
    start = process.parameters + np.concatenate(
        [0.1 * (rng.normal(size=(10, 10)) * process._free).ravel(), np.full(parts + 1, 0.3)]
    )
    hot, alike = process._one_hot(points), np.array(parts_of(points, points, process, traits))

    def loss(parameters):
        process.parameters = parameters
        places = hot @ process._places()
        apart = np.square(places[:, None] - places).sum(-1)
        covariance = np.exp(-apart) + np.tensordot(process.weights, alike, 1)
        covariance += process.noise * np.eye(8)
        fit = (
            4 * np.log(values @ np.linalg.solve(covariance, values))
            + 0.5 * np.linalg.slogdet(covariance)[1]
        )
        spread = np.repeat([0.3, 1.0, 1.5], [100, parts, 1])
        return fit + 0.5 * np.sum(((parameters - process._prior) / spread) ** 2)

    process.parameters = start.copy()
    slopes = process._slopes(hot, alike, values)
    for number in [*np.flatnonzero(process._free.ravel())[:12], *range(100, len(start))]:
        step = np.zeros(len(start))
        step[number] = 1e-5
        assert slopes[number] == pytest.approx(
            (loss(start + step) - loss(start - step)) / 2e-5, rel=1e-4, abs=1e-6
        )


def test_places_of_amounts_lie_in_order_before_anything_is_known():
    space = Choices([("width", ("32", "8", "128", "64", "16")), ("operation", tuple("abcde"))])
    process = GaussianProcess(space.sizes, traits=traits_of(space))
    places = process._places()
    by_amount = [1, 4, 0, 3, 2]
    apart = [np.linalg.norm(places[1] - places[other]) for other in by_amount]
    assert apart == sorted(apart)
    words = [np.linalg.norm(places[5] - places[other]) for other in range(6, 10)]
    assert words == pytest.approx([words[0]] * 4)

    def spread(start):
        pairs = itertools.product(range(start, start + 5), repeat=2)
        return np.mean([np.sum((places[a] - places[b]) ** 2) for a, b in pairs])

    assert spread(0) == pytest.approx(spread(5), rel=1e-5)


def test_amounts_of_one_kind_are_ranked_and_mean_the_same():
    decisions = [("layer_1/filters", (24, 36)), ("layer_2/filters", ("36", "24")), ("in", (1, 0))]
    traits = traits_of(Choices(decisions))
    assert traits.ranks == (0, 1, 1, 0, -1, -1), "0, 1, ... are names"
    assert traits.meanings == (0, 1, 1, 0, 2, 3)
    assert traits.weights == (0.0,) * 6


def test_operations_weigh_what_they_have_of_parameters():
    traits = traits_of(NASBench201Space())
    assert NASBench201Space().decisions[0].options[2:4] == ("nor_conv_1x1", "nor_conv_3x3")
    # 16 x 16 weights a pixel of the kernel, and four of batch norm a channel
    assert traits.weights[:5] == (0.0, 0.0, 1 + 4 / 16, 9 + 4 / 16, 0.0)


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


def test_the_first_points_lie_apart():
    firsts = np.array(searched(Predictor((2,) * 8, 0), lambda point: 0.0, 3))
    apart = [(a != b).sum() for a, b in itertools.combinations(firsts, 2)]
    assert apart == [4, 4, 4], "neither alike nor opposite, which tells as much"


def test_workers_are_given_points_that_differ():
    def spread(together):
        strategy, reward, found = Predictor((4,) * 8, 0), landscape(1, (4,) * 8), []
        searched(strategy, reward, 20)
        for number in range(4):
            found.append(strategy.propose(20 + number, found if together else ()))
        return np.mean([np.not_equal(a, b).sum() for a, b in itertools.combinations(found, 2)])

    assert spread(together=True) > spread(together=False)


def test_a_promising_point_that_failed_once_is_tried_once_more():
    sizes, failed = (3, 3, 3), []
    reward = landscape(2, sizes)
    best = max(itertools.product(range(3), repeat=3), key=reward)

    def flaky(point):
        if point == best:
            failed.append(point)
            return None if len(failed) == 1 else reward(point)
        return reward(point)

    points = searched(Predictor(sizes, 0), flaky, 27)
    assert points.count(best) == 2
    strategy = Predictor(sizes, 0)
    searched(strategy, lambda point: None if point == best else reward(point), 20)
    assert all(strategy.propose(20, attempt=attempt) != best for attempt in (1, 2, 3))
    always = searched(Predictor(sizes, 0), lambda p: None if p == best else reward(p), 30)
    assert always[:27].count(best) <= 2


@pytest.mark.parametrize("settings", [{"first": 0}, {"most": 1}, {"alone": -1}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match="must be|give"):
        Auto(SIZES, **settings)
