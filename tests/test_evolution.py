"""Searches that learn from a history of points: evolution, local search, level by level, halving."""

import numpy as np
import pytest

from nasnet_tf.strategies.archive import Archive

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
