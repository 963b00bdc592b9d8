"""What `nasnet_tf.data` promises of pictures that stay in their files: they look like an array, and
train like one.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nasnet_tf.data import Augmentation, Pictures, broken_picture, load, pipeline
from nasnet_tf.data.images import read_images, resize

SIZE = 8


# ---- made-up photos of all sizes, smooth, so that resizing and JPEG change them little ----


def scene(number, height, width):
    """A picture that is not like the one of any other number."""
    rng = np.random.RandomState(number)
    rows, columns = (
        np.linspace(0, 1, height)[:, None, None],
        np.linspace(0, 1, width)[None, :, None],
    )
    start, down, right = rng.uniform(0, 255, (3, 3))
    return np.clip(start + (down - start) * rows + (right - start) * columns, 0, 255).astype(
        np.uint8
    )


def write(path, pixels):
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = (
        tf.io.encode_jpeg(pixels, quality=98) if path.suffix == ".jpg" else tf.io.encode_png(pixels)
    )
    path.write_bytes(encoded.numpy())
    return path


def photos(folder, count=10):
    """Files, JPEG and PNG, portrait and landscape."""
    return [
        write(folder / f"{k}.{('jpg', 'png')[k % 2]}", scene(k, 10 + 3 * k, 30 - 2 * k))
        for k in range(count)
    ]


def pets(root, count=6, start=0):
    for number, name in enumerate(("cat", "dog")):
        for k in range(count):
            write(root / name / f"{k}.png", scene(start + number * count + k, 9 + k, 12))
    return root


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def pictures(paths):
    return Pictures(paths, SIZE)


@pytest.fixture(scope="module")
def images(paths):
    return read_images(paths, SIZE)


# ---- like an array ----


def test_pictures_have_the_shape_and_the_type_of_their_images(pictures, images):
    assert (pictures.shape, pictures.dtype, pictures.ndim, len(pictures)) == (
        images.shape,
        images.dtype,
        images.ndim,
        10,
    )
    assert pictures.nbytes == images.nbytes and "(10, 8, 8, 3)" in repr(pictures)


@pytest.mark.parametrize(
    "rows",
    [slice(3), slice(None, None, -2), np.array([7, 7, 0]), [1, 2], np.arange(10) > 6, slice(0, 0)],
)
def test_slices_and_rows_of_pictures_are_pictures(pictures, images, rows):
    some = pictures[rows]
    assert isinstance(some, Pictures) and some.shape == images[rows].shape
    assert (np.asarray(some) == images[rows]).all()


def test_a_number_gives_one_image(pictures, images):
    assert (pictures[3] == images[3]).all() and (pictures[np.int64(-1)] == images[-1]).all()
    assert len(list(pictures[:3])) == 3


def test_pictures_become_an_array_of_any_type(pictures, images):
    assert np.asarray(pictures, np.float32).dtype == np.float32
    assert (np.asarray(pictures, np.float32) == images).all()


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda pictures: pictures[:, 0], "one axis to select from"),
        (lambda pictures: pictures[np.zeros((2, 2), int)], r"got rows \(2, 2\)"),
        (lambda pictures: pictures[10], "out of bounds"),
        (lambda pictures: np.array(pictures, copy=False), "only by decoding"),
        (lambda pictures: Pictures([], 8, central_fraction=0), "central_fraction is 0"),
    ],
)
def test_what_pictures_cannot_do_is_refused(pictures, use, message):
    with pytest.raises((TypeError, IndexError, ValueError), match=message):
        use(pictures)


# ---- decoding ----


@pytest.mark.parametrize("fraction", [0.875, 0.5, 1.0])
def test_a_central_fraction_is_cut_out_before_resizing(paths, fraction):
    for path, k in ((paths[k], k) for k in (1, 3, 5)):
        height, width = 10 + 3 * k, 30 - 2 * k
        top, left = int((height - height * fraction) / 2), int((width - width * fraction) / 2)
        middle = scene(k, height, width)[None, top : height - top, left : width - left]
        assert (read_images([path], SIZE, central_fraction=fraction) == resize(middle, SIZE)).all()
        assert (
            np.asarray(Pictures([path], SIZE, central_fraction=fraction)) == resize(middle, SIZE)
        ).all()


@pytest.mark.parametrize("fraction", [0, -1, 1.01, float("nan")])
def test_a_central_fraction_out_of_range_is_refused(paths, fraction):
    with pytest.raises(ValueError, match="central_fraction is .*above 0 and at most 1, or None"):
        read_images(paths, SIZE, central_fraction=fraction)


# ---- batches ----


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"seed": 0},
        {
            "seed": 1,
            "augmentation": Augmentation(pad=2, flip=True, cutout=3, color=True),
            "fill": 7,
        },
    ]
    + [{"weights": [1, 2]}, {"drop_remainder": True}, {"seed": 2, "first_pass": 3}],
)
def test_batches_of_pictures_are_those_of_their_images_pixel_for_pixel(pictures, images, options):
    labels = np.arange(10) % 2
    streamed, held = (pipeline(x, labels, 4, **options) for x in (pictures, images))
    assert streamed.element_spec == held.element_spec and int(streamed.cardinality()) == int(
        held.cardinality()
    )
    for _ in range(2):
        for batch, expected in zip(streamed, held, strict=True):
            assert all((a.numpy() == b.numpy()).all() for a, b in zip(batch, expected, strict=True))


def test_batches_keep_to_the_central_fraction(paths):
    (batch, _), *_ = pipeline(Pictures(paths, SIZE, central_fraction=0.5), np.zeros(10, int), 10)
    assert (batch.numpy() == read_images(paths, SIZE, central_fraction=0.5)).all()


def test_boxes_are_cut_out_of_the_picture_at_its_full_resolution(paths, pictures):
    from nasnet_tf.data.distort import box, draw
    from nasnet_tf.data.images import scaled
    from nasnet_tf.data.streaming import fetcher

    cut = fetcher(pictures, distort=True)(np.arange(10), (5, 6)).numpy()
    for k, draws in enumerate(draw(10, (5, 6))):
        height, width = 10 + 3 * k, 30 - 2 * k
        top, left, tall, wide = (float(side) for side in box(draws, height, width))
        window = scene(k, height, width)[
            round(top) : round(top + tall), round(left) : round(left + wide)
        ]
        assert cut[k] == pytest.approx(
            scaled(window, SIZE, np.float32).numpy(), abs=8 if k % 2 == 0 else 1e-3
        )  # JPEG loses a little


def test_boxes_of_files_and_of_arrays_show_the_same_part(tmp_path):
    photo = scene(0, 64, 64)
    streamed, held = (
        pipeline(x, np.zeros(40, int), 40, seed=3, augmentation=Augmentation(distort=True))
        for x in (
            Pictures([write(tmp_path / "0.png", photo)] * 40, 64),
            np.repeat(photo[None], 40, axis=0),
        )
    )
    ((one, _),), ((other, _),) = streamed, held
    assert (
        np.abs(one.numpy() - other.numpy()).max() < 6
    )  # edges lie at whole pixels there, anywhere here


def test_the_same_seed_cuts_the_same_boxes_and_every_pass_others(pictures):
    def passes(**options):
        data = pipeline(
            pictures, np.arange(10), 4, seed=4, augmentation=Augmentation.inception(), **options
        )
        return [np.concatenate([images.numpy() for images, _ in data]) for _ in range(2)]

    (first, second), (again, _) = passes(), passes(first_pass=1)
    assert (second == again).all() and (first != second).any()
    assert first.min() >= 0 and first.max() <= 255


def test_a_keras_model_trains_on_pictures(pictures):
    import keras

    model = keras.Sequential(
        [keras.layers.Input((SIZE, SIZE, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
    )
    data = pipeline(
        pictures,
        np.arange(10) % 2,
        4,
        seed=0,
        augmentation=Augmentation.inception(),
        weights=[1, 2],
    )
    assert len(model.fit(data, epochs=2, shuffle=False, verbose=0).history["loss"]) == 2


@pytest.mark.slow
def test_a_program_that_stops_in_the_middle_of_a_pass_ends(paths):
    code = (
        "import sys; from nasnet_tf.data import Pictures, pipeline;batches ="
        f" iter(pipeline(Pictures({[str(path) for path in paths]} * 50, 64), [0] * 500, 8));"
        " next(batches)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=600
    )


# ---- broken files ----


def broken(path, how, whole):
    path.parent.mkdir(exist_ok=True)
    if how != "missing":
        path.write_bytes(
            {"empty": b"", "text": b"not a picture", "cut": whole[: len(whole) // 2]}[how]
        )
    return path


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("0.jpg", "empty"),
        ("0.jpg", "cut"),
        ("0.png", "cut"),
        ("0.gif", "text"),
        ("it's [1] café.png", "missing"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"seed": 0, "augmentation": Augmentation(distort=True)}])
def test_a_broken_file_is_named_when_its_turn_comes(tmp_path, paths, how, name, options):
    bad = broken(tmp_path / name, how, paths[name.endswith("png")].read_bytes())
    files = [*paths[:5], bad, *paths[5:]]
    with pytest.raises(Exception, match="cannot be read as a picture") as caught:
        list(pipeline(Pictures(files, SIZE), np.zeros(11, int), 4, **options))
    assert (
        broken_picture(caught.value)
        == f"{bad} cannot be read as a picture; save it again as an RGB JPEG or PNG, or remove it."
    )


def test_batches_before_the_broken_file_are_whole(tmp_path, paths):
    data = iter(
        pipeline(
            Pictures([*paths[:8], broken(tmp_path / "bad.jpg", "empty", b"")], SIZE),
            np.zeros(9, int),
            4,
        )
    )
    assert [len(next(data)[0]) for _ in range(2)] == [4, 4]
    with pytest.raises(Exception, match="bad.jpg"):
        next(data)


def test_of_several_broken_files_the_first_is_named(tmp_path, paths):
    bad = [broken(tmp_path / f"bad{k}.jpg", "text", b"") for k in range(3)]
    for files in (bad, [paths[0], *bad], [bad[0], paths[0], bad[1]]):
        with pytest.raises(Exception, match="bad0.jpg"):
            list(pipeline(Pictures(files, SIZE), np.zeros(len(files), int), 8))


def test_keras_passes_the_name_of_a_broken_file_on(tmp_path, paths):
    import keras

    bad = broken(tmp_path / "bad.jpg", "cut", paths[0].read_bytes())
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(Exception, match="cannot be read") as caught:
        model.fit(
            pipeline(Pictures([*paths, bad], SIZE), np.zeros(11, int), 4, seed=0),
            shuffle=False,
            verbose=0,
        )
    assert broken_picture(caught.value).startswith(
        f"{bad} cannot be read as a picture; save it again"
    )


def test_other_errors_say_nothing_of_a_broken_picture():
    assert broken_picture(ValueError("cannot be read as a picture")) is None


def test_as_an_array_a_broken_file_is_named_with_the_reason(tmp_path, paths):
    with pytest.raises(
        ValueError, match=r"bad.jpg cannot be read as a picture \(.+\); save it again"
    ):
        np.asarray(Pictures([*paths, broken(tmp_path / "bad.jpg", "empty", b"")], SIZE))


# ---- data sets of them ----


def test_a_folder_may_stay_in_its_files(tmp_path):
    root = pets(tmp_path)
    held, kept = (
        load(root, image_size=SIZE, seed=1, in_memory=in_memory) for in_memory in (True, False)
    )
    for part in ("train", "validation", "test"):
        x, y = getattr(kept, f"x_{part}"), getattr(kept, f"y_{part}")
        assert isinstance(x, Pictures) and (np.asarray(x) == getattr(held, f"x_{part}")).all()
        assert (y == getattr(held, f"y_{part}")).all() and y.dtype == np.int32
    assert (kept.input_shape, kept.classes, kept.class_names, kept.flip) == (
        (8, 8, 3),
        2,
        ("cat", "dog"),
        True,
    )


def test_imagenet_folders_give_val_as_the_test_part(tmp_path):
    pets(tmp_path / "train")
    pets(tmp_path / "val", count=3, start=50)
    data = load(tmp_path, image_size=SIZE, in_memory=False)
    assert (len(data.x_train), len(data.x_validation), len(data.x_test)) == (10, 2, 6)
    assert (
        np.asarray(data.x_test) == load(tmp_path, image_size=SIZE).x_test
    ).all() and "val folder" in data.test_origin


def test_nothing_is_decoded_when_a_folder_stays_in_its_files(tmp_path):
    for k in range(10):
        for name in ("cat", "dog"):
            broken(tmp_path / name / f"{k}.jpg", "text", b"")
    data = load(tmp_path, in_memory=False)
    assert (
        data.x_train.shape == (14, 64, 64, 3)
        and "64x64x3 uint8 read when needed, 2 classes" in data.describe()
    )


def test_loading_and_splitting_files_needs_no_tensorflow(tmp_path):
    load_it = (
        f"from nasnet_tf.data import load; load({str(pets(tmp_path / 'pets'))!r}, in_memory=False)"
    )
    code = f"import sys; {load_it}; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_a_folder_stays_in_its_files_when_its_arrays_would_be_too_large(tmp_path, monkeypatch):
    root = pets(tmp_path)
    needed = 12 * SIZE * SIZE * 3
    for limit, kept in ((needed, False), (needed - 1, True)):
        monkeypatch.setattr("nasnet_tf.data.folders.MOST_IN_MEMORY", limit)
        assert isinstance(load(root, image_size=SIZE).x_train, Pictures) == kept
    assert isinstance(load(root, image_size=SIZE, in_memory=True).x_train, np.ndarray)


def test_only_folders_can_stay_in_files(tmp_path):
    np.savez(tmp_path / "toy.npz", x_train=np.zeros((9, 4, 4, 1)), y_train=np.arange(9) % 3)
    for source in ("digits", "tfds:mnist", tmp_path / "toy.npz"):
        with pytest.raises(
            ValueError,
            match="in_memory is False, but .* is no folder of pictures.*leave in_memory out",
        ):
            load(source, in_memory=False)
    with pytest.raises(ValueError, match="in_memory is 2; it is True, False, or None"):
        load("digits", in_memory=2)
    assert load("digits", in_memory=True).name == "digits"


def test_mean_and_std_are_those_of_the_decoded_pictures(tmp_path):
    held, kept = (
        load(pets(tmp_path), image_size=SIZE, in_memory=in_memory) for in_memory in (True, False)
    )
    assert kept.mean == held.mean == pytest.approx(held.x_train.mean((0, 1, 2)))
    assert kept.std == held.std == pytest.approx(held.x_train.std((0, 1, 2)))


def test_mean_and_std_of_many_pictures_are_those_of_some_of_every_class(tmp_path, monkeypatch):
    monkeypatch.setattr("nasnet_tf.data.dataset._SAMPLE", 4)
    monkeypatch.setattr("nasnet_tf.data.dataset._CHUNK", 2 * SIZE * SIZE * 3)
    root = pets(tmp_path, count=9)
    data, again = (load(root, image_size=SIZE, in_memory=False) for _ in range(2))
    some = np.asarray(data.x_train[[0, 3, 7, 11]])  # of 12
    assert data.mean == again.mean == pytest.approx(some.mean((0, 1, 2)))
    assert data.std == pytest.approx(some.std((0, 1, 2)))
