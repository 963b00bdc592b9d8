"""What `nasnet_tf.data` promises: sources, splits, errors, batches, augmentation."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nasnet_tf.data import Augmentation, DataSet, load, pipeline
from nasnet_tf.data.images import resize
from nasnet_tf.data.split import stratified

SHARED = Path(__file__).parents[3] / "shared" / "data"
CIFAR = SHARED / "cifar10" / "cifar10_lossless_subset.npz"
FLOWERS = SHARED / "flower_photos" / "flower_photos_short128.zip"


# ---- made-up data: image i is filled with the number i, so that every image can be recognised ----


def numbered(count, side=4, channels=1):
    return np.broadcast_to(
        np.arange(count, dtype=np.uint8)[:, None, None, None], (count, side, side, channels)
    ).copy()


def npz(folder, **arrays):
    path = folder / "toy.npz"
    given = {"x_train": numbered(60), "y_train": np.arange(60) % 3} | arrays
    np.savez(path, **{key: value for key, value in given.items() if value is not None})
    return str(path)


def picture(path, value, encode="png", shape=(10, 12, 3)):
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full(shape, value, np.uint8)
    path.write_bytes((tf.io.encode_png if encode == "png" else tf.io.encode_jpeg)(pixels).numpy())


def class_folders(root, count=5, start=0, names=("cat", "dog")):
    for i, name in enumerate(names):
        for k in range(count):
            picture(root / name / f"{k}.png", start + i * count + k)
    return str(root)


def pixels(images):
    """The number of each numbered image."""
    return set(images[:, 0, 0, 0].tolist())


@pytest.fixture(scope="module")
def digits():
    return load("digits")


# ---- digits ----


def test_digits_are_1797_small_grey_images_of_10_classes(digits):
    assert isinstance(digits, DataSet)
    assert len(digits.x_train) + len(digits.x_validation) + len(digits.x_test) == 1797
    assert (digits.input_shape, digits.classes, digits.name, digits.flip) == (
        (8, 8, 1),
        10,
        "digits",
        False,
    )
    assert digits.class_names == tuple("0123456789")


def test_digits_use_the_whole_range_of_uint8(digits):
    assert (digits.x_train.dtype, digits.x_train.min(), digits.x_train.max()) == (np.uint8, 0, 255)
    assert digits.y_train.dtype == np.int32


def test_a_data_set_describes_itself_in_one_line(digits):
    assert (
        digits.describe()
        == "digits: 1295 train, 143 validation, 359 test images, 8x8x1 uint8, 10 classes; test set:"
        " 20% held out, the same for every seed."
    )


def test_image_size_resizes_any_source(tmp_path):
    assert load("digits", image_size=12).input_shape == (12, 12, 1)
    assert load(npz(tmp_path), image_size=6).input_shape == (6, 6, 1)


def test_resizing_keeps_the_dtype_and_a_constant_image():
    assert (resize(numbered(5), 7) == numbered(5, side=7)).all()
    assert resize(np.full((2, 8, 8, 3), 0.25, np.float32), 4) == pytest.approx(0.25)


def test_loading_arrays_needs_no_tensorflow(tmp_path):
    code = (
        f"import sys; from nasnet_tf.data import load; load('digits'); load({npz(tmp_path)!r});"
        " assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


# ---- splits ----


def test_the_test_set_does_not_depend_on_the_seed_nor_on_the_validation_share(digits):
    other = load("digits", seed=7, validation=0.3)
    assert (other.x_test == digits.x_test).all() and (other.y_test == digits.y_test).all()


def test_the_seed_chooses_the_validation_images(tmp_path):
    path = npz(tmp_path)
    assert (
        pixels(load(path, seed=1).x_validation)
        == pixels(load(path, seed=1).x_validation)
        != pixels(load(path, seed=2).x_validation)
    )


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_the_parts_share_no_image_and_lose_none(tmp_path, seed):
    data = load(npz(tmp_path), seed=seed)
    parts = [pixels(data.x_train), pixels(data.x_validation), pixels(data.x_test)]
    assert sum(map(len, parts)) == 60 and set.union(*parts) == set(range(60))


def test_images_keep_their_labels_through_the_splits(tmp_path):
    data = load(npz(tmp_path))
    for x, y in (
        (data.x_train, data.y_train),
        (data.x_validation, data.y_validation),
        (data.x_test, data.y_test),
    ):
        assert (x[:, 0, 0, 0] % 3 == y).all()


def test_every_part_has_the_classes_in_the_same_proportion(digits):
    total = np.bincount(np.concatenate([digits.y_train, digits.y_validation, digits.y_test]))
    assert np.bincount(digits.y_test) == pytest.approx(total * 0.2, abs=0.51)
    assert np.bincount(digits.y_validation) == pytest.approx(total * 0.08, abs=1)


def test_of_a_small_class_one_image_is_held_out():
    kept, held = stratified(np.array([0] * 50 + [1] * 2), 0.1, seed=0)
    assert (held >= 50).sum() == 1 and (kept >= 50).sum() == 1


def test_the_fixed_split_is_the_same_in_every_release_of_numpy():
    assert stratified(np.arange(20) % 2, 0.2, seed=0)[1].tolist() == [4, 7, 11, 16]


def test_mean_and_std_are_those_of_the_training_part(digits):
    assert digits.mean == pytest.approx([digits.x_train.mean()]) and digits.std == pytest.approx(
        [digits.x_train.std()]
    )


def test_the_std_of_a_constant_channel_is_not_zero(tmp_path):
    assert load(npz(tmp_path, x_train=np.full((60, 4, 4, 3), 9, np.uint8))).std == (1e-6,) * 3


# ---- .npz ----


def test_an_npz_gives_its_own_test_and_validation_parts(tmp_path):
    path = npz(
        tmp_path,
        x_test=numbered(9),
        y_test=np.arange(9) % 3,
        x_val=numbered(6),
        y_val=np.arange(6) % 3,
    )
    data = load(path)
    assert (data.name, len(data.x_train), len(data.x_validation), len(data.x_test)) == (
        "toy",
        60,
        6,
        9,
    )
    assert data.test_origin == "given in the file"


@pytest.mark.parametrize(
    "labels",
    [np.arange(60)[:, None] % 3, (np.arange(60) % 3).astype(np.uint8), np.arange(60) % 3 == 0],
)
def test_labels_may_be_a_column_or_of_any_whole_type(tmp_path, labels):
    data = load(npz(tmp_path, y_train=labels))
    assert (
        data.y_train.dtype == np.int32
        and data.y_train.ndim == 1
        and data.class_names[:2] == ("0", "1")
    )


@pytest.mark.parametrize("kind", [str, bytes])
def test_labels_that_are_words_become_sorted_class_names(tmp_path, kind):
    words = np.array(["plum", "fig", "apple"])[np.arange(60) % 3]
    data = load(npz(tmp_path, y_train=words if kind is str else words.astype("S")))
    assert data.class_names == ("apple", "fig", "plum")
    assert (data.y_train == 2 - data.x_train[:, 0, 0, 0] % 3).all()


def test_labels_with_gaps_are_renumbered_and_keep_their_names(tmp_path):
    data = load(npz(tmp_path, y_train=np.array([3, 5, 10])[np.arange(60) % 3]))
    assert data.class_names == ("3", "5", "10") and set(data.y_train) == {0, 1, 2}


def test_an_npz_may_name_its_classes(tmp_path):
    assert load(npz(tmp_path, class_names=np.array(["a", "b", "c"]))).class_names == ("a", "b", "c")


def test_images_without_a_channel_axis_get_one(tmp_path):
    assert load(npz(tmp_path, x_train=numbered(60)[..., 0])).input_shape == (4, 4, 1)


def test_floats_stay_floats_and_other_types_become_uint8(tmp_path):
    assert load(npz(tmp_path, x_train=numbered(60) / 255)).x_train.dtype == np.float32
    assert load(npz(tmp_path, x_train=numbered(60).astype(np.int64))).x_train.dtype == np.uint8
    assert load(npz(tmp_path, x_train=numbered(60) > 30)).x_train.max() == 255


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": None}, "has no x_train"),
        ({"y_train": None}, "has no y_train"),
        ({"x_test": numbered(3)}, "has no y_test"),
        (
            {"y_train": np.arange(59)},
            r"x_train and y_train of .* have shapes \(60, 4, 4, 1\) and \(59,\)",
        ),
        ({"y_train": np.array(3)}, "have shapes"),
        ({"x_train": np.where(numbered(60) == 7, np.nan, 0.5)}, "16 pixels that are not finite"),
        ({"x_train": np.full((60, 4, 4, 1), 1e300)}, "960 pixels that are not finite"),
        ({"x_train": numbered(60).astype(int) - 1}, "not all whole numbers from 0 to 255"),
        ({"x_train": numbered(60, channels=2)}, "1 or 3 channels, last"),
        ({"x_train": np.zeros((60, 0, 4, 1), np.uint8)}, "has shape"),
        ({"x_train": np.zeros((0, 4, 4, 1), np.uint8), "y_train": np.zeros(0, int)}, "has shape"),
        ({"y_train": np.eye(60)}, "store the argmax"),
        ({"y_train": np.linspace(0, 1, 60)}, "labels of type float64"),
        ({"y_train": np.zeros(60, int)}, r"has 1 class \(0\); a classifier needs at least 2"),
        ({"y_train": np.array([0] * 58 + [1] * 2)}, "class '1' of toy has 2 training.* at least 3"),
        (
            {"x_test": numbered(3), "y_test": np.array([0, 1, 7])},
            "label 7, which no training image has",
        ),
        (
            {"x_test": numbered(3), "y_test": np.array(["a", "b", "c"])},
            "label 'a', which no training image has",
        ),
        ({"x_test": numbered(3, side=5), "y_test": np.arange(3)}, "store both alike"),
        ({"y_train": np.array([None] * 60)}, "not a readable .npz"),
    ],
)
def test_an_npz_that_cannot_be_used_says_why(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        load(npz(tmp_path, **arrays))


@pytest.mark.parametrize("keep", [0, 1, 100, 500, 1000, -200, -1])
def test_a_truncated_npz_is_named(tmp_path, keep):
    path = npz(tmp_path)
    Path(path).write_bytes(Path(path).read_bytes()[:keep])
    with pytest.raises(ValueError, match="toy.npz is not a readable .npz file"):
        load(path)


def test_a_single_array_is_no_npz(tmp_path):
    np.save(tmp_path / "toy.npy", numbered(5))
    with pytest.raises(
        ValueError, match="toy.npy is not a readable .npz file .it holds a single array"
    ):
        load(tmp_path / "toy.npy")


@pytest.mark.parametrize("content", [b"hello", b"\x80\x04K\x01.", b"\x93NUMPY\x01\x00v\x00"])
def test_a_file_that_is_no_npz_is_named(tmp_path, content):
    (tmp_path / "toy.npz").write_bytes(content)
    with pytest.raises(ValueError, match="toy.npz is not a readable .npz file"):
        load(tmp_path / "toy.npz")


# ---- a folder of class folders ----


def test_class_folders_become_classes_and_a_test_part_is_held_out(tmp_path):
    data = load(class_folders(tmp_path / "pets"))
    assert (data.name, data.class_names, data.input_shape, data.flip) == (
        "pets",
        ("cat", "dog"),
        (10, 12, 3),
        True,
    )
    assert (len(data.x_train), len(data.x_validation), len(data.x_test)) == (6, 2, 2)
    assert "20% held out" in data.describe()


def test_pictures_keep_their_class_and_their_pixels(tmp_path):
    data = load(class_folders(tmp_path / "pets"), image_size=5)
    assert pixels(data.x_train) | pixels(data.x_validation) | pixels(data.x_test) == set(range(10))
    assert ((data.x_train[:, 0, 0, 0] >= 5) == data.y_train).all()


def test_grey_and_jpeg_pictures_become_rgb(tmp_path):
    root = Path(class_folders(tmp_path / "pets"))
    picture(root / "cat" / "grey.png", 200, shape=(3, 3, 1))
    picture(root / "cat" / "PHOTO.JPEG", 100, encode="jpeg")
    data = load(root, image_size=4)
    images = np.concatenate([data.x_train, data.x_validation, data.x_test])
    assert len(images) == 12 and (images == 200).all(axis=(1, 2, 3)).any()


def test_three_split_folders_are_what_they_say(tmp_path):
    for split, start in (("train", 0), ("val", 50), ("test", 100)):
        class_folders(tmp_path / split, start=start)
    data = load(tmp_path)
    assert (
        min(pixels(data.x_train)),
        min(pixels(data.x_validation)),
        min(pixels(data.x_test)),
    ) == (0, 50, 100)
    assert data.test_origin == "its test folder"


def test_a_val_folder_alone_is_the_test_part(tmp_path):
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "val", start=50)
    data = load(tmp_path)
    assert pixels(data.x_test) == set(range(50, 60)) and pixels(data.x_train) | pixels(
        data.x_validation
    ) == set(range(10))
    assert (
        "its val folder, as it has no test folder (validation is taken from train)"
        in data.describe()
    )


def test_a_wrapping_folder_is_looked_through(tmp_path):
    class_folders(tmp_path / "photos" / "photos")
    (tmp_path / "photos" / "LICENSE.txt").write_text("free")
    (tmp_path / "photos" / "__MACOSX").mkdir()
    assert load(tmp_path / "photos").class_names == ("cat", "dog")


def test_a_class_may_be_named_train(tmp_path):
    assert load(class_folders(tmp_path, names=("train", "car"))).class_names == ("car", "train")


def test_a_corrupt_picture_is_named(tmp_path):
    root = Path(class_folders(tmp_path / "pets"))
    whole = (root / "dog" / "3.png").read_bytes()
    for content in (b"", b"not a picture", whole[: len(whole) // 2]):
        (root / "dog" / "3.png").write_bytes(content)
        with pytest.raises(
            ValueError, match=r"dog/3.png cannot be read as a picture \(.+\); save it again"
        ):
            load(root)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "has no class folders"),
        (lambda root: picture(root / "1.png", 1), "has pictures but no class folders"),
        (lambda root: class_folders(root, names=("cat",)), r"1 class folder \(cat\)"),
        (
            lambda root: (class_folders(root), (root / "empty").mkdir()),
            "class folder .*empty has no pictures",
        ),
        (
            lambda root: class_folders(root, count=2),
            "class 'cat' of pets has 2 training.* at least 3",
        ),
        (
            lambda root: (
                class_folders(root / "train"),
                class_folders(root / "test", names=("cow",)),
            ),
            "class 'cow', which no training",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(tmp_path, make, message):
    (tmp_path / "pets").mkdir()
    make(tmp_path / "pets")
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "pets")


# ---- TensorFlow Datasets, and what is no source ----


def test_a_tfds_name_gives_its_splits(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=200):
        data = load("tfds:cifar10", data_dir=tmp_path)
    assert (data.name, data.input_shape, data.classes, data.flip) == (
        "cifar10",
        (32, 32, 3),
        10,
        True,
    )
    assert len(data.x_train) + len(data.x_validation) == 200 and len(data.x_test) == 200
    assert data.test_origin == "its test split" and data.x_train.dtype == np.uint8


def toy_builder(name, splits):
    """Registers a real, tiny TFDS set of photos that vary in size: ten a class, two classes,
    brightness = number.
    """
    import tensorflow_datasets as tfds

    def info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(),
                "label": tfds.features.ClassLabel(names=["dark", "light"]),
            }
        )
        return tfds.core.DatasetInfo(
            builder=self, features=features, supervised_keys=("image", "label")
        )

    def examples(start):
        for i in range(20):
            yield i, {"image": np.full((5 + i, 9, 3), start + i, np.uint8), "label": i // 10}

    def generators(self, manager):
        return {split: examples(100 * k) for k, split in enumerate(splits)}

    parts = {
        "VERSION": tfds.core.Version("1.0.0"),
        "_info": info,
        "_split_generators": generators,
        "_generate_examples": examples,
    }
    return type(name, (tfds.core.GeneratorBasedBuilder,), parts | {"__module__": __name__})


def test_a_tfds_set_with_train_alone_has_its_test_part_held_out(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    toy_builder("ToyTrainAlone", ["train"])
    data, again = (
        load("tfds:toy_train_alone", data_dir=tmp_path, image_size=6, seed=seed) for seed in (0, 1)
    )
    assert (data.input_shape, data.class_names, len(data.x_test)) == (
        (6, 6, 3),
        ("dark", "light"),
        4,
    )
    assert pixels(data.x_train) | pixels(data.x_validation) | pixels(data.x_test) == set(range(20))
    assert ((data.x_train[:, 0, 0, 0] >= 10) == data.y_train).all() and (
        data.x_test == again.x_test
    ).all()


def test_a_tfds_validation_split_alone_is_the_test_part(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    toy_builder("ToyWithValidation", ["train", "validation"])
    data = load("tfds:toy_with_validation", data_dir=tmp_path)
    assert data.input_shape == (64, 64, 3) and pixels(data.x_test) == set(range(100, 120))
    assert "its validation split, as it has no test split" in data.describe()
    assert "its images vary in size and become 64x64" in data.describe()


@pytest.mark.parametrize(
    ("name", "message"),
    [("cifar1O", "close ones are cifar10, "), ("qqqq", "catalog lists them"), ("", "names no set")],
)
def test_an_unknown_tfds_name_lists_close_ones(name, message):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(ValueError, match=message):
        load(f"tfds:{name}")


def test_a_tfds_set_that_is_no_image_classification_is_refused(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(ValueError, match="imdb_reviews is not for image classification"):
        load("tfds:imdb_reviews", data_dir=tmp_path)


def test_a_download_that_fails_is_one_clear_error(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")

    def offline(*args, **kwargs):
        raise OSError("no route to host\nand much more")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", offline)
    with pytest.raises(
        ValueError, match=r"tfds:mnist could not be downloaded or prepared \(no route to host\)"
    ):
        load("tfds:mnist", data_dir=tmp_path)


def test_an_empty_source_is_not_the_working_folder():
    with pytest.raises(ValueError, match="no data at ''"):
        load("")


def test_what_is_no_source_is_told_what_a_source_may_be():
    with pytest.raises(
        ValueError,
        match="no data at 'cifar10'; a source is 'digits', 'tfds:NAME'.* write 'tfds:cifar10'",
    ):
        load("cifar10")


@pytest.mark.parametrize(
    "option",
    [
        {"image_size": 0},
        {"image_size": 3.5},
        {"image_size": True},
        {"validation": 0},
        {"validation": 0.51},
        {"validation": float("nan")},
    ]
    + [{"seed": -1}, {"seed": None}],
)
def test_an_option_out_of_range_is_refused(option):
    with pytest.raises(ValueError, match=f"{next(iter(option))} is "):
        load("digits", **option)


# ---- batches ----


def batches(count=10, size=4, **options):
    return pipeline(numbered(count), np.arange(count), size, **options)


def order(data):
    return [int(label) for _, labels in data for label in labels]


def test_batches_are_float_images_in_pixel_units_and_int_labels():
    for images, labels in batches():
        assert (images.dtype, labels.dtype) == ("float32", "int32")
        assert (images.numpy()[:, 0, 0, 0] == labels.numpy()).all()


def test_without_a_seed_the_order_is_kept():
    assert order(batches()) == list(range(10))


@pytest.mark.parametrize("seed", [None, 0])
def test_the_number_of_batches_is_known_and_the_tail_is_kept_unless_dropped(seed):
    assert int(batches(seed=seed).cardinality()) == len(list(batches(seed=seed))) == 3
    assert (
        int(batches(seed=seed, drop_remainder=True).cardinality())
        == len(list(batches(seed=seed, drop_remainder=True)))
        == 2
    )


def test_dropping_the_tail_fixes_the_batch_size_for_compilers():
    images, labels = batches(
        seed=0, augmentation=Augmentation(pad=1), drop_remainder=True
    ).element_spec
    assert (images.shape, labels.shape) == ((4, 4, 4, 1), (4,))


def test_no_pass_waits_for_a_thread_that_tunes_it():
    assert pipeline(np.zeros((3, 2, 2, 1)), np.arange(3), 2).options().autotune.enabled is False


def test_with_a_seed_every_pass_is_a_new_order_of_all_images():
    data = batches(seed=3)
    first, second = order(data), order(data)
    assert sorted(first) == sorted(second) == list(range(10)) and first != second


def test_the_same_seed_gives_the_same_passes_whatever_the_global_seed():
    import tensorflow as tf

    def two_passes(seed):
        data = batches(seed=seed, augmentation=Augmentation(pad=2))
        return [images.numpy() for _ in range(2) for images, _ in data]

    tf.random.set_seed(1)
    first = two_passes(5)
    tf.random.set_seed(2)
    assert all((a == b).all() for a, b in zip(first, two_passes(5), strict=True))
    assert any((a != b).any() for a, b in zip(first, two_passes(6), strict=True))


@pytest.mark.parametrize("augmentation", [Augmentation(pad=2), Augmentation.inception()])
def test_training_that_goes_on_after_some_passes_sees_what_it_would_have_seen(augmentation):
    def one_pass(data):
        return [array.numpy().tobytes() for batch in data for array in batch]

    fresh = batches(seed=5, augmentation=augmentation)
    passes = [one_pass(fresh) for _ in range(4)]
    later = batches(seed=5, augmentation=augmentation, first_pass=2)
    assert [one_pass(later) for _ in range(2)] == passes[2:] and len(
        {tuple(one) for one in passes}
    ) == 4


def test_keras_takes_one_pass_an_epoch():
    import keras

    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = batches(seed=0)
    model.fit(data, epochs=2, shuffle=False, verbose=0)
    assert order(data) == order(batches(seed=0, first_pass=2))


def test_repeating_goes_on_to_new_passes():
    assert len({tuple(order(batches(seed=0).repeat(4))[k : k + 10]) for k in range(0, 40, 10)}) == 4


def test_a_keras_model_trains_on_the_batches():
    import keras

    model = keras.Sequential(
        [keras.layers.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = pipeline(numbered(10) / 255, np.arange(10), 4, seed=0, augmentation=Augmentation(pad=1))
    assert len(model.fit(data, epochs=2, shuffle=False, verbose=0).history["loss"]) == 2


@pytest.mark.parametrize("options", [{}, {"seed": 0, "augmentation": Augmentation(flip=True)}])
def test_weights_of_the_classes_become_weights_of_the_images(options):
    weights = np.arange(10) / 4
    seen = list(batches(weights=weights, **options))
    assert len(seen) == 3
    for _, labels, given in seen:
        assert given.dtype == "float32" and (given.numpy() == weights[labels.numpy()]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "batch_size is 0"),
        ({"size": 20, "drop_remainder": True}, "10 images make no batch of 20"),
        ({"seed": -1}, "seed is -1"),
        ({"augmentation": Augmentation(pad=1)}, "augmentation needs a seed"),
        (
            {"augmentation": Augmentation(pad=4), "seed": 0},
            "pad is 4; for 4x4 images it is a whole number of pixels, 0 to 3",
        ),
        ({"augmentation": Augmentation(cutout=-2), "seed": 0}, "cutout is -2"),
        (
            {"augmentation": Augmentation(pad=1, distort=True), "seed": 0},
            "distort is given and pad is 1.* not both",
        ),
        ({"fill": (1, 2)}, "each of the 1 channels"),
        ({"first_pass": -1}, "first_pass is -1"),
        ({"first_pass": 0.5}, "first_pass is 0.5"),
        ({"weights": np.ones(9)}, "9 weights but labels from 0 to 9; give one weight a class"),
        ({"weights": [-1] * 10}, "at least 0, one for each class"),
        ({"weights": 2.0}, "weights is 2.0"),
    ],
)
def test_a_pipeline_that_cannot_be_made_says_why(options, message):
    with pytest.raises(ValueError, match=message):
        batches(**options)


def test_images_and_labels_must_be_as_many():
    with pytest.raises(ValueError, match=r"x has shape \(3, 4, 4, 1\) and y \(2,\)"):
        pipeline(numbered(3), np.arange(2), 2)


# ---- augmentation, against NumPy ----

FILL = (300.0, 301.5, -1.25)  # no pixel has these values


def scenes(count, height=6, width=5):
    return np.random.RandomState(0).randint(0, 256, (count, height, width, 3)).astype(np.uint8)


def augmented(images, augmentation, seed=0, fill=FILL):
    """(original, augmented) for every image, in the order they came."""
    data = pipeline(
        images, np.arange(len(images)), 64, augmentation=augmentation, fill=fill, seed=seed
    )
    return [
        (images[label], image)
        for x, y in data
        for image, label in zip(x.numpy(), y.numpy(), strict=True)
    ]


def windows(image, pad):
    """Every window of the padded image, by its corner."""
    height, width, _ = image.shape
    padded = np.tile(np.float32(FILL), (height + 2 * pad, width + 2 * pad, 1))
    padded[pad : pad + height, pad : pad + width] = image
    return {
        (i, j): padded[i : i + height, j : j + width]
        for i in range(2 * pad + 1)
        for j in range(2 * pad + 1)
    }


def test_a_crop_is_a_window_of_the_padded_image_and_every_window_comes_up():
    corners = [
        next(corner for corner, window in windows(before, 2).items() if (window == after).all())
        for before, after in augmented(scenes(600), Augmentation(pad=2))
    ]
    counts = [corners.count((i, j)) for i in range(5) for j in range(5)]
    assert min(counts) > 8 and max(counts) < 45  # 24 expected, standard deviation 4.8


def test_a_flip_is_the_mirror_image_half_of_the_time():
    pairs = augmented(scenes(400), Augmentation(flip=True))
    same, mirrored = (
        [(after == side(before)).all() for before, after in pairs]
        for side in (lambda x: x, lambda x: x[:, ::-1])
    )
    assert np.logical_xor(same, mirrored).all() and 150 < sum(mirrored) < 250


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_a_hole_is_a_square_around_any_pixel_clipped_at_the_border(side):
    def hole(row, column):
        rows, columns = (
            np.arange(6)[:, None] - (row - side // 2),
            np.arange(5) - (column - side // 2),
        )
        return (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)

    allowed = {hole(i, j).tobytes() for i in range(6) for j in range(5)}
    seen = set()
    for before, after in augmented(scenes(500), Augmentation(cutout=side)):
        missing = (after == np.float32(FILL)).all(-1)
        assert (after[~missing] == before[~missing]).all()
        seen.add(missing.tobytes())
    assert seen == allowed


def test_all_three_together_are_a_flipped_window_with_a_hole():
    for before, after in augmented(scenes(100), Augmentation(pad=1, flip=True, cutout=2)):
        shown = (after != np.float32(FILL)).any(-1)
        candidates = [
            view for window in windows(before, 1).values() for view in (window, window[:, ::-1])
        ]
        assert any((view[shown] == after[shown]).all() for view in candidates)


def test_borders_are_black_without_a_fill():
    images = np.full((50, 4, 4, 1), 9, np.uint8)
    assert {
        value
        for _, after in augmented(images, Augmentation(pad=3), fill=None)
        for value in np.unique(after)
    } == {0, 9}


def test_no_augmentation_changes_nothing():
    assert all((before == after).all() for before, after in augmented(scenes(20), Augmentation()))


def test_every_pass_augments_anew():
    data = pipeline(
        scenes(1), np.zeros(1, int), 1, augmentation=Augmentation(pad=3, flip=True), seed=0
    )
    assert len({next(iter(data))[0].numpy().tobytes() for _ in range(6)}) > 3


def test_the_images_of_a_batch_are_augmented_independently():
    same = np.repeat(scenes(1), 64, axis=0)
    assert (
        len({after.tobytes() for _, after in augmented(same, Augmentation(pad=3, flip=True))}) > 30
    )


@pytest.mark.parametrize(("side", "pad"), [(32, 4), (8, 1), (4, 1), (64, 8)])
def test_the_standard_augmentation_is_that_of_cifar_scaled(side, pad):
    assert Augmentation.standard((side, side, 3), flip=True) == Augmentation(
        pad=pad, flip=True, cutout=0
    )


# ---- boxes ----


def places(count, height=32, width=24):
    """Images whose pixels say where they are: channel 0 is the row, channel 1 the column."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.broadcast_to(
        np.stack([rows, columns, rows], axis=-1).astype(np.uint8), (count, height, width, 3)
    )


