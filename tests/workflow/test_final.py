"""What a search delivers: the network trained at the end or the child, whichever is better; a size
that suits the time.
"""

import contextlib
import errno
import json
import subprocess
import sys
import time
import types

import numpy as np
import pytest

from nasnet_tf import training
from nasnet_tf.cli import main
from nasnet_tf.genotype import NASNET_A, Block, Cell, Genotype
from nasnet_tf.training import Pace, TooSlow
from nasnet_tf.workflow import final, fitting
from nasnet_tf.workflow.budget import Budget, noted
from nasnet_tf.workflow.final import FinalTraining
from nasnet_tf.workflow.sizes import Child, Size

CONFIG = dict(child_cells=1, child_filters=8, num_cells=2, filters=16, epochs=None, seed=0)


class Network:
    """As much of a network as is delivered."""

    def __init__(self, validation, test):
        self.validation, self.test = validation, test

    def save(self, path):
        path.write_text(f"{self.validation}")

    def count_params(self):
        return 1


def images(count=1000, side=32):
    parts = {}
    for part in ("train", "validation", "test"):
        parts |= {f"x_{part}": np.zeros((count, side, side, 3)), f"y_{part}": np.zeros(count)}
    return types.SimpleNamespace(**parts, classes=10, input_shape=(side, side, 3))


class Stages:
    """Notes what is said."""

    def __init__(self, minutes):
        self.budget, self.said = Budget(minutes, time.monotonic()), []

    def begin(self, description):
        pass

    def say(self, line):
        self.said.append(line)


@pytest.fixture
def trains(monkeypatch):
    """Replaces training and scoring; a list of the sizes that were trained, and what each is
    worth.
    """
    made, worth = [], {}

    def train_network(make, data, recipe, stages, *, folder, **_):
        choice = json.loads((folder / "choice.json").read_text())
        size = Size(choice["num_cells"], choice["filters"])
        made.append(size)
        found = worth[size]
        if isinstance(found, Exception):
            raise found
        return Network(found, found), {"loss": [1.0, 0.5]}

    monkeypatch.setattr(fitting, "train_network", train_network)
    monkeypatch.setattr(
        training,
        "scores",
        lambda model, data, part="test": {
            "accuracy": getattr(model, part),
            "loss": 0.0,
            "images": 1,
        },
    )
    return made, worth


def ended(tmp_path, minutes, child=0.9, seconds=1e-5, data=None, grows=False, **config):
    known = child and Child(
        Network(child, child), "trial 7 (ppo)", Size(1, 8), {"accuracy": child}, 0.0, seconds
    )
    stages = Stages(minutes)
    options = types.SimpleNamespace(**{**CONFIG, **config})
    found = FinalTraining(
        NASNET_A,
        known,
        data or images(),
        "short",
        options,
        tmp_path / "model.training",
        stages,
        0.0,
        grows,
    )
    return found.deliver(tmp_path / "model.keras"), stages


@pytest.mark.parametrize(
    "network, delivered", [(0.95, "final network"), (0.9, "final network"), (0.1, "child")]
)
def test_the_better_network_on_the_validation_images_is_delivered(
    tmp_path, trains, network, delivered
):
    trains[1][Size(2, 16)] = network
    result, _ = ended(tmp_path, minutes=None, epochs=2)
    assert result["delivered"] == delivered and result["accuracy"] == max(network, 0.9)
    assert (tmp_path / "model.keras").read_text() == str(max(network, 0.9))
    assert result["validation"] == {"final network": network, "child": 0.9}
    assert (result["num_cells"], result["filters"]) == ((1, 8) if delivered == "child" else (2, 16))
    assert ("the child of trial 7 (ppo) is delivered as it was trained" in result["why"]) == (
        delivered == "child"
    )
    assert f"{network:.4f} of the final network, 0.9000 of the child" in result["why"]


def test_a_training_that_diverges_delivers_the_child_and_says_why(tmp_path, trains):
    trains[1][Size(2, 16)] = ArithmeticError("training diverged: the loss became nan")
    result, _ = ended(tmp_path, minutes=None, epochs=2)
    assert result["delivered"] == "child" and "training diverged" in result["why"]
    with pytest.raises(ArithmeticError):
        ended(tmp_path, minutes=None, epochs=2, child=None)


