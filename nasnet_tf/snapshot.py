"""The state of a training in one file: NumPy arrays, and facts about them in JSON.

The file is an .npz archive, which has a CRC-32 of every array in it. `files.replacing` writes it,
so a reader finds the previous snapshot or the new one, and after a power loss too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nasnet_tf.files import parse_json, replacing
from nasnet_tf.npz import read_npz

__all__ = ["read_snapshot", "write_snapshot"]


def write_snapshot(path: str | os.PathLike, arrays: Mapping | Sequence, **facts) -> None:
    """Replaces the snapshot at `path`.

    Args:
        arrays: {name: array}, or a sequence of arrays, whose names are then "0", "1", ...
        **facts: values that JSON can represent.
    Raises: ValueError if the folder does not exist; OSError.
    """
    texts = {name: json.dumps(fact) for name, fact in facts.items()}
    values = {name: np.asarray(array) for name, array in _by_name(arrays).items()}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **texts, **values)


def read_snapshot(
    path: str | os.PathLike, facts: Iterable[str] = (), like: Mapping | Sequence | None = None
) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and the facts in the snapshot at `path`, both by name.

    Args:
        facts: the names of the facts; everything else in the file is an array.
        like: the arrays that the snapshot must agree with in names and shapes.
    Raises: FileNotFoundError; ValueError that names the file if it is damaged, lacks a fact or
        holds other arrays.
    """
    arrays = read_npz(path)
    try:
        found = {name: _fact(arrays.pop(name)) for name in facts}
    except KeyError as error:
        raise ValueError(f"{path} lacks {error}; it is no snapshot of this kind.") from None
    except ValueError as error:
        raise ValueError(f"{path} is no snapshot of this kind: {error}") from None
    if like is not None and _shapes(arrays) != _shapes(like):
        raise ValueError(f"{path} holds the arrays of another training.")
    return arrays, found


def _by_name(arrays):
    if isinstance(arrays, Mapping):
        return arrays
    return {str(number): array for number, array in enumerate(arrays)}


def _shapes(arrays):
    return {name: tuple(array.shape) for name, array in _by_name(arrays).items()}


def _fact(array):
    """The value of a fact. Earlier versions wrote numbers as arrays."""
    value = array.item()
    return parse_json(value) if isinstance(value, str) else value
