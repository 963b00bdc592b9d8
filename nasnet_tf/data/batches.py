"""`pipeline`: arrays in, shuffled and augmented batches out."""

from __future__ import annotations

import math

import numpy as np

from nasnet_tf.cores import cores
from nasnet_tf.data.arrays import is_whole
from nasnet_tf.data.augment import Augmentation, augment, check
from nasnet_tf.data.mixup import mixed
from nasnet_tf.data.pictures import Pictures
from nasnet_tf.data.streaming import fetcher, untuned
from nasnet_tf.data.strong import Share, changed
from nasnet_tf.signatures import checked

__all__ = ["pipeline"]

_AHEAD = 2  # batches
# decoded in parallel: the pictures of one batch use all cores, and a batch may take a gigabyte
_BATCHES_OF_PICTURES = 2


@checked
def pipeline(
    x,
    y,
    batch_size: int,
    *,
    augmentation: Augmentation | None = None,
    fill=None,
    seed: int | None = None,
    first_pass: int = 0,
    weights=None,
    drop_remainder=False,
    strong: Share | None = None,
    mixup: float = 0.0,
    classes: int | None = None,
):
    """Batches of (float32 images in the units of `x`, int32 labels), as a `tf.data.Dataset` of
    known length.

    With a seed, the k-th pass over it depends on `seed` and k alone, not on TensorFlow's global
    seed. Every new iterator begins a pass, even if it is not read to the end; Keras makes one for
    each epoch.

    Args:
        x: images (n, H, W, C), or `Pictures`, which are read and decoded during the training. A
            file that cannot be decoded ends it with TensorFlow's InvalidArgumentError, which names
            the file.
        y: labels (n,).
        seed: of a new order for every pass; None keeps the order. `augmentation` needs one.
        fill: the pixel of borders and holes of the augmentation, one number or one per channel; 0
            by default.
        first_pass: the number of the first pass; with 3, a training is resumed after three passes.
        weights: of the classes, (classes,); batches are then (images, labels, float32 weights of
            the images).
        drop_remainder: whether to leave out a smaller last batch.
        strong: how many of the images are changed strongly, besides (`nasnet_tf.data.strong`).
        mixup: of the beta distribution by which images are mixed (`nasnet_tf.data.mixup`); 0 for no
            mixing. Labels are then float32 (batch, classes), the shares of the classes.
        classes: how many there are, for mixup.
    Raises:
        ValueError: if the arrays do not fit together or an option is out of range; TypeError for an
            unknown argument.
    """
    import tensorflow as tf

    _check(x, y, batch_size, first_pass, augmentation, drop_remainder)
    _check_chance(seed, augmentation or strong is not None, mixup, classes)
    filling, limits = _filling(fill, x.shape[-1]), _limits(x, augmentation, strong)
    with tf.device("CPU"):  # else the whole data set would be on the GPU
        labels = tf.convert_to_tensor(np.asarray(y, np.int32))
        weights = (
            None if weights is None else tf.convert_to_tensor(_weights(weights, labels.numpy()))
        )
    fetch, left = _fetching(x, augmentation)

    def batch(rows, key):
        images, own = fetch(rows, key), tf.gather(labels, rows)
        of_images = () if weights is None else (tf.gather(weights, own),)
        if strong is not None:
            images = changed(images, strong, filling, key, limits)
        if left:
            images = augment(images, left, filling, key, limits)
        if mixup:
            images, own, *of_images = mixed(
                (images, tf.one_hot(own, classes), *of_images), mixup, key
            )
        return (images, own, *of_images)

    counts = len(x), batch_size, drop_remainder
    order = _in_order(*counts) if seed is None else _shuffled(*counts, seed, first_pass)
    at_once = _BATCHES_OF_PICTURES if isinstance(x, Pictures) else cores()
    batches = order.map(batch, num_parallel_calls=at_once, deterministic=True)
    return untuned(batches.prefetch(_AHEAD))


def _fetching(x, augmentation):
    """The function from row numbers and key to images, and the augmentation that it does not do:
    boxes of files are cut while decoding.
    """
    import tensorflow as tf

    if isinstance(x, Pictures):
        distort = bool(augmentation and augmentation.distort)
        return fetcher(x, distort), augmentation and augmentation._replace(distort=False)
    with tf.device("CPU"):
        images = tf.convert_to_tensor(x)
    return lambda rows, key: tf.cast(tf.gather(images, rows), tf.float32), augmentation


