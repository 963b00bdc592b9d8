"""Fingerprints by which data is recognized: shapes, classes, counts and the checksum of a sample,
as JSON values. NumPy only.
"""

from __future__ import annotations

import zlib

import numpy as np

__all__ = ["of_arguments", "of_data"]

_SAMPLE = 64  # rows or files
_MOST_BYTES = 1_000_000  # of a file that are read


def of_data(data) -> dict:
    """The fingerprint of a `nasnet_tf.data.DataSet` or `Text`."""
    if hasattr(data, "vocabulary"):
        parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
        counts = {name: len(part) for name, part in parts.items()}
        words = {
            "level": data.level,
            "steps": data.steps,
            "vocabulary": data.classes,
            "words": _checksum(list(data.vocabulary)),
        }
        return {
            **words,
            "counts": counts,
            "sample": _checksum([_sample(part, 4096) for part in parts.values()]),
        }
    parts = {
        name: (getattr(data, f"x_{name}"), np.asarray(getattr(data, f"y_{name}")))
        for name in ("train", "validation", "test")
    }
    return {
        "shape": list(map(int, data.input_shape)),
        "dtype": str(data.x_train.dtype),
        "classes": int(data.classes),
        "class_names": list(map(str, data.class_names)),
        "counts": {name: len(labels) for name, (_, labels) in parts.items()},
        "labels": _checksum([labels.astype(np.int64) for _, labels in parts.values()]),
        "sample": _checksum([_sample(images) for images, _ in parts.values()]),
    }


def of_arguments(args, kwargs) -> dict | None:
    """The fingerprint of the data among the arguments of `keras.Model.fit`; None if they have no
    fingerprint.

    That of arrays has shape, type and a sample; that of a `tf.data.Dataset`, which may be shuffled,
    only the types and the number of its elements.
    """
    given = dict(zip(("x", "y"), args, strict=False)) | {
        name: kwargs[name] for name in ("x", "y", "validation_data") if name in kwargs
    }
    found = {name: of_value(value) for name, value in given.items()}
    return {name: value for name, value in found.items() if value is not None} or None


def of_value(value):
    """The fingerprint of an array, a data set or a list, tuple or dict of them; None for other
    values.
    """
    if isinstance(value, dict):
        return {str(name): of_value(part) for name, part in value.items()}
    if isinstance(value, list | tuple) and not all(isinstance(part, int | float) for part in value):
        return [of_value(part) for part in value]
    if hasattr(value, "element_spec"):
        return {"elements": repr(value.element_spec), "count": int(value.cardinality())}
    if hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__getitem__"):
        return {
            "shape": [int(side) for side in value.shape],
            "dtype": str(value.dtype),
            "sample": _checksum([_sample(value)]),
        }
    return None


def _sample(rows, most=_SAMPLE):
    """Some rows, spread evenly; of picture files, the beginnings of some files."""
    chosen = (
        np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))
        if len(rows)
        else []
    )
    if hasattr(rows, "paths"):
        return [_beginning(rows.paths[number]) for number in chosen]
    return (
        np.stack([np.asarray(rows[int(number)]) for number in chosen])
        if len(chosen)
        else np.zeros(0)
    )


def _beginning(path):
    with open(path, "rb") as file:
        return file.read(_MOST_BYTES)


def _checksum(parts) -> str:
    crc = 0
    for part in parts:
        if isinstance(part, list):
            content = _checksum(part).encode()
        elif isinstance(part, str):
            content = part.encode() + b"\0"
        elif isinstance(part, bytes):
            content = part
        else:
            content = np.ascontiguousarray(part).tobytes()
        crc = zlib.crc32(content, crc)
    return f"{crc:08x}"
