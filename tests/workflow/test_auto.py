"""`auto`: what it asks of a search, its plan, the best network so far, two beginnings compared, and
whole runs.
"""

import dataclasses
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import time
import types

import keras
import numpy as np
import pytest

from nasnet_tf import auto, data, training
from nasnet_tf.cli import main
from nasnet_tf.genotype import NASNET_A, Block, Cell, Genotype, unused
from nasnet_tf.layers.model import build_optimizer
from nasnet_tf.network import Network
from nasnet_tf.report.classes import classes_table, confusions_table, worst_pictures
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.training import RECIPES
from nasnet_tf.workflow import automating as doors
from nasnet_tf.workflow import best_so_far, hands_off
from nasnet_tf.workflow.automating import AutoOptions
from nasnet_tf.workflow.beginnings import beginning
from nasnet_tf.workflow.best_so_far import BestSoFar
from nasnet_tf.workflow.catalogue import cost_of
from nasnet_tf.workflow.first_trials import PUBLISHED, FirstTrials, check
from nasnet_tf.workflow.options import SearchOptions
from nasnet_tf.workflow.pictures import PictureSearch
from nasnet_tf.workflow.plan import Planned
from nasnet_tf.workflow.training import TrainOptions

BLOCKS = (Block(0, "sep_conv_3x3", 1, "avg_pool_3x3"),)
TINY = Genotype(Cell(BLOCKS, unused(BLOCKS)), Cell(BLOCKS, unused(BLOCKS)))


def asked(**options):
    return doors._asked(AutoOptions(data="digits", **options))


# ---- what is asked of the search ----


def test_the_function_is_found_however_often_it_is_asked_for():
    import nasnet_tf

    for _ in range(2):
        assert callable(nasnet_tf.auto) and nasnet_tf.auto is nasnet_tf.workflow.auto


def test_without_a_word_it_is_an_hour():
    assert asked().minutes == 60 and asked(resume=True).minutes is None
    assert asked(minutes=3).minutes == 3 and asked().space == "nasnet"


def test_init_is_a_cell_or_weights():
    assert (asked(init="nasnet_a").init, asked(init="nasnet_a").weights) == ("nasnet_a", None)
    assert asked(init="runs/best.json").init == "runs/best.json"
    assert (asked(init="m.keras").init, asked(init="m.keras").weights) == (None, "m.keras")
    assert asked(init="imagenet").weights == "imagenet"


def test_megabytes_of_the_file_are_parameters():
    assert asked(max_megabytes=1).max_parameters == 225_000
    assert asked(max_megabytes=1, max_parameters=9000).max_parameters == 9000
    assert asked(max_megabytes=1, max_parameters=10**6).max_parameters == 225_000
    with pytest.raises(ValueError, match="`max_megabytes` is 0.05"):
        asked(max_megabytes=0.05)


def test_a_file_has_no_more_than_that_besides_its_weights(tmp_path):
    model = Network(NASNET_A, num_cells=2, filters=4, classes=10, input_shape=(32, 32, 3))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss="mse")
    build_optimizer(model)  # as after a training
    bare = hands_off.HandsOffTraining._to_save(None, model)
    bare.save(tmp_path / "m.keras")
    assert (tmp_path / "m.keras").stat().st_size < 4 * model.count_params() + 100_000
    found = keras.saving.load_model(tmp_path / "m.keras")
    assert all(np.array_equal(a, b) for a, b in zip(found.weights, model.weights, strict=True))


@pytest.mark.parametrize("limits", [{"max_parameters": 60_000}, {"max_multiply_adds": 400_000}])
def test_networks_are_as_small_as_the_limits_ask(limits):
    options = asked(**limits).filled(**PictureSearch.defaults(asked(), NASNetSpace()))
    options = options.filled(blocks=5).with_budget({})
    found = PictureSearch(options, NASNetSpace())
    (name, limit), size = limits.popitem(), found.size
    assert (found.options.num_cells, found.options.filters) != (2, 16)
    rng = np.random.default_rng(5)
    cells = [found.space.decode(found.space.random(rng)) for _ in range(60)]
    costs = [getattr(cost_of(cell, **size), name.removeprefix("max_")) for cell in cells]
    assert np.mean(np.array(costs) <= limit) > 0.3


def test_a_search_itself_refuses_such_limits():
    options = SearchOptions(data="digits", max_parameters=500)
    options = options.filled(**PictureSearch.defaults(options, NASNetSpace())).with_budget({})
    with pytest.raises(ValueError, match="the least of 300 random cells"):
        PictureSearch(options, NASNetSpace())


