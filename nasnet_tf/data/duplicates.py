"""Pictures that are nearly the same: one saved again, resized, or made lighter.

Each picture becomes a perceptual hash, the signs of random projections of its thumbnail (Charikar
2002, STOC, section 3): nearly the same ones have equal bits in some table. Those are compared.
"""

from __future__ import annotations

import numpy as np

__all__ = ["same_pictures"]

_SIDE = 16  # pixels of a thumbnail
_ALIKE = 0.995  # correlation of two thumbnails
_TABLES, _BITS = 8, 20
_NEIGHBOURS = 20  # in a table, with which a picture is compared
_CHUNK = 2000  # images at a time


def same_pictures(*images) -> np.ndarray:
    """Numbers of groups, (n,): pictures of one group are nearly the same.

    Args:
        *images: one array or several, (m, H, W, C) each; n are all of them in order.
    """
    marks, spread = _thumbnails(images)
    # one without contrast is like every other one of its brightness: such have a group each
    shown = np.flatnonzero(spread > 1e-6)
    pairs = [np.zeros((2, 0), int)]
    for one, other in _candidates(marks[shown]):
        a, b = shown[one], shown[other]
        alike = np.einsum("ij,ij->i", marks[a], marks[b]) > _ALIKE
        pairs.append(np.stack([a[alike], b[alike]]))
    return _joined(len(marks), np.concatenate(pairs, axis=1))


def _candidates(marks):
    """Places of pictures with equal bits, as pairs of arrays."""
    projections = np.random.RandomState(0).normal(size=(marks.shape[1], _TABLES * _BITS))
    weights = 1 << np.arange(_BITS)
    for table in range(_TABLES):
        own = projections[:, table * _BITS : (table + 1) * _BITS].astype("float32")
        codes = ((marks @ own) > 0) @ weights
        order = np.argsort(codes, kind="stable")
        for distance in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
            one, other = order[:-distance], order[distance:]
            equal = codes[one] == codes[other]
            if not equal.any():
                break
            yield one[equal], other[equal]


def _thumbnails(images):
    """(thumbnails of length 1 without their mean, (n, numbers); what their length was)."""
    found = [
        _means(np.asarray(part[start : start + _CHUNK], "float32"))
        for part in images
        for start in range(0, len(part), _CHUNK)
    ]
    marks = np.concatenate(found)
    marks -= marks.mean(1, keepdims=True)
    spread = np.linalg.norm(marks, axis=1)
    return marks / np.maximum(spread, 1e-6)[:, None], spread


def _means(images):
    """The means of the squares of a grid, (n, numbers)."""
    count, height, width, channels = images.shape
    rows = _averages(height) @ images.reshape(count, height, width * channels)
    columns = rows.reshape(count, -1, width, channels).swapaxes(1, 2)
    means = _averages(width) @ columns.reshape(count, width, -1)
    return means.reshape(count, -1)


def _averages(length):
    """The matrix (parts, length) that takes the means of parts of about equal length."""
    parts = min(length, _SIDE)
    part = np.arange(length) * parts // length
    matrix = (part == np.arange(parts)[:, None]).astype("float32")
    return matrix / matrix.sum(1, keepdims=True)


def _joined(count, pairs):
    """The numbers of the groups that pairs make of so many places: those of their first places."""
    group = np.arange(count)
    while True:
        least = np.minimum(group[pairs[0]], group[pairs[1]])
        before = group.copy()
        for places in pairs:
            np.minimum.at(group, places, least)
            np.minimum.at(group, before[places], least)
        group = group[group]
        if (group == before).all():
            return group
