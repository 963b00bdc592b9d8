"""The command: mistakes are one line and exit status 2; the main job works from data to a trained
network.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nasnet_tf import genotype as genotypes
from nasnet_tf import journal
from nasnet_tf.cli import main
from nasnet_tf.genotype import GENOTYPES, Block, Cell, Genotype, NASBench201
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.workflow import SearchOptions, TrainOptions
from nasnet_tf.workflow.folder import SearchFolder
from nasnet_tf.workflow.recipes import recipe_of


def mistake(capsys, *arguments):
    """The one line a mistake is answered with."""
    assert main([str(a) for a in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("nasnet-tf: ")
    return lines[0]


@pytest.fixture
def genotype(tmp_path):
    path = tmp_path / "best.json"
    GENOTYPES["nasnet_a"].save(path)
    return path


def picture(path, seed=0):
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    path.write_bytes(tf.io.encode_jpeg(pixels).numpy())


@pytest.mark.parametrize("command", ["search", "evaluate"])
def test_a_missing_path_is_named(capsys, tmp_path, command):
    data = tmp_path / "nowhere"
    before = [tmp_path / "model.keras"] if command == "evaluate" else []
    assert "nowhere" in mistake(capsys, command, *before, data) or before


def test_an_unknown_tfds_name_is_met_with_close_ones(capsys, tmp_path):
    assert "close ones are cifar10" in mistake(
        capsys, "search", "tfds:cifarr10", "--runs-dir", tmp_path
    )


def test_a_folder_of_one_class_is_refused(capsys, tmp_path):
    for number in range(3):
        picture(tmp_path / "photos" / "cat" / f"{number}.jpg", number)
    assert "class" in mistake(
        capsys, "search", tmp_path / "photos", "--runs-dir", tmp_path / "runs"
    )
    assert not (tmp_path / "runs").exists()


def test_a_corrupt_picture_is_named(capsys, tmp_path):
    for kind in ("cat", "dog"):
        for number in range(10):
            picture(tmp_path / "photos" / kind / f"{number}.jpg", number)
    (tmp_path / "photos" / "dog" / "4.jpg").write_bytes(b"no picture")
    assert "4.jpg cannot be read as a picture" in mistake(
        capsys, "search", tmp_path / "photos", "--runs-dir", tmp_path / "runs"
    )


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda text: text[:100], "not a whole genotype JSON"),
        (lambda text: text.replace('"version": 1', '"version": 9'), "genotype of version 9"),
        (
            lambda text: text.replace('[0, "sep_conv_5x5", 1', '[5, "sep_conv_5x5", 1'),
            "block 0 reads state 5; it can read 0 to 1",
        ),
        (
            lambda text: text.replace("sep_conv_5x5", "sep_conv_9x9"),
            "operation 'sep_conv_9x9'; there are",
        ),
    ],
)
def test_a_genotype_that_is_not_sound_is_refused_with_the_mend(capsys, genotype, edit, says):
    genotype.write_text(edit(genotype.read_text()))
    assert says in mistake(
        capsys, "train", genotype, "--data", "digits", "--out", genotype.parent / "m.keras"
    )


def test_an_npz_with_other_keys_says_which_it_has(capsys, tmp_path):
    np.savez(tmp_path / "data.npz", images=np.zeros((8, 8, 8, 1)), labels=np.arange(8))
    said = mistake(capsys, "search", tmp_path / "data.npz", "--runs-dir", tmp_path / "runs")
    assert "data.npz has no x_train (it has images, labels)" in said


def test_an_npz_without_labels_is_refused(capsys, tmp_path):
    np.savez(tmp_path / "data.npz", x_train=np.zeros((8, 8, 8, 1)))
    assert "y_train" in mistake(
        capsys, "search", tmp_path / "data.npz", "--runs-dir", tmp_path / "runs"
    )


@pytest.mark.parametrize(
    "option", ["--num-cells", "--filters", "--max-trials", "--minutes", "--blocks", "--epochs"]
)
def test_nothing_of_something_is_refused(capsys, tmp_path, option):
    assert option in mistake(capsys, "search", "digits", option, 0, "--runs-dir", tmp_path)


def test_filters_that_do_not_divide_are_refused(capsys, genotype):
    line = mistake(
        capsys,
        "train",
        genotype,
        "--data",
        "digits",
        "--stem",
        "imagenet",
        "--filters",
        6,
        "--out",
        genotype.parent / "m.keras",
    )
    assert "filters is 6" in line and "multiple of 4, such as 8" in line


def test_a_folder_with_results_is_not_overwritten(capsys, tmp_path):
    (tmp_path / "digits").mkdir()
    assert "exists already; add --resume" in mistake(
        capsys, "search", "digits", "--runs-dir", tmp_path
    )


def test_overwrite_does_not_delete_what_is_no_search(capsys, tmp_path):
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "thesis.tex").write_text("years")
    assert "holds no search" in mistake(
        capsys, "search", "digits", "--overwrite", "--runs-dir", tmp_path
    )
    assert (tmp_path / "digits" / "thesis.tex").read_text() == "years"


def test_overwrite_does_not_take_any_config_json_for_a_search(capsys, tmp_path):
    (tmp_path / "digits").mkdir()
    for name in ("config.json", "model.keras", "thesis.tex"):
        (tmp_path / "digits" / name).write_text("{}")
    assert "holds no search" in mistake(
        capsys, "search", "digits", "--overwrite", "--runs-dir", tmp_path
    )
    assert len(list((tmp_path / "digits").iterdir())) == 3


@pytest.fixture
def live(tmp_path):
    """The folder of a search that another process has open."""
    folder = tmp_path / "digits" / "search"
    folder.mkdir(parents=True)
    (folder.parent / "config.json").write_text('{"data": "digits"}')
    log = journal.Journal(
        folder / journal.TRIALS,
        {"nasnet_tf": "0.1.0", "strategy": "auto", "objective": {"val_accuracy": "max"}},
    )
    log.append({"space": []})
    log.close()
    code = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'rb'); fcntl.flock(file, fcntl.LOCK_EX);"
        " print(1, flush=True); time.sleep(99)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / journal.TRIALS)], stdout=subprocess.PIPE
    )
    other.stdout.readline()
    yield folder.parent
    other.kill()
    other.wait()


@pytest.mark.skipif(journal.fcntl is None, reason="no advisory locks here")
@pytest.mark.parametrize("option", ["--overwrite", "--resume"])
def test_a_search_that_goes_on_elsewhere_is_left_as_it_is(
    capsys, tmp_path, monkeypatch, live, option
):
    monkeypatch.setattr("nasnet_tf.workflow.folder.SearchFolder._check_same", lambda folder: None)
    if option == "--resume":  # so that it is not another search's
        (live / "search" / journal.TRIALS).write_bytes(b"")
        (live / "search" / f"{journal.TRIALS}.length").unlink()
    before = {path: path.read_bytes() for path in live.rglob("*") if path.is_file()}
    assert main(["search", "digits", option, "--max-trials", "9", "--runs-dir", str(tmp_path)]) == 2
    assert (
        "another process is searching here; wait until it ends, or stop it"
        in capsys.readouterr().err
    )
    assert {path: path.read_bytes() for path in live.rglob("*") if path.is_file()} == before


def test_overwriting_a_search_deletes_what_it_wrote_and_nothing_else(tmp_path):
    folder = tmp_path / "digits" / "search"
    (folder / "trial_0").mkdir(parents=True)
    journal.Journal(folder / journal.TRIALS, {"nasnet_tf": "0.1.0", "strategy": "auto"}).close()
    for name in ("config.json", "report.html", "thesis.tex", "search/trial_0/checkpoint.npz"):
        (tmp_path / "digits" / name).write_text("x")
    SearchFolder(tmp_path / "digits", {}, overwrite=True).claim(overwrite=True)
    assert [path.name for path in (tmp_path / "digits").rglob("*") if path.is_file()] == [
        "thesis.tex"
    ]


@pytest.mark.skipif(journal.fcntl is None, reason="no advisory locks here")
@pytest.mark.parametrize("option", ["--overwrite", "--resume"])
def test_a_training_that_goes_on_elsewhere_is_left_as_it_is(capsys, tmp_path, option):
    (tmp_path / "m.training").mkdir()
    state = {
        "phase": 0,
        "epoch": 1,
        "seconds": 1.0,
        "history": [],
        "weights": "w",
        "sha256": "",
        "random": [],
        "training": {},
    }
    (tmp_path / "m.training" / "training.json").write_text(json.dumps(state))
    code = (
        "import fcntl, os, sys, time; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY),"
        " fcntl.LOCK_EX); print(1, flush=True); time.sleep(99)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "m.training")], stdout=subprocess.PIPE
    )
    other.stdout.readline()
    try:
        line = mistake(
            capsys, "train", "nasnet_a", "--data", "digits", "--out", tmp_path / "m.keras", option
        )
    finally:
        other.kill()
        other.wait()
    assert "another process is training here; wait until it ends, or stop it" in line
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["training.json"]


def test_a_strangers_training_folder_is_left_alone(capsys, tmp_path):
    (tmp_path / "m.training").mkdir()
    (tmp_path / "m.training" / "slides.pdf").write_text("theirs")
    line = mistake(
        capsys,
        "train",
        "nasnet_a",
        "--data",
        "digits",
        "--out",
        tmp_path / "m.keras",
        "--overwrite",
    )
    assert "holds other things than a training; give another --out" in line


def test_a_training_that_cannot_begin_leaves_no_folder(capsys, tmp_path):
    mistake(
        capsys, "train", "nasnet_a", "--data", tmp_path / "nowhere", "--out", tmp_path / "m.keras"
    )
    assert not list(tmp_path.iterdir())


def test_a_training_is_told_of_its_data(tmp_path, monkeypatch):
    told = []

    def train(*args, data=None, **kwargs):
        told.append(data)
        raise ValueError("enough")

    monkeypatch.setattr("nasnet_tf.training.train", train)
    main(
        [
            "train",
            "nasnet_a",
            "--data",
            "digits",
            "--num-cells",
            "1",
            "--filters",
            "2",
            "--out",
            str(tmp_path / "m.keras"),
        ]
    )
    assert told[0]["classes"] == 10 and told[0]["shape"] == [8, 8, 1]


@pytest.mark.parametrize(
    "message, left",
    [
        ("OSError: [Errno 1] Operation not permitted", True),
        ("ValueError: no such column", False),
        (None, False),
    ],
)
def test_a_search_that_ended_has_more_to_do_if_trials_failed_in_passing(tmp_path, message, left):
    (tmp_path / "search").mkdir()
    config = {"max_trials": 1, "minutes": None, "epochs": 1}
    for name, value in (("config.json", config), ("result.json", {"accuracy": 0.5})):
        (tmp_path / name).write_text(json.dumps(value))
    log = journal.Journal(
        tmp_path / "search" / journal.TRIALS, {"objective": {"val_accuracy": "max"}}
    )
    status = {
        "status": "FAILED" if message else "COMPLETED",
        "score": None if message else 0.5,
        "message": message,
    }
    log.append({"begin": "0", "point": [0]}, {"end": "0", "metrics": {}, "seconds": 1.0, **status})
    log.close()
    assert (SearchFolder(tmp_path, config, resume=True).nothing_left() is None) is left


def test_failed_trials_are_tried_again_only_of_a_search_that_goes_on(capsys, tmp_path):
    assert "add --resume" in mistake(
        capsys, "search", "digits", "--retry-failed", "--runs-dir", tmp_path
    )


@pytest.mark.parametrize(
    "gave_up",
    ["Number of consecutive failures exceeded the limit of 10.\nValueError: no such column", None],
)
def test_a_baseline_that_fails_again_and_again_does_not_end_the_search(gave_up):
    from types import SimpleNamespace

    from nasnet_tf.workflow.side_by_side import _beside

    def search(**job):
        raise RuntimeError(gave_up or "the disk is full")

    failures, said = [], []
    _beside(
        failures, said.append, SimpleNamespace(run=search, study=SimpleNamespace(gave_up=gave_up))
    )
    assert (len(failures), len(said)) == ((0, 1) if gave_up else (1, 0))
    assert not said or "ValueError: no such column" in said[0]


def test_there_must_be_something_to_resume(capsys, tmp_path):
    assert "no search to resume" in mistake(
        capsys, "search", "digits", "--resume", "--runs-dir", tmp_path
    )


def test_a_file_that_is_no_network_is_refused(capsys, tmp_path):
    (tmp_path / "m.keras").write_bytes(b"PK not really")
    assert (
        "m.keras cannot be read (File is not a zip file); it is cut short, damaged or of another"
        " kind" in mistake(capsys, "evaluate", tmp_path / "m.keras", "digits")
    )


def test_an_unknown_command_or_option_is_a_mistake(capsys):
    assert "No such command" in mistake(capsys, "serach", "digits")
    assert "No such option" in mistake(capsys, "search", "digits", "--max-trails", 3)


def test_info_counts_without_building(capsys):
    assert main(["info", "nasnet_a", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["parameters"], facts["multiply_adds"]) == (3_383_786, 544_333_312)


def test_info_knows_the_models_of_the_zoo(capsys):
    assert main(["info", "nasnet_a_mobile", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["parameters"], facts["multiply_adds"], facts["image_size"]) == (
        5_326_716,
        563_638_816,
        224,
    )
    assert main(["info", "pnasnet_5_large", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trainable"] == 86_057_668
    assert "no model of the zoo (nasnet_a_mobile, " in mistake(capsys, "info", "nasnet_a_mobil")


def test_info_draws_the_cells(capsys, tmp_path, genotype):
    assert main(["info", str(genotype), "--picture", str(tmp_path / "cells.png")]) == 0
    assert (tmp_path / "cells.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "cells.png").write_bytes(b"mine")
    line = mistake(capsys, "info", genotype, "--picture", tmp_path / "cells.png")
    assert "cells.png exists already; give another --picture, or --overwrite" in line
    assert (tmp_path / "cells.png").read_bytes() == b"mine"
    assert (
        main(["info", str(genotype), "--picture", str(tmp_path / "cells.png"), "--overwrite"]) == 0
    )
    assert (tmp_path / "cells.png").read_bytes().startswith(b"\x89PNG")


def test_info_reads_and_draws_every_kind_of_genotype(capsys, tmp_path):
    NASBench201.from_arch(
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
    ).save(tmp_path / "best.json")
    assert main(["info", str(tmp_path / "best.json"), "--picture", str(tmp_path / "cell.svg")]) == 0
    said = capsys.readouterr().out
    assert (
        "filters: 16" in said
        and "node 2 = skip_connect of 1" in said
        and "trainable: 344,346" in said
    )
    assert b"<svg" in (tmp_path / "cell.svg").read_bytes()


def test_a_space_without_blocks_takes_no_number_of_them(capsys, tmp_path):
    line = mistake(
        capsys,
        "search",
        "digits",
        "--space",
        "nas-bench-201",
        "--blocks",
        3,
        "--runs-dir",
        tmp_path,
    )
    assert "the space nas-bench-201 has no blocks" in line


def test_help_and_mistakes_do_not_wait_for_tensorflow():
    code = """if True:
        import sys
        from nasnet_tf.cli import main
        assert main(['search', '--help']) == 0 and main(['search', 'nowhere']) == 2
        assert 'tensorflow' not in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--max-parameters", 100), "--max-parameters is 100, but the least of 300 random cells"),
        (("--max-multiply-adds", 7), "--max-multiply-adds is 7, but the least"),
        (("--soft-weight", -0.1), "give --target-multiply-adds too"),
        (("--stop-early", "--child-epochs", 2), "give --child-epochs 3 or more"),
        (("--target-multiply-adds", 5, "--soft-weight", 0.1), "not in the range x<0"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_limits_that_cannot_be_kept_are_refused_before_anything_is_written(
    capsys, tmp_path, options, says
):
    assert says in mistake(capsys, "search", "digits", "--runs-dir", tmp_path, *options)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_search_under_limits_trains_nothing_else_and_says_what_accuracy_costs(tmp_path, capsys):
    options = (
        "--target-multiply-adds",
        "20000",
        "--prejudge",
        "synflow",
        "--stop-early",
        "--child-epochs",
        "3",
    )
    limit = ("--max-parameters", "2000", "--max-latency-ms", "60000")
    arguments = (
        "search",
        "digits",
        "--max-trials",
        "6",
        "--runs-dir",
        str(tmp_path),
        "--child-images",
        "60",
        "--json",
        *TINY,
    )
    assert main([*arguments, *options, *limit]) == 0
    result = json.loads(capsys.readouterr().out)
    rows = table(tmp_path / "digits")
    assert len(rows) == 6 and all(int(row["parameters"]) <= 2000 for row in rows)
    for row in rows:
        weight = (int(row["multiply_adds"]) / 20_000) ** -0.07
        assert float(row["reward"]) == pytest.approx(float(row["val_accuracy"]) * weight)
    best = max(rows, key=lambda row: float(row["reward"]))
    assert result["val_accuracy"] == float(best["val_accuracy"])
    assert result["parameters"] in {
        int(row["parameters"]) for row in rows if row["reward"] == best["reward"]
    }
    assert "Accuracy and cost" in (tmp_path / "digits" / "report.html").read_text()


TINY = (
    "--blocks",
    "1",
    "--child-epochs",
    "1",
    "--child-filters",
    "2",
    "--num-cells",
    "1",
    "--filters",
    "2",
    "--epochs",
    "1",
)


def nasnet_tf(*arguments, **kwargs):
    """The command as a process that hears of Ctrl-C, which tests that run in the background do not
    pass on by themselves.
    """
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from nasnet_tf.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **kwargs,
    )