def test_the_cell_of_init_is_tried_first():
    space, options = NASNetSpace(), asked(init="nasnet_a").with_budget({})
    first = FirstTrials.of(options, space)
    name, point = next(iter(first.known.items()))
    assert name == "the cell of nasnet_a" and point == space.adapt(NASNET_A)
    assert first.label(0, space.decode(point), "auto") == (PUBLISHED, name)
    with pytest.raises(ValueError, match="add `warm_start=True`"):
        check(SearchOptions(data="digits", init="nasnet_a", warm_start=False))


def test_of_a_text_it_searches_a_recurrent_cell_and_refuses_what_is_for_pictures(tmp_path):
    (tmp_path / "a.txt").write_text("so many words in a row " * 50)
    options = AutoOptions(data=str(tmp_path / "a.txt"))
    assert doors._asked(options).space == "recurrent"
    with pytest.raises(ValueError, match="`init` is for pictures"):
        doors._asked(options.replaced(init="m.keras"))


def test_few_windows_of_a_text_end_no_search(tmp_path):
    (tmp_path / "a.txt").write_text("so many words in a row " * 50)
    assert not doors._asked(AutoOptions(data=str(tmp_path / "a.txt"))).is_hands_off
    assert asked().is_hands_off


def test_a_cell_that_is_not_there_is_refused_before_anything_is_deleted(tmp_path, capsys):
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "model.keras").write_text("of a search before")
    runs = ("--runs-dir", str(tmp_path), "--overwrite", "--init", "none.json")
    assert main(["search", "digits", *runs]) == 2
    assert "none.json" in capsys.readouterr().err
    assert (tmp_path / "digits" / "model.keras").exists()


def test_weights_that_cannot_begin_are_refused_before_anything(tmp_path, capsys):
    size = dict(num_cells=(1, 0, 0), filters=4, classes=3)
    Network(TINY, **size, input_shape=(8, 8, 3), mean=(0,) * 3, std=(1,) * 3).save(
        tmp_path / "colour.keras"
    )
    grey = tmp_path / "grey.keras"
    Network(TINY, **size, input_shape=(8, 8, 1), mean=(0,), std=(1,)).save(grey)

    def says(*more):
        runs = ("--runs-dir", str(tmp_path / "runs"))
        assert main(["auto", "digits", *runs, *map(str, more)]) == 2
        assert not (tmp_path / "runs").exists()
        return capsys.readouterr().err

    assert "the weights of --init are for 3" in says("--init", tmp_path / "colour.keras")
    assert "no such file" in says("--init", "none.keras")
    assert "more than --max-parameters 100" in says("--init", grey, "--max-parameters", 100)
    assert "more than --max-multiply-adds 10" in says("--init", grey, "--max-multiply-adds", 10)


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        ({}, "fine_tune_all"),
        ({"minutes": 1.0}, "fine_tune_all"),
        ({"freeze_until": "cell_1"}, "fine_tune"),
        ({"dtype": "mixed_bfloat16"}, "fine_tune"),
        ({"drop_path_rate": 0.1}, "fine_tune"),
    ],
    ids=str,
)
def test_a_network_that_kernels_train_is_fine_tuned_as_a_whole(tmp_path, options, recipe):
    size = dict(num_cells=(1, 0, 0), filters=4, classes=3, input_shape=(8, 8, 1))
    Network(TINY, **size, mean=(0,), std=(1,)).save(tmp_path / "m.keras")
    asked = TrainOptions(data="digits", init=str(tmp_path / "m.keras"), **options)
    assert beginning(asked).recipe == recipe


# ---- the plan ----


class Said(list):
    """Stages that keep what they are told."""

    def __init__(self, seconds):
        self.budget, self.begun = (
            types.SimpleNamespace(seconds=seconds, spent=0.0, beginning=10.0),
            [],
        )

    def say(self, text):
        self.append(text)

    def begin(self, description):
        self.begun.append(description)


