"""`Pictures` in a tf.data pipeline: read, decoded and resized batch by batch, all pictures of a
batch in parallel.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import re

import numpy as np

from nasnet_tf.data.distort import crop, draw
from nasnet_tf.data.images import complaint, decoded, scaled, unreadable
from nasnet_tf.data.pictures import Pictures

__all__ = ["broken_picture", "broken_pictures", "fetcher"]

_COMPLAINT = "cannot be read as a picture; save it again as an RGB JPEG or PNG, or remove it."


def fetcher(pictures, distort: bool):
    """A function for `Dataset.map`: row numbers (batch,) and the key of the batch -> float32 images
    (batch, height, width, channels).

    Args:
        pictures: `Pictures`.
        distort: whether a random box is cut out of the picture at its full resolution; else the
            image is that of `read_images`.
    """
    import tensorflow as tf

    _end_passes_at_exit()
    with tf.device("CPU"):
        paths = tf.constant(pictures.paths, tf.string)

    def decode(path, draws):
        if not distort:
            return decoded(path, pictures.size, pictures.channels, pictures.central_fraction)
        box = crop(tf.io.read_file(path), draws, pictures.channels)
        return tf.ensure_shape(scaled(box, pictures.size, np.float32), pictures.shape[1:])

    def fetch(rows, key):
        chosen, draws = tf.gather(paths, rows), draw(tf.size(rows), key)
        images = _decode_all(
            decode, chosen, draws, tf.float32 if distort else tf.uint8, pictures.shape[1:]
        )
        return tf.cast(tf.ensure_shape(images, (*rows.shape, *pictures.shape[1:])), tf.float32)

    return fetch


def broken_picture(error: Exception) -> str | None:
    """The message about a broken picture in a TensorFlow error from a pass over `Pictures`; None if
    there is none.

    tf.data raises an InvalidArgumentError of many lines; this is the one that names the file.
    """
    found = re.search(rf"\[(.+ {re.escape(_COMPLAINT)})\]", str(error))
    return found and re.sub(r"\\(.)", r"\1", found[1])  # TensorFlow escapes quotes


def broken_pictures(data) -> ValueError | None:
    """The error that names every unreadable picture file of a data set; None if all can be read.
    All files are decoded.
    """
    parts = [
        part
        for part in (data.x_train, data.x_validation, data.x_test)
        if isinstance(part, Pictures)
    ]
    paths = [path for part in parts for path in part.paths]
    broken = unreadable(paths)
    return complaint(broken, len(paths)) if broken else None


@functools.cache
def _end_passes_at_exit():
    """Ends every pass over a data set when Python exits: TensorFlow would wait for its prefetching
    threads for ever.
    """
    import tensorflow as tf

    @atexit.register
    def end():
        for thing in gc.get_objects():
            if issubclass(type(thing), tf.data.Iterator):
                vars(thing).clear()  # without its handle TensorFlow deletes it


def _decode_all(decode, paths, draws, dtype, shape):
    """`decode` of each of the files, in order and in parallel.

    The errors of TensorFlow's decoders do not name the file, and cannot be caught in a graph. A
    data set inside the graph can leave out the files that fail; the first missing number is that of
    a broken file.
    """
    import tensorflow as tf

    count = tf.size(paths)
    each = tf.data.Dataset.from_tensor_slices((tf.range(count), paths, draws))
    read = each.map(
        lambda number, *file: (number, decode(*file)),
        num_parallel_calls=os.cpu_count(),
        deterministic=True,
    )
    none = tf.data.Dataset.from_tensors((tf.zeros(0, tf.int32), tf.zeros((0, *shape), dtype)))
    whole = (
        read.ignore_errors(log_warning=False)
        .batch(tf.cast(count, tf.int64))
        .concatenate(none)
        .take(1)
    )
    numbers, images = untuned(whole, optimized=False).get_single_element()
    # the first missing number, or `count`
    first = tf.reduce_sum(tf.cast(numbers == tf.range(tf.size(numbers)), tf.int32))
    complaint = tf.strings.join([paths[tf.minimum(first, count - 1)], _COMPLAINT], " ")
    with tf.control_dependencies([tf.debugging.Assert(first == count, [complaint])]):
        return tf.identity(images)


def untuned(batches, optimized: bool = True):
    """A `tf.data.Dataset` that TensorFlow does not tune while it is read: beside busy cores the end
    of a pass sometimes waits until the thread that tunes wakes up, which sleeps twice as long each
    time, up to a minute.

    Args:
        optimized: whether TensorFlow rewrites it, which takes longer than to read one batch.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    if not optimized:
        options.experimental_optimization.apply_default_optimizations = False
    return batches.with_options(options)