def table(folder):
    with open(folder / "trials.csv") as file:
        return list(csv.DictReader(file))


def trials_ended(folder):
    """How many trials the log of the search has the end of."""
    return sum(
        "end" in record for record in journal.read(folder / "search" / journal.TRIALS).records
    )


@pytest.fixture
def tiny(tmp_path):
    """The file of a genotype whose network is traced in no time."""
    Genotype(*[Cell((Block(0, "conv_1x1", 1, "max_pool_3x3"),), (2,))] * 2).save(
        tmp_path / "tiny.json"
    )
    return tmp_path / "tiny.json"


@pytest.fixture
def photos(tmp_path):
    """A folder of twenty pictures of noise in two classes."""
    for kind in ("cat", "dog"):
        for number in range(10):
            picture(tmp_path / "photos" / kind / f"{number}.jpg", number)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nasnet_a", "--recipe", "cifr"), "cifr: cannot be read"),
        (("nasnet_a", "--epochs", 2, "--minutes", 1), "give one of them"),
        (("nasnet_z",), "nasnet_z"),
        ((), "give MODEL, such as nasnet_a or best.json, or --init"),
        (("nasnet_a", "--resume"), "no training to go on with"),
        (("--init", "nowhere.keras"), "nowhere.keras: no such file"),
        (
            ("nasnet_a", "--init", "imagenet", "--num-cells", 3),
            "there are ImageNet weights of nasnet_a_mobile and nasnet_a_large at their own size",
        ),
    ],
    ids=["recipe", "budget", "model", "nothing", "resume", "init", "imagenet"],
)
def test_a_training_that_cannot_begin_says_why(capsys, tmp_path, photos, arguments, says):
    assert says in mistake(
        capsys,
        "train",
        *arguments,
        "--data",
        photos,
        "--image-size",
        16,
        "--out",
        tmp_path / "m.keras",
    )
    assert not (tmp_path / "m.keras").exists()


