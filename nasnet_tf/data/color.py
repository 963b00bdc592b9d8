"""Random brightness and saturation, on whole batches at once.

Source: `distort_color` of slim's inception_preprocessing, fast mode.
"""

from __future__ import annotations

__all__ = ["colored"]

BRIGHTNESS = 32 / 255  # of the range of the pixels, up or down
SATURATION = (0.5, 1.5)  # of it as it was


def colored(images, limits, key):
    """The batch, every image brighter or darker and with more or less colour, in either order.

    Args:
        images: float32 (batch, H, W, C); images of one channel have no saturation to change.
        limits: the lowest and highest value that a pixel may have; the results are clipped to them.
        key: whole numbers (2,); the same key does the same to a batch of the same size.
    Returns:
        float32 (batch, H, W, C).
    """
    import tensorflow as tf

    lowest, highest = limits
    chance = tf.random.stateless_uniform(
        (3, tf.shape(images)[0], 1, 1, 1), tf.random.fold_in(key, 2)
    )  # 1 is for boxes
    shift = (2 * chance[0] - 1) * BRIGHTNESS * (highest - lowest)
    factor = SATURATION[0] + chance[1] * (SATURATION[1] - SATURATION[0])
    first = tf.where(chance[2] < 0.5, shift, 0.0)
    images = images + first
    if images.shape[-1] > 1:
        images = _saturated(images, lowest, factor)
    return tf.clip_by_value(images + (shift - first), lowest, highest)


def _saturated(images, lowest, factor):
    """The saturation of HSV times `factor`, at most 1: the strongest channel stays, the others move
    to or from it.
    """
    import tensorflow as tf

    red, green, blue = (
        images[..., channel : channel + 1] for channel in range(3)
    )  # a reduction over so short an axis is slow
    strongest = tf.maximum(tf.maximum(red, green), blue)
    spread = strongest - tf.minimum(tf.minimum(red, green), blue)
    most = tf.maximum(
        tf.math.divide_no_nan(strongest - lowest, spread), 0.0
    )  # the factor that makes the weakest channel `lowest`
    return strongest - (strongest - images) * tf.minimum(factor, most)
