"""Searches that learn from a history of points: evolution, local search, level by level,
halving.
"""

import itertools

import numpy as np
import pytest

from nasnet_tf.spaces import Choices
from nasnet_tf.strategies import (
    AgingEvolution,
    LocalSearch,
    Progressive,
    RandomSearch,
    SuccessiveHalving,
    rungs,
)
from nasnet_tf.strategies.archive import Archive
from nasnet_tf.strategies.local_search import neighbours
from nasnet_tf.strategies.surrogate import Surrogate

# ---- the archive ----


def test_an_archive_keeps_what_came_in_the_order_it_came():
    archive, rng = Archive(3), np.random.default_rng(0)
    points, rewards = rng.integers(0, 99, (100, 3)), rng.random(100)
    for number, (point, reward) in enumerate(zip(points, rewards, strict=True)):
        assert len(archive) == number
        archive.append(tuple(point), reward)
    np.testing.assert_array_equal(archive.points, points)
    np.testing.assert_array_equal(archive.rewards, rewards)


@pytest.mark.parametrize("count", [0, 1, 16, 40])
def test_a_restored_archive_goes_on_and_leaves_the_old_one_alone(count):
    old, new = Archive(2), Archive(2)
    for number in range(count):
        old.append((number, -number), number / 2)
    new.append((7, 7), 7.0)
    new.restore(old.state())
    new.append((5, 5), 5.0)
    assert len(old) == count and len(new) == count + 1
    np.testing.assert_array_equal(new.points[:count], old.points)
    assert new.points[-1].tolist() == [5, 5] and new.rewards[-1] == 5.0


def test_an_archive_refuses_a_state_that_is_not_whole():
    archive = Archive(2)
    with pytest.raises(ValueError, match=r"points \(3, 2\) and rewards \(2,\)"):
        archive.restore({"points": np.zeros((3, 2), int), "rewards": np.zeros(2)})


# ---- aging evolution ----


def test_until_the_population_is_full_points_are_random():
    evolution, random = (
        AgingEvolution((5,) * 4, seed=3, population=6, sample=3),
        RandomSearch((5,) * 4, seed=3),
    )
    for number in range(6):
        assert evolution.propose(number) == random.propose(number)
        evolution.observe((0, 0, 0, 0), None if number == 2 else 1.0)
    assert evolution.propose(6) == random.propose(6)  # one failed
    evolution.observe((0, 0, 0, 0), 1.0)
    assert sum(evolution.propose(7)) <= 4 and evolution.propose(7) != (
        0,
        0,
        0,
        0,
    )  # a child of the zeros


def test_the_oldest_dies_however_good_it_is():
    evolution = AgingEvolution(
        (9,), population=3, sample=50
    )  # 50 drawn of 3: the best of the living wins, all but surely
    for point, reward in [((8,), 9.0), ((1,), 1.0), ((2,), 2.0)]:
        evolution.observe(point, reward)
    rng = np.random.default_rng(0)
    assert evolution.parent(rng) == (8,)
    evolution.observe((3,), 0.0)
    assert evolution.parent(rng) == (2,)
    evolution.observe((4,), None)  # failed: is not born, so nobody dies
    assert evolution.parent(rng) == (2,)
    for _ in range(2):
        evolution.observe((3,), 0.5)
    assert evolution.parent(rng) == (3,)


def test_a_tournament_is_won_as_often_as_by_counting_all_of_them():
    evolution = AgingEvolution((9, 2), population=5, sample=3)
    rewards = [3.0, 1.0, 5.0, 2.0, 4.0]
    for number, reward in enumerate(rewards):
        evolution.observe((number, 0), reward)
    expected = np.zeros(5)
    for drawn in itertools.product(range(5), repeat=3):  # with replacement
        expected[max(drawn, key=rewards.__getitem__)] += 1 / 5**3
    rng, counts = np.random.default_rng(1), np.zeros(5)
    for _ in range(5000):
        counts[evolution.parent(rng)[0]] += 1
    assert (
        (counts - 5000 * expected) ** 2 / (5000 * expected)
    ).sum() < 18.5  # chi-squared, 4 degrees of freedom, p = 0.001


