"""Pictures in TensorFlow: decode files, resize arrays."""

from __future__ import annotations

import functools
import os
import re

import numpy as np

from nasnet_tf.data.picture_files import MISSING, header, pixels, reason

__all__ = [
    "check_fraction",
    "complaint",
    "decode",
    "decoded",
    "is_plain",
    "read_images",
    "resize",
    "scaled",
    "sides",
    "unreadable",
]

_BATCH = 64
EXACT = "INTEGER_ACCURATE"  # decodes JPEGs as Pillow does; the default shifts red and blue by 1
_MEND = "save it again as an RGB JPEG or PNG, or remove it."


def sides(size) -> tuple[int, int]:
    """(height, width) of a size that is one number or two."""
    height, width = (size, size) if isinstance(size, (int, np.integer)) else size
    return int(height), int(width)


def resize(images, size):
    """Images (n, H, W, C) at `size`, one side or (height, width), bilinear with antialiasing, of
    the same dtype.

    The aspect ratio is not kept. Images that already have the size are returned unchanged, without
    TensorFlow.
    """
    height, width = sides(size)
    if images.shape[1:3] == (height, width):
        return images
    resized = np.empty((len(images), height, width, images.shape[-1]), images.dtype)
    for start in range(0, len(images), _BATCH):
        resized[start : start + _BATCH] = scaled(
            images[start : start + _BATCH], size, images.dtype
        ).numpy()
    return resized


def scaled(images, size, dtype):
    """`images`, one or a batch, resized, as a tensor of `dtype`; integers are rounded."""
    import tensorflow as tf

    values = tf.image.resize(images, sides(size), "bilinear", antialias=True)
    if np.dtype(dtype).kind != "f":
        values = tf.clip_by_value(tf.round(values), 0, 255)
    return tf.cast(values, dtype)


