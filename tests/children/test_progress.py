"""A child's training that was lost in the middle goes on there, and ends as one that was not."""

import random

import keras
import numpy as np
import pytest

from nasnet_tf.children.early import StopBelowMedian
from nasnet_tf.children.progress import Progress
from nasnet_tf.children.train import Pulse
from nasnet_tf.genotype import Block, Cell, Genotype
from nasnet_tf.native import NativeNetwork

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (24, 8, 8, 1)).astype("uint8"), RNG.integers(0, 2, 24)
CELL = Cell((Block(0, "sep_conv_3x3", 1, "identity"),), (2,))
FIT = dict(epochs=4, batch_size=8, validation_data=(X[:8], Y[:8]))


def native():
    random.seed(0)
    genotype = Genotype(CELL, CELL)
    return NativeNetwork(
        genotype, num_cells=1, filters=2, input_shape=(8, 8, 1), classes=2, stem=None, std=100.0
    )


def traced():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Rescaling(0.01),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.01, 12)
    model.compile(
        keras.optimizers.SGD(rate, 0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=True,
    )
    return model


class Lost(keras.callbacks.Callback):
    """Breaks off in the epoch of that number."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def weights(model):
    return model.get_weights() if isinstance(model, keras.Model) else [*model.named().values()]


def fit(make, path, *callbacks, of="toy", **arguments):
    """The model and its progress after a training."""
    model, progress = make(), Progress(path, of, callbacks, seconds=0)
    model.fit(
        X,
        Y,
        callbacks=[*callbacks, progress],
        verbose=0,
        **{**FIT, "shuffle": make is native, **arguments},
    )
    return model, progress


@pytest.mark.parametrize("make, epoch", [(native, 0), (native, 1), (native, 3), (traced, 1)])
def test_a_training_that_was_lost_ends_as_one_that_was_not(tmp_path, make, epoch):
    whole, told = fit(make, tmp_path / "whole.npz")
    with pytest.raises(KeyboardInterrupt):
        fit(make, tmp_path / "lost.npz", Lost(epoch))
    again, progress = fit(make, tmp_path / "lost.npz")
    assert progress.resumed == (epoch > 0) and not told.resumed
    assert progress.history == told.history and len(told.history["val_loss"]) == 4
    assert all(
        np.array_equal(one, other)
        for one, other in zip(weights(again), weights(whole), strict=True)
    )


@pytest.mark.parametrize("make", [native, traced])
def test_a_damaged_state_and_that_of_another_training_are_passed_over(tmp_path, make):
    path = tmp_path / "lost.npz"
    with pytest.raises(KeyboardInterrupt):
        fit(make, path, Lost(3))
    whole = path.read_bytes()
    assert not fit(make, path, of="other")[1].resumed
    cuts, flips = (6, 40) if make is native else (2, 3)  # Keras takes a second for each
    for size in range(0, len(whole), len(whole) // cuts):
        path.write_bytes(whole[:size])
        assert not fit(make, path, epochs=1)[1].resumed
    uninterrupted = weights(fit(make, tmp_path / "whole.npz")[0])
    # zip checks what it holds, and a bit may be of no weight where it describes it
    for place in RNG.integers(0, len(whole), flips):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        model, progress = fit(make, path)
        assert not progress.resumed or all(map(np.array_equal, weights(model), uninterrupted))


def test_only_the_first_fit_of_a_child_is_kept(tmp_path):
    model, progress = fit(traced, tmp_path / "a.npz")
    model.fit(X, Y, callbacks=[progress], verbose=0, epochs=2)
    assert not (tmp_path / "a.npz").exists() and len(progress.rows) == 2


def test_nothing_is_written_before_its_time(tmp_path):
    model, progress = native(), Progress(tmp_path / "a.npz", "toy", seconds=60)
    model.fit(X, Y, callbacks=[progress], **FIT)
    assert not (tmp_path / "a.npz").exists() and len(progress.rows) == 4


def test_what_was_reached_before_an_interruption_still_counts_for_early_stopping(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(KeyboardInterrupt):
        fit(native, path, Lost(3))
    stop = StopBelowMedian([])
    _, progress = fit(native, path, stop, epochs=3)  # nothing is left to train
    assert progress.resumed and stop.best == max(row["val_accuracy"] for row in progress.rows)


@pytest.mark.parametrize("make", [native, traced])
def test_a_training_tells_of_every_step_while_it_lasts(monkeypatch, make):
    told = []
    monkeypatch.setattr("nasnet_tf.children.train.tell_steps", told.append)
    make().fit(X, Y, callbacks=[Pulse()], verbose=0, **FIT)
    assert told == [
        *range(1 + 4 * (3 + 1 + 1)),
        None,
    ]  # in each epoch 3 batches, one of validation, and its end
