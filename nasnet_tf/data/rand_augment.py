"""RandAugment: two changes of every image, drawn at random from fourteen, all of one strength.

Source: Cubuk et al. 2019, arXiv 1909.13719; the ranges of the changes are those of the authors'
AutoAugment (Cubuk et al. 2018, arXiv 1805.09501). Keras' layer of this name draws the same change
for all images of a batch and turns them by up to half a circle, so these are our own; the colours
are computed as Pillow computes them.
"""

from __future__ import annotations

import math

__all__ = ["CHANGES", "rand_augmented"]

_ANGLE = math.radians(30)
_SHEAR = 0.3
_SHIFT = 150 / 331  # of the side
_FACTOR = 0.9  # by which colour, contrast, brightness and sharpness become more or less
_BITS = 4  # that posterize takes away
_TURNS = 2  # changes of an image


def rand_augmented(images, magnitude: float, fill, key, limits=(0, 255)):
    """The batch, every image changed twice.

    Args:
        images: float32 (batch, H, W, C), of one channel or three.
        magnitude: of every change, from 0 to 1; M of the paper is 30 times that.
        fill: float32 (C,), the pixel beyond the border.
        key: whole numbers (2,) that determine the changes of a batch of a given size.
        limits: the lowest and highest value of a pixel.
    Returns:
        float32 (batch, H, W, C).
    """
    import tensorflow as tf

    low, high = limits
    scale, count = (high - low) / 255, tf.shape(images)[0]
    pixels, filling = (images - low) / scale, (fill - low) / scale
    key = tf.random.fold_in(key, 4)  # 1 to 3 are for boxes, colours and strong changes
    for turn in range(_TURNS):
        which, sign = tf.unstack(tf.random.split(tf.random.fold_in(key, turn), 2))
        chosen = tf.random.stateless_uniform((count,), which, 0, len(CHANGES), tf.int32)
        way = tf.random.stateless_uniform((count,), sign, 0, 2, tf.int32)
        strength = magnitude * tf.cast(2 * way - 1, tf.float32)
        pixels = changed(pixels, chosen, strength, filling)
    return tf.clip_by_value(pixels * scale + low, low, high)


def changed(pixels, chosen, strength, fill):
    """Each image changed once.

    Args:
        pixels: float32 (batch, H, W, C), 0 to 255.
        chosen: int32 (batch,), places in `CHANGES`.
        strength: float32 (batch,), -1 to 1; changes that go one way only take it without its sign.
        fill: float32 (C,).
    """
    import tensorflow as tf

    def apart(values):
        return tf.dynamic_partition(values, chosen, len(CHANGES))

    of_changes = zip(CHANGES.values(), apart(pixels), apart(strength), strict=True)
    done = [change(images, own[:, None, None, None], fill) for change, images, own in of_changes]
    return tf.reshape(
        tf.dynamic_stitch(apart(tf.range(tf.shape(chosen)[0])), done), tf.shape(pixels)
    )


# A change is a function of images (n, H, W, C), strengths (n, 1, 1, 1) and the filling pixel.


def _identity(pixels, strength, fill):
    return pixels


def _rotated(pixels, strength, fill):
    import tensorflow as tf

    cos, sin = tf.cos(_ANGLE * strength), tf.sin(_ANGLE * strength)
    return _moved(pixels, fill, cos, -sin, sin, cos)


def _sheared_x(pixels, strength, fill):
    return _moved(pixels, fill, b=_SHEAR * strength)


def _sheared_y(pixels, strength, fill):
    return _moved(pixels, fill, d=_SHEAR * strength)


def _translated_x(pixels, strength, fill):
    return _moved(pixels, fill, right=_SHIFT * pixels.shape[2] * strength)


def _translated_y(pixels, strength, fill):
    return _moved(pixels, fill, down=_SHIFT * pixels.shape[1] * strength)


