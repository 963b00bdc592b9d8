"""Random brightness and saturation, on whole batches at once.

Source: `distort_color` of slim's inception_preprocessing, fast mode.
"""

from __future__ import annotations

__all__ = ["colored"]

BRIGHTNESS = 32 / 255  # of the range of the pixels, up or down
SATURATION = (0.5, 1.5)  # relative to that of the image


def colored(images, limits, key):
    """The batch with a random brightness and a random saturation of every image, in random order.

    Args:
        images: float32 (batch, H, W, C); images of one channel have no saturation.
        limits: the lowest and highest value of a pixel, to which the results are clipped.
        key: whole numbers (2,) that determine the changes of a batch of a given size.
    Returns:
        float32 (batch, H, W, C).
    """
    import tensorflow as tf

    lowest, highest = limits
    of_color = tf.random.fold_in(key, 2)  # 1 is for boxes
    chance = tf.random.stateless_uniform((3, tf.shape(images)[0], 1, 1, 1), of_color)
    shift = (2 * chance[0] - 1) * BRIGHTNESS * (highest - lowest)
    factor = SATURATION[0] + chance[1] * (SATURATION[1] - SATURATION[0])
    first = tf.where(chance[2] < 0.5, shift, 0.0)
    images = images + first
    if images.shape[-1] > 1:
        images = _saturated(images, lowest, factor)
    return tf.clip_by_value(images + (shift - first), lowest, highest)


def _saturated(images, lowest, factor):
    """The saturation of HSV times `factor`, at most 1: the strongest channel is kept, and the
    others move towards it or away.
    """
    import tensorflow as tf

    # a reduction over so short an axis is slow
    red, green, blue = (images[..., channel : channel + 1] for channel in range(3))
    strongest = tf.maximum(tf.maximum(red, green), blue)
    spread = strongest - tf.minimum(tf.minimum(red, green), blue)
    # the factor at which the weakest channel is `lowest`
    most = tf.maximum(tf.math.divide_no_nan(strongest - lowest, spread), 0.0)
    return strongest - (strongest - images) * tf.minimum(factor, most)
