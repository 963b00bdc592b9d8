"""A network that has time for few epochs is trained on pictures of half the side first."""

import time

import keras
import numpy as np
import pytest

from nasnet_tf import data as datasets
from nasnet_tf.genotype import Block, Cell, Genotype
from nasnet_tf.training import RECIPES, network_for
from nasnet_tf.training.checkpoint import STATE
from nasnet_tf.workflow import fitting, growing
from nasnet_tf.workflow.budget import Budget
from nasnet_tf.workflow.final import FinalTraining
from nasnet_tf.workflow.options import SearchOptions
from nasnet_tf.workflow.progress import Stages
from nasnet_tf.workflow.sizes import Child, Size

BLOCKS = (Block(0, "sep_conv_3x3", 1, "identity"),)
TINY = Genotype(Cell(BLOCKS, (2,)), Cell(BLOCKS, (2,)))


def pictures(side=24, count=24):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (count, side, side, 3)).astype("uint8")
    parts = {}
    for part in ("train", "validation", "test"):
        parts |= {f"x_{part}": x, f"y_{part}": np.arange(count, dtype="int32") % 2}
    return datasets.DataSet("some", **parts, class_names=("a", "b"), flip=True, test_origin="given")


def test_small_pictures_have_half_the_side_or_there_are_none():
    assert growing.half((32, 32, 3)) == (16, 16) and growing.half((29, 48, 1)) == (15, 24)
    assert growing.half((22, 32, 3)) is None


def test_the_pictures_of_a_data_set_are_resized_in_all_its_parts():
    data = pictures()
    small = data.at((12, 12))
    assert small.input_shape == (12, 12, 3) and data.input_shape == (24, 24, 3)
    for part in ("train", "validation", "test"):
        assert getattr(small, f"x_{part}").shape[1:] == (12, 12, 3)
        np.testing.assert_array_equal(getattr(small, f"y_{part}"), getattr(data, f"y_{part}"))


def test_weights_are_taken_and_the_statistics_of_pixels_are_not():
    data, size = pictures(), {"num_cells": 1, "filters": 2, "stem": "cifar"}
    small = network_for(TINY, data.at(12), RECIPES["short"], **size)
    whole = network_for(TINY, data, RECIPES["short"], **size)
    before = [keras.ops.convert_to_numpy(variable) for variable in whole.variables]
    growing.take_weights(whole, small)
    for one, own, other in zip(whole.variables, before, small.variables, strict=True):
        wanted = own if one.path.startswith("normalization/") else other
        np.testing.assert_array_equal(one, wanted)


@pytest.fixture
def trained(monkeypatch):
    """Replaces training: a list of (folder, height of the pictures, whether it was resumed)."""
    made = []

    def train_network(make, data, recipe, stages, *, folder, resume, **_):
        made.append((folder.name, data.input_shape[0], resume))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STATE).write_text("{}")
        if len(made) in stages.interrupted:
            raise KeyboardInterrupt
        return make(data, recipe), {"loss": [1.0]}

    monkeypatch.setattr(fitting, "train_network", train_network)
    return made


def final(folder, grows=True, interrupted=()):
    # there is no smaller network, so whether it sees its pictures often enough is not known
    options = SearchOptions(
        data="digits", child_cells=1, child_filters=4, num_cells=1, filters=4, minutes=10.0
    )
    child = Child(None, "trial 0", Size(1, 2), {"accuracy": 0.0}, 0.0, 1e-6)
    stages = Stages(Budget(10, time.monotonic()))
    stages.interrupted = interrupted
    return FinalTraining(
        TINY, child, pictures(), "short", options, folder / "model.training", stages, 0.0, grows
    )


WHOLE, SMALL = ("model.training", 24), ("small", 12)


def test_a_network_sees_small_pictures_first(tmp_path, trained):
    final(tmp_path)._trained()
    assert trained == [(*SMALL, False), (*WHOLE, False)]


def test_a_network_with_enough_time_sees_whole_pictures_alone(tmp_path, trained):
    final(tmp_path, grows=False)._trained()
    assert trained == [(*WHOLE, False)]


def test_an_interrupted_training_goes_on_in_its_stage(tmp_path, trained):
    with pytest.raises(KeyboardInterrupt):
        final(tmp_path, interrupted=[1])._trained()
    with pytest.raises(KeyboardInterrupt):
        final(tmp_path, grows=False, interrupted=[3])._trained()
    ending = final(tmp_path, grows=False)
    ending._trained()
    assert trained == [(*SMALL, False), (*SMALL, True), (*WHOLE, False), (*WHOLE, True)]
    ending.forget()
    assert not list(tmp_path.rglob(STATE))


@pytest.mark.slow
def test_a_training_with_both_stages_keeps_to_its_time(tmp_path):
    ending = final(tmp_path)
    ending.stages.budget = Budget(0.75, time.monotonic())
    result = ending.deliver(tmp_path / "model.keras")
    assert ending.stages.budget.left > 0 and result["delivered"] == "final network"
    assert keras.saving.load_model(tmp_path / "model.keras").input_shape == (None, 24, 24, 3)
