"""Which cells are trained once more before one is taken, and for how long."""

import re
import time
from types import SimpleNamespace

import numpy as np
import pytest

from nasnet_tf import search
from nasnet_tf.children.cells import FITS, CellChild
from nasnet_tf.children.equal_time import EqualTimeChild
from nasnet_tf.spaces import SPACES
from nasnet_tf.workflow import finalists
from nasnet_tf.workflow.budget import Budget
from nasnet_tf.workflow.finalists import best_rows, cheapest_published, plan_of
from nasnet_tf.workflow.first_trials import PUBLISHED
from nasnet_tf.workflow.options import SearchOptions
from nasnet_tf.workflow.side_by_side import Found
from nasnet_tf.workflow.table import read_trials


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


def test_where_the_time_is_short_the_published_cell_that_computes_least_is_taken():
    costs = [(0.1, PUBLISHED, 70), (0.2, PUBLISHED, 60), (None, PUBLISHED, 40), (0.5, "auto", 30)]
    rows = [
        {**row(number, reward, strategy), "multiply_adds": cost}
        for number, (reward, strategy, cost) in enumerate(costs)
    ]
    assert cheapest_published(rows)["trial"] == "1" and cheapest_published(rows[2:]) is None


@pytest.mark.parametrize(
    ("seconds", "epoch", "workers", "most", "asked", "expected"),
    [
        (1000, 10, 2, 9, None, (4, 7, 140)),  # 15 % of the time
        (1000, 35, 2, 9, None, (4, 2, 140)),
        (1000, 60, 2, 9, None, (2, 2, 120)),
        (1000, 150, 2, 9, None, (2, 1, 150)),
        (1000, 250, 2, 9, None, (0, 0, 0)),  # there is no time
        (1000, 10, 2, 3, None, (3, 7, 140)),  # there are three only
        (1000, 10, 2, 1, None, (0, 0, 0)),
        (1000, 10, 2, 9, 6, (6, 5, 150)),
        (1000, 10, 8, 9, None, (4, 10, 100)),
    ],
)
def test_cells_and_epochs_fit_their_share_of_the_time(
    seconds, epoch, workers, most, asked, expected
):
    assert plan_of(seconds, epoch, workers, most, asked)[:3] == expected


@pytest.mark.parametrize(
    ("share", "epochs", "images"), [(1.0, 4, 100), (0.5, 2, 100), (0.3, 2, 60), (1.6, 7, 91)]
)
def test_a_cell_that_takes_less_for_an_image_sees_more(monkeypatch, share, epochs, images):
    seen, space = {}, SPACES["nasnet"]()
    point = space.first
    genotype = space.decode(point)
    child = EqualTimeChild((8, 8, 3), 3, space=space, shares={genotype.to_json(): share})
    monkeypatch.setattr(
        CellChild,
        "fit",
        lambda self, values, model, x, y, epochs: seen.update(images=len(x), epochs=epochs),
    )
    child.fit(space.values(point), None, np.zeros(100), np.zeros(100), epochs=4)
    assert seen == {"images": images, "epochs": epochs} and EqualTimeChild.fit in FITS


@pytest.mark.slow
def test_the_better_finalist_is_what_a_search_delivers_and_it_is_not_trained_twice(tmp_path):
    tiny = dict(blocks=1, child_epochs=1, child_images=60, child_filters=2, num_cells=1, filters=4)
    given = dict(runs_dir=tmp_path, max_trials=4, finalists=2, workers=1, verbose=0, **tiny)
    found = search("digits", epochs=1, **given)
    trials = read_trials(tmp_path / "digits")
    reached = re.findall(r"([a-z ]+) (\d+) (0\.\d+)", found.facts["finalists"])
    assert len(reached) == 2 and float(reached[0][2]) >= float(reached[1][2])
    best = next(row for row in trials if row["trial"] == reached[0][1])
    assert found.facts["best_trial"] == best["trial"]
    assert found.genotype.to_json() == best["genotype"]
    assert "finalists" in (tmp_path / "digits" / "report.html").read_text()

    log = tmp_path / "digits" / "finalists" / "trials.log"
    before = log.read_bytes()
    longer = search("digits", epochs=2, resume=True, **given)
    assert longer.facts["finalists"] == found.facts["finalists"] and log.read_bytes() == before


def test_what_was_decided_stays_so_where_a_search_goes_on_with_less_time(monkeypatch, tmp_path):
    rows = {}
    for number, cost in enumerate((70, 60, 50)):
        more = {"multiply_adds": cost, "seconds": 1.0, "note": f"cell {number}"}
        rows[number] = row(number, 0.1 * (3 - number), PUBLISHED) | more
    table = SimpleNamespace(rows=rows, prefer=lambda row: None)
    folder = SimpleNamespace(path=tmp_path, table=table)
    search = SimpleNamespace(genotype=lambda trial: f"of {trial}")
    monitor = SimpleNamespace(search_of=lambda row: search)
    stages = SimpleNamespace(budget=Budget(10, time.monotonic()), say=lambda line: None)
    monkeypatch.setattr(finalists, "from_json", lambda text: text)
    best = Found("the best", None, rows[0], 0.0)

    def chosen(needed, trials=3):
        table.rows = dict(list(rows.items())[:trials])
        task = SimpleNamespace(final_seconds=lambda *_: needed, epoch_seconds=lambda *_, **__: None)
        options = SearchOptions(data="digits", num_cells=1)
        return finalists.choose(folder, task, options, best, monitor, None, stages).genotype

    assert chosen(needed=2000) == "of 2" and chosen(needed=100) == "of 2"
    assert chosen(needed=100, trials=2) == "the best"  # other trials, decided anew
    assert chosen(needed=2000, trials=2) == "the best"
    rows[3] = {**row(3, 0.2), "seconds": 1.0}  # a cell of the search itself
    assert chosen(needed=2000, trials=4) == "the best"


def test_finalists_go_on_if_further_trials_change_nothing_about_them(monkeypatch, tmp_path):
    monkeypatch.setattr(finalists, "from_json", lambda text: text)
    folder, workers = SimpleNamespace(path=tmp_path), SimpleNamespace(all=2)
    stages = SimpleNamespace(budget=Budget(10, time.monotonic()))
    options = SearchOptions(data="digits", num_cells=1)

    def decided(rewards, epoch):
        task = SimpleNamespace(final_seconds=lambda *_: 10, epoch_seconds=lambda *_, **__: epoch)
        rows = [row(number, reward) | {"seconds": 1.0} for number, reward in enumerate(rewards)]
        trained = {f"auto {each['trial']}": each for each in rows}
        return finalists._decided(folder, task, options, workers, stages, trained)

    first = decided([0.1, 0.5, 0.4, 0.3, 0.2], epoch=3.0)
    (tmp_path / "finalists").mkdir()
    later = decided([0.1, 0.5, 0.4, 0.3, 0.2, 0.15], epoch=2.5)
    assert later.plan == first.plan and (tmp_path / "finalists").is_dir()
    other = decided([0.1, 0.5, 0.4, 0.3, 0.2, 0.15, 0.9], epoch=2.5)
    assert other.cells[0] == "auto 6" and not (tmp_path / "finalists").exists()
