"""Language models searched and trained: the hypermodel, training, the command."""

import csv
import dataclasses
import json
import math

import keras
import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasnet_tf import genotype as genotypes
from nasnet_tf.cli import main
from nasnet_tf.data import Text
from nasnet_tf.data.recipes import recipe_batches
from nasnet_tf.genotype import NAS_CELL, RecurrentCell
from nasnet_tf.native.language import NativeLanguageModel
from nasnet_tf.spaces import RecurrentSpace
from nasnet_tf.systems import networks
from nasnet_tf.training import RECIPES, KeepBest, network_for, perplexity, scores, train
from nasnet_tf.training.optimizers import SmoothedCrossentropy, optimizer_for
from nasnet_tf.tuners import LanguageHyperModel

WORDS = "the cat sat on a mat , and dog ran far .".split()
DATA = Text(
    "t",
    "character",
    tuple("abcdefg"),
    *(np.random.default_rng(n).integers(0, 7, 60, dtype=np.int32) for n in range(3)),
    5,
)


def text(folder, count=1200):
    """A file of words, drawn by a seed: each follows the one before by one or two in a row."""
    rng, place, words = np.random.default_rng(0), 0, []
    for _ in range(count):
        place = (place + int(rng.integers(1, 3))) % len(WORDS)
        words.append(WORDS[place])
    (folder / "mine.txt").write_text(" ".join(words))
    return folder / "mine.txt"


def tiny(**arguments):
    return networks.build(NAS_CELL, **{**DATA.network, "num_cells": 1, "filters": 3, **arguments})


# ---- children ----


def test_a_child_is_rewarded_by_80_over_its_perplexity_squared():
    child = LanguageHyperModel(5, 7, filters=3, native=False)
    hp = keras_tuner.HyperParameters()
    genotype = child.genotype(hp)
    model = child.build(hp)
    assert model.genotype == genotype and child.space.size == 8**16 * 15**2
    fitted = child.fit(
        hp,
        model,
        *DATA.windows("train"),
        validation_data=DATA.windows("validation"),
        epochs=2,
        verbose=0,
    )
    assert list(fitted.history) == ["loss", "perplexity", "val_loss", "val_perplexity", "reward"]
    for loss, value, reward in zip(
        *(fitted.history[name] for name in ("val_loss", "val_perplexity", "reward")), strict=True
    ):
        assert value == pytest.approx(math.exp(loss), rel=1e-4) and reward == pytest.approx(
            80 / math.exp(loss) ** 2, rel=1e-3
        )


def native(cell=NAS_CELL, **arguments):
    size = dict(num_cells=2, filters=4, classes=7, input_shape=(5,), **arguments)
    return NativeLanguageModel(cell, **size), networks.build(cell, **size)


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.booleans())
def test_a_native_child_has_the_loss_and_the_gradient_of_its_keras_model(seed, tied):
    import tensorflow as tf

    space, rng = RecurrentSpace(), np.random.default_rng(seed)
    ours, model = native(space.decode(space.random(rng)), tied=tied)
    named = ours.named()
    assert set(named) == {weight.path for weight in model.weights}
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
        named[weight.path][:] = weight.numpy()
    x, y = rng.integers(0, 7, (2, 3, 5))
    with tf.GradientTape() as tape:
        loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, model(x)))
    theirs = tape.gradient(loss, model.trainable_weights)
    assert (
        ours.compute_gradients(x, y)
        == pytest.approx(float(loss), rel=1e-4)
        == ours.evaluate(x, y, 2)
    )
    for weight, gradient in zip(model.trainable_weights, theirs, strict=True):
        expected = np.array(tf.convert_to_tensor(gradient))
        np.testing.assert_allclose(
            ours.gradients()[weight.path],
            expected,
            atol=2e-4 * max(np.abs(expected).max(), 1e-3),
            err_msg=weight.path,
        )


def test_a_native_child_s_steps_are_those_of_keras_adam():
    (ours, model), (x, y) = native(), DATA.windows("train")
    for weight in model.weights:
        weight.assign(ours.named()[weight.path])
    model.compile(
        keras.optimizers.Adam(0.03, global_clipnorm=1.0),
        "sparse_categorical_crossentropy",
        run_eagerly=True,
    )
    for _ in range(4):
        assert ours.step(x, y, 0.03) == pytest.approx(float(model.train_on_batch(x, y)), rel=1e-3)
    for weight in model.weights:
        np.testing.assert_allclose(ours.named()[weight.path], weight.numpy(), atol=2e-3)