@pytest.mark.parametrize(
    ("has_init", "epoch", "compares"),
    [(False, None, False), (False, 2.0, False), (False, 1.0, True), (True, 2.0, True)],
)
def test_the_plan_is_told_before_anything_and_held_against_what_happened(has_init, epoch, compares):
    said = Said(600.0)
    stages = Planned(said, has_init)
    stages.begin("searching")
    assert "plan for 10 minutes" in said[0] and ("`init`" in str(said)) == has_init
    said.budget.spent = 20.0
    stages.planned(200.0, epoch, 1.0)  # 24 % of 400 s are 32 s for each of three recipes
    assert stages.compares_recipes == (epoch == 1.0)
    assert "searching until 3:20" in said[-1] and said[-1].endswith("testing until 10:00")
    said.budget.spent = 210.0
    if compares:
        stages.begin("comparing")
        said.budget.spent = 300.0
    for description, then in (("training", 580.0), ("testing", 590.0)):
        stages.begin(description)
        said.budget.spent = then
    rows = {row.pop("stage"): tuple(row.values()) for row in stages.table()}
    assert rows.pop("searching") == (200.0, 210.0) and rows["testing"] == (
        18.0,
        10.0,
    )  # 1 + 5 + 9 + 3
    assert rows["training"] == ((286.0, 280.0) if compares else (382.0, 370.0))
    assert rows.get("comparing") == ((96.0, 90.0) if compares else None)
    assert said.begun[0] == "searching"


# ---- the best network so far ----


@pytest.fixture
def usable(tmp_path, monkeypatch):
    monkeypatch.setattr(best_so_far, "_FIRST", 0.0)
    monkeypatch.setattr(best_so_far, "_PERIOD", 0.0)
    return lambda: BestSoFar(tmp_path, lambda: None)


def dense(value):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].set_weights([np.array([[value]])])
    return model


def written(folder):
    return keras.saving.load_model(folder / "model.keras").get_weights()[0].item()


def children(fails=()):
    def load_model(number, child):
        if number in fails:
            raise OSError("its weights are not there any more")
        return dense(float(number))

    return types.SimpleNamespace(load_model=load_model)


def test_the_best_child_is_written_and_then_a_better_network(usable, tmp_path):
    best = usable()
    best.trial(children(), "1", 0.5)
    best.trial(children(), "2", 0.4)
    best.tick()
    assert written(tmp_path) == 1
    best.trial(children(), "3", 0.5)
    best.tick()
    assert written(tmp_path) == 1
    callback = best.callback()
    for value, accuracy in ((4, 0.45), (5, 0.6)):
        callback.set_model(dense(float(value)))
        callback.on_epoch_end(0, {"val_accuracy": accuracy})
    assert written(tmp_path) == 5
    best = usable()  # of a search that goes on
    best.trial(children(), "6", 0.55)
    best.tick()
    assert written(tmp_path) == 5
    best.forget()
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_a_child_whose_weights_are_gone_is_passed_over(usable, tmp_path):
    best = usable()
    best.trial(children(fails="1"), "1", 0.5)
    best.tick()
    assert not (tmp_path / "model.keras").exists()
    best.trial(children(), "2", 0.3)
    best.tick()
    assert written(tmp_path) == 2


def test_nothing_is_written_in_the_first_seconds(tmp_path):
    best = BestSoFar(tmp_path, lambda: None)
    best.trial(children(), "1", 0.5)
    best.tick()
    assert not list(tmp_path.iterdir())


# ---- what is held against each other ----


def comparison(folder, losses, recipes=True, init=True):
    """A `HandsOffTraining` whose entrants have these losses, None for one that fails."""
    final = object.__new__(hands_off.HandsOffTraining)
    final.folder, final.stages, final.notes, final.tried = folder, Said(60.0), [], []
    final.stages.compares_recipes, final.init = recipes, init or None
    final.recipe, final.child = dataclasses.replace(RECIPES["short"], epochs=None), None
    final._left, final._likely_size = lambda: 100.0, lambda: hands_off.Size(2, 8)

    def entrant(name, seconds, size):
        assert size == (2, 8)  # of all of them
        final.tried.append((name, seconds))
        return losses[name] and hands_off._Entrant(losses[name], 0.5, None)

    final._entrant = entrant
    final._take = lambda name, *_: setattr(final, "child", types.SimpleNamespace(name=name))
    return final


@pytest.mark.parametrize(
    ("losses", "winner"),
    [
        ((0.5, 0.6, 0.7, 0.8), "plain"),
        ((0.5, 0.4, 0.7, 0.8), "mixup"),
        ((0.5, None, 0.3, None), "strong changes"),
        ((0.5, 0.6, 0.7, 0.2), "weights of init"),
    ],
)
def test_the_one_with_the_least_loss_wins_and_stays_the_winner(tmp_path, losses, winner):
    names = ["plain", "mixup", "strong changes", "weights of init"]
    final = comparison(tmp_path / "final", dict(zip(names, losses, strict=True)))
    assert final._winner() == winner and final.tried == [(name, 6.0) for name in names]
    assert f"{winner} is best" in final.notes[0] and final.child.name == winner
    again = comparison(tmp_path / "final", {})
    assert again._winner() == winner and not again.tried
    recipe = final._recipe(winner)
    assert (recipe.mixup > 0) == (winner == "mixup")
    assert (recipe.augmentation == "adaptive") == (winner == "strong changes")