def test_weights_for_another_number_of_channels_are_refused(capsys, tmp_path):
    from nasnet_tf.network import Network

    Network("nasnet_a", num_cells=1, filters=2, input_shape=(8, 8, 3)).save(tmp_path / "m.keras")
    line = mistake(
        capsys,
        "train",
        "--init",
        tmp_path / "m.keras",
        "--data",
        "digits",
        "--out",
        tmp_path / "n.keras",
    )
    assert "digits has 1 channels, the weights of --init are for 3" in line


def test_weights_that_do_not_say_what_their_images_were_are_asked_for_it(capsys, tmp_path, photos):
    from nasnet_tf.network import Network

    Network("nasnet_a", num_cells=1, filters=2, input_shape=(16, 16, 3), classes=2).save(
        tmp_path / "m.keras"
    )
    line = mistake(
        capsys,
        "train",
        "--init",
        tmp_path / "m.keras",
        "--data",
        photos,
        "--epochs",
        1,
        "--out",
        tmp_path / "n.keras",
    )
    assert "m.keras does not say what images it was trained on; add --input-range -1..1" in line


@pytest.mark.parametrize(
    "epochs, phases", [(1, (0, 1)), (2, (0, 2)), (3, (1, 2)), (5, (1, 4)), (12, (2, 10))]
)
def test_the_epochs_that_are_asked_for_are_those_of_both_phases(epochs, phases):
    recipe = recipe_of("fine_tune", TrainOptions(data="digits", epochs=epochs))
    assert (recipe.head_epochs, recipe.epochs) == phases


