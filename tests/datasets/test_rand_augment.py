"""RandAugment, each change against Pillow's, and mixup."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from nasnet_tf.data import pipeline
from nasnet_tf.data.augment import Augmentation
from nasnet_tf.data.rand_augment import CHANGES, changed, rand_augmented

RNG = np.random.default_rng(0)
X = (RNG.integers(0, 200, (40, 1, 1, 3)) + RNG.integers(0, 56, (40, 16, 12, 3))).astype("uint8")
Y = np.arange(40) % 3
FILL = np.array([1.0, 2.0, 3.0], "float32")


def one(name, strength, images=X, fill=FILL):
    count = len(images)
    chosen, strengths = np.full(count, list(CHANGES).index(name), "int32"), np.full(count, strength)
    return np.asarray(changed(images.astype("float32"), chosen, strengths.astype("float32"), fill))


def by_pillow(change):
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in X])


@pytest.mark.parametrize(
    "name, strength, change, within",
    [
        ("identity", 1.0, lambda image: image, 0),
        ("brightness", 0.5, lambda image: ImageEnhance.Brightness(image).enhance(1.45), 1),
        ("brightness", -1.0, lambda image: ImageEnhance.Brightness(image).enhance(0.1), 1),
        ("color", 0.5, lambda image: ImageEnhance.Color(image).enhance(1.45), 2),
        ("contrast", -0.5, lambda image: ImageEnhance.Contrast(image).enhance(0.55), 2),
        ("sharpness", 0.5, lambda image: ImageEnhance.Sharpness(image).enhance(1.45), 2),
        ("posterize", -0.75, lambda image: ImageOps.posterize(image, 5), 0),
        ("solarize", 0.5, lambda image: ImageOps.solarize(image, 128), 0),
        ("autocontrast", 0.5, ImageOps.autocontrast, 1),
        ("equalize", 0.5, ImageOps.equalize, 0),
    ],
)
def test_colours_are_changed_as_pillow_changes_them(name, strength, change, within):
    assert np.abs(one(name, strength) - by_pillow(change)).max() <= within


@pytest.mark.parametrize(
    "name, strength, place",  # of an output pixel (x, y), from the middle, in the image
    [
        ("shear_x", 0.5, lambda x, y: (x + 0.15 * y, y)),
        ("shear_y", -1.0, lambda x, y: (x, y - 0.3 * x)),
        ("translate_x", 0.5, lambda x, y: (x + 0.5 * 150 / 331 * 12, y)),
        ("translate_y", 1.0, lambda x, y: (x, y + 150 / 331 * 16)),
        ("rotate", 1.0, lambda x, y: (x * 3**0.5 / 2 - y / 2, x / 2 + y * 3**0.5 / 2)),
    ],
)
def test_images_are_moved_about_their_middle(name, strength, place):
    """A ramp tells where a pixel comes from."""
    rows, columns = np.mgrid[0:16, 0:12].astype("float32")
    ramp = np.stack([rows, columns, np.zeros_like(rows)], -1)[None]
    found = one(name, strength, ramp, np.full(3, -1000.0, "float32"))[0]
    x, y = place(columns - 5.5, rows - 7.5)
    inside = (x > -5.5) & (x < 5.5) & (y > -7.5) & (y < 7.5)
    assert inside.mean() > 0.4
    np.testing.assert_allclose(found[inside][:, 0], y[inside] + 7.5, atol=1e-3)
    np.testing.assert_allclose(found[inside][:, 1], x[inside] + 5.5, atol=1e-3)


def test_what_lies_beyond_the_border_is_filled():
    found = one("translate_x", 1.0)
    assert (found[:, :, -4:] == FILL).all() and not (found[:, :, :4] == FILL).all(-1).any()


def test_every_image_is_changed_in_its_own_way_by_its_key_alone():
    images = np.repeat(X[:1], 200, 0).astype("float32")
    found = np.asarray(rand_augmented(images, 0.5, FILL, (3, 4)))
    assert len(np.unique(found.round(3), axis=0)) > 60
    assert found.min() >= 0 and found.max() <= 255
    assert (found == np.asarray(rand_augmented(images, 0.5, FILL, (3, 4)))).all()
    assert (found != np.asarray(rand_augmented(images, 0.5, FILL, (3, 5)))).any()


def test_other_ranges_of_pixels_are_changed_alike():
    whole = np.asarray(rand_augmented(X.astype("float32"), 0.7, FILL, (1, 2)))
    small = np.asarray(
        rand_augmented(X.astype("float32") / 127.5 - 1, 0.7, FILL / 127.5 - 1, (1, 2), (-1, 1))
    )
    off = np.abs((small + 1) * 127.5 - whole)
    assert np.median(off) < 1e-3 and (off > 1).mean() < 0.05  # where a value falls between two


def test_grey_images_can_be_changed():
    found = np.asarray(rand_augmented(X[..., :1].astype("float32"), 1.0, FILL[:1], (1, 2)))
    assert found.shape == (40, 16, 12, 1) and (found != X[..., :1]).any()


# ---- mixup ----


def test_an_image_is_mixed_with_another_and_its_label_likewise():
    x = np.zeros((40, 2, 2, 3), "uint8")
    x[..., 0] = (80 * Y)[:, None, None]  # what an image shows is linear in its class
    (images, shares), *_ = pipeline(x, Y, 40, seed=1, mixup=1.0, classes=4).as_numpy_iterator()
    assert shares.shape == (40, 4) and shares.dtype == "float32"
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(images[:, 0, 0, 0], 80 * (shares @ np.arange(4)), atol=1e-3)
    assert (shares.max(1) < 0.99).sum() > 10


def test_the_smaller_alpha_the_purer_the_images():
    def purity(alpha):
        batches = pipeline(X, Y, 40, seed=1, mixup=alpha, classes=3)
        return float(np.mean([shares.max(1).mean() for _, shares in batches.as_numpy_iterator()]))

    assert purity(0.01) > 0.97 > 0.9 > purity(1.0) > purity(50.0)


def test_weights_of_classes_are_mixed_as_their_images_are():
    weights = np.array([1.0, 2.0, 4.0])
    batches = pipeline(X, Y, 16, seed=1, mixup=1.0, classes=3, weights=weights)
    for _, shares, mixed in batches.as_numpy_iterator():
        np.testing.assert_allclose(mixed, shares @ weights, atol=1e-5)


def test_a_pass_is_mixed_as_its_number_says():
    def passes(count, first):
        batches = pipeline(
            X,
            Y,
            16,
            seed=1,
            first_pass=first,
            mixup=0.3,
            classes=3,
            augmentation=Augmentation(rand_augment=0.5),
        )
        return [[i for i, _ in batches.as_numpy_iterator()] for _ in range(count)][-1]

    for ours, theirs in zip(passes(3, 0), passes(1, 2), strict=True):
        assert (ours == theirs).all()


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"mixup": -1.0, "seed": 0}, "mixup is -1.0"),
        ({"mixup": 0.2, "seed": 0}, "mixup needs `classes`"),
        ({"mixup": 0.2, "classes": 3}, "needs a seed"),
        ({"augmentation": Augmentation(rand_augment=1.5), "seed": 0}, "rand_augment is 1.5"),
    ],
)
def test_what_cannot_be_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        pipeline(X, Y, 10, **arguments)
