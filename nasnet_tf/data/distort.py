"""The random box of Inception's training: cut out of an image and resized to the full size,
whatever its shape.

Source: `distorted_bounding_box_crop` of slim's inception_preprocessing, and TensorFlow's
SampleDistortedBoundingBox: the aspect ratio is uniform, then the height is uniform among those that
fit; a picture too long for any such box is taken whole. Slim also requires that a box covers a
tenth of the annotated object, without annotation of the whole picture; here only the area is
restricted.
"""

from __future__ import annotations

from nasnet_tf.data.images import EXACT, decode, is_plain

__all__ = ["box", "crop", "distorted", "draw"]

SMALLEST_AREA = 0.05  # of the image's
ASPECT = (3 / 4, 4 / 3)  # width / height


def draw(count, key):
    """The random numbers of `count` boxes: float32 (count, 4), 0 to 1, determined by the key."""
    import tensorflow as tf

    # 1, because `augment` uses the key itself
    return tf.random.stateless_uniform((count, 4), tf.random.fold_in(key, 1))


def box(draws, height, width, smallest: float = SMALLEST_AREA):
    """Top, left, height and width of the boxes in pixels, float32 (...).

    Args:
        draws: (..., 4), of `draw`.
        height, width: of the images, one or (...).
        smallest: share of an image's area that a box has at least.
    """
    import tensorflow as tf

    height, width = (tf.cast(side, tf.float32) for side in (height, width))
    chance = tf.unstack(draws, axis=-1)
    aspect = ASPECT[0] + chance[0] * (ASPECT[1] - ASPECT[0])
    lowest, tallest = (
        tf.sqrt(smallest * height * width / aspect),
        tf.minimum(height, width / aspect),
    )
    fits = lowest <= tallest
    tall = tf.where(fits, lowest + chance[1] * (tallest - lowest), height)
    wide = tf.where(fits, tall * aspect, width)
    return chance[2] * (height - tall), chance[3] * (width - wide), tall, wide


def distorted(images, draws, smallest: float = SMALLEST_AREA):
    """A box of each image, resized to the image's size, bilinear.

    Args:
        images: float32 (batch, H, W, C).
        draws: (batch, 4), of `draw`.
        smallest: see `box`.
    Returns:
        float32 (batch, H, W, C).
    """
    import tensorflow as tf

    height, width = images.shape[1:3]
    top, left, tall, wide = box(draws, height, width, smallest)
    # from the centre of the first pixel to that of the last
    bottom, right = top + tf.maximum(tall - 1, 0), left + tf.maximum(wide - 1, 0)
    corners = tf.stack([top, left, bottom, right], axis=-1) / [
        max(side - 1, 1) for side in (height, width, height, width)
    ]
    return tf.image.crop_and_resize(
        images, tf.clip_by_value(corners, 0, 1), tf.range(tf.shape(images)[0]), (height, width)
    )


def crop(contents, draws, channels: int = 3):
    """A box of a picture at its full resolution; of a plain JPEG only the box is decoded.

    Args:
        contents: the bytes of the file, a string tensor.
        draws: (4,), of `draw`.
    Returns:
        uint8 (h, w, channels): the box with its edges at whole pixels.
    """
    import tensorflow as tf

    def of_jpeg():
        shape = tf.io.extract_jpeg_shape(contents)
        return tf.io.decode_and_crop_jpeg(
            contents, _window(draws, shape[0], shape[1]), channels=channels, dct_method=EXACT
        )

    def of_another():
        picture = decode(contents, channels)
        top, left, tall, wide = tf.unstack(
            _window(draws, tf.shape(picture)[0], tf.shape(picture)[1])
        )
        return picture[top : top + tall, left : left + wide]

    return tf.cond(tf.io.is_jpeg(contents) & is_plain(contents, channels), of_jpeg, of_another)


def _window(draws, height, width):
    """Top, left, height and width in whole pixels, int32 (4,); at least one pixel."""
    import tensorflow as tf

    top, left, tall, wide = box(draws, height, width)
    limit = tf.stack([height, width])
    first = tf.minimum(tf.cast(tf.round([top, left]), tf.int32), limit - 1)
    last = tf.minimum(tf.cast(tf.round([top + tall, left + wide]), tf.int32), limit)
    return tf.concat([first, tf.maximum(last - first, 1)], axis=0)