def read_images(paths, size, channels: int = 3, central_fraction: float | None = None):
    """Images (n, height, width, channels), uint8, of picture files, in parallel; see
    `nasnet_tf.data.picture_files` for what is read.

    Args:
        size: one side or (height, width).
        channels: 3, RGB, or 1, their luminance.
        central_fraction: the share of the height and of the width that is kept, around the centre,
            before resizing; None keeps all. ImageNet results are reported with 0.875 (slim's
            inception_preprocessing).
    Raises:
        ValueError: naming every file that cannot be read, with the reason.
    """
    import tensorflow as tf

    check_fraction(central_fraction)
    for path in map(os.fsdecode, paths):
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe or a device may block
            raise ValueError(f"{path} cannot be read as a picture: it is no regular file.")
    names = [os.fsencode(path) for path in paths]
    images = np.empty((len(names), *sides(size), channels), np.uint8)
    files = tf.data.Dataset.from_tensor_slices(tf.constant(names, tf.string))
    files = files.map(
        lambda name: decoded(name, size, channels, central_fraction),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    start = 0
    try:
        for batch in files.batch(_BATCH).prefetch(2).as_numpy_iterator():
            images[start : start + len(batch)] = batch
            start += len(batch)
    except tf.errors.OpError as error:
        raise complaint(unreadable(names, channels), len(names), error) from error
    return images


def check_fraction(central_fraction):
    """Raises ValueError unless `central_fraction` is above 0 and at most 1, or None."""
    if central_fraction is not None and not 0 < central_fraction <= 1:
        raise ValueError(
            f"central_fraction is {central_fraction!r}; it is above 0 and at most 1, or None."
        )


def decoded(name, size, channels: int = 3, central_fraction: float | None = None):
    """The picture in a file as a tensor (height, width, channels), uint8."""
    import tensorflow as tf

    picture = decode(tf.io.read_file(name), channels)
    if central_fraction is not None:
        picture = tf.image.central_crop(picture, central_fraction)
    return tf.ensure_shape(scaled(picture, size, np.uint8), (*sides(size), channels))


def decode(contents, channels: int):
    """The pixels of a picture file, uint8 (H, W, channels): by TensorFlow, which is faster, where
    that is exact, else by Pillow.

    Fails if it cannot be read, or declares more than MOST_PIXELS.
    """
    import tensorflow as tf

    def by_tensorflow():
        # it decodes PNG too
        return tf.io.decode_jpeg(contents, channels=channels, dct_method=EXACT)

    def by_pillow():
        return tf.numpy_function(functools.partial(_pixels, channels), [contents], tf.uint8)

    picture = tf.cond(is_plain(contents, channels), by_tensorflow, by_pillow)
    picture = tf.ensure_shape(picture, (None, None, channels))
    with tf.control_dependencies([tf.debugging.Assert(tf.size(picture) > 0, ["no picture"])]):
        return tf.identity(picture)


def is_plain(contents, channels: int):
    """Whether TensorFlow decodes the picture file exactly with that many channels: a boolean
    tensor; False if it is no picture.
    """
    import tensorflow as tf

    return tf.ensure_shape(
        tf.numpy_function(functools.partial(_plain, channels), [contents], tf.bool), ()
    )


# TensorFlow logs every exception of a Python function with its traceback, so these two raise none.


def _plain(channels, file):
    try:
        found = header(file)
    except Exception:  # each reader of a format raises its own
        return False
    return found.plain and channels >= found.channels


def _pixels(channels, file):
    """The pixels; an empty array if the file cannot be read."""
    try:
        return pixels(file, channels)
    except Exception:  # each reader of a format raises its own
        return np.empty((0, 0, channels), np.uint8)


def unreadable(names, channels: int = 3) -> dict[str, str]:
    """{path: the reason} of the picture files that cannot be decoded; all are decoded in parallel.

    Args:
        names: paths, as bytes or not.
    """
    import tensorflow as tf

    names = [os.fsencode(name) for name in names]
    if not names:
        return {}

    def number_of(number, name):
        return number + 0 * tf.cast(tf.shape(decode(tf.io.read_file(name), channels))[0], tf.int64)

    files = tf.data.Dataset.from_tensor_slices(tf.constant(names, tf.string)).enumerate()
    whole = files.map(number_of, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors(
        log_warning=False
    )
    broken = set(range(len(names))).difference(whole.as_numpy_iterator())
    return {
        os.fsdecode(names[number]): _reason(names[number], channels) for number in sorted(broken)
    }


def _reason(name, channels):
    """Why a file cannot be decoded; TensorFlow's reason if Pillow can decode it."""
    import tensorflow as tf

    if found := reason(os.fsdecode(name)):
        return found
    try:
        decode(tf.io.read_file(name), channels)
    except tf.errors.OpError as error:
        return first_words(error)
    return "it could not be read a moment ago"


def first_words(error) -> str:
    """The message of a TensorFlow error, without its place in the graph."""
    return (
        re.sub(r"\{\{.*?\}\}\s*", "", error.message.split("[Op:")[0])
        .strip()
        .splitlines()[0]
        .rstrip(".")
    )


def complaint(broken: dict[str, str], count: int, error=None) -> ValueError:
    """The error that names every file of `broken`, which `unreadable` returned for `count` files
    after `error`.
    """
    if not broken:
        return ValueError(
            f"a picture could not be read: {first_words(error) if error else 'unknown reason'}."
        )
    if set(broken.values()) == {MISSING}:
        return ValueError(f"{', '.join(broken)}: {MISSING}; check the path.")
    each = [f"{path} ({why})" for path, why in broken.items()]
    if len(each) == 1:
        path, why = next(iter(broken.items()))
        return ValueError(f"{path} cannot be read as a picture ({why}); {_MEND}")
    mend = "save them again as RGB JPEG or PNG, or remove them"
    return ValueError(f"{len(each)} of {count} pictures cannot be read; {mend}: {', '.join(each)}.")