def test_without_a_choice_nothing_is_compared(tmp_path):
    final = comparison(tmp_path, {}, recipes=False, init=False)
    assert final._winner() == "plain" and not (final.tried or final.notes)
    final = comparison(tmp_path, {"plain": 0.2, "weights of init": 0.3}, recipes=False)
    assert final._winner() == "plain" and [seconds for _, seconds in final.tried] == [12.0, 12.0]


# ---- how sure it is ----


@pytest.mark.parametrize(("right", "images"), [(0, 10), (7, 10), (959, 1000), (36, 36)])
def test_the_interval_holds_the_accuracies_that_this_one_does_not_rule_out(right, images):
    low, high = training.interval(right / images, images)
    assert 0 <= low <= right / images <= high <= 1
    for end in {low, high} - {0.0, 1.0}:  # 1.96 standard errors away, by the error there
        error = math.sqrt(end * (1 - end) / images)
        assert abs(end - right / images) == pytest.approx(1.959964 * error, rel=1e-6)


def test_the_page_shows_classes_confusions_and_the_worst_pictures():
    names = ["ant", "<bee>", "cat"]
    each = [
        {"name": name, "images": 2, "accuracy": value}
        for name, value in zip(names, (1.0, 0.5, None), strict=True)
    ]
    assert classes_table(each).index("&lt;bee&gt;") < classes_table(each).index("ant")
    table = confusions_table(each, [[2, 0, 0], [1, 1, 0], [0, 0, 0]])
    assert "&lt;bee&gt;" in table and "cat" not in table
    assert "Nothing" in confusions_table(each, np.eye(3, dtype=int))
    images, labels = np.zeros((2, 4, 4, 1), "uint8"), np.array([0, 1])
    wrong = np.array([[0.9, 0.1, 0.0], [0.7, 0.2, 0.1]])
    assert "svg" in worst_pictures(images, labels, wrong, names)
    assert "No picture" in worst_pictures(images[:1], labels[:1], wrong[:1], names)


# ---- whole runs ----

RUN = [sys.executable, "-m", "nasnet_tf", "auto"]


@pytest.mark.slow
def test_killed_it_leaves_a_network_and_goes_on(tmp_path):
    command = [*RUN, "digits", "--runs-dir", str(tmp_path), "--minutes", "1.5"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    model, limit = tmp_path / "digits" / "model.keras", time.monotonic() + 85
    while not model.exists() and time.monotonic() < limit:
        time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (model.parent / "result.json").exists()
    digits = data.load("digits")
    network = keras.saving.load_model(model, compile=False)
    assert training.accuracy(network, digits.x_test, digits.y_test)["accuracy"] > 0.2
    done = subprocess.run([*command, "--resume", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["accuracy"] > 0.5
    assert result["interval"][0] < result["accuracy"] < result["interval"][1] + 1e-9
    assert [row["stage"] for row in result["plan"]][-1] == "testing"
    assert not (model.parent / "best_so_far.json").exists()
    page = (model.parent / "report.html").read_text()
    assert "Worst pictures" in page and "The plan, and what it took" in page


@pytest.mark.slow
def test_weights_that_help_are_taken_and_others_are_not(tmp_path):
    digits = data.load("digits")
    few = digits.x_train[:200], digits.y_train[:200]
    size = dict(num_cells=1, filters=8, classes=10, input_shape=(8, 8, 1))
    model = Network(TINY, **size, mean=digits.mean, std=digits.std)
    model.save(tmp_path / "untrained.keras")
    batches, validation = (
        data.pipeline(x, y, 32, seed=0)
        for x, y in ((digits.x_train, digits.y_train), (digits.x_validation, digits.y_validation))
    )
    training.train(model, batches, validation, training.Recipe(epochs=15, learning_rate=0.02))
    model.save(tmp_path / "trained.keras")
    test = digits.x_test, digits.y_test
    found = auto(
        (few, test),
        init=str(tmp_path / "trained.keras"),
        minutes=2,  # of less, a busy machine spends most on beginning
        runs_dir=tmp_path,
        name="run",
        verbose=0,
    )
    assert "weights of init is best" in found.facts["why"]
    assert found.facts["accuracy"] > 0.7 and found.facts["num_cells"] is None
    assert found.model.genotype == TINY
    assert not list(pathlib.Path(tmp_path, "run", "model.training").glob("*/state*"))
