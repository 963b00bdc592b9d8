"""What a search by `auto` begins with, and when it ends."""

import json
import time

import numpy as np
import pytest

from nasnet_tf.genotype import AMOEBANET_A, NASNET_A, PNASNET_5
from nasnet_tf.spaces import SPACES
from nasnet_tf.workflow.catalogue import known_points
from nasnet_tf.workflow.first_trials import PUBLISHED, FirstTrials, check
from nasnet_tf.workflow.folder import read_config
from nasnet_tf.workflow.options import SearchOptions
from nasnet_tf.workflow.pictures import PictureSearch
from nasnet_tf.workflow.search_clock import SearchClock
from nasnet_tf.workflow.sizes import seconds_to_train
from nasnet_tf.workflow.table import BASELINE

PUBLISHED_CELLS = {"nasnet_a": NASNET_A, "pnasnet_5": PNASNET_5, "amoebanet_a": AMOEBANET_A}


def options(**given):
    return SearchOptions(data="digits", **given).with_budget({})


def test_auto_has_a_warm_start_and_others_have_none():
    assert options().warm_start and not options(strategy="ppo").warm_start
    assert not options(warm_start=False).warm_start


def test_a_search_of_release_0_1_goes_on_without_one():
    before = SearchOptions(data="digits", resume=True).with_budget({"minutes": 1.0})
    assert before.warm_start is None


def test_a_warm_start_is_refused_for_a_strategy_that_learns_from_itself_alone():
    with pytest.raises(ValueError, match="`warm_start` is for .*auto.*; ppo learns from what"):
        check(options(strategy="ppo", warm_start=True))


@pytest.mark.parametrize("name", ["nasnet", "amoeba"])
def test_the_known_cells_have_the_blocks_that_were_published(name):
    space = SPACES[name]()
    found = {known: space.decode(point) for known, point in known_points(space).items()}
    assert set(found) == set(PUBLISHED_CELLS)
    for known, genotype in found.items():
        for cell, published in zip(genotype, PUBLISHED_CELLS[known], strict=True):
            assert cell.blocks == published.blocks


def test_a_space_without_published_points_knows_none():
    assert known_points(SPACES["darts"]()) == {}
    assert known_points(SPACES["nasnet"](num_blocks=2)) == {}


@pytest.mark.parametrize(
    ("trials", "known", "random"), [(None, 3, 5), (20, 3, 5), (8, 2, 2), (4, 1, 1), (3, 0, 0)]
)
def test_of_few_trials_most_are_the_strategys(trials, known, random):
    first = FirstTrials.of(options(max_trials=trials, minutes=1.0), SPACES["nasnet"]())
    assert (len(first.known), first.num_random) == (known, random)


def test_the_first_trials_are_labelled_by_what_they_are():
    space = SPACES["nasnet"]()
    first = FirstTrials.of(options(), space)
    known = space.decode(known_points(space)["pnasnet_5"])
    assert first.label(1, known, "auto") == (PUBLISHED, "pnasnet_5")
    assert first.label(1, NASNET_A, "auto") == (BASELINE, "")  # it was not allowed
    assert first.label(3, known, "auto") == (BASELINE, "")
    assert first.label(8, known, "auto") == ("auto", "")


def clock(limit, ends, needed, said, workers=2, least=0, **known):
    now = time.monotonic()
    return SearchClock(
        now + least,
        now + limit,
        now + ends,
        workers,
        lambda genotype, seconds: needed,
        said.append,
        **known,
    )


def test_a_search_whose_network_needs_little_has_its_whole_share():
    said = []
    found = clock(450, 1000, 100, said)
    before = found.limit
    for _ in range(5):
        found.trained(None, 2.0)
    assert found.limit == before and not found.is_over and not said


def test_a_search_ends_early_enough_for_the_network_at_the_end():
    said = []
    found = clock(450, 1000, 800, said)
    for _ in range(5):
        found.trained(None, 2.0)
    assert 190 < found.limit - time.monotonic() < 201 and not found.is_over and not said


def test_a_search_with_time_for_hardly_any_cell_ends_at_once():
    said = []
    found = clock(450, 1000, 900, said)
    for _ in range(5):
        found.trained(None, 30.0)
        assert found.is_over
    assert len(said) == 1 and "needs about 900 s" in said[0]
    assert 20 < found.last_moment - time.monotonic() < 31  # a child that is trained may end


