"""Pictures in TensorFlow: decode files, resize arrays."""

from __future__ import annotations

import numpy as np

__all__ = ["read_images", "resize"]

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


def read_images(paths, size: int):
    """RGB images (n, size, size, 3), uint8, of picture files (JPEG, PNG, BMP, GIF: the first frame), in parallel.

    Raises:
        ValueError: naming the first file that cannot be decoded.
    """
    import tensorflow as tf

    names = [str(path) for path in paths]
    images = np.empty((len(names), size, size, 3), np.uint8)
    files = tf.data.Dataset.from_tensor_slices(names)
    batches = files.map(lambda name: _decoded(name, size), num_parallel_calls=tf.data.AUTOTUNE).batch(_BATCH).prefetch(2)
    start = 0
    try:
        for batch in batches.as_numpy_iterator():
            images[start : start + len(batch)] = batch
            start += len(batch)
    except tf.errors.OpError as error:
        raise _named(names[start:], size, error) from error
    return images


def _decoded(name, size):
    import tensorflow as tf

    picture = tf.io.decode_image(tf.io.read_file(name), channels=3, expand_animations=False)
    return tf.ensure_shape(scaled(picture, size, np.uint8), (size, size, 3))


def _named(names, size, error):
    """The error with the name of the file: TensorFlow says what is wrong, but not where. Order is kept, so it is not before `names`."""
    import tensorflow as tf

    for name in names:
        try:
            _decoded(name, size)
        except tf.errors.OpError as found:
            reason = found.message.split("[Op:")[0].splitlines()[0].strip().rstrip(".")
            return ValueError(f"{name} cannot be read as a picture ({reason}); save it again as an RGB JPEG or PNG, or remove it.")
    return ValueError(f"a picture could not be read: {error.message.splitlines()[0]}.")
