"""What every strategy promises in every kind of space: its seed decides, its state is the whole of
it, failures teach nothing.
"""

import numpy as np
import pytest
from searching import read_again, search

from nasnet_tf.spaces import (
    Choices,
    DNASpace,
    HierarchicalSpace,
    LayerwiseSpace,
    NASNetSpace,
    PNASSpace,
    RecurrentSpace,
)
from nasnet_tf.strategies import (
    STRATEGIES,
    AgingEvolution,
    Progressive,
    Reinforce,
    SuccessiveHalving,
    TournamentEvolution,
)

SIZES, NASNET = (3, 1, 4, 2), NASNetSpace().sizes
EVERY = pytest.mark.parametrize("kind", STRATEGIES.values(), ids=STRATEGIES)
EPOCHS = Choices([("a", range(30)), ("b", range(30)), ("epochs", (9, 1, 3))])
RECURRENT = RecurrentSpace()


# Strategies in their spaces: {name: what makes one of a seed}.
SYSTEMS = {name: lambda seed, kind=kind: kind(SIZES, seed) for name, kind in STRATEGIES.items()}
SYSTEMS |= {
    f"{name}, dna": lambda seed, kind=kind: kind(DNASpace(), seed)
    for name, kind in STRATEGIES.items()
    if kind.open
}
SYSTEMS |= {
    "progressive, growing cells": lambda seed: Progressive(
        PNASSpace(3, growing=True), seed, beam=30
    ),
    "aging-evolution, growing cells": lambda seed: AgingEvolution(PNASSpace(3, growing=True), seed),
    "successive-halving, epochs": lambda seed: SuccessiveHalving(EPOCHS, seed),
    "tournament-evolution, motifs": lambda seed: TournamentEvolution(HierarchicalSpace(), seed),
    "aging-evolution, recurrent": lambda seed: AgingEvolution(RECURRENT, seed),
    "reinforce, recurrent": lambda seed: Reinforce(RECURRENT, seed),
    "reinforce, deeper and deeper": lambda seed: Reinforce(
        LayerwiseSpace(8, fewest=4), seed, every=15, minibatch=4
    ),
}


def score(point):
    """A reward of any point."""
    return float(np.sin(sum(sum(str(part).encode()) for part in point)))


def go_on(strategy, numbers, out):
    """Proposes with three at work and observes out of order; the proposals."""
    made = []
    for number in numbers:
        made.append(strategy.propose(number, out))
        out.append(made[-1])
        if len(out) > 3:
            point = out.pop(number % 4)
            strategy.observe(point, None if number % 7 == 5 else score(point))  # some trials fail
    return made


@pytest.mark.parametrize("cut", [1, 33])
@pytest.mark.parametrize("name", SYSTEMS)
def test_restored_at_any_point_with_trials_out_it_goes_on_the_same_to_the_bit(name, cut):
    whole, before, after = (SYSTEMS[name](5) for _ in range(3))
    proposals = go_on(whole, range(45), [])
    out = []
    go_on(before, range(cut), out)
    after.restore(read_again(before.state()))
    assert go_on(after, range(cut, 45), out) == proposals[cut:]
    assert after.observed == whole.observed == 42
    if whole.open:
        assert after.parents() == whole.parents()
    for key, value in whole.state().items():
        np.testing.assert_array_equal(after.state()[key], value, err_msg=key)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_same_seed_is_the_same_search_and_seed_0_is_not_seed_1(name):
    def proposals(seed):
        return go_on(SYSTEMS[name](seed), range(20), [])

    assert proposals(0) == proposals(0) != proposals(1)


@EVERY
def test_a_proposal_depends_on_seed_number_and_observations_and_changes_nothing(kind):
    one, other = kind(NASNET, seed=0), kind(NASNET, seed=0)
    forward = [one.propose(number) for number in range(5)]
    assert [other.propose(number) for number in reversed(range(5))] == forward[::-1]
    assert len(set(forward)) == 5
    for choices in forward:
        assert all(
            type(choice) is int and 0 <= choice < size
            for choice, size in zip(choices, NASNET, strict=True)
        )


@EVERY
def test_a_state_is_a_copy(kind):
    strategy = kind((2, 2))
    state = strategy.state()
    kept = {key: value.copy() for key, value in state.items()}
    search(strategy, sum, 10)
    for key, value in kept.items():
        np.testing.assert_array_equal(state[key], value)


@EVERY
def test_no_reward_is_learned_for_a_failed_trial(kind):
    strategy, learned = kind((2, 2)), []
    strategy._learn = lambda choices, reward: learned.append(reward)
    for reward in (None, float("nan"), -0.5, None, -0.2, float("inf"), -0.9, None):
        strategy.observe((0, 0), reward)
    known = [reward for reward in learned if reward == reward and reward > -np.inf]
    assert known in ([-0.5, -0.2, -0.9], [-0.5, -0.2, -0.9, 0.0])
    assert strategy.observed == 8


@EVERY
@pytest.mark.parametrize("offset", [-1000.0, 0.5])
def test_failures_are_never_taken_for_the_best_whatever_the_rewards_are(kind, offset):
    """The rewards of a search that minimises are negative; of one that fails at first unknown."""

    def reward(choices):
        if choices[0] == 2 or not any(choices):
            return None
        return offset - sum((choice - 1) ** 2 for choice in choices)

    strategy = kind((5,) * 4, seed=1)
    for _ in range(6):
        strategy.observe((0, 0, 0, 0), None)
    made = search(strategy, reward, 70, start=6)
    failed = np.mean([reward(point) is None for point in made[40:]])
    assert failed < 0.5, "random search fails one time in five"
    archive = getattr(strategy, "archive", None)
    if archive is not None and kind.name != "successive-halving":
        assert np.isfinite(archive.rewards).all() and (archive.rewards <= offset).all()


@EVERY
def test_what_is_no_point_of_the_space_is_refused(kind):
    for choices in ((0,), (0, 3), (0, -1)):
        with pytest.raises(ValueError, match="no point of this space"):
            kind((2, 3)).observe(choices, 1.0)


@EVERY
def test_a_space_that_is_known_whole_ends_no_search(kind):
    strategy = kind((2, 2), seed=1)
    for number in range(60):
        strategy.observe(strategy.propose(number), float(number % 7))