@pytest.mark.parametrize(
    ("height", "width"), [(8, 8), (32, 32), (375, 500), (500, 333), (100, 600)]
)
def test_a_box_keeps_to_its_limits_and_uses_all_of_them(height, width):
    from nasnet_tf.data.distort import box, draw

    top, left, tall, wide = (side.numpy() for side in box(draw(20_000, (3, 4)), height, width))
    area, aspect, most = (
        tall * wide / (height * width),
        wide / tall,
        min(1, 4 / 3 * height / width, width / height / 0.75),
    )
    assert 0.0499 < area.min() < 0.052 and 0.9 * most < area.max() <= most * 1.0001
    assert 0.7499 < aspect.min() < 0.752 and 1.331 < aspect.max() < 1.3334
    assert 0 <= top.min() < 0.02 * height and 0 <= left.min() < 0.02 * width
    assert (
        0.98 * height < (top + tall).max() < height * 1.0001
        and 0.98 * width < (left + wide).max() < width * 1.0001
    )


def test_a_picture_too_long_for_any_box_is_taken_whole():
    from nasnet_tf.data.distort import box, draw

    assert np.array(box(draw(100, (0, 0)), 3, 300)).T.tolist() == [[0, 0, 3, 300]] * 100


def test_distorting_resizes_a_box_of_the_image_to_the_full_size():
    corners = np.array(
        [
            after[[0, -1], [0, -1], :2]
            for _, after in augmented(places(300), Augmentation(distort=True))
        ]
    )
    tall, wide = (corners[:, 1] - corners[:, 0] + 1).T
    area, aspect = tall * wide / (32 * 24), wide / tall
    assert (
        0.049 < area.min() < 0.08
        and 0.8 < area.max() <= 1.001
        and 0.749 < aspect.min() < aspect.max() < 1.334
    )


