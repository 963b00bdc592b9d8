"""A search that begins with known points and a few random ones."""

import numpy as np
import pytest

from nasnet_tf.spaces import CategoricalSpace
from nasnet_tf.strategies import PPO, Auto, Prescreened, WarmStart

SPACE = CategoricalSpace([(f"d{number}", (0, 1, 2, 3)) for number in range(6)])
KNOWN = [(3, 3, 3, 3, 3, 3), (1, 2, 3, 0, 1, 2)]


def proposals(strategy, count=20):
    """What it proposes while the reward of a point is its sum."""
    found = []
    for number in range(count):
        found.append(strategy.propose(number))
        strategy.observe(found[-1], float(sum(found[-1])))
    return found


def test_known_points_come_first_then_random_ones_then_the_strategy_that_learned_from_both():
    found = proposals(WarmStart(Auto(SPACE, 5), KNOWN, 4))
    assert found[:2] == KNOWN and len(set(found[:6])) == 6
    alone = Auto(SPACE, 5)
    for point in found[:6]:
        alone.observe(point, float(sum(point)))
    for number, point in enumerate(found[6:], 6):
        assert alone.propose(number) == point
        alone.observe(point, float(sum(point)))


def test_proposals_depend_on_the_seed_alone():
    first, again, other = (proposals(WarmStart(Auto(SPACE, seed), KNOWN, 4)) for seed in (1, 1, 2))
    assert first == again != other and first[:2] == other[:2]


def test_a_search_goes_on_from_its_state():
    whole = proposals(WarmStart(Auto(SPACE, 3), KNOWN, 4))
    strategy = WarmStart(Auto(SPACE, 3), KNOWN, 4)
    proposals(strategy, 9)
    resumed = WarmStart(Auto(SPACE, 3), KNOWN, 4)
    resumed.restore(strategy.state())
    assert resumed.observed == 9 and resumed.propose(9) == whole[9]


def test_known_points_that_are_not_allowed_are_replaced_by_random_ones_that_are():
    strategy = Prescreened(Auto(SPACE, 0), lambda point: sum(point) < 10)
    found = proposals(WarmStart(strategy, KNOWN, 3), 8)
    assert found[0] != KNOWN[0] and found[1] == KNOWN[1]
    assert all(sum(point) < 10 for point in found)


def test_another_attempt_at_a_first_trial_is_another_random_point():
    strategy = WarmStart(Auto(SPACE, 0), KNOWN, 2)
    tried = {strategy.propose(number, attempt=attempt) for number in (0, 2) for attempt in (1, 2)}
    assert len(tried) == 4 and not tried & set(KNOWN)


def test_the_random_points_are_spread_over_the_space():
    drawn = np.array([WarmStart(Auto(SPACE, seed), (), 1).propose(0) for seed in range(400)])
    assert np.all(np.abs((drawn == 0).mean(0) - 0.25) < 0.1)


def test_a_strategy_that_learns_only_from_its_own_proposals_is_refused():
    with pytest.raises(ValueError, match="ppo learns only from what it proposed itself"):
        WarmStart(PPO(SPACE), KNOWN)
