"""Data is known again, and what differs is told."""

import dataclasses
import json

import numpy as np
import pytest

from nasnet_tf import data as datasets
from nasnet_tf.data import load_text
from nasnet_tf.fingerprint import of_arguments, of_data


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", validation=0.2)


def differing(one, other):
    return {name for name in one if one[name] != other[name]}


def test_the_same_data_has_the_same_fingerprint(digits):
    found = of_data(digits)
    assert (
        found == of_data(datasets.load("digits", validation=0.2)) == json.loads(json.dumps(found))
    )
    assert (
        found["shape"] == [8, 8, 1]
        and found["classes"] == 10
        and found["counts"]["train"] == len(digits.x_train)
    )


@pytest.mark.parametrize(
    "change, differs",
    [
        (lambda d: {"class_names": (*d.class_names[:9], "ten")}, {"class_names"}),
        (lambda d: {"class_names": (*d.class_names, "ten")}, {"class_names", "classes"}),
        (
            lambda d: {"x_train": d.x_train[1:], "y_train": d.y_train[1:]},
            {"counts", "labels", "sample"},
        ),
        (
            lambda d: {
                "x_train": d.x_train[:, 1:],
                "x_validation": d.x_validation[:, 1:],
                "x_test": d.x_test[:, 1:],
            },
            {"shape", "sample"},
        ),
        (lambda d: {"y_test": (d.y_test + 1) % 10}, {"labels"}),
        (lambda d: {"x_train": 255 - d.x_train}, {"sample"}),
    ],
    ids=["names", "classes", "counts", "size", "labels", "pixels"],
)
def test_other_data_has_another_that_says_what_differs(digits, change, differs):
    assert (
        differing(of_data(digits), of_data(dataclasses.replace(digits, **change(digits))))
        == differs
    )


def test_a_text_has_one_too(tmp_path):
    (tmp_path / "a.txt").write_text("one two three four " * 200)
    (tmp_path / "b.txt").write_text("one two three five " * 200)
    one, other = (of_data(load_text(tmp_path / name, steps=5)) for name in ("a.txt", "b.txt"))
    assert one == of_data(load_text(tmp_path / "a.txt", steps=5)) and differing(one, other) == {
        "words"
    }


def test_arguments_of_fit_are_told_by_shape_type_and_sample():
    x, y = np.arange(12.0).reshape(3, 4), np.arange(3)
    found = of_arguments((x,), {"y": y, "validation_data": (x, y), "epochs": 3})
    assert found == of_arguments((), {"x": x, "y": y, "validation_data": (x, y)}) and set(
        found
    ) == {"x", "y", "validation_data"}
    assert found["x"]["shape"] == [3, 4] and differing(
        found, of_arguments((x + 1,), {"y": y, "validation_data": (x, y)})
    ) == {"x"}
    assert of_arguments((), {"epochs": 3}) is None and of_arguments((iter([]),), {}) is None
