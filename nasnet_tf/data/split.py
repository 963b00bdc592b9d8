"""Stratified splits: every class in every part, and always the same test part."""

from __future__ import annotations

import numpy as np

from nasnet_tf.data.dataset import DataSet, Part, Parts

__all__ = ["divide", "stratified"]

TEST_FRACTION = 0.2
TEST_SEED = 0  # never an argument: all results must be on the same test set


def divide(parts: Parts, validation: float, seed: int, partial: bool = False) -> DataSet:
    """The data set, with the parts that the source lacks taken from its training part.

    Args:
        validation: share of the training part to validate on, if the source has no validation part.
        seed: of the choice of validation images; the test images do not depend on it.
        partial: the classes are some of those of a trained network: any number of classes and of
            images is enough.
    Raises:
        ValueError: if there are fewer than two classes, or a class has too few images to be in
            every part.
    """
    if not partial:
        _check_enough(parts)
    train, held, test, origin = parts.train, parts.validation, parts.test, parts.test_origin
    if test is None:
        train, test = _take(train, TEST_FRACTION, TEST_SEED)
        origin = f"{TEST_FRACTION:.0%} held out, the same for every seed"
    if held is None:
        train, held = _take(train, validation, seed)
    return DataSet(
        parts.name,
        *train,
        *held,
        *test,
        parts.class_names,
        parts.flip,
        origin,
        parts.named,
        parts.notes,
    )


def stratified(labels, fraction: float, seed: int):
    """Indices kept and indices held out, both ascending; `fraction` of each class is held out, at
    least 1 and never all.

    NumPy's `RandomState` is used because its stream is frozen; that of `default_rng` may change
    with a release.
    """
    rng = np.random.RandomState(seed)
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        held[members[: min(max(1, round(fraction * len(members))), len(members) - 1)]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def _take(part, fraction, seed):
    kept, held = stratified(part.y, fraction, seed)
    return Part(part.x[kept], part.y[kept]), Part(part.x[held], part.y[held])


def _check_enough(parts):
    if len(parts.class_names) < 2:
        raise ValueError(
            f"{parts.name} has {len(parts.class_names)} class ({', '.join(parts.class_names)}); a"
            " classifier needs at least 2 classes."
        )
    needed = 1 + (parts.validation is None) + (parts.test is None)
    counts = np.bincount(parts.train.y, minlength=len(parts.class_names))
    if counts.min() < needed:
        scarce = parts.class_names[int(counts.argmin())]
        raise ValueError(
            f"class {scarce!r} of {parts.name} has {counts.min()} training image(s); it needs at"
            f" least {needed}, one for each part that is taken from the training images. Add images"
            " or leave the class out."
        )
