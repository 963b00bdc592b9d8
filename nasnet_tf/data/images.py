"""Pictures in TensorFlow: decode files, resize arrays."""

from __future__ import annotations

import os

import numpy as np

__all__ = ["broken", "check_fraction", "decoded", "read_images", "resize", "scaled"]

_BATCH = 64


def resize(images, size: int):
    """Images (n, H, W, C) at (n, size, size, C), bilinear with antialiasing, of the same dtype.

    The aspect ratio is not kept. Images that have the size already are returned as they are, without TensorFlow.
    """
    if images.shape[1:3] == (size, size):
        return images
    resized = np.empty((len(images), size, size, images.shape[-1]), images.dtype)
    for start in range(0, len(images), _BATCH):
        resized[start : start + _BATCH] = scaled(images[start : start + _BATCH], size, images.dtype).numpy()
    return resized


def scaled(images, size: int, dtype):
    """`images`, one or a batch, resized as a tensor; whole numbers are rounded, not cut."""
    import tensorflow as tf

    values = tf.image.resize(images, (size, size), "bilinear", antialias=True)
    if np.dtype(dtype).kind != "f":
        values = tf.clip_by_value(tf.round(values), 0, 255)
    return tf.cast(values, dtype)


def read_images(paths, size: int, central_fraction: float | None = None):
    """RGB images (n, size, size, 3), uint8, of picture files (JPEG, PNG, BMP, GIF: the first frame), in parallel.

    Args:
        central_fraction: the share of the height and of the width that is kept, around the centre, before resizing; None
            keeps all. ImageNet results are reported with 0.875 (slim's inception_preprocessing).
    Raises:
        ValueError: naming the first file that cannot be decoded.
    """
    import tensorflow as tf

    def decode(name):
        return decoded(name, size, central_fraction)

    check_fraction(central_fraction)
    names = [os.fsencode(path) for path in paths]
    images = np.empty((len(names), size, size, 3), np.uint8)
    files = tf.data.Dataset.from_tensor_slices(tf.constant(names, tf.string))
    batches = files.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(_BATCH).prefetch(2)
    start = 0
    try:
        for batch in batches.as_numpy_iterator():
            images[start : start + len(batch)] = batch
            start += len(batch)
    except tf.errors.OpError as error:
        raise broken(names[start:], decode, error) from error
    return images


def check_fraction(central_fraction):
    """A ValueError, unless `central_fraction` is one or None."""
    if central_fraction is not None and not 0 < central_fraction <= 1:
        raise ValueError(f"central_fraction is {central_fraction!r}; it is above 0 and at most 1, or None.")


def decoded(name, size: int, central_fraction: float | None = None):
    """The picture in a file as a tensor (size, size, 3), uint8."""
    import tensorflow as tf

    picture = tf.io.decode_image(tf.io.read_file(name), channels=3, expand_animations=False)
    if central_fraction is not None:
        picture = tf.image.central_crop(picture, central_fraction)
    return tf.ensure_shape(scaled(picture, size, np.uint8), (size, size, 3))


def broken(names, decode, error) -> ValueError:
    """The error with the name of the file: TensorFlow says what is wrong, but not where.

    Args:
        names: files in order, the one that cannot be decoded among them; bytes.
        decode: a function of a name, which failed on one of them.
    """
    import tensorflow as tf

    for name in names:
        try:
            decode(name)
        except tf.errors.OpError as found:
            reason = found.message.split("[Op:")[0].splitlines()[0].strip().rstrip(".")
            path = os.fsdecode(name)
            return ValueError(f"{path} cannot be read as a picture ({reason}); save it again as an RGB JPEG or PNG, or remove it.")
    return ValueError(f"a picture could not be read: {error.message.splitlines()[0]}.")