def test_a_search_has_its_least_share_however_long_the_network_takes():
    said = []
    found = clock(450, 1000, 1900, said, least=120)
    for _ in range(5):
        found.trained(None, 9.0)
    assert 110 < found.limit - time.monotonic() < 121 and not said


def test_a_network_that_has_not_half_the_time_it_needs_has_all_of_it():
    said = []
    found = clock(450, 1000, 2100, said, least=120)
    found.trained(None, 9.0)
    assert found.is_over and len(said) == 1


@pytest.mark.parametrize(("judges", "over"), [(99, True), (100, False), (None, False)])
def test_few_validation_images_end_a_search_after_the_known_cells(judges, over):
    said = []
    found = clock(450, 1000, 100, said, known=3, judges=judges)
    for _ in range(3):
        assert not found.is_over
        found.trained(None, 2.0)
    assert found.is_over == over and len(said) == over
    found.trained(None, 2.0)
    assert found.is_over == over and len(said) == over


def test_the_known_cells_are_tried_first_where_that_costs_little():
    said = []
    cheap, dear = (clock(450, 1000, 2100, said, known=3) for _ in range(2))
    for _ in range(2):
        cheap.trained(None, 9.0)
    assert not cheap.is_over
    cheap.trained(None, 9.0)
    dear.trained(None, 60.0)
    assert cheap.is_over and dear.is_over


def test_what_is_not_known_or_not_limited_changes_nothing():
    unknown, unlimited = clock(450, 1000, None, []), clock(450, 1000, 900, [])
    unlimited.limit = None
    for found in (unknown, unlimited):
        for _ in range(5):
            found.trained(None, 30.0)
        assert not found.is_over


def test_the_time_of_a_training_grows_with_images_and_shrinks_with_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0}, raising=False)
    assert seconds_to_train(640, 6.4) == pytest.approx(30 * 6.4)  # thirty epochs
    assert seconds_to_train(10**6, 10**4) == pytest.approx(6000 * 64 * 0.01)  # or steps
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1}, raising=False)
    assert 96 < seconds_to_train(640, 6.4) < 192


def test_the_network_at_the_end_takes_longer_by_its_images_and_its_multiply_adds():
    options = SearchOptions(
        data="digits", child_cells=1, child_filters=8, num_cells=1, filters=8, child_images=100
    )
    task = PictureSearch(options, SPACES["nasnet"]())
    images = len(task.data.x_train)
    # an epoch of a network as large as the child, on all images instead of a hundred
    assert task.epoch_seconds(NASNET_A, 6.0) == pytest.approx(2.0 * images / 100)
    task.options = options.replaced(filters=16)
    assert 4.0 * images / 100 < task.epoch_seconds(NASNET_A, 6.0) < 8.0 * images / 100
    assert task.final_seconds(NASNET_A, 6.0) == pytest.approx(
        seconds_to_train(images, task.epoch_seconds(NASNET_A, 6.0))
    )


def pictures(side=32, **given):
    """A search on random pictures."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (60, side, side, 3)).astype("uint8")
    given = {"child_cells": 1, "child_filters": 8, "num_cells": 1, "filters": 8, **given}
    options = SearchOptions(data=((x, np.arange(60) % 3),), **given).with_budget({})
    return PictureSearch(options, SPACES[given.get("space", "nasnet")]())


def test_children_see_pictures_of_half_the_side_where_these_are_not_tiny():
    assert pictures(32).child_shape == (16, 16, 3) and pictures(25).child_shape == (13, 13, 3)
    assert pictures(23).child_shape == (23, 23, 3)
    assert pictures(32, child_image_size=20).child_shape == (20, 20, 3)
    assert pictures(32, child_image_size=32).child_shape == (32, 32, 3)
    assert pictures(64).child()["stem"] == "imagenet"  # that of the network at the end


def test_half_of_the_side_is_a_quarter_of_the_time():
    task = pictures(32)
    whole, small = (task.epoch_seconds(NASNET_A, 6.0, small) for small in (False, True))
    assert whole == pytest.approx(4 * small)
    x, _, validation, _ = task.some(30, task.child_shape)
    assert (
        x.shape == (30, 16, 16, 3) and x.dtype == np.uint8 and validation.shape[1:] == x.shape[1:]
    )


def test_a_search_of_release_0_1_goes_on_with_whole_pictures(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"minutes": 1.0}))
    before = read_config(tmp_path)
    options = SearchOptions(data="digits", resume=True).with_budget(before)
    assert options.child_image_size > 1000
