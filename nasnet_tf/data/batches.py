"""`pipeline`: arrays in, shuffled and augmented batches out."""

from __future__ import annotations

import numpy as np

from nasnet_tf.data.augment import Augmentation, augment, check

__all__ = ["pipeline"]


def pipeline(x, y, batch_size: int, *, augmentation: Augmentation | None = None, fill=None, seed: int | None = None, drop_remainder=False):
    """Batches of (float32 images in the units of `x`, int32 labels), as a `tf.data.Dataset` of known length.

    With a seed, the k-th pass over it differs from the others and depends on `seed` and k alone, not on TensorFlow's global seed.

    Args:
        x: images (n, H, W, C).
        y: labels (n,).
        seed: shuffles, anew for every pass; None keeps the order. `augmentation` needs one.
        fill: the pixel that augmentation puts in borders and holes, one number or one a channel; 0 by default.
        drop_remainder: leave out the last batch where it would be a smaller one.
    Raises:
        ValueError: if the arrays do not go together or an option is out of range.
    """
    import tensorflow as tf

    _check(x, y, batch_size, seed, augmentation, drop_remainder)
    filling = _filling(fill, x.shape[-1])
    with tf.device("CPU"):  # else a GPU would hold the whole data set
        images, labels = tf.convert_to_tensor(x), tf.convert_to_tensor(np.asarray(y, np.int32))

    def batch(rows, key):
        chosen = tf.cast(tf.gather(images, rows), tf.float32)
        if augmentation:
            chosen = augment(chosen, augmentation, filling, key)
        return chosen, tf.gather(labels, rows)

    order = _in_order(len(x), batch_size, drop_remainder) if seed is None else _shuffled(len(x), batch_size, drop_remainder, seed)
    return order.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def _in_order(count, batch_size, drop_remainder):
    """Batches of (row numbers, a key that is not used)."""
    import tensorflow as tf

    rows = tf.data.Dataset.range(count).batch(batch_size, drop_remainder)
    return rows.map(lambda some: (some, tf.zeros(2, tf.int64)))


def _shuffled(count, batch_size, drop_remainder, seed):
    """Batches of (row numbers, key of the batch): a new permutation and new keys for every pass over it.

    A variable counts the passes. `Dataset.shuffle(seed=...)` would mix TensorFlow's global seed in.
    """
    import tensorflow as tf

    with tf.device("CPU"):
        passes = tf.Variable(-1, dtype=tf.int64, trainable=False)

    def one_pass(_):
        key = tf.random.fold_in(tf.constant([seed, 0], tf.int64), passes.assign_add(1))
        rows = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), key)
        numbered = tf.data.Dataset.from_tensor_slices(rows).batch(batch_size, drop_remainder).enumerate()
        return numbered.map(lambda number, some: (some, tf.random.fold_in(key, number + 1)))

    batches = count // batch_size if drop_remainder else -(-count // batch_size)
    return tf.data.Dataset.range(1).flat_map(one_pass).apply(tf.data.experimental.assert_cardinality(batches))


def _filling(fill, channels):
    filling = np.asarray(0 if fill is None else fill, np.float32)
    if filling.shape not in ((), (1,), (channels,)) or not np.isfinite(filling).all():
        raise ValueError(f"fill is {fill!r}; it is one finite number, or one for each of the {channels} channels.")
    return np.broadcast_to(filling, (channels,))


def _check(x, y, batch_size, seed, augmentation, drop_remainder):
    if np.ndim(x) != 4 or np.ndim(y) != 1 or len(x) != len(y) or not len(x):
        raise ValueError(f"x has shape {np.shape(x)} and y {np.shape(y)}; they are images (n, H, W, C) and labels (n,), n at least 1.")
    if not _whole(batch_size) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; it is a whole number, at least 1.")
    if drop_remainder and len(x) < batch_size:
        raise ValueError(f"{len(x)} images make no batch of {batch_size} with drop_remainder; take batches of at most {len(x)}.")
    if seed is not None and not (_whole(seed) and 0 <= seed < 2**32):
        raise ValueError(f"seed is {seed!r}; it is a whole number, 0 to {2**32 - 1}, or None for no shuffling.")
    if augmentation and seed is None:
        raise ValueError("augmentation needs a seed: chance is an argument here. Give seed=0, or no augmentation.")
    if augmentation:
        check(augmentation, *x.shape[1:3])


def _whole(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
