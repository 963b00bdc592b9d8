"""`evaluate` and `predict` on folders: classes by name, class by class, tables."""

import csv
import json
import unicodedata

import numpy as np
import pytest
from PIL import Image

from nasnet_tf.cli import main
from nasnet_tf.spreadsheets import read
from nasnet_tf.workflow import networks

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250)}


class Colours:
    """Stands for a trained network that tells colours apart, without a fault; in the order of
    `names`, whatever it calls them.
    """

    def __init__(self, names=tuple(COLOURS), class_names=True, shape=(8, 8, 3)):
        self.colours = np.array([COLOURS[name] for name in names], float)
        self.class_names = names if class_names is True else class_names
        self.input_shape, self.output_shape = (None, *shape), (None, len(names))

    def predict(self, x, **_):
        assert x.shape[1:] == self.input_shape[1:]
        distance = np.abs(x.mean((1, 2))[:, None] - self.colours[:, : x.shape[-1]]).sum(-1)
        return np.eye(len(self.colours), dtype="float32")[distance.argmin(-1)] * 0.98 + 0.01


@pytest.fixture
def network(monkeypatch):
    """A function that makes `Colours` what every path loads."""

    def stands(**arguments):
        monkeypatch.setattr(networks, "load_model", lambda path: Colours(**arguments))

    stands()
    return stands


def folder(root, count=5, **classes):
    """Class folders; name -> the colour of its pictures."""
    for name, colour in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", (9 + number, 10), COLOURS[colour]).save(root / name / f"{number}.png")
    return str(root)


def told(capsys, *arguments):
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_classes_go_by_their_names_not_by_their_place(capsys, tmp_path, network):
    data = folder(tmp_path, red="red", green="green", blue="blue")  # sorted: blue, green, red
    assert told(capsys, "evaluate", "m.keras", data)["accuracy"] == 1.0


@pytest.mark.parametrize("names", [("blue",), ("green", "blue")])
def test_a_test_set_with_some_of_the_classes_will_do(capsys, tmp_path, network, names):
    found = told(
        capsys,
        "evaluate",
        "m.keras",
        folder(tmp_path, **{name: name for name in names}),
        "--part",
        "all",
    )
    assert found["accuracy"] == 1.0 and found["images"] == 5 * len(names)


def test_other_names_are_refused_and_both_lists_given(capsys, tmp_path, network):
    assert (
        main(["evaluate", "m.keras", folder(tmp_path, **{"0": "red", "1": "green", "2": "blue"})])
        == 2
    )
    said = capsys.readouterr().err
    assert "0, 1, 2" in said and "red, green, blue" in said


def test_without_names_there_must_be_as_many_classes_and_it_is_said(capsys, tmp_path, network):
    network(names=("blue", "green", "red"), class_names=None)
    assert (
        main(["evaluate", "m.keras", folder(tmp_path, red="red", green="green", blue="blue")]) == 0
    )
    out, said = capsys.readouterr()
    assert (
        "classes are compared by their number, as the network's classes have no names" in said
        and out.startswith("100.00%")
    )
    network(names=("blue", "green"), class_names=None)
    assert main(["evaluate", "m.keras", str(tmp_path)]) == 2
    assert "has 3 classes (blue, green, red), the network 2 classes" in capsys.readouterr().err


def test_arrays_of_numbers_are_compared_by_number_where_there_are_as_many(
    capsys, tmp_path, network
):
    labels = np.arange(30) % 3
    images = (
        np.array(list(COLOURS.values()), np.uint8)[labels][:, None, None].repeat(8, 1).repeat(8, 2)
    )
    np.savez(tmp_path / "a.npz", x_train=images, y_train=labels)
    assert main(["evaluate", "m.keras", str(tmp_path / "a.npz")]) == 0
    out, said = capsys.readouterr()
    assert (
        out.startswith("100.00%") and "by their number, as the classes of a have no names" in said
    )


