"""What is read of a folder of pictures as people have them: every usual format, turned,
transparent, broken, and what is none.
"""

import os
import struct
import unicodedata
import zlib

import numpy as np
import pytest
from PIL import Image

from nasnet_tf.data import Pictures, load, pipeline
from nasnet_tf.data.images import read_images
from nasnet_tf.data.picture_files import header

HEIGHT, WIDTH = 24, 40


def scene(turn=0):
    """A smooth picture, red from left to right, green from top to bottom, so that a turn shows."""
    rows, columns = np.linspace(0, 200, HEIGHT)[:, None], np.linspace(0, 200, WIDTH)[None]
    pixels = np.stack(np.broadcast_arrays(columns, rows, 60), axis=-1).astype(np.uint8)
    return Image.fromarray(pixels).rotate(turn, expand=True)


def orientation(tag):
    exif = Image.Exif()
    exif[0x0112] = tag
    return exif


def folder(root, *, count=4, size=(12, 12), mode="L", names=("ant", "bee"), suffix="png"):
    rng = np.random.default_rng(0)
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(root / name / f"{number}.{suffix}")
    return root


def difference(path):
    """How far the picture in a file is from the scene, on average."""
    return np.abs(read_images([path], (HEIGHT, WIDTH))[0].astype(int) - np.asarray(scene())).mean()