def test_distorting_is_bilinear():
    for _, after in augmented(places(20), Augmentation(distort=True)):
        assert after[..., 0] == pytest.approx(
            np.broadcast_to(np.linspace(after[0, 0, 0], after[-1, 0, 0], 32)[:, None], (32, 24)),
            abs=1e-3,
        )
        assert after[..., 1] == pytest.approx(
            np.broadcast_to(np.linspace(after[0, 0, 1], after[0, -1, 1], 24), (32, 24)), abs=1e-3
        )


def test_a_box_may_be_flipped_and_have_a_hole():
    pairs = augmented(places(200), Augmentation(distort=True, flip=True, cutout=6))
    shown = [(after != np.float32(FILL)).any(-1) for _, after in pairs]
    assert all(9 <= (~visible).sum() <= 36 for visible in shown)
    rightwards = [
        np.diff(after[visible.any(1)][0, :, 1])[[0, 1, -2, -1]].mean() > 0
        for (_, after), visible in zip(pairs, shown, strict=True)
    ]
    assert 60 < sum(rightwards) < 140


# ---- colours ----


def saturated(images, factor):
    import tensorflow as tf

    return tf.image.adjust_saturation(tf.constant(images / 255, tf.float32), factor).numpy() * 255


def painted(count):
    """Coloured pixels in the middle of the range, so that nothing is clipped; the first one is
    grey.
    """
    images = np.random.RandomState(1).randint(90, 160, (count, 3, 4, 3)).astype(np.uint8)
    images[:, 0, 0] = 128
    return images