def test_a_network_with_another_number_of_names_than_classes_is_refused(capsys, tmp_path, network):
    network(class_names=("red", "green"))
    for command in ("evaluate", "predict --model"):
        folder(tmp_path, red="red", green="green")
        assert main([*command.split(), "m.keras", str(tmp_path)]) == 2
        assert "m.keras tells 3 classes apart but has 2 class_names" in capsys.readouterr().err


def test_folders_of_imagenet_go_by_their_wordnet_ids(tmp_path):
    from nasnet_tf.data import load
    from nasnet_tf.zoo.classes import class_aliases, class_names

    data = load(
        folder(tmp_path, n02012849="red", n03126707="blue"), classes=class_aliases()
    )  # both are called crane
    assert {class_names()[label] for label in data.y_test} == {"crane"} and len(
        set(data.y_test)
    ) == 2


def test_pictures_come_in_the_size_and_channels_that_the_network_takes(capsys, tmp_path, network):
    network(names=("red", "green"), shape=(6, 12, 3))
    for number in range(6):
        for name, grey in (("red", 250), ("green", 0)):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("L", (28, 28), grey).save(tmp_path / name / f"{number}.png")
    assert told(capsys, "evaluate", "m.keras", tmp_path)["images"] == 2
    network(names=("red", "green"), shape=(6, 12, 1))
    assert told(capsys, "evaluate", "m.keras", tmp_path)["accuracy"] == 1.0


# ---- class by class ----


@pytest.fixture
def mixed(tmp_path):
    """Ten red pictures, two of which are filed under green; five green; none blue."""
    folder(tmp_path, count=8, red="red")
    folder(tmp_path, count=5, green="green")
    for number in range(2):
        Image.new("RGB", (9, 9), COLOURS["red"]).save(tmp_path / "green" / f"red {number}.png")
    return tmp_path


def test_accuracy_is_told_class_by_class(capsys, mixed, network):
    found = told(capsys, "evaluate", "m.keras", mixed, "--part", "all")
    assert found["classes"] == [
        {"name": "red", "images": 8, "accuracy": 1.0},
        {"name": "green", "images": 7, "accuracy": pytest.approx(5 / 7)},
        {"name": "blue", "images": 0, "accuracy": None},
    ]
    assert found["accuracy"] == pytest.approx(13 / 15) and found[
        "balanced_accuracy"
    ] == pytest.approx((1 + 5 / 7) / 2)
    assert found["confusion"] == [[8, 0, 0], [2, 5, 0], [0, 0, 0]]


