"""The oracle around any strategy and any hypermodel of choices; the faults of Keras Tuner met."""

import errno
import itertools
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import keras
import keras_tuner
import numpy as np
import pytest

import nasnet_tf
from nasnet_tf import journal
from nasnet_tf.evaluation import ChildFailed, WorkerLost
from nasnet_tf.genotype import OPERATION_NAMES
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.strategies import PPO, STRATEGIES
from nasnet_tf.tuners import (
    CellHyperModel,
    CellTuner,
    PPOOracle,
    PPOSearch,
    StrategyOracle,
    StrategySearch,
)

SPACE = NASNetSpace(2)


class Toy(keras_tuner.engine.base_tuner.BaseTuner):
    """Scores a cell by how many of its operations are separable convolutions. Trains nothing."""

    def __init__(self, oracle, folder, breaks=lambda trial_id: None, **kwargs):
        self.breaks, self.trained = breaks, []
        super().__init__(oracle, Declared(), directory=str(folder), project_name="toy", **kwargs)

    def run_trial(self, trial, *args, **kwargs):
        self.trained.append(trial.trial_id)
        failure = self.breaks(trial.trial_id)
        if failure is not None:
            raise failure
        return {"score": toy_score(trial.hyperparameters.values)}


class Declared(keras_tuner.HyperModel):
    """Only the choices of SPACE."""

    space = SPACE

    def build(self, hp):
        for name, options in SPACE.decisions:
            hp.Choice(name, list(options))


def declared():
    """The choices of SPACE, for an oracle without a tuner."""
    hp = keras_tuner.HyperParameters()
    Declared().build(hp)
    return hp


def toy_score(values):
    return sum(str(value).startswith("sep") for value in values.values()) / len(values)


def oracle(max_trials=20, seed=0, **kwargs):
    return PPOOracle(
        keras_tuner.Objective("score", "max"), max_trials, seed=seed, space=SPACE, **kwargs
    )


def log(folder):
    """The log of a search of a `Toy`."""
    return journal.read(folder / "toy" / journal.TRIALS)


def others_may_ask(oracle):
    """Whether another thread is answered."""
    thread = threading.Thread(target=oracle.get_best_trials, daemon=True)
    thread.start()
    thread.join(5)
    return not thread.is_alive()


def proposals(oracle):
    return [oracle.trials[i].hyperparameters.values for i in sorted(oracle.trials)]


def finished(folder, max_trials=20, seed=0, **kwargs):
    tuner = Toy(oracle(max_trials, seed, **kwargs), folder)
    tuner.search(verbose=0)
    return tuner


# The search.


def test_a_search_runs_as_many_trials_as_asked_for(tmp_path):
    tuner = finished(tmp_path, 13)
    assert len(tuner.oracle.trials) == 13 and all(
        t.status == "COMPLETED" for t in tuner.oracle.trials.values()
    )


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_the_same_search(tmp_path, seed):
    assert proposals(finished(tmp_path / "a", seed=seed).oracle) == proposals(
        finished(tmp_path / "b", seed=seed).oracle
    )


def test_zero_is_a_seed_of_its_own(tmp_path):
    assert oracle(seed=0).seed == 0
    assert proposals(finished(tmp_path / "a", seed=0).oracle) != proposals(
        finished(tmp_path / "b", seed=1).oracle
    )


def test_proposals_are_the_strategys(tmp_path):
    tuner, strategy = finished(tmp_path), PPO(SPACE.sizes, seed=0)
    for trial_id in tuner.oracle.end_order:
        trial = tuner.oracle.trials[trial_id]
        point = strategy.propose(int(trial_id))
        assert SPACE.values(point) == trial.hyperparameters.values
        strategy.observe(point, trial.score)


def test_an_objective_to_minimise_is_learned_with_its_sign(tmp_path):
    tuner = Toy(
        PPOOracle(
            keras_tuner.Objective("score", "min"), 60, seed=0, settings={"learning_rate": 0.01}
        ),
        tmp_path,
    )
    tuner.search(verbose=0)
    scores = [tuner.oracle.trials[i].score for i in sorted(tuner.oracle.trials)]
    assert np.mean(scores[40:]) < np.mean(scores[:20])


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="max_trials is 0; give at least 1"):
        oracle(0)


# Twins.


def test_the_same_cell_is_trained_once_and_its_reward_reused(tmp_path):
    space = NASNetSpace(1, operations=("identity", "conv_1x1"), combinations=("add",))

    class Small(keras_tuner.HyperModel):
        def build(self, hp):
            for name, options in space.decisions:
                hp.Choice(name, list(options))

    seen = []

    class Counting(Toy):
        def run_trial(self, trial, *args, **kwargs):
            seen.append(space.key(space.choices(trial.hyperparameters.values)))
            return super().run_trial(trial)

    search = PPOOracle(
        keras_tuner.Objective("score", "max"),
        60,
        seed=1,
        space=space,
        settings=dict(draws=1),
        repeats=True,
    )
    tuner = Counting.__new__(Counting)
    tuner.breaks, tuner.trained = lambda trial_id: None, []
    keras_tuner.engine.base_tuner.BaseTuner.__init__(
        tuner, search, Small(), directory=str(tmp_path), project_name="toy"
    )
    tuner.search(verbose=0)
    assert len(search.trials) == 60 and len(seen) == len(set(seen)) < 60
    by_key = {}
    for trial in search.trials.values():
        by_key.setdefault(space.key(space.choices(trial.hyperparameters.values)), set()).add(
            trial.score
        )
    assert all(len(scores) == 1 for scores in by_key.values())


# Searches that decide how long a trial is trained.