@pytest.mark.slow
def test_a_picture_is_named_among_the_classes_of_imagenet(capsys, tmp_path, monkeypatch):
    from nasnet_tf.zoo import NASNetA
    from nasnet_tf.zoo.classes import class_names
    from nasnet_tf.zoo.models import FAMILIES

    variants = FAMILIES["nasnet_a"][1]  # a mobile one of a cell a stage and a tenth of the filters
    monkeypatch.setitem(
        variants, "mobile", {**variants["mobile"], "num_cells": 1, "filters": 4, "stem_filters": 4}
    )
    picture(tmp_path / "a.jpg")
    NASNetA("mobile").save_weights(tmp_path / "m.weights.h5")
    arguments = [
        "predict",
        tmp_path / "a.jpg",
        "--model",
        "mobile",
        "--weights",
        tmp_path / "m.weights.h5",
        "--top",
        5,
        "--json",
    ]
    assert main([str(a) for a in arguments]) == 0
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert len(classes) == 5 and {c["name"] for c in classes} <= set(class_names())


@pytest.mark.slow
def test_a_network_is_trained_and_fine_tuned_on_another_folder(capsys, tmp_path, photos, tiny):
    (tmp_path / "recipe.json").write_text(
        '{"epochs": 1, "head_epochs": 1, "freeze_until": "reduction_cell_1", "class_weights":'
        ' "balanced"}'
    )
    small = ("--num-cells", 1, "--filters", 2, "--epochs", 1, "--batch-size", 4)
    tuned = (
        "--init",
        tmp_path / "a.keras",
        "--recipe",
        tmp_path / "recipe.json",
        "--batch-size",
        4,
    )
    for arguments, out in (
        ((tiny, "--data", photos, "--image-size", 16, *small), "a.keras"),
        ((*tuned, "--data", photos), "b.keras"),
    ):
        assert main([str(a) for a in ("train", *arguments, "--out", tmp_path / out, "--json")]) == 0
        assert json.loads(capsys.readouterr().out)["images"] == 4
    with open(tmp_path / "b.training" / "log.csv") as file:
        assert [(row["phase"], row["epoch"]) for row in csv.DictReader(file)] == [
            ("0", "1"),
            ("1", "1"),
        ]


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_one_that_was_not(tmp_path, photos, tiny):
    def run(name, *more):
        return nasnet_tf(
            "train",
            tiny,
            "--data",
            photos,
            "--image-size",
            "16",
            "--num-cells",
            "1",
            "--filters",
            "2",
            "--epochs",
            "30",
            "--batch-size",
            "4",
            "--drop-path-rate",
            "0.2",
            "--out",
            tmp_path / f"{name}.keras",
            "--json",
            *more,
            env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"},
        )

    def log(name):
        with open(tmp_path / f"{name}.training" / "log.csv") as file:
            return [float(row["loss"]) for row in csv.DictReader(file)]

    whole, killed = run("whole"), run("killed")
    while not (tmp_path / "killed.training" / "log.csv").exists() or len(log("killed")) < 2:
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.05)
    killed.kill()
    killed.communicate(timeout=60)
    assert len(log("killed")) < 30
    again = run("killed", "--resume")
    for process in (whole, again):
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    np.testing.assert_allclose(log("killed"), log("whole"), rtol=1e-4)