def test_the_table_for_a_person_names_every_class(capsys, mixed, network):
    assert main(["evaluate", "m.keras", str(mixed), "--part", "all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0].startswith("86.67% of 15 images right, loss")
        and lines[1] == "balanced accuracy 85.71%"
    )
    assert [line.split()[0] for line in lines[2:5]] == ["red", "green", "blue"] and lines[
        4
    ].endswith("no images")
    assert [line.split() for line in lines[6:]] == [
        ["red", "8", "0", "0"],
        ["green", "2", "5", "0"],
        ["blue", "0", "0", "0"],
    ]


def test_confusions_are_written_as_a_table(capsys, mixed, network):
    path = mixed / "confusion.csv"
    arguments = ["evaluate", "m.keras", str(mixed), "--part", "all", "--confusion", str(path)]
    assert main(arguments) == 0
    with open(path) as file:
        assert list(csv.reader(file)) == [
            ["class", "red", "green", "blue"],
            ["red", "8", "0", "0"],
            ["green", "2", "5", "0"],
            ["blue", "0", "0", "0"],
        ]
    assert main(arguments) == 2 and "exists already" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0


def test_of_many_classes_the_most_frequent_confusions_are_shown():
    from nasnet_tf.cli.evaluate import _by_class

    confusion = np.diag(np.full(20, 5))
    confusion[3, 7], confusion[4, 1] = 2, 9
    classes = [{"name": f"c{number}", "images": 5, "accuracy": 1.0} for number in range(20)]
    lines = list(
        _by_class({"balanced_accuracy": 1.0, "classes": classes, "confusion": confusion.tolist()})
    )
    assert lines[-2:] == ["  c4 taken for c1: 9", "  c3 taken for c7: 2"]


# ---- predict ----


def test_all_pictures_of_a_folder_become_a_table(capsys, tmp_path, network):
    network(names=("red", "blue"), class_names=("=red", "blé"))
    folder(tmp_path / "in", count=2, **{"red": "red", "-a b": "blue"})
    (tmp_path / "in" / "notes.txt").write_text("years")
    out = tmp_path / "table.csv"
    assert main(["predict", str(tmp_path / "in"), "--model", "m.keras", "--out", str(out)]) == 0
    assert capsys.readouterr().out == ""
    rows = read(out)
    assert [(row["image"].removeprefix(f"{tmp_path}/in/"), row["class"]) for row in rows] == [
        ("-a b/0.png", "blé"), ("-a b/1.png", "blé"), ("red/0.png", "=red"), ("red/1.png", "=red"),
    ]  # fmt: skip
    assert list(rows[0]) == ["image", "class", "probability", "class_2", "probability_2"]
    assert float(rows[0]["probability"]) == pytest.approx(0.99) and ",'=red," in out.read_text()
    assert main(["predict", str(tmp_path / "in"), "--model", "m.keras", "--out", str(out)]) == 2


def test_each_picture_is_a_json_object_on_a_line(capsys, tmp_path, network):
    folder(tmp_path, count=3, red="red")
    assert main(["predict", str(tmp_path), "--model", "m.keras", "--json", "--top", "1"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["classes"][0]["name"] for each in found] == ["red"] * 3
    main(["predict", "--help"])
    assert "JSON object for each picture, one a line" in " ".join(capsys.readouterr().out.split())


def test_a_network_without_names_numbers_its_classes_and_says_so(capsys, tmp_path, network):
    network(class_names=None)
    folder(tmp_path, count=1, green="green")
    assert main(["predict", str(tmp_path), "--model", "m.keras", "--top", "1"]) == 0
    out, said = capsys.readouterr()
    assert (
        out.rstrip().endswith("\t1 99.0%")
        and "m.keras does not know the names of its classes" in said
    )


def test_missing_pictures_are_all_named_and_no_other_advice_is_given(capsys, tmp_path, network):
    missing = [str(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    assert main(["predict", *missing, "--model", "m.keras"]) == 2
    said = capsys.readouterr().err
    assert said == f"nasnet-tf: {', '.join(missing)}: no such file; check the path.\n"


def test_broken_pictures_are_all_named_or_left_out(capsys, tmp_path, network):
    folder(tmp_path, count=2, red="red")
    for name in ("x.jpg", "y.png"):
        (tmp_path / "red" / name).write_bytes(b"none")
    assert main(["predict", str(tmp_path), "--model", "m.keras"]) == 2
    said = capsys.readouterr().err
    assert "2 of 4 pictures cannot be read" in said and "x.jpg (" in said and "y.png (" in said
    assert main(["predict", str(tmp_path), "--model", "m.keras", "--skip-broken"]) == 0
    out, said = capsys.readouterr()
    assert len(out.splitlines()) == 2 and "x.jpg: left out" in said and "y.png: left out" in said


def test_names_that_would_command_a_terminal_are_shown_as_codes(capsys, tmp_path, network):
    network(names=("red",), class_names=("\x1b[31mred",))
    folder(tmp_path, count=1, **{unicodedata.normalize("NFD", "é\x1b[2J"): "red"})
    assert main(["predict", str(tmp_path), "--model", "m.keras"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\\x1b[31mred" in out and "\\x1b[2J" in out
