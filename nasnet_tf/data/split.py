"""Stratified splits: every class in every part, always the same test part, and no picture in one
part that is nearly the same as one in another.
"""

from __future__ import annotations

import numpy as np

from nasnet_tf.data.dataset import DataSet, Part, Parts
from nasnet_tf.data.duplicates import same_pictures
from nasnet_tf.data.pictures import Pictures

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
    groups, notes = _alike(parts)
    if test is None:
        train, test, groups = _take(train, TEST_FRACTION, TEST_SEED, groups)
        origin = f"{TEST_FRACTION:.0%} held out, the same for every seed"
    if held is None:
        train, held, _ = _take(train, validation, seed, groups)
    return DataSet(
        parts.name,
        *train,
        *held,
        *test,
        parts.class_names,
        parts.flip,
        origin,
        parts.named,
        (*parts.notes, *notes),
    )


def _alike(parts):
    """(groups of training pictures that are nearly the same, remarks on them). Pictures that are
    read while training are not compared: each has a group of its own.
    """
    count = len(parts.train.y)
    given = [parts.train, *(part for part in (parts.validation, parts.test) if part is not None)]
    if any(isinstance(part.x, Pictures) for part in given):
        return np.arange(count), ()
    groups = same_pictures(*(part.x for part in given))
    own, others = groups[:count], groups[count:]
    notes = []
    if few := int((np.bincount(own)[own] > 1).sum()):
        notes.append(f"{few} pictures nearly the same as others, kept in one part with them")
    if few := int(np.isin(others, own).sum()):
        notes.append(f"{few} pictures to test or validate on nearly the same as training pictures")
    return own, tuple(notes)


def stratified(labels, fraction: float, seed: int, groups=None):
    """Indices kept and indices held out, both ascending; `fraction` of each class is held out, at
    least 1 and never all.

    Args:
        groups: (n,), numbers of groups that are not divided: those that would be are kept or held
            out as a whole, so that the shares of the classes stay about as they are.

    NumPy's `RandomState` is used because its stream is frozen; that of `default_rng` may change
    with a release.
    """
    rng = np.random.RandomState(seed)
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        held[members[: min(max(1, round(fraction * len(members))), len(members) - 1)]] = True
    if groups is not None:
        _undivide(held, np.asarray(labels), np.asarray(groups))
    return np.flatnonzero(~held), np.flatnonzero(held)


def _undivide(held, labels, groups):
    """Puts every group into one part, in place: the part for which the numbers of the classes that
    are held out stay nearest to what they were, no class with all of its images.
    """
    counts, wanted = np.bincount(labels), np.bincount(labels, held)
    for group in np.unique(groups[held]):
        members = groups == group
        if held[members].all():
            continue
        ways = []
        for together in (False, True):
            moved = held.copy()
            moved[members] = together
            found = np.bincount(labels, moved)
            impossible = ((found == 0) | (found == counts))[np.unique(labels)].any()
            ways.append((impossible, np.abs(found - wanted).sum(), moved))
        best = min(ways, key=lambda way: way[:2])
        if not best[0]:
            held[:] = best[2]


def _take(part, fraction, seed, groups):
    """(what is kept, what is held out, the groups of what is kept)."""
    kept, held = stratified(part.y, fraction, seed, groups)
    rest, taken = (Part(part.x[rows], part.y[rows]) for rows in (kept, held))
    return rest, taken, groups[kept]


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