def test_brightness_is_shifted_by_up_to_32_of_255_and_grey_stays_grey():
    grey = np.full((500, 2, 2, 3), 100, np.uint8)
    shifts = np.array(
        [after - before for before, after in augmented(grey, Augmentation(color=True))]
    )
    assert (shifts == shifts[:, :1, :1, :1]).all()
    assert -32 <= shifts.min() < -31 and 31 < shifts.max() <= 32 and abs(shifts.mean()) < 3


def test_saturation_is_scaled_by_a_half_to_one_and_a_half(monkeypatch):
    monkeypatch.setattr("nasnet_tf.data.color.BRIGHTNESS", 0)
    factors = []
    for before, after in augmented(painted(200), Augmentation(color=True)):
        spread = [
            np.ptp(image[1, 1].astype(float)) / image[1, 1].max() for image in (before, after)
        ]
        factors.append(spread[1] / spread[0])
        assert after == pytest.approx(saturated(before, factors[-1]), abs=1e-2)
    assert 0.499 < min(factors) < 0.53 and 1.47 < max(factors) < 1.501


def test_brightness_comes_before_saturation_half_of_the_time(monkeypatch):
    monkeypatch.setattr(
        "nasnet_tf.data.color.SATURATION", (1.5, 1.5)
    )  # takes the weak channels of this red to 0, before the shift or after
    images = np.tile(np.array([[128, 128, 128], [200, 40, 40]], np.uint8), (400, 1, 1, 1))
    found = [
        (after[0, 0, 0] - 128, after[0, 1, 1])
        for _, after in augmented(images, Augmentation(color=True))
    ]
    first = [weak < 0.01 for shift, weak in found if shift > 1]
    assert all(weak < 0.01 or abs(weak - shift) < 0.01 for shift, weak in found if shift > 1)
    assert len(first) > 150 and 0.35 < np.mean(first) < 0.65


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_stay_within_the_range_of_pixels(channels):
    after = np.array(
        [
            after
            for _, after in augmented(
                scenes(200)[..., :channels], Augmentation(color=True), fill=None
            )
        ]
    )
    assert after.min() == 0 and after.max() == 255


