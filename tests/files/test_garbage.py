"""Whatever stands in a file or on the command line: an answer, or one line that says what is wrong;
never a traceback.
"""

import copy
import json
import random
import shutil

import keras_tuner
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nasnet_tf import genotype as genotypes
from nasnet_tf.cli import main
from nasnet_tf.evaluation import Table
from nasnet_tf.genotype import NAMED, Genotype, NASBench201, RecurrentCell
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.training.recipe import RECIPES, Recipe
from nasnet_tf.tuners import StrategyOracle
from nasnet_tf.workflow import status
from nasnet_tf.workflow.folder import SearchFolder

SPACE = NASNetSpace(2)
INPUTS = dict(deadline=None, suppress_health_check=list(HealthCheck))

# Files that are damaged.


def searched(folder, trials, strategy="aging-evolution"):
    """The oracle of a search in `folder`, after so many trials."""
    hp = keras_tuner.HyperParameters()
    for name, options in SPACE.decisions:
        hp.Choice(name, list(options))
    search = StrategyOracle(
        strategy,
        keras_tuner.Objective("score", "max"),
        trials,
        space=SPACE,
        hyperparameters=hp,
        seed=0,
    )
    search.verbose = 0
    search._set_project_dir(str(folder), "search")
    search.reload()
    while (trial := search.create_trial("a")).status == "RUNNING":
        search.update_trial(
            trial.trial_id,
            {"score": float(len("".join(map(str, trial.hyperparameters.values.values()))) % 17)},
        )
        search.end_trial(trial.trial_id, "COMPLETED")
    return search