def test_a_child_differs_from_its_parent_in_one_decision_or_is_it_again():
    settings = dict(population=1, sample=1)
    children = {}
    for identity in (0.0, 0.3):
        evolution = AgingEvolution((4,) * 5, identity=identity, **settings)
        evolution.observe((1, 1, 1, 1, 1), 0.0)
        children[identity] = [
            sum(choice != 1 for choice in evolution.propose(number)) for number in range(1, 1001)
        ]
    assert set(children[0.0]) == {1}
    assert set(children[0.3]) == {0, 1} and children[0.3].count(0) == pytest.approx(300, abs=60)


def test_a_population_that_grows_is_ten_at_a_hundred_trials_and_the_papers_at_ten_thousand():
    evolution, sizes = AgingEvolution((3,)), {}
    for number in range(1, 20_001):
        evolution.observe((0,), float(number))
        sizes[number] = evolution.size
    assert [sizes[number] for number in (1, 100, 120, 121, 2500, 10_000, 20_000)] == [
        10,
        10,
        10,
        11,
        50,
        100,
        100,
    ]
    paper = AgingEvolution.paper((3,))
    assert (paper.size, paper.sample, paper.identity) == (100, 25, 0.05)


def test_what_is_being_trained_is_not_proposed_again():
    evolution = AgingEvolution((2, 3), population=1, sample=1)
    evolution.observe((0, 0), 1.0)
    around = {(1, 0), (0, 1), (0, 2)}
    for number in range(1, 30):
        assert {evolution.propose(number, pending=[(1, 0), (0, 2)])} == around - {(1, 0), (0, 2)}


def test_a_population_of_another_size_refuses_the_state():
    evolution = AgingEvolution((3, 3), population=4)
    for _ in range(10):
        evolution.observe((1, 1), 0.0)
    with pytest.raises(ValueError, match="population is 4, this search's 5"):
        AgingEvolution((3, 3), population=5).restore(evolution.state())


# ---- local search ----


def test_neighbours_are_all_points_one_decision_away():
    sizes = (3, 1, 2)
    every = itertools.product(*map(range, sizes))
    expected = {
        point for point in every if sum(a != b for a, b in zip(point, (2, 0, 1), strict=True)) == 1
    }
    found = neighbours((2, 0, 1), sizes)
    assert set(found) == expected and len(found) == 3


@pytest.mark.parametrize("seed", range(3))
def test_local_search_climbs_to_a_planted_optimum_and_never_proposes_a_known_point(seed):
    sizes = (5,) * 12
    target = np.random.default_rng(seed).integers(0, sizes)
    search, seen, running, rng = LocalSearch(sizes, seed), set(), [], np.random.default_rng(seed)
    best = 0
    for number in range(400):
        point = search.propose(number, running)
        assert point not in seen and point not in running
        running.append(point)
        if len(running) == 4:  # in any order
            point = running.pop(int(rng.integers(4)))
            seen.add(point)
            best = max(best, int((target == point).sum()))
            search.observe(point, float((target == point).sum()))
    assert best == 12


def test_a_climb_moves_at_the_first_improvement_and_begins_again_at_a_local_optimum():
    search = LocalSearch((3, 3), starts=1)
    search.observe((0, 0), 1.0)
    assert search.propose(1) in neighbours((0, 0), (3, 3))
    search.observe((0, 1), 2.0)
    assert search.propose(2) in set(neighbours((0, 1), (3, 3))) - {(0, 0)}
    for point in ((0, 2), (1, 1), (2, 1)):
        search.observe(point, 0.0)
    rest = {
        (1, 0),
        (2, 0),
        (1, 2),
        (2, 2),
    }  # (0, 1) is a local optimum: any point that is not known
    assert {search.propose(number) for number in range(6, 200)} == rest
    search.observe((1, 0), -5.0)
    assert {search.propose(number) for number in range(7, 200)} == {(2, 0), (1, 2)}, (
        "the next climb begins where it began"
    )


def test_while_the_last_neighbours_are_trained_local_search_goes_on_elsewhere():
    search = LocalSearch((2, 2, 2), starts=1)
    search.observe((0, 0, 0), 1.0)
    pending = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert {sum(search.propose(number, pending)) for number in range(4, 60)} == {2, 3}


# ---- level by level ----


