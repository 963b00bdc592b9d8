"""Mixup: images that are part one image and part another, and labels to match.

Source: Zhang et al. 2017, arXiv 1710.09412: shares are drawn from a beta distribution.
"""

from __future__ import annotations

__all__ = ["mixed"]


def mixed(parts, alpha: float, key):
    """The batch, each image mixed with another one of it, or itself.

    Args:
        parts: what there is of each image, float32 (batch, ...): images, shares of the classes in
            them, weights.
        alpha: of the beta distribution; with a small one nearly all is of one image.
        key: whole numbers (2,) that determine the mixture of a batch of a given size.
    Returns: the parts, shaped as they were given.
    """
    import tensorflow as tf

    count, keys = tf.shape(parts[0])[0], tf.unstack(tf.random.split(tf.random.fold_in(key, 5), 3))
    alpha = tf.constant(alpha, tf.float64)
    ours, theirs = (
        tf.random.stateless_gamma((count,), key, alpha, dtype=tf.float64) for key in keys[:2]
    )
    # with a small alpha both may be the smallest number there is
    weight = tf.where(ours == theirs, tf.ones_like(ours), ours / (ours + theirs))
    weight = tf.cast(weight, tf.float32)
    other = tf.random.experimental.stateless_shuffle(tf.range(count), keys[2])

    def mix(values):
        own = tf.reshape(weight, (-1, *(1 for _ in values.shape[1:])))
        return own * values + (1 - own) * tf.gather(values, other)

    return [mix(values) for values in parts]