def test_a_native_child_learns_tells_its_figures_and_gives_its_weights_to_keras(tmp_path):
    child, words = (
        LanguageHyperModel(5, 7, filters=8),
        np.arange(400, dtype="int32").reshape(80, 5) % 7,
    )
    hp = keras_tuner.HyperParameters()
    data, held_out = (words, (words + 1) % 7), (words[:9], (words[:9] + 1) % 7)
    model = child.build_native(hp, data, dict(validation_data=held_out, epochs=20))
    fitted = child.fit(hp, model, *data, validation_data=held_out, epochs=20, batch_size=8)
    assert list(fitted.history) == ["loss", "perplexity", "val_loss", "val_perplexity", "reward"]
    assert fitted.history["val_perplexity"][-1] < 1.1 < fitted.history["val_perplexity"][0]
    assert fitted.history["reward"][-1] == pytest.approx(
        80 / math.exp(fitted.history["val_loss"][-1]) ** 2
    )
    model.save_weights(tmp_path / "weights.npz")
    traced = child.build(hp)
    with np.load(tmp_path / "weights.npz") as saved:
        for weight in traced.weights:
            weight.assign(saved[weight.path])
    assert perplexity(traced, *held_out)["perplexity"] == pytest.approx(
        fitted.history["val_perplexity"][-1], rel=1e-3
    )


def test_what_a_native_child_has_not_is_left_to_keras():
    hp, data = keras_tuner.HyperParameters(), DATA.windows("train")
    for child, fit in (
        (LanguageHyperModel(5, 7, native=False), {}),
        (LanguageHyperModel(5, 7, dropout_rate=0.5), {}),
        (LanguageHyperModel(5, 7), dict(callbacks=[keras.callbacks.TerminateOnNaN()])),
        (LanguageHyperModel(5, 7), dict(sample_weight=np.ones(3))),
    ):
        assert child.build_native(hp, data, fit) is None
    assert LanguageHyperModel(5, 7).build_native(hp, data, {}) is not None


def test_a_cell_that_grows_beyond_all_numbers_is_told_and_not_hidden():
    ours, _ = native(RecurrentCell((("add", "identity"),) * 15, ("add", "identity"), 0, 14))
    for value in ours.named().values():
        value *= 1e9
    assert not np.isfinite(
        ours.fit(*DATA.windows("train"), epochs=2, batch_size=4).history["loss"]
    ).all()


# ---- how a model does ----


def test_perplexity_is_over_every_word_of_every_window_whatever_the_batches():
    model, (x, y) = tiny(), DATA.windows("test")
    probabilities = np.asarray(model(x))
    loss = -np.log(
        [probabilities[n, step, y[n, step]] for n in range(len(x)) for step in range(5)]
    ).mean()
    for size in (1, 3, 11, 64):
        found = perplexity(model, x, y, size)
        assert found == {
            "perplexity": pytest.approx(math.exp(loss), rel=1e-5),
            "loss": pytest.approx(loss, rel=1e-5),
            "words": 55,
        }
    assert scores(model, DATA, "test")["bits_per_character"] == pytest.approx(
        loss / math.log(2), rel=1e-5
    )


def test_training_ends_with_the_weights_of_its_best_epoch(tmp_path):
    model = tiny()
    model.compile(run_eagerly=True)

    def told(keep, values):
        for epoch, value in enumerate(values):
            model.get_layer("vocabulary").bias.assign(np.full(7, epoch + 1.0))
            keep.on_epoch_end(epoch, {"val_perplexity": value})

    keep = KeepBest(path=tmp_path / "best.npz")
    keep.set_model(model)
    keep.on_train_begin()
    told(keep, [9.0, 5.0, 7.0, math.nan])
    again = KeepBest(path=tmp_path / "best.npz", resume=True)
    again.set_model(model)
    again.on_train_begin()
    told(again, [6.0])
    again.on_train_end()
    assert (
        float(model.get_layer("vocabulary").bias[0]) == 2.0 and not (tmp_path / "best.npz").exists()
    )


