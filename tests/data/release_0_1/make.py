"""Writes what tests/test_release_0_1.py opens: small files of every kind that 0.1.0 writes.

Run at commit 32ab0e5: PYTHONPATH=.:tests python tests/data/release_0_1/make.py
The files stay as they were written then: those of a later version would show nothing.
"""

import contextlib
import dataclasses
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from functools import partial

import keras
import numpy as np
from nasnet_tf import genotype as genotypes
from nasnet_tf import networks, spaces, strategies, training

import test_release_0_1 as told

HERE = pathlib.Path(__file__).parent
SIZE = dict(num_cells=1, filters=2, input_shape=(8, 8, 3), classes=3)


def main():
    for name in sys.argv[1:] or ["proposals", "genotypes", "recipe", "networks", "searches", "training"]:
        globals()[f"write_{name}"]()


def write(name, value):
    """A JSON file: an object's values each in a line of their own."""
    lines = [f"{json.dumps(key)}: {json.dumps(part)}" for key, part in value.items()]
    (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def random_point(space, seed=0):
    return space.decode(space.random(np.random.default_rng(seed)))


# ---- proposals, genotypes, recipes ----


def write_proposals():
    found = {}
    for one in strategies.STRATEGIES:
        for other in filter(partial(told.fits, one), spaces.SPACES):
            found[f"{one} in {other}"] = told.proposals(one, other, told.SOON.get(one, {}))
    write("proposals", found)
    write("proposals_by_default", {name: told.by_default(name) for name in strategies.STRATEGIES})


def write_genotypes():
    (HERE / "genotypes").mkdir(exist_ok=True)
    made = dict(genotypes.NAMED)
    for name, make in spaces.SPACES.items():
        made[f"of_{name}".replace("-", "_")] = random_point(make())
    made["dna_start"] = spaces.DNASpace().decode(spaces.DNASpace().first)
    block = genotypes.Block(0, "conv_1x1", 1, "max_pool_3x3")
    made["tiny"] = genotypes.Genotype(*[genotypes.Cell((block,), (2,))] * 2)
    for name, genotype in made.items():
        genotype.save(HERE / "genotypes" / f"{name}.json")
    write("keys", {name: genotype.canonical_key() for name, genotype in made.items()})
    write("kinds", {name: kind.__name__ for name, kind in genotypes.KINDS.items()})


def write_recipe():
    fields = dict(
        epochs=4,
        batch_size=8,
        optimizer="rmsprop",
        momentum=0.8,
        rho=0.95,
        epsilon=0.5,
        clip_norm=None,
        learning_rate=0.3,
        schedule="exponential",
        decay_rate=0.9,
        decay_epochs=1.5,
        warmup_epochs=0.5,
        weight_decay=1e-4,
        label_smoothing=0.1,
        average_weights=0.99,
        auxiliary_weight=0.4,
        drop_path_rate=0.2,
        dropout_rate=0.3,
        batch_norm_momentum=0.95,
        augmentation="inception",
        cutout=2,
        class_weights="balanced",
        freeze_until="reduction_cell_0",
        freeze_batch_norms=True,
        head_epochs=1,
        head_learning_rate=0.1,
        dtype="mixed_bfloat16",
        gradient_checkpointing=True,
        source="none",
    )
    assert set(fields) == {field.name for field in dataclasses.fields(training.Recipe)}
    (HERE / "recipe.json").write_text(training.Recipe(**fields).to_json())


# ---- networks ----


def systems():
    """{name: (genotype, arguments)} of a network of each system, or two."""
    cell = genotypes.NASNET_A
    whole = dict(SIZE, stem="imagenet", filters=4, input_shape=(81, 81, 3), residual=True, auxiliary_head=True)
    picture = dict(mean=[120.0, 110.0, 100.0], std=[60.0, 61.0, 62.0], class_names=["a", "b", "c"])
    block = genotypes.Block(0, "conv_1x1", 1, "max_pool_3x3")
    tiny = genotypes.Genotype(*[genotypes.Cell((block,), (2,))] * 2)
    layers = dict(SIZE, filters=3)
    return {
        "nasnet_a": (cell, SIZE),
        "amoebanet_a": (genotypes.AMOEBANET_A, SIZE),
        "darts": (random_point(spaces.DARTSSpace()), dict(SIZE, drop_path_rate=0.2, dropout_rate=0.1)),
        "pnas": (random_point(spaces.PNASSpace()), dict(SIZE, skip_reduction=True, **picture)),
        "pnas_pooled": (random_point(spaces.PNASSpace(2), 1), dict(SIZE, include_top=False, pooling="avg")),
        "imagenet_stem": (tiny, whole | picture | dict(classes=2, class_names=["a", "b"])),
        "half_precision": (tiny, dict(SIZE, dtype="mixed_bfloat16")),
        "zero_padded": (tiny, dict(SIZE, zero_padded_pools=True, gradient_checkpointing=True)),
        "nas_bench_201": (random_point(spaces.NASBench201Space()), dict(SIZE, **picture)),
        "hierarchical": (random_point(spaces.HierarchicalSpace((3, 1), (3, 4))), SIZE),
        "hierarchical_flat": (random_point(spaces.HierarchicalSpace((1,), (5,)), 3), dict(SIZE, stem="imagenet", filters=4)),
        "layerwise": (random_point(spaces.LayerwiseSpace(4, pooling=True)), layers),
        "layerwise_strides": (random_point(spaces.LayerwiseSpace(4, strides=True)), dict(layers, num_cells=2)),
        "recurrent": (genotypes.NAS_CELL, dict(SIZE, input_shape=(5,), num_cells=2, classes=7, filters=3)),
        "recurrent_untied": (
            random_point(spaces.RecurrentSpace(4)),
            dict(SIZE, input_shape=(None,), classes=7, tied=False, use_bias=True, dropout_rate=0.2, level="character"),
        ),
        "dna": (random_point(spaces.DNASpace(), 3), dict(input_shape=(8, 8, 3), classes=3)),
    }


def stir(model, seed):
    """Changes every weight, averages of batch norms too, to one of few digits, which packs well."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed_generator" not in variable.path:
            value = np.asarray(variable, "float32") + rng.uniform(0.0, 0.2, variable.shape)
            variable.assign(np.round(32 * value) / 32)


def keep(name, model, arrays, rng, folder):
    """Saves the model, and what it gives for some input."""
    shape = [2, *(side or 6 for side in model.input_shape[1:])]
    words = len(shape) == 2
    numbers = rng.integers(0, 7 if words else 9, shape)
    arrays[f"{name}/input"] = numbers if words else numbers.astype("float32") / 4
    arrays[f"{name}/output"] = told.outputs(model, arrays[f"{name}/input"])
    model.save(folder / f"{name}.keras")


def write_networks():
    made, arrays, rng = {}, {}, np.random.default_rng(told.SEED)
    with tempfile.TemporaryDirectory() as parent:
        folder = pathlib.Path(parent, "networks")
        folder.mkdir()
        for number, (name, (genotype, arguments)) in enumerate(systems().items()):
            keras.utils.set_random_seed(number)
            model = networks.build(genotype, **arguments)
            stir(model, number)
            keep(name, model, arrays, rng, folder)
            model.save_weights(folder / f"{name}.weights.h5")
            made[name] = dict(genotype=json.loads(genotype.to_json()), arguments=arguments)
        for name, model in others():
            keep(name, model, arrays, rng, folder)
            made[name] = dict(steps=int(model.optimizer.iterations) if model.compiled else None)
        pack(folder)
    np.savez_compressed(HERE / "networks.npz", **arrays)
    write("networks", made)


def others():
    """(name, model) of networks that were cut, frozen, put behind another layer or trained."""
    found = systems()
    for name in ("nasnet_a", "nas_bench_201", "hierarchical", "recurrent", "dna"):
        keras.utils.set_random_seed(told.SEED)
        genotype, arguments = found[name]
        model = networks.build(genotype, **arguments)
        stir(model, told.SEED)
        yield f"cut_{name}", keras.Model(model.input, model.layers[-2].output)
    tiny = found["half_precision"][0]
    frozen = networks.build(tiny, **SIZE)
    stir(frozen, 1)
    training.freeze(frozen, "reduction_cell_1", True)
    yield "frozen", frozen
    image = keras.Input((8, 8, 3))
    before = keras.layers.Rescaling(2.0)(image)
    behind = networks.build(tiny, **dict(SIZE, input_shape=None), input_tensor=before)
    stir(behind, 2)
    yield "behind_a_layer", behind
    for optimizer in ("sgd", "rmsprop", "adam"):
        more = dict(average_weights=0.9, label_smoothing=0.1)
        recipe = training.Recipe(epochs=1, batch_size=4, optimizer=optimizer, **more)
        yield (f"trained_{optimizer}", fitted(tiny, recipe, SIZE, np.zeros((8, 8, 8, 3), np.float32), np.arange(8) % 3))
    words = np.arange(40).reshape(8, 5) % 7
    language = training.Recipe(epochs=1, batch_size=4, optimizer="adam", augmentation="none")
    yield ("trained_language", fitted(*found["recurrent"][:1], language, found["recurrent"][1], words, words))


def fitted(genotype, recipe, size, x, y):
    import tensorflow as tf

    keras.utils.set_random_seed(told.SEED)
    model = networks.build(genotype, **size)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(recipe.batch_size)
    training.train(model, data, data, recipe)
    return model


# ---- searches and trainings that are stopped ----


def pack(folder):
    """The files of a folder as a zip of its name, without pictures and pages."""
    path = HERE / f"{folder.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in (".png", ".html"):
                archive.write(path, path.relative_to(folder.parent))


def write_searches():
    found, arrays = {}, {}
    for name in told.SEARCHES:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = told.searched(told.project(name, folder))
        with tempfile.TemporaryDirectory() as folder:
            with contextlib.suppress(KeyboardInterrupt):
                told.searched(told.project(name, folder, ends=told.STOPPED))
            pack(pathlib.Path(folder, name))
    rng = np.random.default_rng(told.SEED)
    images, labels = rng.random((12, 8, 8, 1), np.float32), np.arange(12) % 3
    for name in ("children_native", "children_keras"):
        with tempfile.TemporaryDirectory() as folder:
            tuner = told.children(name, folder)
            tuner.search(images, labels, validation_data=(images, labels), epochs=1, verbose=0)
            arrays[f"{name}/input"] = images[:2]
            arrays[f"{name}/output"] = told.outputs(tuner.get_best_models(1)[0], images[:2])
            found[name] = tuner.get_best_genotypes(1)[0].to_json()
            pack(pathlib.Path(folder, name))
    with tempfile.TemporaryDirectory() as folder:
        found["digits"] = stopped_digits(folder)
        pack(pathlib.Path(folder, "digits"))
    np.savez_compressed(HERE / "children.npz", **arrays)
    write("searches", found)


def stopped_digits(folder):
    """How many trials of a search of the command line had ended when it was interrupted."""
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from nasnet_tf.cli import main; sys.exit(main())"
    process = subprocess.Popen([sys.executable, "-c", code, *told.DIGITS, "--runs-dir", folder])
    search = pathlib.Path(folder, "digits", "search")
    while process.poll() is None and not ((search / "trials.log").exists() and told.ended(search)):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    return len(told.ended(search))


def write_training():
    with tempfile.TemporaryDirectory() as folder:
        write("training", told.trained(pathlib.Path(folder, "whole")))
        stopped = pathlib.Path(folder, "training")
        with contextlib.suppress(KeyboardInterrupt):
            told.trained(stopped, stop=2)
        shutil.rmtree(stopped / "tensorboard", ignore_errors=True)
        pack(stopped)


if __name__ == "__main__":
    main()
