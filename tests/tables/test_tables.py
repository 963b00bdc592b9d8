"""Tables of trainings: read whole or refused by line; searches of them keep to the budget and
report the incumbent.
"""

import collections
import csv
import gzip
import itertools
import json
import pathlib

import numpy as np
import pytest

from nasnet_tf.genotype import Block, Cell, Genotype, NASBench201, unused
from nasnet_tf.spaces import Choices, NASNetSpace
from nasnet_tf.strategies import PPO, RandomSearch, Strategy
from nasnet_tf.tables.comparison import curve, seed_of, summary
from nasnet_tf.tables.table import DIGITS, Figures, Table
from nasnet_tf.tables.tabular import History, Trainings, simulate

SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data"
NB201 = SHARED / "nas_bench_201" / "nb201_merged.csv.gz"
LANAS = SHARED / "lanas_nasnet_space" / "lanas_trace.jsonl.gz"


@pytest.fixture
def read(tmp_path):
    """A function: text of a CSV -> the table in it."""

    def read(text, **columns):
        path = tmp_path / "cells.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Table.read(path, **columns)

    return read


def refused(read, text, **columns):
    """The one sentence a bad table is refused with."""
    with pytest.raises(ValueError) as error:
        read(text, **columns)
    assert "\n" not in str(error.value) and "cells.csv" in str(error.value)
    return str(error.value)


class Told(Strategy):
    """Proposes what it is told, and keeps what it hears."""

    def __init__(self, space, points):
        super().__init__(space)
        self.points, self.heard = points, []

    def propose(self, number, pending=(), attempt=0):
        return self.points[number % len(self.points)]

    def observe(self, choices, reward):
        self.heard.append(reward)


# ---- reading ----


def test_a_column_is_a_decision_and_its_values_are_the_options_in_order_of_appearance(read):
    table = read("width,op,signal,test,cost\n16,pool,1,10,5\n8,conv,2,20,6\n16,conv,3,30,7\n")
    assert table.space.decisions == (("width", ("16", "8")), ("op", ("pool", "conv")))
    assert (
        table.get((0, 0)) == (1, 10, 5)
        and table.get((1, 1)) == (2, 20, 6)
        and table.get((0, 1)) == (3, 30, 7)
    )
    assert table.get((1, 0)) is None  # no row: a failed training
    assert (len(table), table.best, table.mean_cost, table.name) == (3, 30, 6, "cells")


def test_test_is_the_signal_and_cost_is_nothing_where_there_is_no_such_column(read):
    table = read("a,signal\nx,0.5\ny,0.7\n")
    assert table.get((1,)) == (0.7, 0.7, 0.0) and not table.timed


def test_other_columns_can_hold_the_figures(read):
    table = read("a,val,acc,signal\nx,0.5,0.6,9\ny,0.7,0.8,9\n", signal="val", test="acc")
    assert table.get((1,)) == (0.7, 0.8, 0.0) and len(table.space.decisions) == 1


def test_gzip_quotes_spaces_line_ends_and_the_mark_of_excel_do_not_matter(tmp_path):
    path = tmp_path / "cells.csv.gz"
    path.write_bytes(gzip.compress('\ufeffa , signal\r\n"x, y",0.5\r\n\r\nz, 0.7\r\n'.encode()))
    table = Table.read(path)
    assert (
        table.space.decisions == (("a", ("x, y", "z")),)
        and table.get((1,)).signal == 0.7
        and table.name == "cells"
    )