def test_a_network_for_a_text_knows_its_words_and_takes_dropout_from_the_recipe():
    model = network_for(NAS_CELL, DATA, RECIPES["language"], num_cells=1, filters=3)
    assert model.class_names == DATA.vocabulary and model.get_config()["level"] == "character"
    assert model.get_config()["dropout_rate"] == RECIPES["language"].dropout_rate > 0
    assert "chosen" in RECIPES["language"].source
    with pytest.raises(ValueError, match="has no auxiliary_head"):
        network_for(NAS_CELL, DATA, RECIPES["cifar"])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_of_a_text_is_the_mean_over_its_words(smoothing):
    rng = np.random.default_rng(0)
    probabilities, words = rng.dirichlet(np.ones(7), size=(2, 5)), rng.integers(0, 7, (2, 5))
    right = np.eye(7)[words] * (1 - smoothing) + smoothing / 7
    expected = -(right * np.log(probabilities)).sum(-1).mean()
    assert float(SmoothedCrossentropy(smoothing)(words, probabilities)) == pytest.approx(
        expected, rel=1e-5
    )


def test_the_recipe_of_texts_is_adam_with_its_usual_numbers():
    optimizer = optimizer_for(RECIPES["language"], 0.5)
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon, optimizer.global_clipnorm) == (
        0.9,
        0.999,
        1e-7,
        1.0,
    )


