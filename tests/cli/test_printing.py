"""What the command prints: nothing that could command a terminal or a spreadsheet, and errors that
say whose they are.
"""

import csv
import json
import os
import pathlib
import re
import subprocess
import sys

import click
import pytest

from nasnet_tf.cli import main, printing
from nasnet_tf.spreadsheets import cell, original, read
from nasnet_tf.workflow import notices

command = sys.modules["nasnet_tf.cli.main"]


# ---- a terminal ----


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("daisy café 雛菊 👩‍🌾", "daisy café 雛菊 👩‍🌾"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("two\nlines\r", "two\\x0alines\\x0d"),
        ("a\tb", "a\tb"),
        ("gpj\u202egnp.exe", "gpj\\u202egnp.exe"),
        ("\u2028", "\\u2028"),
        (b"\xff.png".decode(errors="surrogateescape"), "\\udcff.png"),
    ],
)
def test_what_is_not_shown_but_acts_is_printed_as_its_code(text, shown):
    assert printing.visible(text) == shown


def test_results_and_errors_are_printed_visibly(capsys, tmp_path):
    folder = tmp_path / "\x1b[31mrun"
    assert main(["status", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\\x1b[31mrun holds no search" in said
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"data": "\x1b[2J"}))
    assert main(["status", str(folder)]) == 0
    assert capsys.readouterr().out == "asked: data \\x1b[2J\n"


def test_lines_beside_a_bar_are_printed_visibly(capsys):
    printing.bar().say("epoch \x1b[2J [red]1[/red]")
    assert capsys.readouterr().err == "epoch \\x1b[2J [red]1[/red]\n"


def test_one_place_prints():
    folder = pathlib.Path(command.__file__).parent
    printers = {
        path.name
        for path in folder.glob("*.py")
        if re.search(r"click\.echo\(|(?<![.\w])print\(", path.read_text())
    }
    assert printers == {"printing.py", "main.py"}


# ---- a spreadsheet ----

TEXTS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "'=1",
    "''=1",
    "'",
    "''a",
    "daisy",
    "",
    "a=1",
    "1",
    'say "hi", you',
]


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_is_a_formula_and_all_come_back(text):
    assert not cell(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    assert original(cell(text)) == text


def test_numbers_stay_numbers():
    assert [cell(value) for value in (-0.5, 3, None, True)] == [-0.5, 3, None, True]


def test_a_file_comes_back_as_it_was_written(tmp_path):
    with open(tmp_path / "a.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerows([["text", "number"], *([cell(text), -1.5] for text in TEXTS)])
    assert [(row["text"], float(row["number"])) for row in read(tmp_path / "a.csv")] == [
        (text, -1.5) for text in TEXTS
    ]


def test_the_table_of_a_search_holds_no_formula(tmp_path):
    from nasnet_tf.workflow.folder import SearchFolder

    run = SearchFolder(tmp_path / "a", {})
    run.claim()
    row = dict.fromkeys(run.shown.columns, "=HYPERLINK(0)") | {"reward": -0.25}
    run.table.rows["a", "0"] = row
    run.table.save()
    run.table.append(row)
    text = (tmp_path / "a" / "trials.csv").read_text()
    assert ",=" not in text and "\n=" not in text and ",-0.25," in text
    assert [found["note"] for found in read(tmp_path / "a" / "trials.csv")] == ["=HYPERLINK(0)"] * 2


# ---- whose an error is ----


def failing(monkeypatch, error):
    """A subcommand that fails with what the function `error` raises."""
    monkeypatch.setitem(command._COMMANDS, "fail", "Fails.")
    fail = click.Command("fail", callback=error)
    monkeypatch.setitem(sys.modules, "nasnet_tf.cli.fail", type(sys)("nasnet_tf.cli.fail"))
    sys.modules["nasnet_tf.cli.fail"].fail = fail


def slip():
    _first, _second = [1]  # a ValueError that nobody raised on purpose


def within_a_library():
    int("seven")


@pytest.mark.parametrize("error", [slip, within_a_library, lambda: {}["seven"], lambda: None.shape])
def test_a_fault_of_the_program_is_not_called_a_mistake_and_may_be_reported(
    capsys, monkeypatch, error
):
    failing(monkeypatch, error)
    assert main(["fail"]) == 1
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1
        and "nasnet-tf: unexpected" in said
        and "Please report it" in said
        and "--traceback" in said
    )


def test_a_mistake_that_the_package_names_is_one_line_and_status_2(capsys, monkeypatch):
    from nasnet_tf.data import load

    failing(monkeypatch, lambda: load("nowhere"))
    assert main(["fail"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("nasnet-tf: there is no data at 'nowhere'") and "report" not in said


@pytest.mark.parametrize("arguments", [["--traceback", "fail"], ["fail", "--traceback"]])
def test_the_traceback_is_shown_where_it_is_asked_for_with_the_cause(
    capsys, monkeypatch, arguments
):
    def error():
        try:
            int("seven")
        except ValueError:
            raise ValueError("no number") from None

    failing(monkeypatch, error)
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert (
        "Traceback" in said
        and "invalid literal for int()" in said
        and 'raise ValueError("no number")' in said
    )


def test_no_traceback_is_shown_otherwise(capsys, monkeypatch):
    failing(monkeypatch, slip)
    main(["fail"])
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--quiet", "fail"], ["fail", "-q"], ["fail"]])
def test_quiet_leaves_nothing_but_results_and_errors(capsys, monkeypatch, arguments):
    def talks():
        printing.bar().say("a note")
        with printing.bar() as stages:
            stages.say("a line")
        printing.show("a result")
        int("seven")

    failing(monkeypatch, talks)
    assert main(arguments) == 1
    out, said = capsys.readouterr()
    assert out == "a result\n" and "unexpected ValueError" in said
    assert ("a note" in said and "a line" in said) == (len(arguments) == 1)


def test_every_subcommand_has_the_shared_options():
    for name in command._COMMANDS:
        options = {option.name for option in command.cli.get_command(None, name).params}
        assert {"quiet", "traceback"} <= options


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "nasnet_tf", "status", "nowhere"], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.startswith("nasnet-tf: nowhere holds no search")


# ---- a run's folder ----


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "", "a/b", "/tmp/x", "a\\b", "C:x", "a\nb", "\x1bx"]
)
def test_a_name_that_leaves_the_folder_of_runs_is_refused(capsys, tmp_path, name):
    assert main(["search", "digits", "--name", name, "--runs-dir", str(tmp_path / "runs")]) == 2
    assert "--name is" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


# ---- TensorFlow ----


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_tensorflow_is_imported_without_a_word_whoever_does_it(backend):
    """Keras on JAX looks for TensorFlow long before it imports it."""
    if backend == "jax":
        pytest.importorskip("jax")
    code = (
        "from nasnet_tf.workflow import notices; notices.prepare(); import keras;"
        " keras.ops.zeros(1) + 1; import tensorflow as tf; tf.constant(1) + 1;"
        " print(tf.config.get_visible_devices('GPU'))"
    )
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_module_that_cannot_be_imported_still_says_so(monkeypatch):
    monkeypatch.setattr(
        sys,
        "meta_path",
        [finder for finder in sys.meta_path if not isinstance(finder, notices._Finder)],
    )
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), notices.without_notices():
        import no_such_module  # noqa: F401
