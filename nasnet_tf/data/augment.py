"""Random crops, colours, flips, RandAugment and cutout, on whole batches at once.

Sources: crops and flips, He et al. 2015, arXiv 1512.03385, section 4.2; cutout, DeVries & Taylor
2017, arXiv 1708.04552: the hole is centred on any pixel, so the border may clip it.
"""

from __future__ import annotations

from typing import NamedTuple

from nasnet_tf.data.color import colored
from nasnet_tf.data.distort import distorted, draw
from nasnet_tf.data.rand_augment import rand_augmented

__all__ = ["Augmentation", "augment", "check", "hole"]


class Augmentation(NamedTuple):
    """The augmentation of every training image.

    pad: pixels added on every side before a window of the original size is cut out at random.
    flip: mirror left and right with probability one half.
    cutout: side in pixels of a square hole; 0 for none.
    distort: in place of `pad`, a random box of 5 % to 100 % of the area, 3:4 to 4:3, resized to the
        full size.
    color: brightness up to 32/255 of the range up or down, saturation times 0.5 to 1.5. Borders and
        holes keep their own.
    rand_augment: magnitude of RandAugment's changes, 0 to 1; 0 for none.
    """

    pad: int = 0
    flip: bool = False
    cutout: int = 0
    distort: bool = False
    color: bool = False
    rand_augment: float = 0.0

    @classmethod
    def standard(cls, input_shape, flip: bool) -> Augmentation:
        """The CIFAR recipe at any size: `pad` is an eighth of the height (4 of 32 pixels), at least
        1.
        """
        return cls(pad=max(1, input_shape[0] // 8), flip=bool(flip))

    @classmethod
    def inception(cls, flip: bool = True) -> Augmentation:
        """The ImageNet recipe of Inception and NASNet: distorted boxes, flips and colours (slim's
        inception_preprocessing, fast mode).
        """
        return cls(flip=bool(flip), distort=True, color=True)


def check(augmentation: Augmentation, height: int, width: int) -> Augmentation:
    """Returns `augmentation`. Raises ValueError if images of this size are too small for it."""
    for field, limit in (("pad", min(height, width) - 1), ("cutout", 2 * max(height, width))):
        value = getattr(augmentation, field)
        if isinstance(value, bool) or value != int(value) or not 0 <= value <= limit:
            raise ValueError(
                f"{field} is {value!r}; for {height}x{width} images it is a whole number of pixels,"
                f" 0 to {limit}."
            )
    magnitude = augmentation.rand_augment
    if isinstance(magnitude, bool) or not 0 <= magnitude <= 1:
        raise ValueError(f"rand_augment is {magnitude!r}; it is a magnitude from 0 to 1.")
    if augmentation.distort and augmentation.pad:
        raise ValueError(
            f"distort is given and pad is {augmentation.pad}; both are crops: give distort, or pad,"
            " not both."
        )
    return augmentation


def augment(images, augmentation: Augmentation, fill, seed, limits=(0, 255)):
    """The batch, augmented.

    Args:
        images: float32 (batch, H, W, C).
        fill: float32 (C,), the pixel of padded borders and holes.
        seed: whole numbers (2,) that determine the augmentation of a batch of a given size.
        limits: the lowest and highest value of a pixel, to which colours are clipped.
    Returns:
        float32 (batch, H, W, C).
    """
    import tensorflow as tf

    if augmentation.distort:
        images = distorted(images, draw(tf.shape(images)[0], seed))
    if augmentation.color:
        images = colored(images, limits, seed)
    if augmentation.rand_augment:
        images = rand_augmented(images, augmentation.rand_augment, fill, seed, limits)
    if augmentation.pad or augmentation.flip or augmentation.cutout:
        images = _rearranged(images, augmentation, fill, seed)
    return images


def _rearranged(images, augmentation, fill, seed):
    """Window, flip and hole in one gather: every pixel is one of the image's own, or `fill`."""
    import tensorflow as tf

    batch, (height, width, channels) = tf.shape(images)[0], images.shape[1:]
    crop_seed, flip_seed, hole_seed = tf.unstack(tf.random.split(seed, 3))
    rows, columns = _window(batch, height, width, augmentation.pad, crop_seed)
    if augmentation.flip:
        heads = tf.random.stateless_uniform((batch, 1), flip_seed) < 0.5
        columns = tf.where(heads, columns[:, ::-1], columns)
    shown = _rectangle((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    if augmentation.cutout:
        shown &= ~hole(batch, height, width, augmentation.cutout, hole_seed)
    pixels = tf.concat(
        [tf.reshape(images, (-1, channels)), tf.reshape(fill, (1, channels))], axis=0
    )
    first = tf.range(batch)[:, None] * height  # of each image, in rows
    source = ((first + rows) * width)[:, :, None] + columns[:, None, :]  # (batch, H, W)
    return tf.ensure_shape(
        tf.gather(pixels, tf.where(shown, source, batch * height * width)), images.shape
    )


def _window(batch, height, width, pad, seed):
    """(batch, H) and (batch, W): the row and the column of each pixel in the original image, up to
    `pad` outside of it.
    """
    import tensorflow as tf

    shift = tf.random.stateless_uniform((batch, 2, 1), seed, -pad, pad + 1, tf.int32)
    return tf.range(height) + shift[:, 0], tf.range(width) + shift[:, 1]


def hole(batch, height, width, side, seed):
    """(batch, H, W): true in a square of `side` pixels around a random one, clipped at the
    border.
    """
    import tensorflow as tf

    row_seed, column_seed = tf.unstack(tf.random.split(seed, 2))
    return _rectangle(_span(batch, height, side, row_seed), _span(batch, width, side, column_seed))


def _span(batch, length, side, seed):
    """(batch, length): true for `side` pixels around a random one, fewer at the border."""
    import tensorflow as tf

    first = tf.random.stateless_uniform((batch, 1), seed, 0, length, tf.int32) - side // 2
    return (tf.range(length) >= first) & (tf.range(length) < first + side)


def _rectangle(rows, columns):
    """(batch, H) and (batch, W) -> (batch, H, W): true where both are."""
    return rows[:, :, None] & columns[:, None, :]
