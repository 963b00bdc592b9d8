"""A folder of class folders of pictures, with or without split folders above them."""

from __future__ import annotations

import contextlib
import itertools
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nasnet_tf.data.dataset import Part, Parts
from nasnet_tf.data.images import complaint, unreadable
from nasnet_tf.data.listing import folders_in, listed, pictures_in
from nasnet_tf.data.picture_files import SUFFIXES, header
from nasnet_tf.data.pictures import Pictures

__all__ = ["listed", "read_folder"]

DEFAULT_SIZE = 64  # side in pixels of pictures that vary in size
KEPT_SIZES = range(8, 129)  # sides in pixels that pictures of one size keep
MOST_IN_MEMORY = 4 * 2**30  # bytes of decoded images; larger sets stay in their files by default
_MOST_HEADERS = 20_000  # read, evenly spread, to see whether all pictures have the same size
_MOST_NAMED = 10  # files in a note
_SPLITS = {"train": ("train",), "test": ("test",), "validation": ("validation", "val", "valid")}
_LAYOUT = (
    "pictures belong in one folder a class (daisy/1.jpg, rose/2.jpg), which may lie in train, val"
    " and test folders"
)


def read_folder(
    path,
    name: str,
    size=None,
    channels: int | None = None,
    in_memory: bool | None = None,
    skip_broken=False,
    partial=False,
) -> Parts:
    """The pictures under `path` as images; class names are the sorted folder names. Folders inside
    a class folder belong to the class.

    Train, val and test folders are the parts of those names. With train and val alone, val is the
    test part: published results are measured on it, so nothing may be selected by it. A single
    folder around all of them is skipped.

    Args:
        size: one side or (height, width); None keeps the size of the pictures if it is the same for
            all and in KEPT_SIZES, else takes 64.
        channels: 3, RGB, or 1; None means 1 if all pictures are grey.
        in_memory: whether the images are decoded to arrays, or stay in their files as `Pictures`;
            None decides by their size.
        skip_broken: leave out pictures that cannot be read; all are decoded once to find them.
        partial: the classes are some of those of a trained network: one is enough, and a folder may
            be empty.
    Raises:
        ValueError: naming the folder or the files, if there are fewer than two classes, an empty
            class, or broken pictures.
    """
    root = _unwrapped(Path(path))
    splits = _splits(root) or {"train": root}
    listings = {
        split: _classes(folder, required=split == "train" and not partial)
        for split, folder in splits.items()
    }
    class_names = tuple(listings["train"])
    if len(class_names) < (1 if partial else 2):
        raise ValueError(
            f"{splits['train']} has 1 class folder ({class_names[0]}); a classifier needs at least"
            f" 2 classes: {_LAYOUT}."
        )
    files = {
        split: {label: found.pictures for label, found in classes.items()}
        for split, classes in listings.items()
    }
    notes = _left_out(root, splits, listings)
    if skip_broken and (broken := unreadable(_all(files))):
        files = {split: _without(broken, classes) for split, classes in files.items()}
        notes.append(f"left out as they cannot be read: {_named(root, broken)}")
        _check_filled(files["train"], splits["train"], partial)
    size, channels, how = _chosen(_all(files), size, channels)
    parts = {
        split: _part(files[split], class_names, splits, split, size, channels) for split in splits
    }
    if in_memory or (
        in_memory is None and sum(part.x.nbytes for part in parts.values()) <= MOST_IN_MEMORY
    ):
        parts = _decoded(parts)
    origin = f"its {splits['test'].name} folder" if "test" in splits else "none given"
    if "test" not in splits and "validation" in splits:
        parts["test"] = parts.pop("validation")
        origin = (
            f"its {splits['validation'].name} folder, as it has no test folder (validation is taken"
            " from train)"
        )
    return Parts(
        name,
        parts["train"],
        parts.get("validation"),
        parts.get("test"),
        class_names,
        flip=True,
        test_origin=origin,
        notes=(*how, *notes),
    )


def _unwrapped(folder):
    """The folder with the class or split folders, which may be inside others, as in an archive."""
    inside = folders_in(folder)
    while (
        len(inside) == 1
        and not pictures_in(folder)
        and not pictures_in(inside[0])
        and folders_in(inside[0])
    ):
        folder, inside = inside[0], folders_in(inside[0])
    return folder


def _splits(root):
    """Split name -> folder; empty if `root` has class folders. A `train` folder of pictures is a
    class (of railways).
    """
    folders = {folder.name.lower(): folder for folder in folders_in(root)}
    found = {
        split: folders[name]
        for split, names in _SPLITS.items()
        for name in names
        if name in folders
    }
    return (
        found
        if "train" in found and folders_in(found["train"]) and not pictures_in(found["train"])
        else {}
    )


