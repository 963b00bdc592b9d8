"""A network trained by compiled kernels is the one that Keras builds, traces and trains."""

import keras
import numpy as np
import pytest
from trainings import SIZE, assert_equal_trainings

from nasnet_tf import native
from nasnet_tf.genotype import NASNET_A, Block, Cell, Genotype, NASBench201, unused
from nasnet_tf.graph import OPERATION_SPECS
from nasnet_tf.native import kernels


def cell(*operations, combine="add"):
    """Two blocks: an operation of each input of the cell, and of a block."""
    a, b, c = (operations * 3)[:3]
    blocks = (Block(0, a, 1, b, combine), Block(2, c, 0, "identity", combine))
    return Cell(blocks, unused(blocks))


NAMES = sorted(OPERATION_SPECS)


PAIRS = list(zip(NAMES[::2], NAMES[1::2], strict=True))


@pytest.mark.parametrize("pair", PAIRS, ids=", ".join)
def test_every_operation_in_both_cells(pair):
    one, other = pair
    assert_equal_trainings(
        Genotype(cell(one, other), cell(other, one)), steps=2, num_cells=(1, 0, 0)
    )


def test_concatenations_and_a_kept_previous_cell():
    assert_equal_trainings(
        Genotype(
            cell("identity", combine="concatenate"),
            cell("max_pool_3x3", "conv_1x1", combine="concatenate"),
        ),
        num_cells=(1, 0, 0),
    )
    assert_equal_trainings(
        Genotype(Cell((Block(0, "identity", 1, "conv_1x1"),), (2,)), cell("avg_pool_3x3")),
        num_cells=2,
    )


@pytest.mark.parametrize(
    "operations, shape",
    [
        (
            (
                "nor_conv_3x3",
                "nor_conv_1x1",
                "avg_pool_3x3",
                "skip_connect",
                "none",
                "nor_conv_3x3",
            ),
            (7, 5, 3),
        ),
        (
            (
                "none",
                "skip_connect",
                "nor_conv_3x3",
                "nor_conv_1x1",
                "skip_connect",
                "avg_pool_3x3",
            ),  # node 1 is zero
            (8, 8, 3),
        ),
        (
            ("none", "none", "none", "none", "nor_conv_1x1", "none"),  # the cell is a constant
            (8, 8, 3),
        ),
    ],
)
def test_nas_bench_201(operations, shape):
    assert_equal_trainings(NASBench201(*operations), steps=2, input_shape=shape)


@pytest.mark.parametrize(
    "arguments",
    [
        dict(residual=True),
        dict(skip_reduction=True, num_cells=2),
        dict(stem="imagenet", input_shape=(33, 30, 3)),
        dict(weight_decay=1e-2, batch_norm_momentum=0.5, batch_norm_epsilon=1e-2, stem_filters=5),
        # With the images of seed 0 a maximum is so close that Keras' own float32 is 0.8 % from its
        # float64.
        dict(input_shape=(7, 9, 3), image_seed=1),
        dict(filters=3),
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_what_a_network_may_be_asked_for(arguments):
    assert_equal_trainings(
        Genotype(cell("sep_conv_3x3", "max_pool_3x3"), cell("conv_3x3", "identity")),
        steps=2,
        **{"num_cells": (1, 0, 0), **arguments},
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_random_genotypes(random_genotype, seed):
    genotype = random_genotype(seed)
    if all(block.combine in ("add", "concatenate") for cell in genotype for block in cell.blocks):
        assert_equal_trainings(genotype, steps=2)
    else:
        with pytest.raises(NotImplementedError):
            native.NativeNetwork(genotype, **SIZE)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_compute_the_same_numbers(threads, monkeypatch):
    monkeypatch.setattr(native.calls, "_SMALL", 0)
    genotype = Genotype(cell("sep_conv_3x3", "max_pool_3x3"), cell("avg_pool_3x3", "conv_3x3"))
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(6, 8, 8, 3)) * 60 + 120, np.arange(6) % 3
    found = []
    for count in (1, threads):
        keras.utils.set_random_seed(0)
        network = native.NativeNetwork(genotype, threads=count, weight_decay=1e-3, **SIZE)
        x = network.prepared(images)
        losses = [network.step(x, native.labels_of(labels), 0.1, clip_norm=1.0) for _ in range(3)]
        found.append((losses, network.evaluate(x, labels), *map(np.copy, network.changing)))
    for alone, together in zip(*found, strict=True):
        np.testing.assert_array_equal(together, alone)


class LastThreadFirst:
    """Does in each group what the threads do, the last thread's part first."""

    threads = 3

    def run(self, calls):
        for of_threads in calls.groups:
            for calls in reversed(of_threads):
                for kernel, arguments in calls:
                    kernel(*arguments)


@pytest.mark.parametrize(
    "genotype",
    [
        NASNET_A,  # its maxima keep where they were, in bytes, among numbers of four
        Genotype(cell("sep_conv_3x3", "max_pool_3x3"), cell("max_pool_5x5", "conv_3x3")),
    ],
    ids=["nasnet_a", "pools"],
)
def test_no_thread_needs_what_another_does_in_the_same_group(genotype, monkeypatch):
    monkeypatch.setattr(native.calls, "_SMALL", 0)
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(3, 8, 8, 3)) * 60 + 120, native.labels_of(np.arange(3))
    found = []
    for crew in (native.threads.Crew(1), LastThreadFirst()):
        keras.utils.set_random_seed(0)
        network = native.NativeNetwork(genotype, **SIZE)
        network._crew = crew
        x = network.prepared(images)
        losses = [network.step(x, labels, 0.1) for _ in range(2)]
        found.append((losses, network.probabilities(x), *map(np.copy, network.changing)))
    for alone, together in zip(*found, strict=True):
        np.testing.assert_array_equal(together, alone)


def test_a_validation_may_come_after_some_epochs_only():
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(6, 8, 8, 3)) * 60 + 120, np.arange(6) % 3
    histories = []
    for every in (1, 2):
        keras.utils.set_random_seed(0)
        network = native.NativeNetwork(Genotype(cell("identity"), cell("max_pool_3x3")), **SIZE)
        fitted = network.fit(
            images, labels, epochs=4, validation_data=(images, labels), validation_freq=every
        )
        histories.append(fitted.history)
    always, seldom = histories
    assert seldom["loss"] == always["loss"] and seldom["val_loss"] == always["val_loss"][1::2]


@kernels.compiled
def put(array, first, last):
    array[first:last] += np.float32(1)


@kernels.compiled
def ask_for_too_much(array, first, last):
    array[0] = len(np.empty(1 << 60, np.float32))


def test_an_error_of_a_thread_is_raised_where_it_was_called():
    crew, array = native.threads.Crew(2), np.zeros(2, "float32")
    first, second = (put, (array, 0, 1)), (put, (array, 1, 2))
    groups = [[[first], [(ask_for_too_much, (array, 0, 1))]], [[first], [second]]]
    with pytest.raises(MemoryError, match="too little memory"):
        crew.run(native.lists.CallList(groups))
    assert array[1] == 0  # nothing is computed after it
    array[:] = 0
    crew.run(native.lists.CallList([[[first], [second]]] * 2))
    assert array.tolist() == [2, 2]
