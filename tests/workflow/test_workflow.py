"""The command as Python functions: the same trials, options that are checked once, silence."""

import csv
import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from nasnet_tf import data as datasets
from nasnet_tf import search, workflow
from nasnet_tf.cli import main
from nasnet_tf.cli.options import as_typed
from nasnet_tf.workflow import SearchOptions

TINY = dict(
    max_trials=4,
    blocks=1,
    child_epochs=1,
    child_images=60,
    child_filters=2,
    num_cells=1,
    filters=4,
    epochs=1,
    workers=2,
    seed=3,
)


def rows(folder):
    """What may not differ between two searches of the same seed."""
    with open(folder / "trials.csv") as file:
        return sorted(
            (row["strategy"], row["trial"], row["genotype"]) for row in csv.DictReader(file)
        )


@pytest.mark.slow
def test_the_function_and_the_command_give_the_same_trials_for_the_same_seed(tmp_path, capsys):
    result = search("digits", runs_dir=tmp_path, name="function", verbose=0, **TINY)
    said = capsys.readouterr()
    assert said.out == said.err == ""
    options = [
        text for name, value in TINY.items() for text in (f"--{name.replace('_', '-')}", str(value))
    ]
    assert (
        main(
            [
                "search",
                "digits",
                "--runs-dir",
                str(tmp_path),
                "--name",
                "command",
                *options,
                "--json",
            ]
        )
        == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert rows(tmp_path / "function") == rows(tmp_path / "command") and len(result.trials) == 4
    assert printed.keys() == result.facts.keys()
    configs = [
        json.loads((tmp_path / name / "config.json").read_text())
        for name in ("function", "command")
    ]
    assert configs[0] == configs[1]

    assert result.folder == tmp_path / "function" and result.accuracy == result.facts["accuracy"]
    assert result.genotype.to_json() in [row["genotype"] for row in result.trials]
    best = max(row["reward"] for row in result.trials)
    assert best == result.facts["val_accuracy"] and type(result.trials[0]["parameters"]) is int
    assert result.model.output_shape == (None, 10) and result.model is result.model
    assert "test images right" in repr(result)

    again = search("digits", runs_dir=tmp_path, name="function", resume=True, verbose=0, **TINY)
    assert not again.is_new and again.facts == result.facts
    assert "nothing left to do, give more `minutes`" in again.summary


@pytest.mark.slow
def test_arrays_and_data_sets_are_searched_and_another_object_takes_the_reports(tmp_path):
    said = []

    class Notes(workflow.Stages):
        def begin(self, description):
            said.append(description)

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (90, 8, 8, 3), dtype=np.uint8), np.arange(90) % 3
    pair = (x[:60], y[:60]), (x[60:], y[60:])
    tiny = TINY | {"max_trials": 1}
    result = search(pair, runs_dir=tmp_path, baseline=False, progress=Notes, **tiny)
    assert result.facts["images"] == 30 and result.folder == tmp_path / "arrays"
    assert said == ["searching", "training", "testing", "drawing"]
    digits = datasets.load("digits")
    result = search(digits, runs_dir=tmp_path, baseline=False, verbose=0, **tiny)
    assert result.folder == tmp_path / "digits" and result.facts["images"] == len(digits.x_test)


def test_an_unknown_argument_is_an_error_with_the_nearest_name():
    with pytest.raises(TypeError, match="'max_trails', did you mean 'max_trials'"):
        search("digits", max_trails=3)
    with pytest.raises(TypeError, match="'epoch', did you mean 'epochs'"):
        workflow.train("nasnet_a", data="digits", epoch=3)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"minutes": 0}, ValueError, "`minutes` is 0; give a number, above 0"),
        ({"max_trials": 2.5}, TypeError, "`max_trials` is 2.5; give a whole number"),
        ({"strategy": "magic"}, ValueError, "`strategy` is 'magic'; give one of auto, "),
        ({"seed": None}, TypeError, "`seed` is None"),
        ({"soft_weight": 0}, ValueError, "below 0"),
        ({"name": "../x"}, ValueError, "`runs_dir` says where it lies"),
        ({"retry_failed": True}, ValueError, "add `resume=True`"),
        ({"blocks": 2, "space": "dna"}, ValueError, "leave `blocks` out"),
        ({"level": "word"}, ValueError, "`level` is for a text"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, given, error, says):
    with pytest.raises(error) as found:
        search("digits", **{"runs_dir": tmp_path, "max_trials": 1, "verbose": 0, **given})
    assert says in str(found.value)
    assert not list(tmp_path.iterdir())


def test_options_are_frozen():
    options = SearchOptions(data="digits", max_trials=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.max_trials = 4
    settled = options.with_budget({})
    assert options.child_images is None and settled.child_images == 2000 and settled.minutes is None
    assert SearchOptions(data="digits").with_budget({}).minutes == 10
    before = {"minutes": 5.0, "max_trials": None, "epochs": 2, "child_images": 100}
    resumed = SearchOptions(data="digits").with_budget(before)
    assert (resumed.minutes, resumed.epochs, resumed.child_images) == (5.0, 2, 100)


def test_messages_name_arguments_and_the_command_options():
    said = "add `resume=True`, `baseline=False` or `input_range='-1..1'`, give more `max_trials`"
    assert (
        as_typed(said)
        == "add --resume, --no-baseline or --input-range -1..1, give more --max-trials"
    )
    assert as_typed("a file `mine` of `fit`") == "a file `mine` of `fit`"


def test_the_package_is_imported_without_tensorflow_and_without_the_command():
    code = (
        "import sys, nasnet_tf; assert 'nasnet_tf.workflow' not in sys.modules; nasnet_tf.search;"
        " import nasnet_tf.workflow as w;[getattr(w, name) for name in w.__all__]; assert not"
        " {'tensorflow', 'keras', 'click'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_comparison_and_a_status_are_dictionaries(tmp_path):
    found = workflow.compare(strategies="random", budget=3, runs=2, workers=1, verbose=0)
    assert found["random"]["trainings"] == 3
    assert workflow.info("nasnet_a")["parameters"] == 3_383_786
    with pytest.raises(ValueError, match="holds no search"):
        workflow.status(tmp_path)