GOOD = "a,b,signal\n1,1,0.5\n1,2,0.6\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "a,b,reward\n1,1,0.5\n",
            "line 1: there is no column 'signal' for the signal; there are a, b, reward",
        ),
        (GOOD + "2,1,\n", "line 4: signal is ''; give a number, or leave the row out"),
        (GOOD + "2,1,good\n", "line 4: signal is 'good'"),
        (GOOD + "2,1,nan\n", "line 4: signal is 'nan'"),
        (GOOD + "2,1,inf\n", "line 4: signal is 'inf'"),
        (GOOD + "1,2,0.9\n", "line 4: the same network as line 3"),
        (GOOD + "2,0.9\n", "line 4: 2 fields, but there are 3 columns"),
        (GOOD + ",1,0.9\n", "line 4: a is empty"),
        (GOOD + '"2,1,0.9\n', "line 4: not CSV"),
        (GOOD.encode() + b"\xff\xfe,1,0.9\n", "line 4: not UTF-8"),
        ("a,signal,cost\n1,2,-3\n", "line 2: cost is -3; give seconds of at least 0"),
        (
            "a,a,signal\n1,1,1\n",
            "line 1: columns need a name of one line each, every name once; got 'a' wrong",
        ),
        ("signal,test\n1,1\n", "line 1: there are only metrics"),
        ("a,signal\n", "the table has no rows"),
        ("", "the table has no rows"),
        (",".join(f"d{i}" for i in range(1000)) + ",signal\n", "line 1: 1001 columns are too many"),
        (
            "i,signal\n" + "".join(f"{i},0\n" for i in range(1002)),
            "line 1002: i has more than 1000 distinct values",
        ),
        ("a,signal\n" + "x" * 200_000, "line 2: longer than 100,000 bytes"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-20], "not a whole gzip file"),
    ],
    ids=lambda value: value[-40:] if isinstance(value, str) else None,
)
def test_a_bad_table_is_refused_in_one_sentence_that_names_the_line(read, text, says):
    assert says in refused(read, text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv: no such file"):
        Table.read(tmp_path / "none.csv")


def test_a_small_file_that_unpacks_to_a_huge_one_is_not_read_to_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("nasnet_tf.tables.rows._LARGEST_FILE", 10_000)
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"a,signal\n" + b"1,0.50000\n" * 10_000))
    with pytest.raises(ValueError, match=r"line 1001: more than 10,000 bytes"):
        Table.read(path)


def test_so_many_rows_and_no_more(read, monkeypatch):
    monkeypatch.setattr("nasnet_tf.tables.rows._MOST_ROWS", 2)
    assert len(read(GOOD)) == 2
    assert "line 4: too many rows (at most 2)" in refused(read, GOOD + "2,2,1\n")


# ---- genotypes ----


def rows_of(genotypes):
    return "".join(
        f'"{genotype.to_json().replace(chr(34), chr(34) * 2)}",{number}\n'
        for number, genotype in enumerate(genotypes)
    )


def one_block(*sides, concat=None):
    blocks = (Block(*sides),)
    return Cell(blocks, unused(blocks) if concat is None else concat)


NORMAL, SWAPPED = (
    one_block(0, "identity", 1, "max_pool_3x3"),
    one_block(1, "max_pool_3x3", 0, "identity"),
)
REDUCTION = one_block(0, "sep_conv_3x3", 0, "identity")


def test_genotypes_are_points_of_the_nasnet_space_of_what_occurs(read):
    table = read(
        "genotype,signal\n" + rows_of([Genotype(NORMAL, REDUCTION), Genotype(REDUCTION, REDUCTION)])
    )
    assert isinstance(table.space, NASNetSpace)
    assert (table.space.num_blocks, table.space.operations) == (
        1,
        ("identity", "max_pool_3x3", "sep_conv_3x3"),
    )
    assert table.space.combinations == ("add",)
    assert table.get(table.space.encode(Genotype(REDUCTION, REDUCTION))).signal == 1
    assert table.get(table.space.encode(Genotype(NORMAL, NORMAL))) is None


def test_the_same_network_under_another_name_has_the_same_figures(read):
    table = read("genotype,signal\n" + rows_of([Genotype(NORMAL, REDUCTION)]))
    assert table.get(table.space.encode(Genotype(SWAPPED, REDUCTION))) == (0, 0, 0)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (Genotype(SWAPPED, REDUCTION), "line 3: the same network as line 2"),
        (
            Genotype(NORMAL, one_block(0, "identity", 1, "identity", concat=(1, 2))),
            "line 3: reduction cell: concat is (1, 2)",
        ),
        (
            Genotype(NORMAL, Cell(NORMAL.blocks * 2, (2, 3))),
            "line 3: reduction cell: 2 blocks; this space has 1",
        ),
    ],
)
def test_a_genotype_that_does_not_fit_is_named_by_line(read, second, says):
    assert says in refused(
        read, "genotype,signal\n" + rows_of([Genotype(NORMAL, REDUCTION), second])
    )


def test_a_genotype_that_is_no_json_is_named_by_line(read):
    assert "line 2: not a whole genotype JSON" in refused(read, "genotype,signal\n{oops,1\n")


