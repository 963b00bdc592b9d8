"""`load`: the data set of a source, in three parts."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from nasnet_tf.data.arrays import is_whole, read_npz
from nasnet_tf.data.class_matching import in_classes
from nasnet_tf.data.dataset import DataSet, Part, Parts, folder_name
from nasnet_tf.data.images import resize
from nasnet_tf.data.split import divide
from nasnet_tf.signatures import checked

__all__ = ["load"]

DEFAULT_SIZE = 64  # of pictures that vary in size
_SOURCES = (
    "'digits', 'tfds:NAME' (tfds:cifar10), a path to an .npz file, or to a folder with one folder"
    " of pictures a class"
)


@checked
def load(
    source,
    *,
    image_size=None,
    channels: int | None = None,
    validation: float = 0.1,
    seed: int = 0,
    data_dir=None,
    in_memory: bool | None = None,
    skip_broken: bool = False,
    classes=None,
) -> DataSet:
    """The data set that `source` names, split into train, validation and test.

    The test set of the source is kept; if it has none, 20 % of each class are held out, the same
    images for every `seed`.

    Args:
        source: 'digits', 'tfds:NAME', a path to an .npz file, or to a folder with one folder of
            pictures a class.
        image_size: pixels to resize to, one side or (height, width); None keeps the size of arrays,
            and that of pictures that all have the same size up to 128; others become 64.
        channels: of a folder, 3 (RGB) or 1 (luminance); None means 1 if all pictures are grey.
            Arrays keep theirs.
        validation: share of the training images to validate on, above 0 and at most 0.5, unless the
            source has validation images.
        seed: of the choice of validation images.
        data_dir: the folder of TFDS's data; only for 'tfds:NAME'.
        in_memory: of a folder, whether pictures are decoded to arrays now, or stay in their files
            as `Pictures` until they are needed; None decodes what takes at most 4 GiB. A broken
            picture is found when it is decoded.
        skip_broken: of a folder, whether to leave out pictures that cannot be read, with a note,
            instead of raising.
        classes: of a trained network: the names of its classes in order, or their number. Labels
            are then those of the network, and the source may have only some of its classes; see
            `nasnet_tf.data.class_matching`.
    Raises:
        ValueError: naming the file and what is wrong with it; TypeError for an unknown argument.
    """
    _check_options(image_size, channels, validation, seed, in_memory)
    of_folder = dict(
        channels=channels, in_memory=in_memory, skip_broken=skip_broken, partial=classes is not None
    )
    parts = _read(os.fspath(source), image_size, data_dir, of_folder)
    if image_size:
        parts = parts._replace(
            **{
                kind: _resized(getattr(parts, kind), image_size)
                for kind in ("train", "validation", "test")
            }
        )
    # divided by the classes of the source, so that the test images do not depend on `classes`
    data = divide(parts, validation, seed, partial=classes is not None)
    return data if classes is None else in_classes(data, classes)


def _read(source, image_size, data_dir, of_folder) -> Parts:
    path = Path(source).expanduser()
    bundled, tfds = source == "digits", source.startswith("tfds:")
    if source and not (bundled or tfds) and os.path.isdir(path):  # Path("") is the working folder
        from nasnet_tf.data.folders import read_folder

        return read_folder(path, folder_name(path.resolve().name), image_size, **of_folder)
    if of_folder["in_memory"] is False and (bundled or tfds or os.path.isfile(path)):
        raise ValueError(
            f"in_memory is False, but {source} is no folder of pictures, which alone can stay in"
            " files; leave in_memory out."
        )
    if bundled:
        return _digits()
    if tfds:
        from nasnet_tf.data.tfds import read_tfds

        wanted = source.removeprefix("tfds:").strip()
        return read_tfds(wanted, folder_name(wanted), image_size, DEFAULT_SIZE, data_dir)
    if os.path.isfile(path):
        _check_no_picture(path)
        return read_npz(path, folder_name(path.stem))
    hint = (
        f" For a set of TensorFlow Datasets write 'tfds:{source}'."
        if re.fullmatch(r"\w+", source)
        else ""
    )
    raise ValueError(f"there is no data at {source!r}; a source is {_SOURCES}.{hint}")


def _check_no_picture(path):
    """Raises ValueError if the file is a picture, not a data set."""
    from nasnet_tf.data.picture_files import is_picture

    if is_picture(path):
        raise ValueError(
            f"{path} is one picture, not a data set; a source is {_SOURCES}. nasnet-tf predict"
            " names the class of a picture."
        )


def _digits() -> Parts:
    """1797 handwritten digits, 8x8, bundled with scikit-learn; their pixels are 0 to 16."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    train = Part(images, digits.target.astype(np.int32))
    return Parts("digits", train, None, None, tuple("0123456789"), flip=False)


def _resized(part, size):
    return part and Part(resize(part.x, size), part.y)


def _check_options(image_size, channels, validation, seed, in_memory):
    if image_size is not None and not _is_size(image_size):
        raise ValueError(
            f"image_size is {image_size!r}; it is a whole number of pixels, 1 to 4096, or (height,"
            " width), or None."
        )
    if channels not in (None, 1, 3):
        raise ValueError(f"channels is {channels!r}; it is 1, 3 or None.")
    if (
        isinstance(validation, bool)
        or not isinstance(validation, (int, float, np.floating))
        or not 0 < validation <= 0.5
    ):
        raise ValueError(
            f"validation is {validation!r}; it is the share of the training images to hold out,"
            " above 0 and at most 0.5."
        )
    if not (is_whole(seed) and 0 <= seed < 2**32):
        raise ValueError(f"seed is {seed!r}; it is a whole number, 0 to {2**32 - 1}.")
    if not (in_memory is None or isinstance(in_memory, bool)):
        raise ValueError(
            f"in_memory is {in_memory!r}; it is True, False, or None to decide by the size."
        )


def _is_size(value):
    both = (
        (value, value)
        if is_whole(value)
        else tuple(value)
        if isinstance(value, (tuple, list))
        else ()
    )
    return len(both) == 2 and all(is_whole(side) and 1 <= side <= 4096 for side in both)
