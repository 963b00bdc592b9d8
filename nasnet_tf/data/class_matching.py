"""Labels of a data set as those of a trained network: matched by the names of the classes, never by
their order.
"""

from __future__ import annotations

import dataclasses
import unicodedata

import numpy as np

from nasnet_tf.data.dataset import DataSet

__all__ = ["in_classes"]

_MOST_LISTED = 30  # classes in a message
PARTS = ("train", "validation", "test")


def in_classes(data: DataSet, classes) -> DataSet:
    """`data` with its labels numbered as `classes`, of which it may have only some.

    Names are compared in NFC, in which an accented letter is one character. If the network's
    classes or those of the data have no names, they are matched by their number; there must then be
    as many of both, and `notes` say so.

    Args:
        classes: the names of the network's classes in order, or their number. A class with several
            names is a tuple of them, the first of which is shown.
    Raises:
        ValueError: naming both lists, if a class of the data is not one of the network's, or has
            the name of two of them.
    """
    if isinstance(classes, int):
        return _by_number(data, classes, None, "the network's classes have no names")
    names = [name if isinstance(name, str) else name[0] for name in classes]
    given = [_same(name) for name in data.class_names]
    if given == [_same(name) for name in names]:
        return data
    numbers = {}
    for number, name in enumerate(classes):
        for one in {name} if isinstance(name, str) else {*name}:
            numbers.setdefault(_same(one), []).append(number)
    unknown = [name for name in data.class_names if _same(name) not in numbers]
    if unknown and not data.named:
        return _by_number(data, len(names), names, f"the classes of {data.name} have no names")
    if unknown:
        raise ValueError(
            f"{data.name} has classes that the network does not know: {_list(unknown)}. {data.name}"
            f" has {_list(data.class_names)}; the network {_list(names)}. Rename the classes of the"
            " data to those of the network, or leave the others out."
        )
    if doubled := [name for name in given if len(numbers[name]) > 1]:
        raise ValueError(
            f"{_list(doubled)} is the name of more than one class of the network, so classes of"
            f" {data.name} cannot be matched by name; give the data all the network's classes"
            " in its order, or save the network with distinct class_names."
        )
    if len(set(given)) < len(given):
        raise ValueError(
            f"{data.name} has a class twice, as its names are compared: {_list(data.class_names)};"
            " put them together."
        )
    places = np.array([numbers[name][0] for name in given], np.int32)
    labels = {f"y_{part}": places[getattr(data, f"y_{part}")] for part in PARTS}
    notes = (
        (f"{len(given)} of the network's {len(names)} classes",) if len(given) < len(names) else ()
    )
    return dataclasses.replace(
        data, **labels, class_names=tuple(names), notes=(*data.notes, *notes)
    )


def _by_number(data, count, names, why):
    if data.classes != count:
        known = f"{count} classes" if names is None else f"{count}: {_list(names)}"
        raise ValueError(
            f"{data.name} has {data.classes} classes ({_list(data.class_names)}), the network"
            f" {known}; as {why}, there must be as many of both. Give data like that it was trained"
            " on, or give both their names."
        )
    note = f"classes are compared by their number, as {why}"
    return dataclasses.replace(
        data,
        class_names=data.class_names if names is None else tuple(names),
        notes=(*data.notes, note),
    )


def _same(name):
    return unicodedata.normalize("NFC", str(name))


def _list(names):
    more = [f"... ({len(names)} in all)"] if len(names) > _MOST_LISTED else []
    return ", ".join([*map(str, names[:_MOST_LISTED]), *more])