class Grown(Choices):
    """One to `most` blocks of two inputs and two operations, whose order is of no account, as PNAS
    grows its cells.
    """

    def __init__(self, most=5, operations=8):
        self.most = most
        blocks = (
            (f"{b}/{part}", range(b + 2) if "input" in part else "abcdefgh"[:operations])
            for b in range(most)
            for part in PARTS
        )
        super().__init__([("blocks", range(1, most + 1)), *blocks])

    def key(self, choices):
        count, *rest = self.checked(choices)
        pairs = [
            [(rest[i], rest[i + 2]), (rest[i + 1], rest[i + 3])] for i in range(0, 4 * count + 4, 4)
        ]
        return str([sorted(pair) for pair in pairs])

    def levels(self):
        return [
            (b, *(None if n < 4 * b + 4 else 0 for n in range(4 * self.most)))
            for b in range(self.most)
        ]


PARTS = ("input_1", "input_2", "operation_1", "operation_2")


def graded(seed):
    """A reward: each option adds something, the same in every block."""
    operations, inputs = np.random.default_rng(seed).normal(size=(2, 8))

    def score(point):
        count, *rest = point
        blocks = np.array(rest[: 4 * count + 4]).reshape(-1, 4)
        return float(operations[blocks[:, 2:]].sum() + inputs[blocks[:, :2]].sum()) / (count + 1)

    return score


def test_progressive_search_hands_out_136_cells_then_256_a_level_1160_in_all():
    space = Grown()
    search, score = Progressive(space, seed=0), graded(0)
    made = []
    for number in range(1160):
        made.append(search.propose(number))
        search.observe(made[-1], score(made[-1]))
    assert [point[0] for point in made] == [0] * 136 + [1] * 256 + [2] * 256 + [3] * 256 + [4] * 256
    assert len({space.key(point) for point in made}) == 1160
    every = {
        space.key((0, *block, *[0] * 16))
        for block in itertools.product(range(2), range(2), range(8), range(8))
    }
    assert {space.key(point) for point in made[:136]} == every and len(every) == 136
    for level in range(1, 5):
        grown = {point[1 : 4 * level + 1] for point in made if point[0] == level}
        assert grown <= {point[1 : 4 * level + 1] for point in made if point[0] == level - 1}, (
            "each has grown from one that was tried"
        )
    assert search.propose(1160)[0] == 4


@pytest.mark.parametrize("seed", range(3))
def test_what_progressive_search_chooses_to_grow_is_better_than_chance(seed):
    space = Grown(most=3)
    search, score, rng = (
        Progressive(space, seed, beam=40),
        graded(seed),
        np.random.default_rng(seed),
    )
    made = []
    for number in range(120):
        made.append(search.propose(number))
        search.observe(made[-1], score(made[-1]) + 0.1 * rng.normal())
    last = [score(point) for point in made if point[0] == 2]
    random = [score((2, *space.random(rng)[1:])) for _ in range(2000)]
    assert len(last) == 40 and np.mean(last) > np.quantile(random, 0.95)


def test_a_level_begins_when_nine_in_ten_of_the_one_before_have_ended_and_nobody_waits():
    search, score = Progressive(Grown(most=3), seed=0, beam=50), graded(0)
    running = []
    for number in range(50):  # fifty workers begin at once
        running.append(search.propose(number, running))
    assert len(set(running)) == 50 and {point[0] for point in running} == {0}
    for ended in range(44):
        search.observe(running[ended], score(running[ended]))
    assert search.propose(50, running[44:])[0] == 0, "a reserve of the first level: 88 % have ended"
    search.observe(running[44], None)  # failed, which is an end too
    out = running[45:]
    for number in range(50, 60):
        out.append(search.propose(number, out))
        assert out[-1][0] == 1 and len(set(out)) == len(out)
    assert search.propose(45)[0] == 0, "those that are not being trained after all come first"


def test_more_workers_than_a_level_has_points_get_points_of_the_next():
    search, running = Progressive(Grown(most=2, operations=2), seed=0), []
    for number in range(30):
        running.append(search.propose(number, running))
    assert (
        len(set(running)) == 30
        and {point[0] for point in running[:10]} == {0}
        and 1 in {point[0] for point in running}
    )