def searched(folder, trials=3):
    """What a search of so many trials leaves behind in `folder`, one of them failed and one
    running.
    """
    log = journal.Journal(
        folder / journal.TRIALS,
        {"objective": {"val_accuracy": "max"}, "strategy": "ppo", "seed": 0},
    )
    for number in range(trials):
        log.append({"begin": str(number), "point": [0]})
        score = None if number == 1 else 0.5 + number / 10
        status = "FAILED" if number == 1 else "COMPLETED"
        log.append(
            {
                "end": str(number),
                "status": status,
                "score": score,
                "metrics": {},
                "message": None,
                "seconds": 1.5,
            }
        )
    log.append({"begin": str(trials), "point": [0]})
    return log


@pytest.mark.parametrize("change", ["twice", "swapped"])
def test_status_refuses_what_resuming_refuses(capsys, tmp_path, change):
    """Each line is whole, but they do not follow each other."""
    searched(tmp_path).close()
    path = tmp_path / journal.TRIALS
    lines = path.read_bytes().splitlines(keepends=True)
    lines = (
        [*lines[:3], lines[2], *lines[3:]]
        if change == "twice"
        else [lines[0], lines[2], lines[1], *lines[3:]]
    )
    path.write_bytes(b"".join(lines))
    assert f"line {4 if change == 'twice' else 2} does not fit those before it" in mistake(
        capsys, "status", tmp_path
    )