def test_images_of_one_channel_have_no_saturation_to_change():
    for before, after in augmented(painted(50)[..., :1], Augmentation(color=True), fill=None):
        assert (after - before).std() < 1e-4


def test_colours_of_floats_keep_to_the_range_that_they_have():
    images = (painted(200) / 255 - 0.5).astype(np.float32)
    images[0, 0, 0], images[0, 0, 1] = -1, 1
    pairs = augmented(images, Augmentation(color=True))
    after = np.array([after for _, after in pairs])
    assert -1 <= after.min() and after.max() <= 1
    shifts = [after[0, 0, 0] - before[0, 0, 0] for before, after in pairs if before[0, 0, 0] > -1]
    assert 2 * 31 / 255 < max(np.abs(shifts)) <= 2 * 32.001 / 255


def test_borders_and_holes_keep_their_colour():
    for _, after in augmented(
        np.full((50, 4, 4, 3), 128, np.uint8), Augmentation(pad=1, cutout=1, color=True)
    ):
        missing = (after == np.float32(FILL)).all(-1)
        assert missing.any() and (after[~missing] == after[~missing][0]).all()


def test_the_augmentation_of_inception_is_boxes_flips_and_colours():
    assert Augmentation.inception() == Augmentation(
        pad=0, flip=True, cutout=0, distort=True, color=True
    )