def halving(max_trials, **kwargs):
    objective = keras_tuner.Objective("score", "max")
    return StrategyOracle(
        "successive-halving",
        objective,
        max_trials,
        seed=0,
        space=SPACE,
        settings={"epochs": (1, 2, 4)},
        **kwargs,
    )


def test_the_oracle_says_for_how_many_epochs_each_trial_is_trained(tmp_path):
    tuner = Toy(halving(40), tmp_path)
    tuner.search(verbose=0)
    epochs = [values["tuner/epochs"] for values in proposals(tuner.oracle)]
    assert {epochs.count(number) > 3 for number in (1, 2, 4)} == {True} and epochs[0] == 1
    cells = {number: set() for number in (1, 2, 4)}
    for values in proposals(tuner.oracle):
        cells[values["tuner/epochs"]].add(
            SPACE.choices({name: values[name] for name, _ in SPACE.decisions})
        )
    assert cells[4] < cells[2] < cells[1], "what is trained longer was trained shortly before"
    assert len(tuner.trained) == 40, "no promoted cell is taken for its twin of fewer epochs"


def test_a_hypermodel_without_a_space_can_be_halved_too(tmp_path):
    search = StrategyOracle("successive-halving", keras_tuner.Objective("score", "max"), 20, seed=0)
    AnyChoices(search, any_choices, directory=str(tmp_path), project_name="any").search(verbose=0)
    assert {values["tuner/epochs"] for values in proposals(search)} == {1, 3, 9}


def test_a_child_is_trained_for_the_epochs_of_its_trial(tmp_path):
    class Quick(CellHyperModel):
        def build(self, hp):
            model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse")
            return model

        def fit(self, hp, model, *args, epochs=1, **kwargs):
            trained.append((hp.values["tuner/epochs"], epochs))
            return {"val_accuracy": toy_score(hp.values)}

    trained = []
    tuner = StrategySearch(
        Quick((1,), 2, space=SPACE),
        "val_accuracy",
        12,
        strategy="successive-halving",
        settings={"epochs": (2, 6)},
        seed=0,
        isolation="none",
        directory=str(tmp_path),
        project_name="q",
    )
    tuner.search(np.zeros((4, 1)), np.zeros(4), epochs=99, verbose=0)
    assert set(trained) == {(2, 2), (6, 6)}


# Any hypermodel of discrete choices.


def any_choices(hp):
    kind = hp.Choice("kind", ["wide", "deep"])
    if kind == "wide":
        with hp.conditional_scope("kind", ["wide"]):
            hp.Int("units", 8, 32, step=8)
    hp.Boolean("bias")
    hp.Fixed("constant", 3)
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])


class AnyChoices(keras_tuner.engine.base_tuner.BaseTuner):
    def run_trial(self, trial, *args, **kwargs):
        values = trial.hyperparameters.values
        return {"score": values["bias"] + (values["kind"] == "wide") * values.get("units", 0) / 32}


def test_the_oracle_searches_any_hypermodel_of_discrete_choices(tmp_path):
    search = PPOOracle(keras_tuner.Objective("score", "max"), 30, seed=0)
    AnyChoices(search, any_choices, directory=str(tmp_path), project_name="any").search(verbose=0)
    best = search.get_best_trials()[0]
    assert best.score == 2.0 and best.hyperparameters.values == {
        "kind": "wide",
        "units": 32,
        "bias": True,
        "constant": 3,
    }
    assert all("units" not in v for v in proposals(search) if v["kind"] == "deep")


@pytest.mark.parametrize("name", ["local-search", "progressive"])
def test_a_strategy_hears_of_the_point_it_proposed_though_some_of_it_has_no_say(tmp_path, name):
    search = StrategyOracle(name, keras_tuner.Objective("score", "max"), 14, seed=0, repeats=True)
    AnyChoices(search, any_choices, directory=str(tmp_path), project_name="any").search(verbose=0)
    search.study._learned()
    assert len(set(map(tuple, search.study._replay.strategy.archive.points.tolist()))) == 14, (
        "no point was proposed twice"
    )


def test_a_continuous_choice_is_refused_with_the_mend(tmp_path):
    search = PPOOracle(keras_tuner.Objective("score", "max"), 3, seed=0)

    def continuous(hp):
        hp.Float("rate", 0.0, 1.0)
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    with pytest.raises(
        ValueError, match="'rate' is not a choice among few values .* use hp.Choice"
    ):
        AnyChoices(search, continuous, directory=str(tmp_path), project_name="any").search(
            verbose=0
        )


# Failures.


def test_a_failed_trial_is_not_a_dead_search(tmp_path):
    tuner = Toy(
        oracle(), tmp_path, breaks=lambda i: MemoryError("no room") if i in ("03", "07") else None
    )
    tuner.search(verbose=0)
    failed = {i for i, t in tuner.oracle.trials.items() if t.status == "FAILED"}
    assert failed == {"03", "07"} and len(tuner.oracle.trials) == 20


def test_a_score_that_is_not_a_number_is_a_failed_trial(tmp_path):
    class Diverging(Toy):
        def run_trial(self, trial, *args, **kwargs):
            return {"score": math.nan if trial.trial_id == "2" else 0.5}

    tuner = Diverging(oracle(6), tmp_path)
    tuner.search(verbose=0)
    statuses = [tuner.oracle.trials[i].status for i in sorted(tuner.oracle.trials)]
    assert statuses == ["COMPLETED"] * 2 + ["FAILED"] + ["COMPLETED"] * 3


def test_a_trial_that_is_run_again_can_recover(tmp_path):
    """Keras Tuner drops the result of the second run of a trial whose first run was no number."""
    tries = []

    class Shaky(Toy):
        def run_trial(self, trial, *args, **kwargs):
            tries.append(trial.trial_id)
            return {"score": math.nan if tries == ["0"] else 0.5}

    tuner = Shaky(oracle(3, max_retries_per_trial=2), tmp_path)
    tuner.search(verbose=0)
    assert tries[:2] == ["0", "0"] and tuner.oracle.trials["0"].score == 0.5