def test_with_epochs_the_size_is_the_one_that_was_asked_for_however_slow_it_is(tmp_path, trains):
    trains[1][Size(2, 16)] = 0.95
    ended(tmp_path, minutes=None, epochs=2, seconds=100.0)
    assert trains[0] == [Size(2, 16)]


def test_the_size_that_keras_trains_suits_the_time_and_is_never_below_the_childs(
    tmp_path, trains, monkeypatch
):
    monkeypatch.setattr(training.trainers, "is_native", lambda genotype, recipe: False)
    with contextlib.suppress(KeyError):
        ended(tmp_path, minutes=10, seconds=1e-6)
    with contextlib.suppress(KeyError):
        ended(tmp_path, minutes=10, seconds=2e-3)
    with contextlib.suppress(KeyError):
        ended(tmp_path, minutes=10, seconds=1e-1)
    largest, middle, smallest = trains[0]
    assert (largest, smallest) == (Size(2, 16), Size(1, 8)) and middle not in (largest, smallest)


def test_compiled_kernels_begin_with_the_size_that_was_asked_for_as_its_steps_tell_the_pace(
    tmp_path, trains
):
    trains[1][Size(2, 16)] = 0.95
    ended(tmp_path, minutes=10, seconds=1e-1)
    assert trains[0] == [Size(2, 16)]


def test_a_network_whose_first_steps_are_too_slow_makes_way_for_a_smaller_one(tmp_path, trains):
    trains[1].update({Size(2, 16): TooSlow(20), Size(1, 8): 0.95})
    result, stages = ended(tmp_path, minutes=10, seconds=1e-6)
    assert trains[0] == [Size(2, 16), Size(1, 8)] and result["filters"] == 8
    assert stages.said == [
        "for N = 2, F = 16 there is time for 20 steps only, so the network is N = 1, F = 8"
    ]
    assert result["why"].startswith(stages.said[0])


@pytest.mark.parametrize(
    "count, slow, small",
    [
        (1000, None, []),  # thirty epochs, or there would be a smaller network
        (20_000, None, [Size(2, 16)]),  # 5,000 steps are fewer
        (1000, 400, []),  # the smaller network has time for them
        (1000, 20, [Size(1, 8)]),
    ],
)
def test_small_pictures_come_first_where_there_is_time_for_few_epochs_of_whole_ones(
    tmp_path, trains, monkeypatch, count, slow, small
):
    trains[1].update({Size(2, 16): TooSlow(slow) if slow else 0.95, Size(1, 8): 0.95})
    begun = []

    def begin(*_, **given):
        choice = json.loads((given["folder"] / "choice.json").read_text())
        begun.append(Size(choice["num_cells"], choice["filters"]))

    monkeypatch.setattr(final.growing, "begin", begin)
    monkeypatch.setattr(final.growing, "judged_on_some", lambda data: data)
    ended(tmp_path, minutes=10, data=images(count, side=24), grows=True)
    assert begun == small


def test_a_training_that_cannot_begin_in_time_leaves_the_child(tmp_path, trains):
    trains[1][Size(2, 16)] = TooSlow(0)
    result, _ = ended(tmp_path, minutes=10, seconds=1e-6)
    assert (
        result["delivered"] == "child"
        and trains[0] == [Size(2, 16)]
        and "no time was left" in result["why"]
    )


def test_where_no_time_is_left_the_child_is_delivered_as_it_is(tmp_path, trains):
    result, _ = ended(tmp_path, minutes=1e-6)
    assert (
        result["delivered"] == "child"
        and not trains[0]
        and result["why"].startswith("no time was left to train another network")
    )


@pytest.fixture
def now(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training.pace.time, "monotonic", lambda: now[0])
    return now


def steps(pace, now):
    pace.on_train_begin()
    for number in range(20):
        pace.on_train_batch_begin(number)
        now[0] += 10 if number == 0 else 1
        pace.on_train_batch_end(number)


def test_the_pace_of_the_first_steps_tells_whether_enough_fit(now):
    steps(Pace(70, ends=100), now)
    now[0] = 0.0
    with pytest.raises(TooSlow, match="only 83 steps fit the time"):
        steps(Pace(90, ends=100), now)
    now[0] = 0.0
    steps(Pace(90, ends=50), now)  # there would be no time for another network