def test_the_surrogate_ranks_points_of_one_block_more_than_it_has_seen():
    space, score = Grown(most=3), graded(4)
    model, rng = Surrogate(space, space.levels()), np.random.default_rng(0)
    known, larger = (
        np.array(
            [
                (level, *space.random(rng)[1 : 4 * level + 5], *[0] * (8 - 4 * level))
                for _ in range(300)
            ]
        )
        for level in (0, 1)
    )
    model.fit(known, np.array([score(tuple(point)) for point in known]), rng)
    guessed, true = model.predict(larger), np.array([score(tuple(point)) for point in larger])
    assert np.corrcoef(guessed.argsort().argsort(), true.argsort().argsort())[0, 1] > 0.8


# ---- successive halving ----


EPOCHS_OF_A_TABLE = Choices(
    [("a", range(30)), ("b", range(30)), ("epochs", (9, 1, 3))]
)  # not in order
RUNG = {1: 0, 2: 1, 0: 2}  # option -> rung


def definition(rungs, eta):
    """What the paper's get_job promotes: {rung: those in the top 1 / eta that are not one rung up
    yet}.
    """
    found = {}
    for place in (0, 1):
        ranked = sorted(rungs[place].items(), key=lambda item: -item[1])
        found[place] = {point for point, _ in ranked[: int(len(ranked) / eta)]} - set(
            rungs[place + 1]
        )
    return found


@pytest.mark.parametrize("eta", [2, 3])
def test_asha_promotes_by_the_definition(eta):
    search, rungs, rng = (
        SuccessiveHalving(EPOCHS_OF_A_TABLE, seed=0, eta=eta),
        ({}, {}, {}),
        np.random.default_rng(0),
    )
    running = []
    for number in range(300):
        point = search.propose(number, running)
        (*bare, option), up = point, {RUNG[p[-1]]: set() for p in running}
        for other in running:
            up[RUNG[other[-1]]].add(other[:-1])
        due = {
            place: points - up.get(place + 1, set())
            for place, points in definition(rungs, eta).items()
        }
        rung = RUNG[option]
        if due[1]:
            assert rung == 2 and tuple(bare) in due[1]
        elif due[0]:
            assert rung == 1 and tuple(bare) in due[0]
        else:
            assert rung == 0 and tuple(bare) not in rungs[0]
        running.append(point)
        if len(running) == 3:
            *bare, option = running.pop(int(rng.integers(3)))
            rungs[RUNG[option]][tuple(bare)] = reward = float(rng.random())
            search.observe((*bare, option), reward)
    assert [len(rung) > 20 for rung in rungs] == [True] * 3


def test_a_failed_trial_is_never_promoted_but_counts_in_its_rung():
    search = SuccessiveHalving(EPOCHS_OF_A_TABLE, eta=3)
    for number in range(3):
        search.observe((number, 0, 1), None)
    assert search.propose(3)[-1] == 1, "all failed"
    search.observe((3, 0, 1), 0.5)
    assert search.propose(4) == (3, 0, 2), "the one of four that did not"
    search.observe((3, 0, 2), None)
    assert search.propose(5)[-1] == 1


def test_without_epochs_among_the_decisions_halving_is_random_search_that_repeats_nothing():
    search = SuccessiveHalving((4, 3), seed=0)
    seen = set()
    for number in range(9):
        point = search.propose(number)
        assert point not in seen
        seen.add(point)
        search.observe(point, float(number))
    assert {point[-1] for point in seen} == {0, 1, 2}


def test_rungs_end_at_the_longest_and_begin_at_the_shortest():
    assert [rungs(longest) for longest in (1, 2, 3, 9, 10, 27)] == [
        (1,),
        (2,),
        (1, 3),
        (1, 3, 9),
        (1, 3, 10),
        (1, 3, 9, 27),
    ]
    assert rungs(8, eta=2) == (1, 2, 4, 8)


# ---- settings, and state with trials out ----


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (AgingEvolution, {"population": 0}),
        (AgingEvolution, {"sample": 0}),
        (AgingEvolution, {"identity": 1.5}),
        (LocalSearch, {"starts": 0}),
        (Progressive, {"beam": 0}),
        (Progressive, {"barrier": 0.0}),
        (SuccessiveHalving, {"eta": 1}),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind, settings):
    with pytest.raises(ValueError, match="must be|give"):
        kind((3, 3), **settings)