def _in_order(count, batch_size, drop_remainder):
    """Batches of (row numbers, a key that is not used)."""
    import tensorflow as tf

    rows = tf.data.Dataset.range(count).batch(batch_size, drop_remainder)
    return rows.map(lambda some: (some, tf.zeros(2, tf.int64)))


def _shuffled(count, batch_size, drop_remainder, seed, first_pass):
    """Batches of (row numbers, key of the batch), a new permutation and new keys for every pass.

    A variable counts the passes. `Dataset.shuffle(seed=...)` would depend on TensorFlow's global
    seed.
    """
    import tensorflow as tf

    with tf.device("CPU"):
        passes = tf.Variable(first_pass - 1, dtype=tf.int64, trainable=False)

    def one_pass(_):
        key = tf.random.fold_in(tf.constant([seed, 0], tf.int64), passes.assign_add(1))
        rows = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), key)
        numbered = (
            tf.data.Dataset.from_tensor_slices(rows).batch(batch_size, drop_remainder).enumerate()
        )
        return numbered.map(lambda number, some: (some, tf.random.fold_in(key, number + 1)))

    batches = count // batch_size if drop_remainder else -(-count // batch_size)
    return (
        tf.data.Dataset.range(1)
        .flat_map(one_pass)
        .apply(tf.data.experimental.assert_cardinality(batches))
    )


def _filling(fill, channels):
    filling = np.asarray(0 if fill is None else fill, np.float32)
    if filling.shape not in ((), (1,), (channels,)) or not np.isfinite(filling).all():
        raise ValueError(
            f"fill is {fill!r}; it is one finite number, or one for each of the {channels}"
            " channels."
        )
    return np.broadcast_to(filling, (channels,))


def _limits(x, augmentation, strong):
    """The lowest and highest value of a pixel: 0 and 255, or those of the images if they are
    floats.
    """
    colored = strong is not None or (
        augmentation and (augmentation.color or augmentation.rand_augment)
    )
    if x.dtype == np.uint8 or not colored:
        return 0, 255
    return float(np.min(x)), float(np.max(x))


def _weights(weights, labels):
    """The weights as float32 (classes,). Raises ValueError unless every label has one."""
    given = np.asarray(weights, np.float32)
    if given.ndim != 1 or not np.isfinite(given).all() or (given < 0).any():
        raise ValueError(
            f"weights is {weights!r}; it is a row of finite numbers, at least 0, one for each"
            " class."
        )
    if labels.min() < 0 or labels.max() >= len(given):
        raise ValueError(
            f"there are {len(given)} weights but labels from {labels.min()} to {labels.max()}; give"
            " one weight a class."
        )
    return given


def _check(x, y, batch_size, first_pass, augmentation, drop_remainder):
    if np.ndim(x) != 4 or np.ndim(y) != 1 or len(x) != len(y) or not len(x):
        raise ValueError(
            f"x has shape {np.shape(x)} and y {np.shape(y)}; they are images (n, H, W, C) and"
            " labels (n,), n at least 1."
        )
    if not is_whole(batch_size) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; it is a whole number, at least 1.")
    if drop_remainder and len(x) < batch_size:
        raise ValueError(
            f"{len(x)} images make no batch of {batch_size} with drop_remainder; take batches of at"
            f" most {len(x)}."
        )
    if not is_whole(first_pass) or first_pass < 0:
        raise ValueError(
            f"first_pass is {first_pass!r}; it is how many passes came before, a whole number, at"
            " least 0."
        )
    if augmentation:
        check(augmentation, *x.shape[1:3])


def _check_chance(seed, is_augmented, mixup, classes):
    if seed is not None and not (is_whole(seed) and 0 <= seed < 2**32):
        raise ValueError(
            f"seed is {seed!r}; it is a whole number, 0 to {2**32 - 1}, or None for no shuffling."
        )
    if (is_augmented or mixup) and seed is None:
        raise ValueError(
            "augmentation needs a seed: chance is an argument here. Give seed=0, or no"
            " augmentation."
        )
    if not 0 <= mixup < math.inf:
        raise ValueError(f"mixup is {mixup!r}; it is a finite number, at least 0.")
    if mixup and not (is_whole(classes) and classes > 0):
        raise ValueError(f"mixup needs `classes`, how many there are; got {classes!r}.")
