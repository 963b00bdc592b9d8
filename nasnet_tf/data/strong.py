"""Strong changes of a share of the training images, for networks that know their images by heart.

The changes are those of Inception and of cutout, so a box of an image is at least two fifths of it.
The share is a number that changes while a pipeline runs.
"""

from __future__ import annotations

from nasnet_tf.data.augment import hole
from nasnet_tf.data.color import colored
from nasnet_tf.data.distort import distorted, draw

__all__ = ["Share", "changed"]

SMALLEST_AREA = 0.4  # of a box
_HOLE = 0.5  # of the shorter side


class Share:
    """A share from 0 to 1, which pipelines read for every batch."""

    def __init__(self, value: float = 0.0):
        import tensorflow as tf

        with tf.device("CPU"):
            self.variable = tf.Variable(value, dtype=tf.float32, trainable=False)

    @property
    def value(self) -> float:
        return float(self.variable)

    @value.setter
    def value(self, value: float):
        self.variable.assign(value)


def changed(images, share: Share, fill, key, limits=(0, 255)):
    """The batch, in which about such a share of the images is each a random box of itself, resized
    to the full size, of another brightness and saturation, with a hole of half the side.

    Args:
        images, fill, key, limits: as `nasnet_tf.data.augment.augment` takes them.
    """
    import tensorflow as tf

    key = tf.random.fold_in(key, 3)  # 1 is for boxes, 2 for colours
    count, (height, width) = tf.shape(images)[0], images.shape[1:3]

    def some():
        strong = distorted(images, draw(count, key), SMALLEST_AREA)
        strong = colored(strong, limits, key)
        side = int(_HOLE * min(height, width))
        strong = tf.where(hole(count, height, width, side, key)[..., None], fill, strong)
        chosen = tf.random.stateless_uniform((count, 1, 1, 1), key) < share.variable
        return tf.where(chosen, strong, images)

    return tf.cond(share.variable > 0, some, lambda: images)