def _moved(pixels, fill, a=1.0, b=0.0, d=0.0, e=1.0, right=0.0, down=0.0):
    """The images, whose pixel (x, y) from the middle is what was at (a x + b y + right, d x + e y +
    down).
    """
    import tensorflow as tf

    count, (height, width) = tf.shape(pixels)[0], pixels.shape[1:3]
    x, y = (width - 1) / 2, (height - 1) / 2
    rows = a, b, x - a * x - b * y + right, d, e, y - d * x - e * y + down, 0.0, 0.0
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels - fill,
        transforms=tf.stack([tf.ones(count) * tf.reshape(row, (-1,)) for row in rows], axis=1),
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
    )
    return moved + fill


def _brightened(pixels, strength, fill):
    return _beyond(0.0, pixels, strength)


def _saturated(pixels, strength, fill):
    return _beyond(_grey(pixels), pixels, strength)


def _contrasted(pixels, strength, fill):
    import tensorflow as tf

    return _beyond(tf.round(tf.reduce_mean(_grey(pixels), (1, 2, 3), True)), pixels, strength)


def _sharpened(pixels, strength, fill):
    """From the mean of a pixel, which counts five times, and its eight neighbours; borders stay."""
    import tensorflow as tf

    inner = pixels[:, 1:-1, 1:-1]
    box = tf.ones((3, 3, pixels.shape[-1], 1))
    smooth = (tf.nn.depthwise_conv2d(pixels, box, (1, 1, 1, 1), "VALID") + 4 * inner) / 13
    smooth = pixels + tf.pad(smooth - inner, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return _beyond(smooth, pixels, strength)


def _beyond(without, pixels, strength):
    """From images that have none of something towards these, and beyond."""
    import tensorflow as tf

    blended = without + (1 + _FACTOR * strength) * (pixels - without)
    return tf.clip_by_value(blended, 0.0, 255.0)


def _grey(pixels):
    """(n, H, W, 1): ITU-R 601-2, as Pillow's "L"."""
    import tensorflow as tf

    if pixels.shape[-1] == 1:
        return pixels
    return tf.tensordot(pixels, tf.constant([0.299, 0.587, 0.114]), 1)[..., None]


def _posterized(pixels, strength, fill):
    import tensorflow as tf

    step = 2.0 ** tf.round(_BITS * tf.abs(strength))
    return tf.floor(pixels / step) * step


def _solarized(pixels, strength, fill):
    import tensorflow as tf

    return tf.where(pixels < 256 * (1 - tf.abs(strength)), pixels, 255 - pixels)


def _stretched(pixels, strength, fill):
    """The darkest value of each channel becomes 0, the brightest 255; a plain one stays."""
    import tensorflow as tf

    least = tf.reduce_min(pixels, (1, 2), True)
    span = tf.reduce_max(pixels, (1, 2), True) - least
    return tf.where(span > 0, tf.math.divide_no_nan(255 * (pixels - least), span), pixels)


def _equalized(pixels, strength, fill):
    """Values of each channel, as often one as the other."""
    import tensorflow as tf

    batch, (height, width, channels) = tf.shape(pixels)[0], pixels.shape[1:]
    rows = tf.reshape(tf.transpose(pixels, (0, 3, 1, 2)), (-1, height * width))
    values = tf.cast(rows, tf.int32)
    counts = tf.math.bincount(values, minlength=256, maxlength=256, axis=-1)
    brightest = tf.reduce_max(values, 1, True)
    others = height * width - tf.gather(counts, brightest, batch_dims=1)  # than the brightest
    step = others // 255
    darker = tf.cumsum(counts, axis=1, exclusive=True)
    table = tf.minimum((darker + step // 2) // tf.maximum(step, 1), 255)
    found = tf.cast(tf.gather(table, values, batch_dims=1), tf.float32)
    found = tf.where(step > 0, found, rows)
    return tf.transpose(tf.reshape(found, (batch, channels, height, width)), (0, 2, 3, 1))


CHANGES = {
    "identity": _identity,
    "rotate": _rotated,
    "shear_x": _sheared_x,
    "shear_y": _sheared_y,
    "translate_x": _translated_x,
    "translate_y": _translated_y,
    "brightness": _brightened,
    "color": _saturated,
    "contrast": _contrasted,
    "sharpness": _sharpened,
    "posterize": _posterized,
    "solarize": _solarized,
    "autocontrast": _stretched,
    "equalize": _equalized,
}
