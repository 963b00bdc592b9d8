"""Pictures that are nearly the same, against a comparison of all with all, and parts that share
none.
"""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nasnet_tf.data.dataset import Part, Parts
from nasnet_tf.data.duplicates import same_pictures
from nasnet_tf.data.split import divide, stratified

RNG = np.random.default_rng(0)


def photographs(count, side=40, seed=0):
    """Smooth random pictures."""
    small = np.random.default_rng(seed).integers(0, 256, (count, 5, 5, 3)).astype("uint8")
    sized = [Image.fromarray(each).resize((side, side), Image.BICUBIC) for each in small]
    return np.stack([np.asarray(each) for each in sized])


def saved_again(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def resized(image):
    small = Image.fromarray(image).resize((29, 29), Image.BILINEAR)
    return np.asarray(small.resize(image.shape[:2], Image.BILINEAR))


def lighter(image):
    return (image * 0.8 + 40).astype("uint8")


def test_a_picture_is_known_again_that_was_changed_a_little():
    images = photographs(200)
    changed = [saved_again(images[0]), resized(images[1]), lighter(images[2]), images[3]]
    groups = same_pictures(images, np.stack(changed))
    assert groups[200:].tolist() == [0, 1, 2, 3] and len(set(groups.tolist())) == 200


def test_groups_are_those_of_a_comparison_of_all_with_all():
    """Of thumbnails that Pillow makes."""
    images = photographs(120)
    noisy = [
        np.clip(each + RNG.normal(0, 6, each.shape), 0, 255).astype("uint8") for each in images
    ]
    every = np.concatenate([images, noisy, photographs(100, seed=1)])
    thumbnails = [np.asarray(Image.fromarray(each).resize((20, 20), Image.BOX)) for each in every]
    near = np.corrcoef(np.stack(thumbnails).reshape(len(every), -1)) > 0.99
    groups = same_pictures(every)
    assert near.sum() == len(every) + 240
    assert (near == (groups[:, None] == groups)).all()


def test_chains_are_one_group_and_plain_pictures_are_none():
    image = photographs(1)[0].astype("float32")
    other = photographs(1, seed=9)[0].astype("float32")
    chain = np.stack([image + (other - image) * share for share in np.linspace(0, 0.6, 40)])
    assert set(same_pictures(chain.astype("uint8")).tolist()) == {0}
    assert len(set(same_pictures(np.full((30, 8, 8, 1), 7, "uint8")).tolist())) == 30
    assert same_pictures(photographs(1)).tolist() == [0]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 0.5))
def test_a_split_divides_no_group_and_leaves_no_class_out(seed, fraction):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), 20)
    groups = np.arange(80)
    for _ in range(8):  # of a class, or of two
        groups[rng.choice(80, 2, replace=False)] = groups[rng.integers(80)]
    kept, held = stratified(labels, fraction, seed, groups)
    assert sorted([*kept, *held]) == list(range(80))
    assert set(labels[kept]) == set(labels[held]) == set(range(4))
    assert not set(groups[kept]) & set(groups[held])
    alone = stratified(labels, fraction, seed)
    same = stratified(labels, fraction, seed, np.arange(80))
    assert all((a == b).all() for a, b in zip(alone, same, strict=True))


def test_what_is_nearly_the_same_is_in_one_part_and_said():
    images = np.repeat(photographs(60), 2, axis=0)
    labels = np.repeat(np.arange(60) % 2, 2)
    parts = Parts("twins", Part(images, labels), None, None, ("a", "b"), True)
    found = divide(parts, 0.2, seed=0)
    seen = [
        {image.tobytes() for image in getattr(found, f"x_{part}")}
        for part in ("train", "validation", "test")
    ]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 60
    assert [len(found.x_train), len(found.x_validation), len(found.x_test)] == [76, 20, 24]
    assert "120 pictures nearly the same as others" in found.describe()


def test_test_pictures_that_were_trained_on_are_counted():
    images, test = photographs(40), photographs(10, seed=3)
    test[:3] = images[5:8]
    parts = Parts("leaky", Part(images, np.arange(40) % 2), None,
                  Part(test, np.arange(10) % 2), ("a", "b"), True)  # fmt: skip
    assert "3 pictures to test or validate on nearly the same" in divide(parts, 0.2, 0).describe()