def test_one_seed_gives_one_augmentation_and_every_pass_another():
    data, again = (batches(seed=1, augmentation=Augmentation.inception()) for _ in range(2))
    passes = [np.concatenate([images.numpy() for images, _ in one]) for one in (data, again, again)]
    assert (passes[0] == passes[1]).all() and (passes[1] != passes[2]).any()


# ---- real data ----


@pytest.mark.skipif(not CIFAR.exists(), reason=f"{CIFAR} is not here")
def test_the_cifar_subset_has_the_mean_and_the_classes_of_cifar():
    data = load(CIFAR)
    assert (len(data.x_train), len(data.x_validation), len(data.x_test)) == (4347, 482, 932)
    assert data.mean == pytest.approx((125.3, 123.0, 113.9), abs=1) and data.std == pytest.approx(
        (63.0, 62.1, 66.7), abs=1
    )
    assert data.class_names[:2] == ("airplane", "automobile")


@pytest.mark.skipif(not FLOWERS.exists(), reason=f"{FLOWERS} is not here")
def test_flower_photos_load_from_their_unzipped_archive(tmp_path):
    with zipfile.ZipFile(FLOWERS) as archive:
        few = [name for name in archive.namelist() if name.endswith(("0_n.jpg", "1_m.jpg"))]
        archive.extractall(tmp_path / "flower_photos", few)
    data = load(tmp_path / "flower_photos", image_size=32)
    assert data.class_names == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert (
        len(data.x_train) + len(data.x_validation) + len(data.x_test) == len(few)
        and "val folder" in data.test_origin
    )