@pytest.mark.parametrize(
    "name, says",
    [("config.json", "holds no JSON object"), ("result.json", "does not say how the network does")],
)
def test_status_says_which_file_is_odd(capsys, tmp_path, name, says):
    searched(tmp_path).close()
    (tmp_path / name).write_text("[1, 2]" if name == "config.json" else '{"accuracy": "high"}')
    line = mistake(capsys, "status", tmp_path)
    assert name in line and says in line


@pytest.mark.parametrize(
    "record", [3, {"end": "0"}, {"begin": "0"}, {"end": "0", "status": "COMPLETED", "score": None}]
)
def test_status_says_which_line_is_odd(capsys, tmp_path, record):
    log = journal.Journal(tmp_path / journal.TRIALS, {"objective": {"val_accuracy": "max"}})
    log.append(record)
    log.close()
    assert "line 2 does not fit" in mistake(capsys, "status", tmp_path)


def test_status_tells_how_far_a_search_is_while_it_runs(capsys, tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "config.json").write_text('{"data": "digits", "max_trials": 9, "minutes": null}')
    running = searched(tmp_path / "search")
    assert main(["status", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["searches"] == {
        "search": {
            "ended": 3,
            "failed": 1,
            "unfinished": 1,
            "best": 0.7,
            "best_trial": "2",
            "seconds": 4.5,
        }
    }
    assert (
        facts["asked"] == {"data": "digits", "max_trials": 9, "minutes": None}
        and facts["result"] is None
    )
    (tmp_path / "result.json").write_text('{"accuracy": 0.75, "images": 12}')
    assert main(["status", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        (
            "search: 3 trials ended, 1 of them failed, 1 running or to be run again, best 0.7000"
            " (trial 2), 4 s"
        ),
        "trained: 75.00% of 12 test images right",
        "asked: data digits, max_trials 9",
    ]
    assert not running.closed


def test_status_tells_how_far_the_network_at_the_end_is(capsys, tmp_path):
    searched(tmp_path)
    (tmp_path / "model.training").mkdir()
    (tmp_path / "model.training" / "choice.json").write_text(
        '{"genotype": {}, "num_cells": 2, "filters": 16, "epochs": 60}'
    )
    (tmp_path / "model.training" / "log.csv").write_text("epoch,loss\n1,2.0\n2,1.0\n")
    assert main(["status", str(tmp_path)]) == 0
    assert (
        "training the final network (N = 2, F = 16): 2 of 60 epochs done"
        in capsys.readouterr().out.splitlines()
    )


@pytest.mark.parametrize(
    "before, now, is_left",
    [
        (dict(max_trials=4), dict(max_trials=4), False),
        (dict(max_trials=4), dict(max_trials=6), True),
        (dict(max_trials=4), dict(max_trials=2), False),
        (dict(max_trials=4, epochs=3), dict(max_trials=4, epochs=5), True),
        (dict(max_trials=4, epochs=3), dict(max_trials=4), False),
        (dict(minutes=3.0), dict(minutes=5.0), True),
        (dict(minutes=3.0), {}, False),
        (dict(minutes=30.0), dict(minutes=10.0, max_trials=5), False),
    ],
    ids=str,
)
def test_of_a_search_that_ended_nothing_is_left_to_do_unless_it_is_given_more(
    tmp_path, before, now, is_left
):
    empty = dict.fromkeys(("minutes", "max_trials", "epochs"))
    (tmp_path / "config.json").write_text(json.dumps({**empty, **before}))
    (tmp_path / "result.json").write_text('{"accuracy": 0.75, "images": 12, "seconds": 100}')
    run = SearchFolder(tmp_path, {**empty, **(now or before)}, resume=True)
    assert (run.nothing_left() is None) == is_left


@pytest.mark.parametrize(
    "minutes, images", [(None, 2000), (60, 2000), (10, 2000), (3, 1200), (0.1, 50)]
)
def test_where_there_is_little_time_children_are_trained_on_fewer_images(minutes, images):
    from nasnet_tf.workflow.options import child_images

    assert child_images(minutes) == images


def test_a_search_goes_on_with_the_time_that_is_left(tmp_path):
    config = {"minutes": 10.0, "max_trials": None, "epochs": None}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "clock.json").write_text('{"seconds": 400.0}')
    budget, limit = SearchFolder(tmp_path, config, resume=True).budget(1000.0, 0.5)
    assert budget.ends == 1200.0 and limit == 900.0, "the search itself is over"
    (tmp_path / "result.json").write_text('{"seconds": 600.0}')
    budget, limit = SearchFolder(tmp_path, {**config, "minutes": 20.0}, resume=True).budget(
        1000.0, 0.5
    )
    assert budget.ends == 1600.0 and limit == 1300.0, "half of what was added is for the search"


def test_status_reads_a_project_of_keras_tuner_too(capsys, tmp_path):
    searched(tmp_path, trials=0)
    assert main(["status", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (
        facts["asked"][tmp_path.name]["strategy"] == "ppo"
        and facts["searches"][tmp_path.name]["best"] is None
    )
    assert main(["status", str(tmp_path)]) == 0
    assert "0 trials ended" in capsys.readouterr().out


def test_status_of_nothing_and_of_a_damaged_search_is_one_line(capsys, tmp_path):
    assert main(["status", str(tmp_path / "nowhere")]) == 2
    assert (
        "nowhere holds no search; give the folder that nasnet-tf search writes to"
        in capsys.readouterr().err
    )
    searched(tmp_path)
    path = tmp_path / journal.TRIALS
    path.write_bytes(path.read_bytes().replace(b"FAILED", b"FOILED"))
    assert main(["status", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{path}: line 5 is damaged; restore a copy" in said and said.count("\n") == 1


def test_status_does_not_wait_for_tensorflow(tmp_path):
    searched(tmp_path)
    code = (
        "import sys; from nasnet_tf.cli import main; main(['status', sys.argv[1]]); assert"
        " 'tensorflow' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, stdout=subprocess.DEVNULL
    )


@pytest.mark.slow
def test_the_main_job_from_data_to_a_trained_network(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (60, 8, 8, 3), dtype=np.uint8), np.arange(60) % 3
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y)
    assert (
        main(
            [
                "search",
                str(tmp_path / "mine.npz"),
                "--max-trials",
                "2",
                "--runs-dir",
                str(tmp_path / "runs"),
                "--json",
                *TINY,
            ]
        )
        == 0
    )
    result = json.loads(capsys.readouterr().out)
    folder = tmp_path / "runs" / "mine"
    assert result["trials"] == 2 and result["images"] == 12
    assert {path.name for path in folder.iterdir() if path.is_file()} == {
        "best.json",
        "cells.png",
        "config.json",
        "model.keras",
        "pareto.csv",
        "pareto.png",
        "report.html",
        "result.json",
        "search.png",
        "trials.csv",
    }
    best = max(table(folder), key=lambda row: float(row["val_accuracy"]))
    assert Genotype.load(folder / "best.json") in [
        Genotype.from_json(r["genotype"])
        for r in table(folder)
        if r["val_accuracy"] == best["val_accuracy"]
    ]
    assert (
        main(["evaluate", str(folder / "model.keras"), str(tmp_path / "mine.npz"), "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["accuracy"] == pytest.approx(result["accuracy"])
    picture(tmp_path / "a.jpg")
    assert (
        main(["predict", "--model", str(folder / "model.keras"), str(tmp_path / "a.jpg"), "--json"])
        == 0
    )
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert [c["name"] for c in classes] and sum(c["probability"] for c in classes) == pytest.approx(
        1, abs=1e-4
    )


@pytest.mark.slow
def test_another_space_is_searched_and_its_best_trained_again(tmp_path, capsys):
    arguments = ["search", "digits", "--space", "nas-bench-201", "--max-trials", "1"]
    arguments += ["--child-images", "60", "--runs-dir", str(tmp_path / "runs")]
    options = [
        "--child-epochs",
        "1",
        "--child-filters",
        "2",
        "--num-cells",
        "1",
        "--filters",
        "2",
        "--epochs",
        "1",
    ]
    assert main([*arguments, *options, "--json"]) == 0
    folder = tmp_path / "runs" / "digits"
    best = genotypes.load(folder / "best.json")
    assert best.to_json() in [row["genotype"] for row in table(folder)] and all(
        int(row["parameters"]) > 0 for row in table(folder)
    )
    assert (
        main(
            [
                "train",
                str(folder / "best.json"),
                "--data",
                "digits",
                *options[4:],
                "--out",
                str(tmp_path / "m.keras"),
            ]
        )
        == 0
    )
    assert main(["evaluate", str(tmp_path / "m.keras"), "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"] >= 0


@pytest.mark.slow
def test_one_shot_search_interrupted_while_it_shares_goes_on_and_trains_the_best_of_its_ranking(
    tmp_path,
):
    arguments = (
        "search",
        "digits",
        "--strategy",
        "one-shot",
        "--share-epochs",
        "40",
        "--max-trials",
        "1",
        "--no-baseline",
        "--runs-dir",
        tmp_path,
        "--child-images",
        "60",
        *TINY,
    )
    first = nasnet_tf(*arguments)
    shared = tmp_path / "digits" / "search" / "one_shot" / "shared.npz"
    while not shared.exists():
        assert first.poll() is None, first.stderr.read()
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130 and not shared.with_name("ranking.json").exists()
    again = nasnet_tf(*arguments, "--resume")
    _, said = again.communicate(timeout=500)
    assert again.returncode == 0, said
    ranking = json.loads(shared.with_name("ranking.json").read_text())
    begun = next(
        record
        for record in journal.read(tmp_path / "digits" / "search" / journal.TRIALS).records
        if "begin" in record
    )
    assert begun["point"] == ranking[0]["choices"]
    assert Genotype.load(tmp_path / "digits" / "best.json") == NASNetSpace(1).decode(
        ranking[0]["choices"]
    )


@pytest.mark.slow
def test_an_interrupted_search_goes_on_without_losing_or_repeating_a_trial(tmp_path):
    arguments = (
        "search",
        "digits",
        "--max-trials",
        "4",
        "--no-baseline",
        "--runs-dir",
        tmp_path,
        "--child-images",
        "60",
        *TINY,
    )
    first = nasnet_tf(*arguments)
    folder = tmp_path / "digits"
    while not (folder / "trials.csv").exists() or len(table(folder)) < 2:
        assert first.poll() is None, first.stderr.read()
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130 and said.strip().splitlines()[-1] == "nasnet-tf: interrupted"
    before, ended = table(folder), trials_ended(folder)
    assert 2 <= len(before) <= ended < 4  # a trial is in the log before it is in the table
    again = nasnet_tf(*arguments, "--resume")
    _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    after = table(folder)
    assert all(row in after for row in before) and sorted(row["trial"] for row in after) == [
        "0",
        "1",
        "2",
        "3",
    ]
    assert sum(line.startswith("auto ") for line in said.splitlines()) == 4 - ended, (
        "only the missing trials are trained"
    )


@pytest.mark.slow
def test_the_same_seed_gives_the_same_search_and_network(tmp_path):
    found = []
    for name in ("a", "b"):
        run = nasnet_tf(
            "search",
            "digits",
            "--max-trials",
            "2",
            "--no-baseline",
            "--runs-dir",
            tmp_path,
            "--name",
            name,
            "--json",
            "--child-images",
            "60",
            "--workers",
            "1",
            *TINY,
            env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"},
        )
        out, said = run.communicate(timeout=300)
        assert run.returncode == 0, said
        rows = [(row["val_accuracy"], row["genotype"]) for row in table(tmp_path / name)]
        found.append((rows, json.loads(out)["accuracy"]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "asked, searches, gpu, expected",
    [
        (None, 2, False, (4, 1)),  # a core for each child
        (None, 1, False, (8, 1)),
        (None, 1, True, (8, 1)),  # kernels train children on the cores, too
        (2, 2, False, (1, 4)),
        (3, 1, False, (3, 2)),
        (16, 2, False, (8, 1)),
        (1, 2, False, (1, 4)),  # a search and its baseline are two at least
    ],
)
def test_the_cores_are_shared_out_among_workers(monkeypatch, asked, searches, gpu, expected):
    from nasnet_tf.workflow.studies import share_cores

    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr("nasnet_tf.training.devices.accelerated", lambda: gpu)
    assert share_cores(SearchOptions(data="digits", workers=asked), searches) == expected


@pytest.mark.parametrize("asked", [dict(child_kernels="keras"), dict(space="dna")])
def test_children_that_keras_trains_on_a_gpu_have_it_one_after_the_other(monkeypatch, asked):
    from nasnet_tf.workflow.studies import share_cores

    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr("nasnet_tf.training.devices.accelerated", lambda: True)
    assert share_cores(SearchOptions(data="digits", **asked), 1) == (1, 8)