def _classes(folder, required):
    """Class name -> `Listing`, both sorted, so that nothing depends on the order of the file
    system.

    Names are in NFC, in which an accented letter is one character; file systems of Macs use NFD.
    """
    classes = {}
    for inside in folders_in(folder):
        name = unicodedata.normalize("NFC", inside.name)
        if name in classes:
            raise ValueError(
                f"{folder} has two class folders whose names are both written {name}; put them"
                " together."
            )
        classes[name] = listed(inside)
    if not classes:
        what = "pictures but no class folders" if pictures_in(folder) else "no class folders"
        raise ValueError(f"{folder} has {what}; {_LAYOUT}.")
    _check_filled({name: found.pictures for name, found in classes.items()}, folder, not required)
    return classes


def _check_filled(files, folder, partial):
    for name in files:
        if not files[name] and not partial:
            known = ", ".join(SUFFIXES)
            raise ValueError(
                f"class folder {folder / name} has no pictures ({known}); add some or remove it:"
                f" {_LAYOUT}."
            )
    if not any(files.values()):
        raise ValueError(f"{folder} has no pictures in its class folders; {_LAYOUT}.")


def _part(files, class_names, splits, split, size, channels):
    if strange := sorted(set(files) - set(class_names)):
        raise ValueError(
            f"{splits[split]} has the class {', '.join(map(repr, strange))}, which no training"
            f" folder has: these are {', '.join(class_names)}. Rename it, or add training pictures"
            " of it."
        )
    numbers = {name: number for number, name in enumerate(class_names)}
    labels = np.repeat([numbers[name] for name in files], [len(files[name]) for name in files])
    pictures = Pictures([path for name in files for path in files[name]], size, channels=channels)
    return Part(pictures, labels.astype(np.int32))


def _decoded(parts):
    """The parts with decoded images. The error names the broken pictures of all parts."""
    try:
        return {split: Part(np.asarray(part.x), part.y) for split, part in parts.items()}
    except ValueError as error:
        paths = np.concatenate([part.x.paths for part in parts.values()])
        raise complaint(unreadable(paths), len(paths), error) from error


def _chosen(paths, size, channels):
    """(size, channels, notes about how they were chosen); size and channels may be given."""
    if size is not None and channels is not None:
        return size, channels, []
    found, kinds = set(), set()
    step = -(-len(paths) // _MOST_HEADERS)
    some = iter(paths[:: max(step, 1)])
    with ThreadPoolExecutor() as pool:
        while chunk := list(itertools.islice(some, 256)):
            for one in filter(None, pool.map(_header, chunk)):
                found.add((one.height, one.width))
                kinds.add(one.channels)
            if (size is not None or len(found) > 1) and (channels is not None or 3 in kinds):
                break
    how = []
    if channels is None:
        channels = 1 if kinds == {1} else 3
        how += ["all its pictures are grey"] if channels == 1 else []
    if size is None:
        size, why = _kept(found)
        how.append(why)
    return size, channels, how


def _kept(found):
    """(size, a note about it) for pictures of these sizes."""
    if len(found) == 1:
        ((height, width),) = found
        if height in KEPT_SIZES and width in KEPT_SIZES:
            return (height, width), "the size is that of its pictures"
    are = f"are all {height}x{width}" if len(found) == 1 else "vary in size"
    return (
        DEFAULT_SIZE,
        (
            f"its pictures {are} and become {DEFAULT_SIZE}x{DEFAULT_SIZE}, unless an image size is"
            " given"
        ),
    )


def _header(path):
    """The header; None if the picture is broken, which the decoder will report."""
    with contextlib.suppress(Exception):  # each reader of a format raises its own
        return header(path)


def _left_out(root, splits, listings):
    """Notes about the files that are not used."""
    others = [
        path for classes in listings.values() for found in classes.values() for path in found.others
    ]
    loose = [path for folder in {root, *splits.values()} for path in pictures_in(folder)]
    notes = []
    if others:
        notes.append(f"left out as no pictures, by their names: {_named(root, others)}")
    if loose:
        notes.append(f"left out as in no class folder: {_named(root, sorted(loose))}")
    return notes


def _named(root, paths):
    """The first files by their names inside `root`, and how many more there are."""
    names = [os.path.relpath(path, root) for path in itertools.islice(paths, _MOST_NAMED)]
    more = [f"and {len(paths) - _MOST_NAMED:,} others"] if len(paths) > _MOST_NAMED else []
    return ", ".join([*names, *more])


def _without(broken, classes):
    return {
        label: [path for path in paths if path not in broken] for label, paths in classes.items()
    }


def _all(files):
    return [path for classes in files.values() for paths in classes.values() for path in paths]