@pytest.mark.skipif(not LANAS.exists(), reason="the LaNAS trace is not here")
def test_trained_networks_of_seven_blocks_are_found_again(read):
    names = {"skip_connect": "identity"}
    accuracies = {}
    with gzip.open(LANAS, "rt") as file:
        for line in itertools.islice(file, 300):
            net = json.loads(line)
            sides = [
                (names.get(op, op), {0: 1, 1: 0}.get(i, i))
                for left, a, right, b in net["blocks"]
                for op, i in ((left, a), (right, b))
            ]
            blocks = tuple(
                Block(a[1], a[0], b[1], b[0]) for a, b in zip(sides[::2], sides[1::2], strict=True)
            )
            cell = Cell(blocks, unused(blocks))
            accuracies.setdefault(
                Genotype(cell, cell).canonical_key(), (Genotype(cell, cell), net["acc"])
            )
    text = "".join(
        '"{}",{}\n'.format(g.to_json().replace('"', '""'), accuracy)
        for g, accuracy in accuracies.values()
    )
    table = read("genotype,signal\n" + text)
    assert (
        len(table) == len(accuracies) > 250
        and table.space.num_blocks == 7
        and len(table.space.operations) == 4
    )
    for genotype, accuracy in accuracies.values():
        assert table.get(table.space.encode(genotype)).test == accuracy


# ---- NAS-Bench-201 ----

needs_nb201 = pytest.mark.skipif(not NB201.exists(), reason="the NAS-Bench-201 table is not here")


@pytest.fixture(scope="module")
def nb201():
    return Table.read(NB201)


@needs_nb201
def test_nas_bench_201_is_its_six_edges_and_every_cell_is_there(nb201):
    assert (len(nb201), nb201.space.size, nb201.space.sizes) == (15625, 15625, (5,) * 6)
    assert nb201.best == pytest.approx(94.3733) and nb201.mean_cost == pytest.approx(
        109.7, abs=0.05
    )
    arch = (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
        "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    assert nb201.get(nb201.space.encode(NASBench201.from_arch(arch))) == (
        63.364,
        85.8633,
        86.653,
    )  # line 2 of the file


@needs_nb201
def test_twins_in_nas_bench_201_were_trained_each_by_itself(nb201):
    space, rest = nb201.space, dict.fromkeys(("edge_1_2", "edge_0_3"), "none")
    by_1 = dict(edge_0_1="nor_conv_3x3", edge_1_3="skip_connect", edge_0_2="none", edge_2_3="none")
    by_2 = dict(edge_0_2="nor_conv_3x3", edge_2_3="skip_connect", edge_0_1="none", edge_1_3="none")
    one, other = (space.encode(NASBench201(**rest, **edges)) for edges in (by_1, by_2))
    assert space.key(one) == space.key(other) and nb201.get(one) != nb201.get(other)


@needs_nb201
def test_other_columns_of_nas_bench_201_are_other_data_sets():
    assert Table.read(NB201, signal="c100_val_12", test="c100_test_200").best == pytest.approx(
        73.5133
    )
    with pytest.raises(ValueError, match="no column 'c1000' for the test"):
        Table.read(NB201, test="c1000")


def test_a_string_that_is_not_of_nas_bench_201_is_named_by_line(read):
    arch = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    head = "arch,c10valid_12,c10_test_200\n"
    assert len(read(f"{head}{arch},1,2\n")) == 1
    assert "line 3: edge_0_1 is 'conv'" in refused(
        read, f"{head}{arch},1,2\n{arch.replace('none', 'conv')},1,2\n"
    )
    assert "line 3: '|none~0|' is no cell" in refused(read, f"{head}{arch},1,2\n|none~0|,1,2\n")
    assert "line 3: the same network as line 2" in refused(read, f"{head}{arch},1,2\n{arch},1,3\n")


@needs_nb201
def test_random_search_finds_what_was_published(nb201):
    """Dong & Yang 2020, arXiv 2001.00326: 93.70 +- 0.36 on CIFAR-10 in 12,000 seconds, 500 runs."""
    histories = [
        simulate(RandomSearch(nb201.space, seed_of(0, run)), nb201, seconds=12_000)
        for run in range(150)
    ]
    found = summary(histories, nb201)
    assert found["test_mean"] == pytest.approx(93.70, abs=0.1 + 2 * found["test_sem"])
    assert found["trainings"] == pytest.approx(110, abs=1)


@needs_nb201
@pytest.mark.slow
def test_random_search_finds_what_was_published_within_a_tenth(nb201):
    histories = [
        simulate(RandomSearch(nb201.space, seed_of(0, run)), nb201, seconds=12_000)
        for run in range(500)
    ]
    assert summary(histories, nb201)["test_mean"] == pytest.approx(93.70, abs=0.1)


# ---- searches ----

SMALL = Table(
    Choices.of_sizes((2, 2)),
    {
        (0, 0): Figures(0.5, 50.0, 10.0),
        (0, 1): Figures(0.9, 70.0, 20.0),
        (1, 0): Figures(0.7, 90.0, 30.0),
    },
)


