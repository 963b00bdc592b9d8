"""Strong changes of a share of the training images, and how large that share becomes."""

import numpy as np
import pytest

from nasnet_tf.data import pipeline
from nasnet_tf.data.strong import Share, changed
from nasnet_tf.training.adapting import Adapt

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (300, 8, 8, 3)).astype("uint8")
Y = np.arange(300) % 3
FILL = np.array([1.0, 2.0, 3.0], "float32")


def strong(share, images=X, key=(5, 6)):
    return np.asarray(changed(images.astype("float32"), Share(share), FILL, key))


def test_about_so_many_images_are_changed_and_the_others_are_as_they_were():
    assert (strong(0.0) == X).all()
    untouched = (strong(0.3) == X).all((1, 2, 3))
    assert 0.6 < untouched.mean() < 0.8
    assert not (strong(1.0) == X).all((1, 2, 3)).any()


def test_a_changed_image_keeps_to_the_range_of_pixels_and_has_a_hole():
    found = strong(1.0)
    assert found.min() >= 0 and found.max() <= 255
    filled = (found == FILL).all(-1).sum((1, 2))
    assert (filled >= 2 * 2).all() and (filled <= 4 * 4 + 2).all(), "4x4, clipped at the border"


def test_a_box_is_two_fifths_of_the_image_or_more():
    """Of images whose pixels are their columns: how many of those does a row still show?"""
    columns = np.broadcast_to(np.arange(100.0, 164.0)[None, None, :, None], (200, 64, 64, 1))
    found = np.asarray(changed(columns.astype("float32"), Share(1.0), np.float32([-1]), (1, 2)))
    rows = np.where(found[..., 0] < 0, np.nan, found[..., 0])
    spans = np.nanmax(rows, (1, 2)) - np.nanmin(rows, (1, 2))
    assert spans.min() >= 63 * np.sqrt(0.4 * 3 / 4) - 2  # upright, 3 to 4, and so large in all
    assert 0.75 * 63 < spans.mean() < 63


def test_a_pipeline_reads_the_share_anew_in_every_pass():
    share = Share()
    batches = pipeline(X, Y, 100, seed=0, strong=share)
    first = np.concatenate([images for images, _ in batches])
    assert sorted(first.sum((1, 2, 3))) == sorted(X.sum((1, 2, 3)).astype("float32"))
    share.value = 1.0
    later = np.concatenate([images for images, _ in batches])
    assert not set(later.sum((1, 2, 3))) & set(first.sum((1, 2, 3)))


def test_strong_changes_need_a_seed():
    with pytest.raises(ValueError, match="needs a seed"):
        pipeline(X, Y, 10, strong=Share())


def adapted(gaps, epochs=20, history=()):
    """The share after each epoch, where the network does so much better on training images."""
    share, found = Share(), []
    adapt = Adapt(share, lambda epoch, batch: epoch / epochs, list(history))
    for epoch, gap in enumerate(gaps):
        logs = {"accuracy": 0.7, "val_accuracy": 0.7 - gap}
        adapt.on_epoch_begin(epoch)
        adapt.on_epoch_end(epoch, logs)
        assert logs["changed"] == pytest.approx(share.value)
        found.append(round(share.value, 4))
    return found


def test_the_share_rises_while_a_network_overfits_and_falls_else():
    assert adapted([-0.1, 0.04, 0.1, 0.3, 0.2, 0.04, 0.04]) == [0, 0, 0.25, 0.5, 0.75, 0.5, 0.25]
    assert adapted([0.2] * 6)[-1] == 1.0


def test_a_training_that_goes_on_has_the_share_it_had():
    assert adapted([0.2], history=[{"loss": 1.0, "changed": 0.5}]) == [0.75]
    assert adapted([0.2], history=[{"loss": 1.0}]) == [0.25]
