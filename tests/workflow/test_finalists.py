"""Which cells are trained once more before one is taken, and for how long."""

import pytest

from nasnet_tf.workflow.finalists import best_rows, plan_of
from nasnet_tf.workflow.first_trials import PUBLISHED


def row(trial, reward, strategy="auto", genotype=None):
    given = {"trial": str(trial), "reward": reward, "strategy": strategy}
    return {**given, "genotype": genotype or f"cell {trial}"}


def trials(found):
    return [one["trial"] for one in found]


def test_the_best_rows_come_first_and_failed_ones_not_at_all():
    rows = [row(0, 0.3), row(1, None), row(2, 0.5), row(3, 0.4)]
    assert trials(best_rows(rows, 2)) == ["2", "3"] and trials(best_rows(rows, 9)) == [
        "2",
        "3",
        "0",
    ]


def test_a_cell_is_there_once():
    rows = [row(0, 0.3), row(1, 0.5, genotype="same"), row(2, 0.4, genotype="same")]
    assert trials(best_rows(rows, 3)) == ["1", "0"]


def test_the_best_published_cell_is_always_among_them():
    rows = [row(0, 0.1, PUBLISHED), row(1, 0.2, PUBLISHED), row(2, 0.5), row(3, 0.4)]
    assert trials(best_rows(rows, 2)) == ["2", "1"] and trials(best_rows(rows, 3)) == [
        "2",
        "3",
        "1",
    ]
    assert trials(best_rows([*rows, row(4, 0.6, PUBLISHED)], 2)) == ["4", "2"]


@pytest.mark.parametrize(
    ("seconds", "epoch", "workers", "most", "asked", "expected"),
    [
        (1000, 10, 2, 9, None, (4, 10, 200)),  # a fifth of the time
        (1000, 40, 2, 9, None, (4, 2, 160)),
        (1000, 60, 2, 9, None, (2, 3, 180)),
        (1000, 150, 2, 9, None, (2, 1, 150)),
        (1000, 250, 2, 9, None, (0, 0, 0)),  # there is no time
        (1000, 10, 2, 3, None, (3, 10, 200)),  # there are three only
        (1000, 10, 2, 1, None, (0, 0, 0)),
        (1000, 10, 2, 9, 6, (6, 6, 180)),
        (1000, 10, 8, 9, None, (4, 10, 100)),
    ],
)
def test_cells_and_epochs_fit_a_fifth_of_the_time(seconds, epoch, workers, most, asked, expected):
    assert plan_of(seconds, epoch, workers, most, asked) == expected


def test_the_start_of_the_workers_counts():
    assert plan_of(1000, 10, 2, 9, None, start=100.0) == (4, 5, 200)
    assert plan_of(1000, 10, 2, 9, None, start=250.0) == (0, 0, 0)