def test_the_incumbent_has_the_best_signal_so_far_and_is_reported_with_its_own_test():
    strategy = Told(SMALL.space, [(0, 0), (1, 0), (1, 1), (0, 1), (1, 0)])
    found = simulate(strategy, SMALL, budget=5)
    assert found.signal.tolist() == [0.5, 0.7, 0.7, 0.9, 0.9]
    assert found.test.tolist() == [50, 90, 90, 70, 70]  # 90 is better, but the search cannot know
    assert found.cost.tolist() == [
        10,
        40,
        60,
        80,
        110,
    ]  # the failed training at the mean of 20; the repeated one again
    assert strategy.heard == [0.5, 0.7, None, 0.9, 0.7]


def test_there_is_no_incumbent_before_a_training_succeeds():
    found = simulate(Told(SMALL.space, [(1, 1), (0, 0)]), SMALL, budget=2)
    assert np.isnan(found.test[0]) and np.isnan(found.signal[0]) and found.test[1] == 50


def test_of_equal_signals_the_first_stays():
    table = Table(
        Choices.of_sizes((2,)), {(0,): Figures(0.5, 1.0, 0.0), (1,): Figures(0.5, 2.0, 0.0)}
    )
    assert simulate(Told(table.space, [(1,), (0,)]), table, budget=2).test.tolist() == [2, 2]


@pytest.mark.parametrize(("seconds", "trainings"), [(9, 1), (10, 1), (10.5, 2), (20, 2), (21, 3)])
def test_no_training_begins_once_the_seconds_are_spent_and_the_last_counts_whole(
    seconds, trainings
):
    found = simulate(Told(SMALL.space, [(0, 0)]), SMALL, seconds=seconds)
    assert found.cost.tolist() == [10.0 * n for n in range(1, trainings + 1)]


def test_a_search_that_only_fails_ends_too():
    assert len(simulate(Told(SMALL.space, [(1, 1)]), SMALL, seconds=100).cost) == 5


def test_noise_is_drawn_anew_for_each_training_and_repeats_with_the_seed():
    def heard(seed, noise=0.1):
        strategy = Told(SMALL.space, [(0, 0)])
        simulate(strategy, SMALL, budget=400, noise=noise, seed=seed)
        return np.array(strategy.heard)

    assert heard(0).mean() == pytest.approx(0.5, abs=0.02) and heard(0).std() == pytest.approx(
        0.1, rel=0.15
    )
    assert len(set(heard(0))) == 400
    assert (heard(0) == heard(0)).all() and (heard(0) != heard(1)).all()
    assert (heard(0, noise=0.0) == 0.5).all()


def test_noise_can_mislead_the_choice_but_not_the_report():
    found = [
        simulate(Told(SMALL.space, [(0, 1), (1, 0)]), SMALL, budget=2, noise=0.3, seed=seed).test[
            -1
        ]
        for seed in range(300)
    ]
    share = collections.Counter(found)
    assert set(share) == {70, 90}
    assert share[90] / 300 == pytest.approx(0.319, abs=0.08)  # P(N(0.7 - 0.9, 0.3 sqrt 2) > 0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "needs an end"),
        ({"budget": 0}, "budget is 0"),
        ({"budget": 10**9}, "budget is 1000000000"),
        ({"seconds": 0}, "seconds is 0"),
        ({"seconds": float("inf")}, "seconds is inf"),
        ({"budget": 1, "noise": -1}, "noise is -1"),
    ],
)
def test_a_search_without_a_sound_end_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        Trainings(SMALL, **given)


def test_seconds_need_a_table_that_knows_them(read):
    with pytest.raises(
        ValueError,
        match=(
            "cells does not say what a training costs, so seconds cannot end a search; give a"
            " budget .*--budget.*--cost"
        ),
    ):
        Trainings(read(GOOD), seconds=5)


def test_a_table_needs_rows():
    with pytest.raises(ValueError, match="at least one row"):
        Table(SMALL.space, {})


def test_a_point_without_figures_has_those_of_its_twin():
    space = NASNetSpace(1, ("identity", "max_pool_3x3"), ("add",))
    one, other = (space.encode(Genotype(cell, NORMAL)) for cell in (NORMAL, SWAPPED))
    assert Table(space, {one: Figures(1.0, 2.0, 3.0)}).get(other) == (1.0, 2.0, 3.0)
    both = Table(space, {one: Figures(1.0, 2.0, 3.0), other: Figures(4.0, 5.0, 6.0)})
    assert (both.get(one).signal, both.get(other).signal) == (1.0, 4.0)
    assert both.get(space.encode(Genotype(NORMAL, SWAPPED))) == both.get(one)


