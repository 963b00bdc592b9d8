"""A folder of class folders of pictures, with or without split folders above them."""

from __future__ import annotations

import contextlib
import itertools
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasnet_tf.data.dataset import Part, Parts
from nasnet_tf.data.images import complaint, unreadable
from nasnet_tf.data.picture_files import SUFFIXES, header
from nasnet_tf.data.pictures import Pictures

__all__ = ["Listing", "listed", "read_folder"]

DEFAULT_SIZE = 64  # side in pixels of pictures that vary in size
KEPT_SIZES = range(8, 129)  # sides in pixels that pictures of one size keep
MOST_IN_MEMORY = (
    4 * 2**30
)  # bytes of decoded images; larger sets stay in their files unless asked for
_MOST_HEADERS = 20_000  # are read, evenly spread, to see whether all pictures are of one size
_MOST_NAMED = 10  # files in a note
_SPLITS = {"train": ("train",), "test": ("test",), "validation": ("validation", "val", "valid")}
_LAYOUT = (
    "pictures belong in one folder a class (daisy/1.jpg, rose/2.jpg), which may lie in train, val"
    " and test folders"
)


class Listing(NamedTuple):
    """The files in a folder and in the folders inside it, paths in order.

    Args:
        pictures: files whose names end as those of pictures do.
        others: all else but hidden files, whose names begin with a dot.
    """

    pictures: list[str]
    others: list[str]


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

    In memory they are arrays, else `Pictures`; None decides by what the arrays would take.

    With a train, a val and a test folder each is what it says. With train and val alone, val is the
    test part: it is what others report on, so it must not choose anything. A single folder around
    it all is looked through.

    Args:
        size: one side or (height, width); None keeps that of the pictures if it is the same for all
            and in KEPT_SIZES, else it is 64.
        channels: 3, RGB, or 1; None is 1 if all pictures are grey.
        skip_broken: leave pictures out that cannot be read; to find them, all are decoded once.
        partial: the classes are some of those of a network that is trained already: one is enough,
            and a folder may be empty.
    Raises:
        ValueError: naming the folder or the files, if there are fewer than two classes, an empty
            one, or broken pictures.
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


def listed(folder) -> Listing:
    """The files in a folder and in all folders inside it; links are followed, each folder is looked
    into once.
    """
    pictures, others, waiting, seen = [], [], [os.fspath(folder)], set()
    while waiting:
        inside = waiting.pop()
        status = os.stat(inside)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(
            inside
            # an entry knows that it is a file, so a million pictures are listed in seconds
        ) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    waiting.append(entry.path)
                elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                    pictures.append(entry.path)
                else:
                    others.append(entry.path)
    return Listing(sorted(pictures), sorted(others))


def _unwrapped(folder):
    """The folder that holds the class or split folders: unzipped archives often wrap it in
    another.
    """
    inside = _folders(folder)
    while (
        len(inside) == 1
        and not _pictures(folder)
        and not _pictures(inside[0])
        and _folders(inside[0])
    ):
        folder, inside = inside[0], _folders(inside[0])
    return folder


def _splits(root):
    """Split name -> folder, empty if `root` holds classes; a `train` folder of pictures is a class
    (a railway, say).
    """
    folders = {folder.name.lower(): folder for folder in _folders(root)}
    found = {
        split: folders[name]
        for split, names in _SPLITS.items()
        for name in names
        if name in folders
    }
    return (
        found
        if "train" in found and _folders(found["train"]) and not _pictures(found["train"])
        else {}
    )


def _classes(folder, required):
    """Class name -> `Listing`, both sorted, so that nothing depends on the order of the file
    system.

    An accented letter is one character in a name (NFC), also where the file system of a Mac makes
    it two.
    """
    classes = {}
    for inside in _folders(folder):
        name = unicodedata.normalize("NFC", inside.name)
        if name in classes:
            raise ValueError(
                f"{folder} has two class folders whose names are both written {name}; put them"
                " together."
            )
        classes[name] = listed(inside)
    if not classes:
        what = "pictures but no class folders" if _pictures(folder) else "no class folders"
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
    """The parts with their images in memory; broken pictures of all parts are named at once."""
    try:
        return {split: Part(np.asarray(part.x), part.y) for split, part in parts.items()}
    except ValueError as error:
        paths = np.concatenate([part.x.paths for part in parts.values()])
        raise complaint(unreadable(paths), len(paths), error) from error


def _chosen(paths, size, channels):
    """(size, channels, what is to be said about it) of pictures of which neither, either or both
    are settled.
    """
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
    """(size, what is to be said of it) for pictures of these sizes."""
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
    """The header; None of a broken picture, which is named when it is decoded."""
    with contextlib.suppress(Exception):  # whatever the reader of its format raises
        return header(path)


def _left_out(root, splits, listings):
    """What is to be said about files that are not used."""
    others = [
        path for classes in listings.values() for found in classes.values() for path in found.others
    ]
    loose = [path for folder in {root, *splits.values()} for path in _pictures(folder)]
    notes = []
    if others:
        notes.append(f"left out as no pictures, by their names: {_named(root, others)}")
    if loose:
        notes.append(f"left out as in no class folder: {_named(root, sorted(loose))}")
    return notes


def _named(root, paths):
    """Files by their names inside `root`, the first of them if they are many."""
    names = [os.path.relpath(path, root) for path in itertools.islice(paths, _MOST_NAMED)]
    more = [f"and {len(paths) - _MOST_NAMED:,} others"] if len(paths) > _MOST_NAMED else []
    return ", ".join([*names, *more])


def _without(broken, classes):
    return {
        label: [path for path in paths if path not in broken] for label, paths in classes.items()
    }


def _all(files):
    return [path for classes in files.values() for paths in classes.values() for path in paths]


def _folders(folder):
    with os.scandir(folder) as entries:
        return sorted(
            Path(entry.path)
            for entry in entries
            if entry.is_dir() and not entry.name.startswith((".", "__"))
        )


def _pictures(folder):
    """The pictures that lie in the folder itself; paths as strings."""
    with os.scandir(folder) as entries:
        found = (
            entry
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
        )
        return sorted(entry.path for entry in found if entry.is_file())