def test_a_training_whose_first_step_would_end_too_late_does_not_begin(now):
    pace = Pace(0, ends=50)
    now[0] = 18.0
    pace.on_train_begin()
    now[0] = 22.0  # a step that traces takes longer than all that came before it
    with pytest.raises(TooSlow) as found:
        pace.on_train_begin()
    assert found.value.steps == 0


# The clock of a command


def test_the_time_that_is_spent_is_noted_for_a_command_that_goes_on(tmp_path):
    budget = Budget(10, time.monotonic() - 100, spent=50)
    budget.keep(tmp_path / "clock.json")
    assert noted(tmp_path / "clock.json") == pytest.approx(
        150, abs=5
    ) and budget.left == pytest.approx(450, abs=5)
    assert noted(tmp_path / "none.json") == 0
    (tmp_path / "clock.json").write_text('{"seconds": "x"}')
    assert noted(tmp_path / "clock.json") == 0


def test_the_time_of_a_command_begins_with_its_process():
    code = (
        "from nasnet_tf.cli import clock; import time; clock.is_the_process();"
        " print(time.monotonic() - clock.command_began())"
    )
    began = time.monotonic()
    told = float(
        subprocess.run(
            [sys.executable, "-c", f"import time; time.sleep(0.5); {code}"],
            check=True,
            capture_output=True,
        ).stdout
    )
    assert 0.5 < told <= time.monotonic() - began + 0.02


def test_the_bar_is_against_the_whole_time_and_not_full_before_it_is_over():
    from nasnet_tf.workflow.progress import Bar

    with Bar(Budget(1, time.monotonic() - 600)) as stages:
        stages.begin("searching")
        stages.share(0.1)
        stages.begin("training")
        time.sleep(1.2)
        (task,) = stages.progress.tasks
        assert task.description == "training" and task.completed == 0.99


# `nasnet-tf train`


def trained(tmp_path, *more, out="m.keras"):
    cell = Cell((Block(0, "conv_1x1", 1, "max_pool_3x3"),), (2,))
    Genotype(cell, cell).save(tmp_path / "cell.json")
    small = ("--num-cells", 1, "--filters", 2, "--batch-size", 256)
    arguments = ("train", tmp_path / "cell.json", "--data", "digits", *small, "--json", *more)
    return main([str(a) for a in (*arguments, "--out", tmp_path / out)])


@pytest.mark.slow
def test_a_disk_that_is_full_when_the_network_is_saved_loses_nothing_and_a_training_is_made_longer(
    tmp_path, capsys, monkeypatch
):
    import keras

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", full)
        assert trained(tmp_path, "--epochs", 2) == 2
    assert "No space left" in capsys.readouterr().err and not (tmp_path / "m.keras").exists()
    assert json.loads((tmp_path / "m.training" / "training.json").read_text())["epoch"] == 2
    assert trained(tmp_path, "--epochs", 2, "--resume") == 0
    first = json.loads(capsys.readouterr().out)
    assert not (tmp_path / "m.training" / "training.json").exists()
    assert trained(tmp_path, "--epochs", 2, "--resume") == 0
    assert json.loads(capsys.readouterr().out) == first, "nothing is left to do"
    assert trained(tmp_path, "--epochs", 3, "--resume") == 0
    rows = (tmp_path / "m.training" / "log.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == ["1", "2", "3"]


@pytest.mark.slow
def test_a_search_by_the_clock_delivers_the_better_network_and_goes_on_only_if_it_is_given_more(
    tmp_path, capsys
):
    children = ["--blocks", "1", "--child-images", "200", "--child-epochs", "1"]
    arguments = ["search", "digits", *children, "--runs-dir", str(tmp_path), "--json"]
    assert main([*arguments, "--minutes", "0.75"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["delivered"] in result["validation"] and result["why"]
    assert result["validation"][result["delivered"]] == max(result["validation"].values())
    assert main([*arguments, "--minutes", "0.75", "--resume"]) == 0
    assert json.loads(capsys.readouterr().out) == result
    page = (tmp_path / "digits" / "report.html").read_text()
    assert "why this network" in page and not (tmp_path / "digits" / "clock.json").exists()