@pytest.mark.parametrize("kind", [RandomSearch, PPO], ids=lambda kind: kind.name)
def test_a_search_through_keras_tuner_is_the_same_search(kind):
    from nasnet_tf.tables.studied import simulate as through

    points = itertools.product(range(3), range(3), range(2))
    table = Table(
        Choices.of_sizes((3, 3, 2)),
        {p: Figures(float(sum(p)), float(sum(p)), 1.0) for p in points if sum(p)},
    )
    direct = simulate(kind(table.space, 5), table, budget=40)
    carried = through(kind, table, budget=40, strategy_seed=5)
    np.testing.assert_array_equal(carried.signal, direct.signal)
    np.testing.assert_array_equal(carried.test, direct.test)
    assert (
        carried.cost[-1] <= 18 + 40 * table.mean_cost < direct.cost[-1] + 40
    )  # twins of what succeeded cost nothing


def test_a_search_through_keras_tuner_keeps_to_the_seconds():
    from nasnet_tf.tables.studied import simulate as through

    found = through(
        lambda space, seed: Told(space, [(0, 0), (0, 0), (0, 1), (1, 0)]), SMALL, seconds=30
    )
    assert found.cost.tolist() == [10, 10, 30]


# ---- many searches ----


def history(*tests, cost=10.0):
    """Signals that are their tests over 100."""
    return History(
        np.array(tests) / 100, np.array(tests, dtype=float), cost * np.arange(1, len(tests) + 1)
    )


NAN = float("nan")


def test_the_summary_is_of_the_last_incumbents():
    found = summary([history(50, 90), history(70, 70), history(60, 80), history(NAN, NAN)], SMALL)
    assert (found["runs"], found["failed_runs"], found["trainings"], found["cost"]) == (4, 1, 2, 20)
    assert found["test_mean"] == pytest.approx(80) and found["signal_mean"] == pytest.approx(0.8)
    assert found["test_std"] == pytest.approx(10) and found["test_sem"] == pytest.approx(
        10 / 3**0.5
    )
    assert (found["test_best"], found["regret_mean"]) == (90, pytest.approx(10)) and found[
        "best_found"
    ] == pytest.approx(1 / 3)


def test_what_nothing_can_tell_is_none():
    nothing = summary([history(NAN)], SMALL)
    assert {
        nothing[name]
        for name in ("test_mean", "test_sem", "test_best", "regret_mean", "best_found")
    } == {None}
    assert summary([history(50)], SMALL)["test_sem"] is None


def test_the_curve_over_trainings_is_the_mean_of_the_runs_that_have_an_incumbent():
    found = curve([history(NAN, 50, 60), history(70, 70)], SMALL)
    assert found.at.tolist() == [1, 2, 3] and found.runs.tolist() == [1, 2, 2]
    assert found.test_mean.tolist() == [70, 60, 65] and found.regret_mean.tolist() == [20, 30, 25]
    assert np.isnan(found.test_sem[0]) and found.test_sem[1] == pytest.approx(
        np.std([50, 70], ddof=1) / 2**0.5
    )


def test_the_curve_over_seconds_knows_a_training_when_it_has_ended():
    found = curve([history(50, 60, cost=10), history(70, cost=15)], SMALL, seconds=20)
    at = dict(
        zip(
            np.round(found.at, 6).tolist(),
            zip(found.runs, found.test_mean, strict=True),
            strict=True,
        )
    )
    assert (
        at[9.9][0] == 0
        and at[10] == (1, 50)
        and at[14.9] == (1, 50)
        and at[15] == (2, 60)
        and at[20] == (2, 65)
    )


def test_each_run_has_a_seed_of_its_own():
    assert len({seed_of(seed, run) for seed in range(20) for run in range(500)}) == 10_000


# ---- the table that comes along ----


def test_the_table_that_comes_along_is_complete_and_real():
    table = Table.read(DIGITS)
    assert isinstance(table.space, NASNetSpace) and table.space.num_blocks == 1
    assert (
        len({table.space.key(point) for point in itertools.product(*map(range, table.space.sizes))})
        == len(table)
        == 441
    )
    assert all(table.get(point) for point in itertools.product(*map(range, table.space.sizes)))
    with gzip.open(DIGITS, "rt") as file:
        rows = list(csv.DictReader(file))
    signal, test = (np.array([float(row[name]) for row in rows]) for name in ("signal", "test"))
    assert (
        10 <= signal.min() < signal.max() <= 100
        and test.mean() > signal.mean()
        and np.corrcoef(signal, test)[0, 1] > 0.2
    )
    assert table.timed and table.mean_cost > 0
