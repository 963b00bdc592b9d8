"""A folder of class folders of pictures, with or without split folders above them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from nasnet_tf.data.dataset import Part, Parts
from nasnet_tf.data.pictures import Pictures

__all__ = ["read_folder"]

MOST_IN_MEMORY = 4 * 2**30  # bytes of decoded images; larger sets stay in their files unless asked for
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
_SPLITS = {"train": ("train",), "test": ("test",), "validation": ("validation", "val", "valid")}
_LAYOUT = "pictures belong in one folder a class (daisy/1.jpg, rose/2.jpg), which may lie in train, val and test folders"


def read_folder(path, name: str, size: int, in_memory: bool | None = None) -> Parts:
    """The pictures under `path` as (size, size, 3) images; class names are the sorted folder names.

    In memory they are arrays, else `Pictures`; None decides by what the arrays would take.

    With a train, a val and a test folder each is what it says. With train and val alone, val is the test part: it is what
    others report on, so it must not choose anything. A single folder around it all is looked through.

    Raises:
        ValueError: naming the folder or the file, if there are fewer than two classes, an empty one, or a broken picture.
    """
    root = _unwrapped(Path(path))
    splits = _splits(root) or {"train": root}
    files = {split: _class_files(folder) for split, folder in splits.items()}
    class_names = tuple(files["train"])
    if len(class_names) < 2:
        raise ValueError(f"{splits['train']} has 1 class folder ({class_names[0]}); a classifier needs at least 2 classes: {_LAYOUT}.")
    parts = {split: _part(files[split], class_names, splits[split], size) for split in splits}
    if in_memory or (in_memory is None and sum(part.x.nbytes for part in parts.values()) <= MOST_IN_MEMORY):
        parts = {split: Part(np.asarray(part.x), part.y) for split, part in parts.items()}
    origin = f"its {splits['test'].name} folder" if "test" in splits else "none given"
    if "test" not in splits and "validation" in splits:
        parts["test"] = parts.pop("validation")
        origin = f"its {splits['validation'].name} folder, as it has no test folder (validation is taken from train)"
    return Parts(name, parts["train"], parts.get("validation"), parts.get("test"), class_names, flip=True, test_origin=origin)


def _unwrapped(folder):
    """The folder that holds the class or split folders: unzipped archives often wrap it in another."""
    inside = _folders(folder)
    while len(inside) == 1 and not _pictures(folder) and not _pictures(inside[0]) and _folders(inside[0]):
        folder, inside = inside[0], _folders(inside[0])
    return folder


def _splits(root):
    """Split name -> folder, empty if `root` holds classes; a `train` folder of pictures is a class (a railway, say)."""
    folders = {folder.name.lower(): folder for folder in _folders(root)}
    found = {split: folders[name] for split, names in _SPLITS.items() for name in names if name in folders}
    return found if "train" in found and _folders(found["train"]) and not _pictures(found["train"]) else {}


def _class_files(folder):
    """Class name -> its picture files, both sorted, so that nothing depends on the order of the file system."""
    classes = {inside.name: _pictures(inside) for inside in _folders(folder)}
    if not classes:
        what = "pictures but no class folders" if _pictures(folder) else "no class folders"
        raise ValueError(f"{folder} has {what}; {_LAYOUT}.")
    for name, files in classes.items():
        if not files:
            raise ValueError(f"class folder {folder / name} has no pictures ({', '.join(SUFFIXES)}); add some or remove it: {_LAYOUT}.")
    return classes


def _part(files, class_names, folder, size):
    strange = sorted(set(files) - set(class_names))
    if strange:
        raise ValueError(f"{folder} has the class {strange[0]!r}, which no training folder has; rename it, or add training pictures of it.")
    numbers = {name: number for number, name in enumerate(class_names)}
    labels = np.repeat([numbers[name] for name in files], [len(files[name]) for name in files])
    return Part(Pictures([path for name in files for path in files[name]], size), labels.astype(np.int32))


def _folders(folder):
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith((".", "__")))


def _pictures(folder):
    """Paths as strings; an entry knows that it is a file, so a million pictures are listed in seconds."""
    with os.scandir(folder) as entries:
        found = (entry for entry in entries if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith("."))
        return sorted(entry.path for entry in found if entry.is_file())