KINDS = {
    "a.jpg": lambda path: scene().save(path, quality=95),
    "a.JPEG": lambda path: scene().save(path, quality=95),
    "a.webp": lambda path: scene().save(path, lossless=True),
    "a.tif": lambda path: scene().save(path),
    "a.TIFF": lambda path: scene().save(path, compression="tiff_lzw"),
    "a.avif": lambda path: scene().save(path, quality=95),
    "a.bmp": lambda path: scene().save(path),
    "a.ppm": lambda path: scene().save(path),
    "a b é.png": lambda path: scene().save(path),
    "-a.png": lambda path: scene().save(path),
    "palette.png": lambda path: scene().quantize(256).save(path),
    "cmyk.jpg": lambda path: scene().convert("CMYK").save(path, quality=95),
    "cmyk.tif": lambda path: scene().convert("CMYK").save(path),
    "opaque.png": lambda path: scene().convert("RGBA").save(path),
    "animated.gif": lambda path: scene().save(path, save_all=True, append_images=[scene(180)]),
    "animated.webp": (
        lambda path: scene().save(path, save_all=True, append_images=[scene(180)], lossless=True)
    ),
    "animated.png": lambda path: scene().save(path, save_all=True, append_images=[scene(180)]),
    "turned.jpg": lambda path: scene(90).save(path, exif=orientation(6), quality=95),
    "turned.png": lambda path: scene(90).save(path, exif=orientation(6)),
    "turned.webp": lambda path: scene(90).save(path, exif=orientation(6), lossless=True),
    "turned.tif": lambda path: scene(180).save(path, exif=orientation(3)),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_of_any_usual_kind_is_read_as_a_viewer_shows_it(tmp_path, name):
    KINDS[name](tmp_path / name)
    assert header(tmp_path / name)[:3] == (HEIGHT, WIDTH, 3)
    assert difference(tmp_path / name) < (8 if "palette" in name or "gif" in name else 2)


def test_pictures_of_more_or_fewer_bits_keep_their_brightness(tmp_path):
    grey = np.asarray(scene().convert("L"))
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "16.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "16.tif")
    Image.fromarray(grey > 99).save(tmp_path / "1.bmp")
    Image.fromarray(grey > 99).save(tmp_path / "1.png")
    read = read_images(
        [tmp_path / name for name in ("16.png", "16.tif", "1.bmp", "1.png")],
        (HEIGHT, WIDTH),
        channels=1,
    )[..., 0]
    assert (read[:2] == grey).all() and (read[2:] == (grey > 99) * 255).all()


def test_what_is_transparent_lies_on_white(tmp_path):
    drawn = Image.new("RGBA", (8, 8))
    drawn.paste((200, 0, 0, 255), (0, 0, 4, 8))
    drawn.save(tmp_path / "a.png")
    drawn.convert("LA").save(tmp_path / "la.png")
    drawn.save(tmp_path / "a.webp", lossless=True)
    for image in read_images([tmp_path / "a.png", tmp_path / "a.webp"], 8):
        assert image[0, 0].tolist() == [200, 0, 0] and image[0, 7].tolist() == [255, 255, 255]
    assert (
        read_images([tmp_path / "la.png"], 8, channels=1)[0, 0, :, 0].tolist()
        == [60] * 4 + [255] * 4
    )


def test_one_channel_is_the_luminance_whatever_decodes_the_file(tmp_path):
    names = ["a.png", "a.bmp", "a.jpg"]
    for name in names:
        scene().save(tmp_path / name, quality=100, subsampling=0)
    read = read_images([tmp_path / name for name in names], (HEIGHT, WIDTH), channels=1)[
        ..., 0
    ].astype(int)
    assert np.abs(read - np.asarray(scene().convert("L"))).max() <= 3


def test_a_jpeg_is_decoded_to_the_same_pixels_with_exif_data_and_without(tmp_path):
    scene().save(tmp_path / "a.jpg")
    scene().save(tmp_path / "b.jpg", exif=orientation(1))
    scene().save(tmp_path / "c.jpg", exif=orientation(3))
    plain, exif, turned = read_images(
        [tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg")], (HEIGHT, WIDTH)
    )
    assert (plain == exif).all() and (plain == turned[::-1, ::-1]).all()


def test_training_on_files_sees_the_same_pictures(tmp_path):
    paths = [tmp_path / name for name in KINDS]
    for name, save in KINDS.items():
        save(tmp_path / name)
    ((images, _),) = pipeline(
        Pictures(paths, (HEIGHT, WIDTH)), np.zeros(len(paths), int), len(paths)
    )
    assert (images.numpy() == read_images(paths, (HEIGHT, WIDTH))).all()


# ---- size and channels ----


def test_pictures_of_one_size_keep_it_and_grey_ones_their_one_channel(tmp_path):
    data = load(folder(tmp_path, size=(28, 28)))
    assert data.input_shape == (28, 28, 1)
    assert "28x28x1 uint8" in data.describe()
    assert "all its pictures are grey; the size is that of its pictures" in data.describe()


def test_pictures_that_are_not_square_keep_their_shape(tmp_path):
    assert load(folder(tmp_path, size=(40, 24), mode="RGB")).input_shape == (24, 40, 3)


def test_one_coloured_picture_among_grey_ones_gives_all_three_channels(tmp_path):
    scene().resize((12, 12)).save(folder(tmp_path) / "bee" / "colour.png")
    assert load(tmp_path).input_shape == (12, 12, 3)


def test_pictures_that_vary_in_size_become_64_and_it_is_said(tmp_path):
    scene().save(folder(tmp_path, mode="RGB") / "bee" / "other.png")
    data = load(tmp_path)
    assert (
        data.input_shape == (64, 64, 3)
        and "its pictures vary in size and become 64x64" in data.describe()
    )


def test_large_pictures_of_one_size_become_64_and_it_is_said(tmp_path):
    data = load(folder(tmp_path, size=(300, 200)))
    assert (
        data.input_shape == (64, 64, 1)
        and "its pictures are all 200x300 and become 64x64" in data.describe()
    )


def test_size_and_channels_may_be_asked_for(tmp_path):
    assert load(folder(tmp_path), image_size=(9, 7), channels=3).input_shape == (9, 7, 3)
    assert load(tmp_path, image_size=9).input_shape == (9, 9, 1)
    with pytest.raises(ValueError, match="channels is 2; it is 1, 3 or None"):
        load(tmp_path, channels=2)
    for size in ((9, 0), (9,), (9, 7, 3), "9"):
        with pytest.raises(
            ValueError,
            match="image_size is .*whole number of pixels, 1 to 4096, or .height, width.",
        ):
            load(tmp_path, image_size=size)


# ---- broken pictures, and files that are none ----


def spoilt(root):
    """Three pictures that cannot be read, of two classes."""
    whole = (root / "ant" / "0.png").read_bytes()
    (root / "ant" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "bee" / "empty.jpg").write_bytes(b"")
    (root / "bee" / "page.webp").write_text("<html>not found</html>")
    return root


@pytest.mark.parametrize("in_memory", [True, False])
def test_broken_pictures_are_named_all_at_once_with_the_reason(tmp_path, in_memory):
    root = spoilt(folder(tmp_path / "a"))
    with pytest.raises(ValueError) as caught:
        data = load(root, in_memory=in_memory)
        np.asarray(
            Pictures(
                np.concatenate([x.paths for x in (data.x_train, data.x_validation, data.x_test)]), 8
            )
        )
    said = str(caught.value)
    assert (
        "3 of 11 pictures cannot be read; save them again as RGB JPEG or PNG, or remove them"
        in said
    )
    for name, why in (
        ("cut.png", "truncated"),
        ("empty.jpg", "the file is empty"),
        ("page.webp", "it is no picture"),
    ):
        assert name in said and why in said
    assert "{{" not in said and "function_node" not in said and "\n" not in said


def test_broken_pictures_of_all_parts_are_named(tmp_path):
    for split in ("train", "val", "test"):
        spoilt(folder(tmp_path / split))
    with pytest.raises(ValueError, match="9 of 33 pictures cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("in_memory", [True, False])
def test_broken_pictures_may_be_left_out(tmp_path, in_memory):
    data = load(spoilt(folder(tmp_path / "a")), skip_broken=True, in_memory=in_memory)
    assert sum(len(y) for y in (data.y_train, data.y_validation, data.y_test)) == 8
    assert (
        "left out as they cannot be read: ant/cut.png, bee/empty.jpg, bee/page.webp"
        in data.describe()
    )


def test_a_picture_that_declares_too_many_pixels_is_not_decoded(tmp_path):
    small = (folder(tmp_path) / "ant" / "0.png").read_bytes()
    header = b"IHDR" + struct.pack(">IIBBBBB", 16_000, 16_000, 8, 2, 0, 0, 0)
    (tmp_path / "ant" / "bomb.png").write_bytes(
        small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]
    )
    with pytest.raises(
        ValueError,
        match=(
            "bomb.png cannot be read as a picture .it declares too many pixels, more than"
            " 64,000,000."
        ),
    ):
        load(tmp_path)


def test_files_that_are_no_pictures_are_named(tmp_path):
    root = folder(tmp_path / "a")
    (root / "ant" / "notes.txt").write_text("years")
    (root / "bee" / ".DS_Store").write_text("hidden")
    (root / "bee" / "gone.png").symlink_to("nowhere")
    scene().save(root / "loose.jpg")
    said = load(root).describe()
    assert "left out as no pictures, by their names: ant/notes.txt, bee/gone.png" in said
    assert "left out as in no class folder: loose.jpg" in said and "DS_Store" not in said


def test_folders_in_a_class_folder_belong_to_the_class(tmp_path):
    root = folder(tmp_path / "a")
    folder(root / "ant", names=("red ants",), count=3)
    os.symlink(root / "ant", root / "ant" / "red ants" / "loop")
    data = load(root)
    assert data.class_names == ("ant", "bee")
    assert sum((y == 0).sum() for y in (data.y_train, data.y_validation, data.y_test)) == 7


def test_a_picture_in_place_of_a_data_set_is_told_from_one(tmp_path):
    scene().save(tmp_path / "a.png")
    with pytest.raises(
        ValueError,
        match=(
            "a.png is one picture, not a data set; a source is .* nasnet-tf predict names the class"
        ),
    ):
        load(tmp_path / "a.png")


# ---- the classes of a network that is trained already ----

KNOWN = ("zebra", "ant", "bee")


def labels(data):
    return np.concatenate([data.y_train, data.y_validation, data.y_test])


def test_labels_count_as_the_classes_of_the_network_do(tmp_path):
    data = load(folder(tmp_path, names=("ant", "bee", "zebra")), classes=KNOWN)
    alone = load(tmp_path)
    assert data.class_names == KNOWN and data.classes == 3
    assert (np.asarray(KNOWN)[data.y_test] == np.asarray(alone.class_names)[alone.y_test]).all()
    assert (data.x_test == alone.x_test).all(), "the test images are the same, in the same order"


@pytest.mark.parametrize("names", [("bee",), ("ant", "zebra")])
def test_a_folder_with_some_of_the_classes_will_do(tmp_path, names):
    (tmp_path / "empty").mkdir()
    data = load(folder(tmp_path / "a", names=names, count=1), classes=KNOWN)
    assert sorted({KNOWN[label] for label in labels(data)}) == list(names)
    assert f"{len(names)} of the network's 3 classes" in data.describe()


def test_other_classes_are_refused_and_both_lists_named(tmp_path):
    with pytest.raises(ValueError) as caught:
        load(folder(tmp_path, names=("0", "1", "2")), classes=("eight", "five", "four"))
    said = str(caught.value)
    assert "does not know: 0, 1, 2" in said and "the network eight, five, four" in said


def test_one_class_too_many_is_named(tmp_path):
    with pytest.raises(ValueError, match="does not know: wasp"):
        load(folder(tmp_path, names=("ant", "bee", "wasp")), classes=KNOWN)


def test_an_accent_written_in_two_characters_is_the_same(tmp_path):
    names = [unicodedata.normalize("NFD", name) for name in ("café", "thé")]
    data = load(folder(tmp_path, names=names), classes=("thé", "café"))
    assert data.class_names == ("thé", "café") and sorted(set(labels(data))) == [0, 1]


def test_train_and_test_folders_may_write_an_accent_differently(tmp_path):
    for split, form in (("train", "NFC"), ("test", "NFD")):
        folder(
            tmp_path / split, names=[unicodedata.normalize(form, name) for name in ("café", "thé")]
        )
    assert load(tmp_path).class_names == ("café", "thé")
    folder(tmp_path / "train", names=[unicodedata.normalize("NFD", "thé")])
    with pytest.raises(ValueError, match="two class folders whose names are both written thé"):
        load(tmp_path)


def test_a_name_of_two_classes_is_ambiguous(tmp_path):
    with pytest.raises(ValueError, match="ant is the name of more than one class"):
        load(folder(tmp_path), classes=("ant", "bee", "ant"))


def arrays(path, labels, **more):
    labels = np.asarray(labels)
    np.savez(path, x_train=np.zeros((len(labels), 4, 4, 1), np.uint8), y_train=labels, **more)
    return path


def test_numbers_without_names_are_compared_by_number_where_there_are_as_many(tmp_path):
    path = arrays(tmp_path / "a.npz", [0, 1, 2] * 4)
    data = load(path, classes=KNOWN)
    assert (
        data.class_names == KNOWN
        and "classes are compared by their number, as the classes of a have no names"
        in data.describe()
    )
    with pytest.raises(
        ValueError,
        match=(
            "a has 3 classes .0, 1, 2., the network 2: ant, bee; as the classes of a have no names"
        ),
    ):
        load(path, classes=("ant", "bee"))


def test_numbers_that_the_network_has_as_names_go_by_these(tmp_path):
    data = load(arrays(tmp_path / "a.npz", [7, 5] * 4), classes=("7", "6", "5"))
    assert sorted(set(labels(data))) == [0, 2] and (labels(data) == 0).sum() == 4


def test_named_labels_of_arrays_go_by_their_names(tmp_path):
    named = load(
        arrays(tmp_path / "a.npz", [0, 1] * 4, class_names=np.array(["bee", "zebra"])),
        classes=KNOWN,
    )
    words = load(arrays(tmp_path / "b.npz", ["bee", "zebra"] * 4), classes=KNOWN)
    assert sorted(set(labels(named))) == sorted(set(labels(words))) == [0, 2]


def test_a_network_without_names_takes_as_many_classes_as_it_has(tmp_path):
    root = folder(tmp_path)
    data = load(root, classes=2)
    assert (
        data.class_names == ("ant", "bee")
        and "as the network's classes have no names" in data.describe()
    )
    with pytest.raises(
        ValueError, match="the network 3 classes; as the network's classes have no names"
    ):
        load(root, classes=3)


def test_a_test_folder_with_a_class_of_its_own_names_both_lists(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "test", names=("bee", "wasp"))
    with pytest.raises(
        ValueError, match="has the class 'wasp', which no training folder has: these are ant, bee"
    ):
        load(tmp_path)


def test_a_test_folder_may_lack_a_class(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "test", names=("bee",))
    (tmp_path / "test" / "ant").mkdir()
    assert set(load(tmp_path).y_test) == {1}
