"""Arrays as a data set: an .npz file, and the checks of every array of images or labels."""

from __future__ import annotations

import numpy as np

from nasnet_tf import npz
from nasnet_tf.data.dataset import Part, Parts

__all__ = ["as_images", "as_labels", "is_whole", "read_npz"]

_MOST_NAMED = 20  # arrays in a message


def read_npz(path, name: str) -> Parts:
    """The parts of an .npz file: x_train, y_train; optional x_test, y_test, x_val, y_val,
    class_names.

    Labels may be whole numbers or strings, (n,) or (n, 1). Nothing in the file is ever unpickled.

    Raises:
        ValueError: naming the file, if it is no .npz, lacks a key, or holds arrays that are not
            images and labels.
    """
    found, names = _members(path)
    for kind in ("train", "test", "val"):
        _check_pair(found, kind, path, names)
    kinds = [kind for kind in ("train", "test", "val") if f"x_{kind}" in found]
    images = {kind: as_images(found[f"x_{kind}"], f"x_{kind} of {path}") for kind in kinds}
    raw = {kind: found[f"y_{kind}"] for kind in kinds}
    labels, class_names = as_labels(raw, found.get("class_names", found.get("classes")), path)
    _check_alike(images, path)
    parts = {kind: Part(images[kind], labels[kind]) for kind in kinds}
    named = (
        class_names != tuple(map(str, np.unique(raw["train"]))) or raw["train"].dtype.kind in "SU"
    )
    return Parts(
        name,
        parts["train"],
        parts.get("val"),
        parts.get("test"),
        class_names,
        flip=True,
        test_origin="given in the file",
        named=named,
    )


def as_images(x, where: str) -> np.ndarray:
    """`x` as images (n, H, W, C), C 1 or 3, uint8 or float32; `where` names it in errors.

    Raises:
        ValueError: if the shape, the type or the values cannot be those of images.
    """
    x = np.asarray(x)
    if x.ndim == 3:
        x = x[..., np.newaxis]
    if x.ndim != 4 or x.shape[-1] not in (1, 3) or 0 in x.shape:
        raise ValueError(
            f"{where} has shape {x.shape}; images are (n, H, W) or (n, H, W, C), with 1 or 3"
            " channels, last; transpose the axes or select the channels."
        )
    if x.dtype == np.uint8:
        return x
    if x.dtype == bool:
        return x.astype(np.uint8) * np.uint8(255)
    if x.dtype.kind == "f":
        return _as_float32(x, where)
    if x.dtype.kind not in "iu" or x.min() < 0 or x.max() > 255:
        raise ValueError(
            f"{where} has pixels of type {x.dtype} that are not all whole numbers from 0 to 255;"
            " store uint8, or floats."
        )
    return x.astype(np.uint8)


def _as_float32(x, where):
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    bad = int(np.size(x) - np.isfinite(x).sum())
    if bad:
        raise ValueError(
            f"{where} has {bad} pixels that are not finite (NaN, infinite); replace them, or leave"
            " those images out."
        )
    return x


def as_labels(raw: dict, names, where):
    """Labels as int32 from 0, and the class names: the labels of `raw["train"]`, sorted.

    Args:
        raw: part name -> labels, whole numbers or strings, (n,) or (n, 1).
        names: the names of the classes 0, 1, ... of whole-number labels; with None a class is
            named by its label.
    Returns:
        ({part name: int32 (n,)}, class names).
    """
    raw = {kind: _flat(labels, f"y_{kind} of {where}") for kind, labels in raw.items()}
    values = np.unique(raw["train"])
    labels = {}
    for kind, given in raw.items():
        position = (
            np.searchsorted(values, given).clip(max=len(values) - 1)
            if given.dtype.kind == values.dtype.kind
            else None
        )
        if position is None or (values[position] != given).any():
            strange = given[0] if position is None else given[values[position] != given][0]
            raise ValueError(
                f"y_{kind} of {where} has the label {strange.item()!r}, which no training image"
                " has; remove it or add training images."
            )
        labels[kind] = position.astype(np.int32)
    return labels, _class_names(values, names)


def _flat(labels, where):
    """Labels as int64 or str, (n,)."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"{where} has shape {labels.shape}; labels are (n,) or (n, 1). Of one-hot labels store"
            " the argmax."
        )
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "U":
        return labels
    if labels.dtype.kind not in "iub" or (
        labels.dtype == np.uint64 and labels.max(initial=0) > np.iinfo(np.int64).max
    ):
        raise ValueError(
            f"{where} has labels of type {labels.dtype}; labels are whole numbers (int64 at most)"
            " or strings."
        )
    return labels.astype(np.int64)


def _class_names(values, names):
    if (
        values.dtype.kind == "i"
        and names is not None
        and names.ndim == 1
        and names.dtype.kind == "U"
    ):
        if values[0] >= 0 and values[-1] < len(names):
            return tuple(str(names[value]) for value in values)
    return tuple(str(value) for value in values)


def _members(path):
    """The arrays of a data set in the file, by key, and all keys of the file."""
    wanted = {f"{axis}_{kind}" for axis in "xy" for kind in ("train", "test", "val")} | {
        "class_names",
        "classes",
    }
    try:
        names = []
        return npz.read_npz(path, wanted, names), names
    except ValueError as error:
        how = "write it with numpy.savez(path, x_train=..., y_train=...), without Python objects."
        raise ValueError(f"{str(error).rstrip('.')}; {how}") from error


def _check_pair(found, kind, path, names):
    """Checks that a part has as many labels as images, and that the training part exists."""
    keys = (f"x_{kind}", f"y_{kind}")
    missing = [key for key in keys if key not in found]
    if missing and (kind == "train" or len(missing) == 1):
        there = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
        raise ValueError(
            f"{path} has no {missing[0]} (it has {there or 'no arrays'}); write it with"
            " numpy.savez(path, x_train=..., y_train=...)."
        )
    if not missing and (
        found[keys[0]].ndim == 0
        or found[keys[1]].ndim == 0
        or len(found[keys[0]]) != len(found[keys[1]])
    ):
        shapes = f"{found[keys[0]].shape} and {found[keys[1]].shape}"
        raise ValueError(
            f"{keys[0]} and {keys[1]} of {path} have shapes {shapes}; the first numbers must agree:"
            " one label an image."
        )


def _check_alike(images, path):
    train = images["train"]
    for kind, x in images.items():
        if x.shape[1:] != train.shape[1:] or x.dtype != train.dtype:
            raise ValueError(
                f"x_{kind} of {path} holds {x.shape[1:]} {x.dtype} images but x_train"
                f" {train.shape[1:]} {train.dtype}; store both alike."
            )


def is_whole(value) -> bool:
    """Whether `value` is an integer of Python or NumPy, and no bool."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