def ended(search):
    return [
        (number, search.trials[number].score, search.trials[number].hyperparameters.values)
        for number in search.end_order
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of a search of 52 trials, what it came to, and what 60 come to."""
    folder = tmp_path_factory.mktemp("runs")
    config = {
        "data": "digits",
        "strategy": "aging-evolution",
        "seed": 0,
        "minutes": None,
        "max_trials": 52,
        "target_multiply_adds": None,
    }
    run = SearchFolder(folder / "run", config)
    run.claim()
    run.begin()
    before = ended(searched(folder / "run", 52))
    shutil.copytree(folder / "run", folder / "more")
    return folder / "run", config, before, ended(searched(folder / "more", 60))


def damaged(content, rng):
    """Every way in which the tests damage a file: cut at every 64th byte; bits turned, garbage in
    the middle or behind.
    """
    yield from (content[:size] for size in range(0, len(content), 64))
    for place in rng.integers(0, max(len(content), 1), 60):
        yield (
            content[:place]
            + bytes([content[place] ^ 1 << int(rng.integers(8))])
            + content[place + 1 :]
            if content
            else b"\x00"
        )
    yield from (
        content[: len(content) // 2] + rng.bytes(100) + content[len(content) // 2 :],
        content + rng.bytes(100),
        rng.bytes(1000),
    )


@pytest.mark.slow
def test_a_run_folder_with_a_damaged_file_goes_on_or_says_which_file_it_is(runs, tmp_path):
    run, config, before, more = runs
    rng, names = (
        np.random.default_rng(0),
        sorted(path.relative_to(run) for path in run.rglob("*") if path.is_file()),
    )
    assert {"config.json", "trials.log", "trials.log.length", "strategy.npz"} <= {
        name.name for name in names
    }
    for name in names:
        for content in damaged((run / name).read_bytes(), rng):
            shutil.rmtree(tmp_path / "run", ignore_errors=True)
            shutil.copytree(run, tmp_path / "run")
            (tmp_path / "run" / name).write_bytes(content)
            for go_on in (
                lambda: status(tmp_path / "run"),
                lambda: SearchFolder(tmp_path / "run", config, resume=True),
            ):
                try:
                    go_on()
                except ValueError as error:
                    assert "\n" not in str(error) and (
                        name.name in str(error) or name.name == "config.json"
                    ), (name, content, error)
            try:
                search = searched(tmp_path / "run", 60)
            except ValueError as error:
                assert name.name in str(error) and "\n" not in str(error), (name, error)
                continue
            assert ended(search) == more, (name, content)


# What people write by hand.


def documents():
    """JSON documents of every kind that is read."""
    cells = [json.loads(found.to_json()) for found in NAMED.values()]
    return [
        *cells,
        json.loads(NASBench201(*("none",) * 6).to_json()),
        *(json.loads(recipe.to_json()) for recipe in RECIPES.values()),
    ]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["add", "none", "cosine"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def places(document, path=()):
    yield path
    for key, value in (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    ):
        yield from places(value, (*path, key))


@st.composite
def altered(draw):
    """The text of a document in which something was put in another's place, taken out or doubled;
    or any text.
    """
    if draw(st.integers(0, 9)) == 0:
        return draw(
            st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1"))
        )
    document = copy.deepcopy(draw(st.sampled_from(documents())))
    for _ in range(draw(st.integers(0, 3))):
        *path, last = draw(st.sampled_from([p for p in places(document) if p] or [(None,)]))
        if last is None:
            break
        parent = document
        for key in path:
            parent = parent[key]
        what = draw(st.integers(0, 3))
        if what == 0:
            del parent[last]
        elif what == 1 and isinstance(parent, list):
            parent.insert(last, copy.deepcopy(parent[last]))
        else:
            parent[last] = draw(VALUES)
    text = json.dumps(document)
    return text if draw(st.booleans()) else text[: draw(st.integers(0, len(text)))]


def in_one_line(error):
    assert "\n" not in str(error) and len(str(error)) < 1000, error


@pytest.mark.slow
@settings(max_examples=600, **INPUTS)
@given(text=altered())
def test_a_genotype_is_read_or_refused_in_one_line(text):
    try:
        found = genotypes.from_json(text)
    except ValueError as error:
        in_one_line(error)
    else:
        assert genotypes.from_json(found.to_json()) == found and isinstance(
            found, Genotype | NASBench201 | RecurrentCell
        )


@pytest.mark.slow
@settings(max_examples=600, **INPUTS)
@given(text=altered())
def test_a_recipe_is_read_or_refused_in_one_line(text):
    try:
        found = Recipe.from_json(text)
    except ValueError as error:
        in_one_line(error)
    else:
        assert Recipe.from_json(found.to_json()) == found


FIELDS = [
    "a",
    "b",
    "1",
    "0.5",
    "-1",
    "nan",
    "inf",
    "1e999",
    "",
    '"',
    "|avg_pool_3x3~0|+",
    "{}",
    "signal",
    "arch",
    "genotype",
    "cost",
]
CELLS = st.sampled_from(FIELDS) | st.text(max_size=6)


@pytest.mark.slow
@settings(max_examples=400, **INPUTS)
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=6), proper=st.booleans())
def test_a_table_is_read_or_refused_in_one_line(tmp_path, rows, proper):
    path = tmp_path / "t.csv"
    head = ["one", "other", "signal"] if proper else []
    path.write_text(
        "\n".join(",".join(row) for row in ([head, *rows] if proper else rows)), encoding="utf-8"
    )
    try:
        table = Table.read(path)
    except ValueError as error:
        in_one_line(error)
        assert path.name in str(error)
    else:
        assert len(table) >= 1


OPTIONS = [
    "--minutes",
    "--max-trials",
    "--strategy",
    "--space",
    "--name",
    "--resume",
    "--overwrite",
    "--blocks",
    "--child-cells",
    "--epochs",
    "--seed",
    "--image-size",
    "--json",
    "--budget",
    "--runs",
    "--table",
    "--seconds",
    "--noise",
    "--recipe",
    "--data",
    "--out",
    "--init",
    "--num-cells",
    "--filters",
    "--stem",
    "--classes",
    "--top",
    "--workers",
    "--nonsense",
    "-x",
    "--",
]
COMMANDS = st.sampled_from(
    ["search", "status", "train", "evaluate", "predict", "info", "", "serch"]
)
WORDS = st.sampled_from(
    [
        *OPTIONS,
        "auto",
        "nasnet",
        "0",
        "-1",
        "1",
        "1e9",
        "nan",
        "nasnet_a",
        "nowhere",
        "",
        "x.keras",
        "a\nb",
    ]
)


@pytest.mark.slow
@settings(max_examples=400, **INPUTS)
@given(command=COMMANDS, words=st.lists(WORDS | st.text(max_size=6), max_size=6))
def test_the_command_line_answers_or_says_in_one_line_what_is_wrong(
    command, words, tmp_path_factory, capsys
):
    random.seed(0)
    folder = tmp_path_factory.getbasetemp()
    missing = (
        [str(folder / "nowhere")] if command in ("search", "evaluate", "predict", "train") else []
    )  # nothing may begin
    status = main([command, *missing, *words])
    err = capsys.readouterr().err
    assert status in (0, 2) and "Traceback" not in err
    assert status == 0 or (err.startswith("nasnet-tf: ") and err.count("\n") == 1), err