def test_a_search_in_which_everything_fails_stops_and_says_why(tmp_path):
    tuner = Toy(
        oracle(max_consecutive_failed_trials=4),
        tmp_path,
        breaks=lambda i: ValueError("no such column"),
    )
    with pytest.raises(RuntimeError, match="no such column"):
        tuner.search(verbose=0)
    assert [record["end"] for record in log(tmp_path).records if "end" in record] == [
        "00",
        "01",
        "02",
        "03",
    ]


def test_an_exception_in_the_strategy_does_not_keep_the_lock(tmp_path):
    tuner = Toy(oracle(), tmp_path)
    tuner.oracle.populate_space = lambda trial_id: 1 / 0
    with pytest.raises(ZeroDivisionError):
        tuner.oracle.create_trial("tuner0")
    assert others_may_ask(tuner.oracle)


# Going on after an interruption.


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The proposals of a search of 70 trials that nothing interrupts."""
    return proposals(finished(tmp_path_factory.mktemp("whole"), 70).oracle)


@pytest.fixture(scope="module")
def after_sixty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sixty")
    finished(folder, 60)
    return folder


@pytest.fixture
def sixty(after_sixty, tmp_path):
    """The folder of that search after 60 trials."""
    return shutil.copytree(after_sixty, tmp_path / "sixty")


@pytest.mark.parametrize("at", [0, 1, 9, 10, 11, 25])
def test_a_search_that_is_interrupted_anywhere_goes_on_as_if_it_had_not(tmp_path, whole, at):
    def interrupt(trial_id):
        return KeyboardInterrupt() if int(trial_id) == at else None

    with pytest.raises(KeyboardInterrupt):
        Toy(oracle(30), tmp_path, breaks=interrupt).search(verbose=0)
    again = Toy(oracle(30), tmp_path)
    again.search(verbose=0)
    assert proposals(again.oracle) == whole[:30]
    assert [int(i) for i in again.trained] == list(range(at, 30)), (
        "no trial is lost or trained twice"
    )


def test_a_snapshot_of_the_strategy_spares_learning_again(whole, sixty):
    assert (sixty / "toy" / "strategy.npz").is_file()
    again = finished(sixty, 70)
    assert proposals(again.oracle) == whole and [int(i) for i in again.trained] == list(
        range(60, 70)
    )


def test_a_larger_budget_goes_on_from_where_the_smaller_one_ended(tmp_path):
    finished(tmp_path, 10)
    assert [int(i) for i in finished(tmp_path, 14).trained] == [10, 11, 12, 13]


@pytest.mark.parametrize("length", [0, 40, -1])
def test_a_damaged_snapshot_of_the_strategy_costs_nothing(whole, sixty, length):
    path = sixty / "toy" / "strategy.npz"
    content = path.read_bytes()
    path.write_bytes(
        content[:length]
        if length >= 0
        else content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]
    )
    again = finished(sixty, 65)
    assert proposals(again.oracle) == whole[:65] and len(again.trained) == 5


def test_a_snapshot_of_other_trials_is_not_taken(tmp_path, whole, sixty):
    path = sixty / "toy" / "strategy.npz"
    Toy(
        oracle(65), tmp_path / "other", breaks=lambda i: ValueError() if i == "03" else None
    ).search(verbose=0)
    (tmp_path / "other" / "toy" / "strategy.npz").replace(path)
    assert proposals(finished(sixty, 65).oracle) == whole[:65]


@pytest.mark.parametrize("promised", [True, False])
def test_a_log_cut_anywhere_costs_no_more_than_was_cut_or_is_refused_in_one_line(
    tmp_path, promised
):
    finished(tmp_path, 6)
    path = tmp_path / "toy" / journal.TRIALS
    content = path.read_bytes()
    for size in range(0, len(content), 64):
        path.write_bytes(content[:size])
        if not promised:
            path.with_name(f"{journal.TRIALS}.length").unlink(missing_ok=True)
        ended = sum(line[9:].startswith(b'{"end"') for line in content[:size].split(b"\n")[:-1])
        try:
            again = Toy(oracle(6), tmp_path).oracle
        except ValueError as error:
            assert promised and "is lost" in str(error) and "\n" not in str(error)
        else:
            assert not promised and len(again.end_order) == ended


def test_what_is_left_of_a_log_goes_on_as_the_whole_would_have(tmp_path):
    whole = proposals(finished(tmp_path / "whole", 12).oracle)
    finished(tmp_path, 12)
    path = tmp_path / "toy" / journal.TRIALS
    path.write_bytes(path.read_bytes()[:-150])
    path.with_name(f"{journal.TRIALS}.length").unlink()
    again = finished(tmp_path, 12)
    assert proposals(again.oracle) == whole and again.trained == ["11"]


@pytest.mark.parametrize(
    "change, says",
    [
        ({"seed": 1}, "begun with seed 0, now it is 1"),
        ({"settings": {"draws": 1}}, "begun with settings draws null, now it is 1"),
        (
            {"objective": keras_tuner.Objective("score", "min")},
            'begun with objective score "max", now it is "min"',
        ),
        ({"strategy": "random"}, 'begun with strategy "ppo", now it is "random"'),
    ],
)
def test_another_search_is_refused_in_one_line(tmp_path, change, says):
    finished(tmp_path, 3)
    given = {
        "strategy": "ppo",
        "objective": keras_tuner.Objective("score", "max"),
        "seed": 0,
        "space": SPACE,
        **change,
    }
    with pytest.raises(ValueError, match=says):
        Toy(StrategyOracle(max_trials=5, **given), tmp_path)


def test_a_later_version_goes_on_and_says_so(tmp_path, monkeypatch):
    finished(tmp_path, 3)
    monkeypatch.setattr("nasnet_tf.study.head.__version__", "9.0")
    with pytest.warns(
        UserWarning, match=f"was begun with nasnet_tf {nasnet_tf.__version__}; this is 9.0"
    ):
        tuner = Toy(oracle(5), tmp_path)
    tuner.search(verbose=0)
    assert tuner.trained == ["3", "4"]


def test_a_search_of_another_space_is_refused(tmp_path):
    def tuner(space):
        child = CellHyperModel((8, 8, 1), 2, space=space)
        return StrategySearch(
            child, "val_accuracy", 3, seed=0, directory=str(tmp_path), project_name="s"
        )

    tuner(NASNetSpace(2)).save()
    with pytest.raises(ValueError, match="begun with decisions normal/1/input_1 .* now it is null"):
        tuner(NASNetSpace(1))
    tuner(NASNetSpace(2))


def test_a_seed_that_is_not_given_is_that_of_the_search(tmp_path):
    first = finished(tmp_path, 3, seed=None).oracle
    assert finished(tmp_path, 4, seed=None).oracle.seed == first.seed


def test_a_folder_of_another_oracle_is_refused(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "oracle.json").write_text("{}")
    with pytest.raises(
        ValueError,
        match=(
            "oracle.json is of another oracle, or of an older version; begin anew in another folder"
        ),
    ):
        finished(tmp_path, 3)


def test_a_disk_that_is_full_stops_the_search_in_one_line_and_it_goes_on_later(
    tmp_path, monkeypatch
):
    whole = proposals(finished(tmp_path / "whole", 12).oracle)
    appends, append = [], journal._write

    def full(file, content):
        appends.append(content)
        append(file, content[: len(content) // 2] if len(appends) == 20 else content)
        if len(appends) == 20:
            raise OSError(errno.ENOSPC, "No space left on device")

    tuner = Toy(oracle(12), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_write", full)
        with pytest.raises(
            RuntimeError, match="trials.log cannot be written: No space left on device; .* --resume"
        ) as raised:
            tuner.search(verbose=0)
    assert "\n" not in str(raised.value)
    assert others_may_ask(tuner.oracle)
    ended = list(tuner.oracle.end_order)
    again = Toy(oracle(12), tmp_path)
    assert again.oracle.end_order == ended
    again.search(verbose=0)
    assert proposals(again.oracle) == whole
    tuner.search(verbose=0)  # the first one too knows what has happened since
    assert proposals(tuner.oracle) == whole


def test_a_folder_that_is_removed_stops_the_search(tmp_path):
    def remove(trial_id):
        if trial_id == "3":
            shutil.rmtree(tmp_path / "toy")

    with pytest.raises(RuntimeError, match="the file was removed while it was in use"):
        Toy(oracle(8), tmp_path, breaks=remove).search(verbose=0)


def test_retries_are_counted_across_an_interruption(tmp_path):
    tries = []

    class Shaky(Toy):
        def run_trial(self, trial, *args, **kwargs):
            tries.append(trial.trial_id)
            if len(tries) == 2:
                raise KeyboardInterrupt
            return {"score": math.nan if trial.trial_id == "0" else 0.5}

    with pytest.raises(KeyboardInterrupt):
        Shaky(oracle(2, max_retries_per_trial=2), tmp_path).search(verbose=0)
    tuner = Shaky(oracle(2, max_retries_per_trial=2), tmp_path)
    tuner.search(verbose=0)
    assert tries == ["0", "0", "0", "0", "1"] and tuner.oracle.trials["0"].status == "FAILED"


def test_choices_that_appear_late_and_conditional_ones_come_back(tmp_path):
    class Late(AnyChoices):
        def run_trial(self, trial, *args, **kwargs):
            if int(trial.trial_id) >= 12:
                trial.hyperparameters.Choice("late", [1, 2, 3])
            return super().run_trial(trial)

    def searched(trials, folder):
        search = StrategyOracle(
            "aging-evolution", keras_tuner.Objective("score", "max"), trials, seed=0, repeats=True
        )
        Late(search, any_choices, directory=str(folder), project_name="any").search(verbose=0)
        return search

    whole = searched(30, tmp_path / "whole")
    searched(10, tmp_path), searched(15, tmp_path)
    again = searched(30, tmp_path)
    assert proposals(again) == proposals(whole)
    assert {values.get("late") for values in proposals(whole)} > {1, 2, 3}
    assert [t.score for t in again.trials.values()] == [t.score for t in whole.trials.values()]


def test_a_trial_that_ended_is_what_keras_tuner_knows_it_as(tmp_path, capsys):
    first = finished(tmp_path, 8)
    again = Toy(oracle(8), tmp_path)
    for name, trial in first.oracle.trials.items():
        assert again.oracle.trials[name].get_state() == trial.get_state()
    best = again.get_best_hyperparameters(3)
    assert [hp.values for hp in best] == [hp.values for hp in first.get_best_hyperparameters(3)]
    scores = sorted((toy_score(values) for values in proposals(first.oracle)), reverse=True)
    assert [trial.score for trial in again.oracle.get_best_trials(8)] == scores
    again.results_summary(2)
    assert f"Score: {scores[0]}" in capsys.readouterr().out


def test_a_result_that_comes_twice_is_learned_once(tmp_path):
    search = oracle(5)
    tuner = Toy(search, tmp_path)
    trial = search.create_trial("a")
    for score in (0.25, 0.75):
        search.update_trial(trial.trial_id, {"score": score})
        trial.status = "COMPLETED"
        search.end_trial(trial)
    assert search.end_order == ["0"] and search.trials["0"].score == 0.25
    tuner.search(verbose=0)
    assert len(search.end_order) == 5


def test_workers_that_fail_do_not_keep_the_lock_from_those_that_wait(tmp_path):
    tuner = Toy(oracle(), tmp_path)
    inside, go_on = threading.Event(), threading.Event()

    def slow(trial_id):
        inside.set()
        go_on.wait(5)
        raise ZeroDivisionError

    def ask(name):
        with pytest.raises(ZeroDivisionError):
            tuner.oracle.create_trial(name)

    tuner.oracle.populate_space = slow
    threads = [threading.Thread(target=ask, args=(name,)) for name in "ab"]
    threads[0].start()
    inside.wait(5)
    threads[1].start()
    time.sleep(0.05)
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert others_may_ask(tuner.oracle)


def faults(*arguments):
    """What benchmarks/faults.py says."""
    root = pathlib.Path(journal.__file__).parents[1]
    command = [sys.executable, str(root / "benchmarks" / "faults.py"), *map(str, arguments)]
    return json.loads(
        subprocess.run(
            command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(root)}
        ).stdout
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers, kills", [(1, 8), (3, 8)])
def test_a_search_that_is_killed_again_and_again_and_its_workers_too_is_the_one_that_was_not(
    workers, kills
):
    found = faults("--kills", kills, "--workers", workers)
    assert sum(found["killed"].values()) >= kills / 2, found
    assert (found["not_ended"], found["ended_twice"], found["failed"]) == (0, 0, 0), found
    assert found["same_proposals"] is (True if workers == 1 else None), found


@pytest.mark.slow
def test_hundreds_of_workers_ask_at_once_and_no_trial_is_lost():
    assert faults("--askers", 200)["asked_trials"] == 800


def test_files_are_replaced_whole(sixty):
    assert {path.name for path in (sixty / "toy").iterdir()} == {
        "trials.log",
        "trials.log.length",
        "strategy.npz",
        "tuner0.json",
    }


def test_the_cost_of_a_trial_does_not_grow(tmp_path):
    """Files and memory do, by a record and a few numbers a trial."""
    sizes = []
    search = StrategyOracle(
        "random",
        keras_tuner.Objective("score", "max"),
        None,
        space=SPACE,
        hyperparameters=declared(),
        seed=0,
    )
    search._set_project_dir(str(tmp_path), "toy")
    search.verbose, search.on_end = (
        0,
        lambda trial: sizes.append((tmp_path / "toy" / journal.TRIALS).stat().st_size),
    )
    for number in range(200):
        trial = search.create_trial("a")
        search.update_trial(trial.trial_id, {"score": number % 7})
        search.end_trial(trial.trial_id, "COMPLETED")
    steps = np.diff(sizes)
    assert steps.max() < 500 and np.median(steps[100:]) < 1.1 * np.median(steps[:100])


# The tuner around cells.


def test_keras_tuners_own_oracles_search_the_space(tmp_path):
    class Quick(CellHyperModel):
        def build(self, hp):
            self.genotype(hp)
            model = keras.Sequential(
                [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
            )
            model.compile(
                "sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
            )
            return model

        def fit(self, hp, model, *args, **kwargs):
            kwargs.pop("callbacks")
            kwargs.pop("epochs", None)
            return {"val_accuracy": toy_score(hp.values)}

    x, y = np.zeros((4, 4, 4, 1)), np.zeros(4)
    for number, kind in enumerate(
        (keras_tuner.RandomSearch, keras_tuner.BayesianOptimization, keras_tuner.Hyperband)
    ):
        budget = {"max_epochs": 2} if kind is keras_tuner.Hyperband else {"max_trials": 4}
        tuner = kind(
            Quick((4, 4, 1), 2),
            "val_accuracy",
            **budget,
            seed=1,
            directory=str(tmp_path),
            project_name=str(number),
        )
        tuner.search(x, y, verbose=0)
        values = tuner.get_best_hyperparameters()[0].values
        assert (
            values["normal/0/operation_1"] in OPERATION_NAMES
            and len([name for name in values if "/" in name and "tuner" not in name]) == 50
        )


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A real search of two tiny children, each trained in the worker."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 8, 8, 1)).astype("float32"), rng.integers(0, 2, 16)
    child = CellHyperModel((8, 8, 1), 2, space=NASNetSpace(1), filters=2)
    folder = tmp_path_factory.mktemp("searched")
    tuner = PPOSearch(
        child, "val_accuracy", 2, seed=0, directory=str(folder), project_name="s", keep_best=1
    )
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    tuner.search(data, validation_data=data, epochs=1, shuffle=False, verbose=0)
    return tuner


def test_children_are_trained_and_scored(searched):
    assert [t.status for t in searched.oracle.trials.values()] == ["COMPLETED"] * 2
    assert searched.oracle.trials["0"].metrics.exists("seconds")


def test_the_best_genotypes_build_and_save(searched, tmp_path):
    genotype = searched.get_best_genotypes()[0]
    genotype.save(tmp_path / "best.json")
    assert type(genotype).load(tmp_path / "best.json") == genotype


def test_the_best_models_come_back_with_their_weights(searched):
    model = searched.get_best_models()[0]
    assert np.isfinite(model(np.zeros((1, 8, 8, 1), "float32"))).all()


def test_only_the_best_childrens_weights_are_kept(searched):
    from pathlib import Path

    assert len(list(Path(searched.project_dir).rglob("checkpoint.*"))) == 1


def test_a_dtype_policy_reaches_the_children(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        child = PolicyChild((4, 4, 1), 2, space=NASNetSpace(1))
        tuner = StrategySearch(
            child,
            "val_accuracy",
            1,
            strategy="random",
            isolation="none",
            directory=str(tmp_path),
            project_name="p",
        )
    finally:
        keras.config.set_dtype_policy("float32")
    assert tuner._policy.name == "mixed_bfloat16"
    keras.backend.clear_session()
    assert tuner._try_build(tuner.oracle.get_space()).layers[-1].compute_dtype == "bfloat16"
    keras.config.set_dtype_policy("float32")


class PolicyChild(CellHyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model


@pytest.mark.parametrize(
    "error, says",
    [
        (
            "OSError: [Errno 28] No space left on device: 'checkpoint.npz'",
            "No space left on device; make room",
        ),
        (
            "PermissionError: [Errno 1] Operation not permitted: 'progress.npz'",
            "Operation not permitted; mend that",
        ),
        (
            "OSError: [Errno 30] Read-only file system: 'progress.npz'",
            "Read-only file system; mend that",
        ),
    ],
)
@pytest.mark.parametrize("isolation", ["process", "none"])
def test_a_child_that_finds_the_machine_at_fault_is_no_failed_trial(
    tmp_path, monkeypatch, error, says, isolation
):
    def fails(*args, **kwargs):
        raise ChildFailed(error) if isolation == "process" else OSError(error)

    child = CellHyperModel((8, 8, 1), 2, space=SPACE)
    given = {
        "strategy": "random",
        "seed": 0,
        "directory": str(tmp_path),
        "project_name": "s",
        "isolation": isolation,
    }
    tuner = StrategySearch(child, "val_accuracy", 3, **given)
    if isolation == "process":
        monkeypatch.setattr(tuner.worker, "run", fails)
    else:
        monkeypatch.setattr(child, "build", fails)
    with pytest.raises(RuntimeError, match=f"{says}, then go on with --resume"):
        tuner.search(np.zeros((2, 8, 8, 1)), np.zeros(2), verbose=0)
    assert tuner.oracle.end_order == [] and sorted(tuner.oracle.trials) == ["0"]


@pytest.mark.parametrize("times, status", [(3, "COMPLETED"), (4, "FAILED")])
def test_a_trial_whose_process_is_lost_is_run_again_but_not_for_ever(
    tmp_path, monkeypatch, times, status
):
    def lost(function, *args, **kwargs):
        if len(runs) < times:
            runs.append(function)
            raise WorkerLost(
                "the training process was killed, as the system does when memory runs out"
            )
        return {"val_accuracy": 0.5}, {}

    runs, child = [], CellHyperModel((8, 8, 1), 2, space=SPACE)
    tuner = StrategySearch(
        child,
        "val_accuracy",
        1,
        strategy="random",
        seed=0,
        directory=str(tmp_path),
        project_name="s",
    )
    monkeypatch.setattr(tuner.worker, "run", lost)
    tuner.search(np.zeros((2, 8, 8, 1)), np.zeros(2), verbose=0)
    trial = tuner.oracle.trials["0"]
    assert trial.status == status and (
        status == "COMPLETED" or "when memory runs out, 4 times" in trial.message
    )
    records = journal.read(tmp_path / "s" / journal.TRIALS).records
    assert [record["message"].split(",")[0] for record in records if "lost" in record] == [
        "the training process was killed"
    ] * times


class Scored(CellHyperModel):
    """Trains nothing."""

    def build(self, hp):
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp, model, *args, **kwargs):
        return {"val_accuracy": toy_score(hp.values)}


@pytest.mark.parametrize("own", [True, False])
def test_our_tuner_goes_on_with_any_oracle(tmp_path, own):
    def searched(trials):
        make = StrategyOracle if own else keras_tuner.oracles.RandomSearchOracle
        given = {"strategy": "random"} if own else {}
        search = make(
            objective=keras_tuner.Objective("val_accuracy", "max"),
            max_trials=trials,
            seed=1,
            **given,
        )
        tuner = CellTuner(
            search,
            Scored((1,), 2, space=SPACE),
            isolation="none",
            directory=str(tmp_path),
            project_name="s",
        )
        tuner.search(np.zeros((4, 1)), np.zeros(4), verbose=0)
        return tuner

    first = searched(2)
    if own:
        (tmp_path / "s" / "tuner0.json").write_text(
            ""
        )  # torn: Keras Tuner's sign that there is something to reload, which we do not read
    again = searched(4)
    assert len(again.oracle.trials) == 4 and len(again.get_best_genotypes(4)) == 4
    for number, trial in first.oracle.trials.items():
        assert again.oracle.trials[number].score == trial.score


class Repeated(CellHyperModel):
    """Children of two kinds, whose weight says which trial trained them."""

    def declare_hyperparameters(self, hp):
        hp.Choice("one", [1, 2])

    def build(self, hp):
        hp.Choice("one", [1, 2])
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        model.compile("sgd", "mse")
        return model

    def fit(self, hp, model, *args, **kwargs):
        model.layers[-1].kernel.assign([[float(hp.get("one"))]])
        return {"val_accuracy": 0.5 if hp.get("one") == 1 else 0.25}


class WithWeights(CellTuner):
    """Trains nothing, and leaves the weights behind."""

    def run_trial(self, trial, *args, **kwargs):
        model = self.hypermodel.build(trial.hyperparameters)
        figures = self.hypermodel.fit(trial.hyperparameters, model)
        model.save_weights(
            os.path.join(self.get_trial_dir(trial.trial_id), "checkpoint.weights.h5")
        )
        return figures


def with_weights(folder, trials, **given):
    search = StrategyOracle(
        "random", keras_tuner.Objective("val_accuracy", "max"), trials, seed=0, repeats=True
    )
    return WithWeights(
        search,
        Repeated((1,), 2),
        isolation="none",
        directory=str(folder),
        project_name="s",
        **given,
    )


@pytest.mark.parametrize("again", [False, True])
def test_the_model_of_a_duplicate_is_the_one_that_was_trained(tmp_path, again):
    tuner = with_weights(tmp_path, 8)
    tuner.search(verbose=0)
    tuner = with_weights(tmp_path, 8) if again else tuner
    best = tuner.oracle.get_best_trials(8)
    assert sum("reused" in (trial.message or "") for trial in best) == 6
    models = tuner.get_best_models(8)
    assert [float(model.layers[-1].kernel[0, 0]) for model in models] == [
        trial.hyperparameters.get("one") for trial in best
    ]
    assert len(list(tmp_path.rglob("checkpoint.weights.h5"))) == 2


def test_weights_that_are_not_kept_are_missed_in_words(tmp_path):
    tuner = with_weights(tmp_path, 8, keep_best=1)
    tuner.search(verbose=0)
    worst = tuner.oracle.get_best_trials(8)[-1]
    with pytest.raises(
        ValueError, match="the weights of trial . are not in .*keep_best is 1; search with more"
    ):
        tuner.load_model(worst)


def test_failed_trials_have_no_models(tmp_path):
    tuner = with_weights(tmp_path, 2)
    tuner.hypermodel.fit = lambda *args, **kwargs: 1 / 0
    tuner.search(verbose=0)
    assert tuner.get_best_models(2) == [] and len(tuner.oracle.get_best_trials(2)) == 2


def test_who_ends_meanwhile_does_not_lose_its_weights(tmp_path):
    """What is best is asked for once, and while nobody else deletes."""
    tuner = with_weights(tmp_path, 8)
    asked = []
    get_best_trials = tuner.oracle.get_best_trials
    tuner.oracle.get_best_trials = lambda count=1: asked.append(count) or get_best_trials(count)
    trial = tuner.oracle.create_trial("a")
    tuner.oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
    trial.status = "COMPLETED"
    tuner.on_trial_end(trial)
    assert asked == [tuner.keep_best + 1]


# Other data.


def scored_on(folder, x, y, trials=2):
    search = StrategyOracle("random", keras_tuner.Objective("val_accuracy", "max"), trials, seed=0)
    tuner = CellTuner(
        search,
        Scored((1,), 2, space=SPACE),
        isolation="none",
        directory=str(folder),
        project_name="s",
    )
    tuner.search(x, y, verbose=0)
    return tuner


@pytest.mark.parametrize(
    "x, y, says",
    [
        (np.zeros((4, 2)), np.zeros(4), r"data x shape \[4, 1\], now it is \[4, 2\]"),
        (np.zeros((5, 1)), np.zeros(5), r"data x shape \[4, 1\], now it is \[5, 1\]"),
        (np.zeros((4, 1)), np.ones(4), 'data y sample "'),
    ],
)
def test_a_search_does_not_go_on_with_other_data(tmp_path, x, y, says):
    scored_on(tmp_path, np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(ValueError, match=f"begun with {says}"):
        scored_on(tmp_path, x, y, trials=4)
    assert len(scored_on(tmp_path, np.zeros((4, 1)), np.zeros(4), trials=4).oracle.trials) == 4


def test_a_search_that_was_begun_before_data_was_told_goes_on(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("nasnet_tf.tuners.tuner.of_arguments", lambda args, kwargs: None)
        scored_on(tmp_path, np.zeros((4, 1)), np.zeros(4))
    assert "data" not in journal.read(tmp_path / "s" / journal.TRIALS).head
    assert len(scored_on(tmp_path, np.ones((5, 1)), np.zeros(5), trials=4).oracle.trials) == 4


# Beginning anew.


def test_overwriting_deletes_what_a_search_wrote_and_nothing_else(tmp_path):
    finished(tmp_path, 3)
    tuner = with_weights(tmp_path, 3)
    tuner.search(verbose=0)
    (tmp_path / "s" / "thesis.tex").write_text("years")
    again = with_weights(tmp_path, 3, overwrite=True)
    assert not again.oracle.trials and (tmp_path / "s" / "thesis.tex").read_text() == "years"
    assert not list(tmp_path.rglob("checkpoint.weights.h5"))


def test_overwriting_leaves_a_strangers_folder_alone(tmp_path):
    (tmp_path / "s" / "trial_1").mkdir(parents=True)
    for name in ("config.json", "trials.log", "trial_1/data.csv"):
        (tmp_path / "s" / name).write_text('{"theirs": 1}')
    with pytest.raises(ValueError, match="holds no search, so it is not overwritten"):
        with_weights(tmp_path, 3, overwrite=True)
    assert len([path for path in (tmp_path / "s").rglob("*") if path.is_file()]) == 3


@pytest.mark.skipif(journal.fcntl is None, reason="no advisory locks here")
def test_overwriting_leaves_a_search_alone_that_goes_on_in_another_process(tmp_path):
    with_weights(tmp_path, 3).search(verbose=0)
    before = (tmp_path / "s" / "trials.log").read_bytes()
    code = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'rb'); fcntl.flock(file, fcntl.LOCK_EX);"
        " print(1, flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "s" / "trials.log")], stdout=subprocess.PIPE
    )
    other.stdout.readline()
    try:
        with pytest.raises(
            ValueError, match="another process is searching here; wait until it ends, or stop it"
        ):
            with_weights(tmp_path, 3, overwrite=True)
    finally:
        other.kill()
        other.wait()
    assert (tmp_path / "s" / "trials.log").read_bytes() == before and list(
        tmp_path.rglob("checkpoint.weights.h5")
    )


# Trials that failed.


def shaky(folder, failures, **given):
    """A search of which the trials with these numbers fail so."""
    return Toy(oracle(12, **given), folder, breaks=lambda number: failures.get(number))


def test_what_failed_for_a_passing_cause_is_run_again_when_the_search_goes_on(tmp_path):
    first = shaky(tmp_path, {"03": MemoryError("no room"), "05": ValueError("no such column")})
    first.search(verbose=0)
    again = shaky(tmp_path, {})
    again.search(verbose=0)
    assert again.trained == ["03"]
    assert [
        number for number, trial in again.oracle.trials.items() if trial.status == "FAILED"
    ] == ["05"]
    assert again.oracle.end_order == [
        *(number for number in first.oracle.end_order if number != "03"),
        "03",
    ]
    assert shaky(tmp_path, {}).oracle.end_order == again.oracle.end_order, (
        "it reads the same from the disk"
    )


def test_what_failed_otherwise_is_run_again_on_demand(tmp_path):
    shaky(
        tmp_path, {"03": ValueError("no such column"), "05": ValueError("no such column")}
    ).search(verbose=0)
    again = shaky(tmp_path, {}, retry_failed=True)
    again.search(verbose=0)
    assert again.trained == ["03", "05"] and {
        trial.status for trial in again.oracle.trials.values()
    } == {"COMPLETED"}


def test_what_fails_again_is_not_run_for_ever(tmp_path):
    for times in (12, 1, 1):
        tuner = shaky(tmp_path, {"03": MemoryError("no room")})
        tuner.search(verbose=0)
        tuner.search(verbose=0)
        assert len(tuner.trained) == times


def test_proposals_after_a_trial_that_is_run_again_are_as_if_it_had_ended_late(tmp_path):
    """Interrupted anywhere, too: the strategy learns what the log says."""
    failures = {"03": MemoryError("no room")}
    whole = Toy(
        oracle(30),
        tmp_path / "whole",
        breaks=lambda number: failures.get(number) if len(whole.trained) < 12 else None,
    )
    whole.search(verbose=0)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    one, two = (Toy(oracle(40), tmp_path / folder) for folder in ("whole", "cut"))
    two.breaks = lambda number: KeyboardInterrupt() if number == "33" else None
    one.search(verbose=0)
    with pytest.raises(KeyboardInterrupt):
        two.search(verbose=0)
    two = Toy(oracle(40), tmp_path / "cut")
    two.search(verbose=0)
    assert proposals(one.oracle) == proposals(two.oracle) and one.trained[0] == "03"


# Small spaces.


def small(folder, strategy="random", trials=100, **given):
    search = StrategyOracle(
        strategy, keras_tuner.Objective("score", "max"), trials, seed=0, **given
    )

    class Small(keras_tuner.HyperModel):
        def build(self, hp):
            hp.Choice("one", [1, 2, 3]), hp.Boolean("two"), hp.Int("three", 0, 6, step=2)

    class Tuner(keras_tuner.engine.base_tuner.BaseTuner):
        def run_trial(self, trial, *args, **kwargs):
            return {"score": float(trial.hyperparameters.get("one"))}

    tuner = Tuner(search, Small(), directory=str(folder), project_name="small")
    tuner.search(verbose=1)
    return [tuple(sorted(trial.hyperparameters.values.items())) for trial in search.trials.values()]


@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES) - {"successive-halving"}))
def test_a_small_space_is_tried_whole_without_repeats_and_then_the_search_ends(
    tmp_path, capsys, strategy
):
    tried = small(tmp_path, strategy)
    assert len(tried) == len(set(tried)) == 24
    assert (
        "nothing new is left to try: 24 trials are all that the space has"
        in capsys.readouterr().out
    )


def test_a_small_space_is_tried_whole_by_what_decides_epochs_too(tmp_path):
    tried = small(tmp_path, "successive-halving", settings={"epochs": (1, 3)})
    assert len(tried) == len(set(tried)) == 48


def test_within_a_budget_nothing_is_tried_twice(tmp_path):
    assert (
        len(set(small(tmp_path, trials=24))) == 24
        and len(set(small(tmp_path / "less", trials=20))) == 20
    )


def test_a_small_space_that_is_searched_in_parts_is_tried_whole_too(tmp_path):
    whole = small(tmp_path / "whole")
    for trials in (5, 17):
        small(tmp_path, trials=trials)
    assert [dict(values) for values in small(tmp_path)] == [dict(values) for values in whole]


def test_a_small_space_of_networks_ends_when_all_networks_were_tried(tmp_path):
    space = NASNetSpace(1, operations=("identity", "conv_1x1"), combinations=("add",))
    keys = {space.key(point) for point in itertools.product(*map(range, space.sizes))}

    class Small(keras_tuner.HyperModel):
        def build(self, hp):
            for name, options in space.decisions:
                hp.Choice(name, list(options))

    tuner = keras_tuner.engine.base_tuner.BaseTuner.__new__(Toy)
    tuner.breaks, tuner.trained = lambda number: None, []
    search = StrategyOracle(
        "random", keras_tuner.Objective("score", "max"), 1000, seed=0, space=space
    )
    keras_tuner.engine.base_tuner.BaseTuner.__init__(
        tuner, search, Small(), directory=str(tmp_path), project_name="networks"
    )
    tuner.search(verbose=0)
    tried = [space.key(space.choices(values)) for values in proposals(search)]
    assert len(tried) == len(set(tried)) and set(tried) == keys and len(keys) < 256


def test_process_isolation_of_what_cannot_be_sent_is_refused(tmp_path):
    from keras_tuner.errors import FatalError

    oracle = StrategyOracle("random", "val_accuracy", 1)
    tuner = CellTuner(
        oracle,
        CellHyperModel((8, 8, 1), 2),
        isolation="process",
        directory=str(tmp_path),
        project_name="d",
    )
    with pytest.raises(FatalError, match="isolation='process' is not possible"):
        tuner.search(np.zeros((2, 8, 8, 1)), np.zeros(2), callbacks=[lambda: None], verbose=0)