class Interrupted(keras.callbacks.Callback):
    """Breaks a training off when its third epoch begins."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_training_on_a_text_goes_on_and_ends_as_one_that_was_not_interrupted(tmp_path):
    recipe, best = (
        dataclasses.replace(RECIPES["language"], epochs=4, batch_size=4),
        tmp_path / "best.npz",
    )

    def run(*callbacks, resume=False):
        keras.utils.set_random_seed(0)
        model = network_for(NAS_CELL, DATA, recipe, num_cells=1, filters=3)
        batches, validation = recipe_batches(DATA, recipe, seed=1)
        where = dict(folder=tmp_path, resume=resume, checkpoint_seconds=0.0)
        history = train(
            model,
            batches,
            validation,
            recipe,
            **where,
            callbacks=[KeepBest(path=best, resume=resume), *callbacks],
        )
        return history, scores(model, DATA)["perplexity"]

    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(Interrupted())
    history, value = run(resume=True)
    assert len(history["val_perplexity"]) == 4 and not best.exists()
    np.testing.assert_allclose(history["val_perplexity"], whole[0]["val_perplexity"], rtol=1e-4)
    assert value == pytest.approx(whole[1], rel=1e-4)


# ---- the command ----


def mistake(capsys, *arguments):
    """The one line a mistake is answered with."""
    assert main([str(a) for a in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("nasnet-tf: ")
    return lines[0]


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        (
            "digits",
            ("--space", "recurrent"),
            "digits is no text file; recurrent cells are searched and trained on one",
        ),
        (
            "mine.txt",
            (),
            "is a text, but the space nasnet is searched on pictures; add --space recurrent",
        ),
        ("mine.txt", ("--space", "nas-bench-201"), "is a text, but the space nas-bench-201"),
        ("digits", ("--level", "word"), "--level is for a text"),
        ("digits", ("--steps", 5), "--steps is for a text"),
        ("mine.txt", ("--space", "recurrent", "--image-size", 8), "--image-size is for pictures"),
        (
            "mine.txt",
            ("--space", "recurrent", "--max-parameters", 8),
            "--max-parameters is for pictures; recurrent cells of one base cost",
        ),
        (
            "mine.txt",
            ("--space", "recurrent", "--prejudge", "synflow"),
            "--prejudge is for pictures",
        ),
        ("mine.txt", ("--space", "recurrent", "--data-dir", "x"), "--data-dir is for pictures"),
        ("mine.txt", ("--space", "recurrent", "--blocks", 3), "the space recurrent has no blocks"),
        (
            "mine.txt",
            ("--space", "recurrent", "--strategy", "one-shot"),
            "one-shot shares the weights of cells for pictures",
        ),
        (
            "mine.txt",
            ("--space", "recurrent", "--steps", 500),
            "1200 words are too few for windows of 500",
        ),
        (
            "mine.txt",
            ("--space", "recurrent", "--stop-early", "--child-epochs", 2),
            "give --child-epochs 3 or more",
        ),
    ],
)
def test_what_does_not_go_with_a_text_or_with_pictures_is_one_line(
    capsys, tmp_path, data, options, says
):
    source = text(tmp_path) if data == "mine.txt" else data
    assert says in mistake(capsys, "search", source, *options, "--runs-dir", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_other_commands_tell_a_language_model_from_a_network_of_pictures(capsys, tmp_path):
    source, saved, nameless = text(tmp_path), tmp_path / "m.keras", tmp_path / "n.keras"
    tiny().save(saved)
    tiny(class_names=None).save(nameless)
    assert "digits is no text file" in mistake(capsys, "evaluate", saved, "digits")
    assert "does not know the words" in mistake(capsys, "evaluate", nameless, source)
    assert "is a language model, predict names the classes of pictures" in mistake(
        capsys, "predict", source, "--model", saved
    )
    assert "is a text, but nasnet_a is trained on pictures" in mistake(
        capsys, "train", "nasnet_a", "--data", source, "--out", tmp_path / "o.keras"
    )
    assert "digits is no text file" in mistake(
        capsys, "train", "nas_cell", "--data", "digits", "--out", tmp_path / "o.keras"
    )
    assert "train from scratch" in mistake(
        capsys, "train", "--init", saved, "--data", source, "--out", tmp_path / "o.keras"
    )
    assert main(["info", str(saved)]) == 0
    assert "words: 7" in (said := capsys.readouterr().out) and "node 12 = node 8 * node 9" in said
    assert main(["evaluate", str(saved), str(source), "--part", "validation", "--json"]) == 0
    assert (
        json.loads(capsys.readouterr().out)["words"] > 100
    )  # characters of the file, mostly unknown to it


def test_info_counts_a_language_model_of_the_published_cell(capsys):
    assert main(["info", "nas_cell", "--json", "--filters", "100", "--classes", "50"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (
        facts["parameters"] == 50 * 100 + 50 + 2 * 8 * 100 * (100 + 100)
        and "image_size" not in facts
    )


SMALL = (
    "--space",
    "recurrent",
    "--steps",
    "8",
    "--child-images",
    "40",
    "--child-epochs",
    "1",
    "--child-filters",
    "4",
    "--num-cells",
    "1",
)
SMALL += ("--filters", "8", "--epochs", "2", "--strategy", "reinforce")


def table(folder):
    with open(folder / "trials.csv") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.parametrize("level", ["word", "character"])
def test_a_search_from_a_text_to_a_trained_language_model(tmp_path, capsys, level):
    source = text(tmp_path)
    assert (
        main(
            [
                "search",
                str(source),
                "--max-trials",
                "2",
                "--runs-dir",
                str(tmp_path / "runs"),
                "--level",
                level,
                "--json",
                *SMALL,
            ]
        )
        == 0
    )
    result = json.loads(capsys.readouterr().out)
    folder, rows = tmp_path / "runs" / "mine", table(tmp_path / "runs" / "mine")
    assert {path.name for path in folder.iterdir() if path.is_file()} == {
        "best.json",
        "cells.png",
        "config.json",
        "model.keras",
        "report.html",
        "result.json",
        "search.png",
        "trials.csv",
    }
    assert len(rows) == result["trials"] == 4 and ("bits_per_character" in result) == (
        level == "character"
    )
    for row in rows:
        assert float(row["reward"]) == pytest.approx(
            80 / float(row["val_perplexity"]) ** 2, rel=1e-4
        )
    best = min(rows, key=lambda row: float(row["val_perplexity"]))
    assert (
        result["val_perplexity"] == float(best["val_perplexity"])
        and genotypes.load(folder / "best.json").to_json() == best["genotype"]
    )
    assert f"perplexity {result['perplexity']:.2f}" in (folder / "report.html").read_text()
    assert main(["evaluate", str(folder / "model.keras"), str(source), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["perplexity"] == pytest.approx(result["perplexity"])
    assert main(["status", str(folder)]) == 0
    assert f"trained: perplexity {result['perplexity']:.2f}" in capsys.readouterr().out


@pytest.mark.slow
def test_a_found_cell_is_trained_by_the_clock_and_evaluated(tmp_path, capsys):
    NAS_CELL.save(tmp_path / "best.json")
    source, out = text(tmp_path), tmp_path / "m.keras"
    size = (
        "--num-cells",
        "1",
        "--filters",
        "8",
        "--steps",
        "8",
        "--vocabulary",
        "9",
        "--minutes",
        "0.1",
    )
    assert (
        main(
            [
                "train",
                str(tmp_path / "best.json"),
                "--data",
                str(source),
                *size,
                "--out",
                str(out),
                "--json",
            ]
        )
        == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert (
        keras.saving.load_model(out).output_shape == (None, 8, 9) and 1 < result["perplexity"] < 18
    )
    assert not (tmp_path / "m.training" / "best.npz").exists()
