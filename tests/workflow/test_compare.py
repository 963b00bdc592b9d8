"""`nasnet-tf compare`: strategies side by side on a table, from the command line to the page."""

import csv
import json
import subprocess
import sys

import pytest

from nasnet_tf.cli import main
from nasnet_tf.strategies import STRATEGIES
from nasnet_tf.workflow.contestants import contestants


@pytest.fixture
def table(tmp_path):
    """3 x 3 x 3 points; one failed; the best signal is not the best test."""
    path = tmp_path / "cells.csv"
    points = [
        (a, b, c) for a in range(3) for b in range(3) for c in range(3) if (a, b, c) != (2, 2, 2)
    ]
    rows = [
        f"{a},{b},{c},{a + b + c},{10 * (a + b + c) - 3 * (a == 2)},{1 + c}" for a, b, c in points
    ]
    path.write_text("a,b,c,signal,test,cost\n" + "\n".join(rows) + "\n")
    return path


def compared(capsys, *arguments):
    assert main(["compare", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def mistake(capsys, *arguments):
    assert main(["compare", *map(str, arguments)]) == 2
    said = capsys.readouterr()
    lines = said.err.strip().splitlines()
    assert not said.out and len(lines) == 1 and lines[0].startswith("nasnet-tf: ")
    return lines[0]


def test_each_strategy_has_its_figures(capsys, table):
    found = compared(
        capsys,
        "--table",
        table,
        "--strategies",
        "ppo,random",
        "--budget",
        12,
        "--runs",
        6,
        "--workers",
        1,
    )
    assert list(found) == ["ppo", "random"]
    for figures in found.values():
        assert (
            figures["runs"] == 6 and figures["trainings"] == 12 and 0 < figures["test_mean"] <= 50
        )
        assert (
            figures["regret_mean"] == pytest.approx(50 - figures["test_mean"])
            and figures["test_sem"] >= 0
        )


def test_the_figures_do_not_depend_on_the_processes_and_do_on_the_seed(capsys, table):
    given = (
        "--table",
        table,
        "--strategies",
        "random",
        "--budget",
        4,
        "--runs",
        30,
        "--noise",
        0.5,
    )
    one = compared(capsys, *given, "--workers", 1)
    assert compared(capsys, *given, "--workers", 2) == one
    assert compared(capsys, *given, "--workers", 1, "--seed", 1) != one


def test_through_the_oracle_they_find_the_same(capsys, table):
    given = ("--table", table, "--strategies", "random", "--budget", 8, "--runs", 2, "--workers", 1)
    direct, carried = (
        compared(capsys, *given)["random"],
        compared(capsys, *given, "--through-oracle")["random"],
    )
    assert {k: v for k, v in carried.items() if k != "cost"} == {
        k: v for k, v in direct.items() if k != "cost"
    }
    assert carried["cost"] <= direct["cost"]


def test_seconds_end_a_search(capsys, table):
    found = compared(
        capsys,
        "--table",
        table,
        "--strategies",
        "random",
        "--seconds",
        30,
        "--runs",
        20,
        "--workers",
        1,
    )["random"]
    assert 30 <= found["cost"] <= 33 and 11 <= found["trainings"] <= 30


def test_without_a_table_the_one_that_comes_along_is_searched_by_every_strategy(capsys):
    assert main(["compare", "--runs", "1", "--budget", "3", "--workers", "1"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert (
        said[0].startswith("digits: 441 networks, best test 9")
        and said[1].split()[0] == "test_mean"
    )
    assert {line.split()[0] for line in said[2:]} == set(STRATEGIES)


def test_the_page_and_the_curves_are_written_where_asked(capsys, table, tmp_path):
    out = tmp_path / "out"
    out.mkdir()  # such as an interrupted comparison leaves
    chosen = "random,ppo:minibatch=2,clip=0.3"
    found = compared(
        capsys,
        "--table",
        table,
        "--strategies",
        chosen,
        "--budget",
        5,
        "--runs",
        3,
        "--workers",
        1,
        "--out",
        out,
    )
    with open(out / "curves.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(row["strategy"], row["at"]) for row in rows] == [
        (s, str(n)) for s in found for n in range(1, 6)
    ]
    ends = {row["strategy"]: float(row["test_mean"]) for row in rows if row["at"] == "5"}
    assert ends == pytest.approx({label: figures["test_mean"] for label, figures in found.items()})
    page = (out / "report.html").read_text()
    assert (
        "data:image/svg+xml" in page
        and "ppo:minibatch=2,clip=0.3" in page
        and "26 networks, 3 decisions" in page
    )
    assert "exists already; add --overwrite" in mistake(capsys, "--table", table, "--out", out)
    assert compared(
        capsys,
        "--table",
        table,
        "--strategies",
        "random",
        "--budget",
        2,
        "--runs",
        1,
        "--out",
        out,
        "--overwrite",
    )


def test_a_search_in_which_everything_fails_is_told_and_drawn(capsys, tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("a,b,c,d,signal\n" + "".join(f"{i},{i},{i},{i},1\n" for i in range(100)))
    found = compared(
        capsys,
        "--table",
        path,
        "--strategies",
        "random",
        "--budget",
        3,
        "--runs",
        2,
        "--workers",
        1,
        "--out",
        tmp_path / "o",
    )
    assert (
        found["random"]["failed_runs"] == 2
        and found["random"]["test_mean"] is None
        and found["random"]["cost"] is None
    )


def test_settings_are_read_as_what_they_look_like():
    one, two, three = contestants(
        "ppo:minibatch=5,clip=0.1,normalise=false,random, reinforce:name=x"
    )
    assert (one.name, one.settings) == ("ppo", {"minibatch": 5, "clip": 0.1, "normalise": False})
    assert (
        one.label == "ppo:minibatch=5,clip=0.1,normalise=false"
        and type(one.settings["minibatch"]) is int
    )
    assert (two.name, two.settings, three.settings) == ("random", {}, {"name": "x"})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--strategies", "magic"], "no strategy 'magic'; there are auto, ppo"),
        (["--strategies", ""], "no strategy ''"),
        (["--strategies", "random,random"], "random is given twice"),
        (
            ["--strategies", "random:population=3"],
            "random:population=3: random does not take these settings",
        ),
        (["--strategies", "ppo:minibatch"], "'minibatch' is no setting; give name=value"),
        (["--strategies", "random,clip=0.1"], "no strategy 'clip=0.1'"),
        (["--strategies", "ppo:minibatch=0"], "minibatch"),
        (["--table", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--signal", "loss"], "there is no column 'loss' for the signal"),
        (["--budget", "0"], "--budget"),
        (["--runs", "0"], "--runs"),
        (["--seconds", "0"], "--seconds"),
        (["--noise", "-1"], "--noise"),
        (["--budget", "1000000"], "give 1 to 100000 trainings"),
    ],
)
def test_mistakes_are_one_line(capsys, table, arguments, says):
    assert says in mistake(capsys, "--table", table, *arguments)


def test_it_starts_without_tensorflow(table):
    code = (
        "import sys; from nasnet_tf.cli import main; assert main(sys.argv[1:]) == 0; assert not"
        " {'tensorflow', 'keras'} & set(sys.modules)"
    )
    arguments = ["compare", "--table", str(table), "--runs", "1", "--budget", "2", "--workers", "1"]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
