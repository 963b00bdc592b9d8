"""NASNet-A mobile beside `keras.applications.NASNetMobile` in one run: building, loading a `.keras`
file, a training step on CPU.

    python benchmarks/zoo.py [--json]

Each is done in turns, ours and theirs, and the medians are compared: ratios above 1 say ours is
quicker.
"""

import argparse
import json
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from nasnet_tf.zoo import NASNetA

BUILDERS = {
    "ours": lambda: NASNetA("mobile"),
    "keras.applications": lambda: keras.applications.NASNetMobile(weights=None),
}


def seconds(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def in_turns(functions, rounds):
    """{name: median seconds} of functions that are called one after the other, `rounds` times,
    after one round that is not counted.
    """
    times = {name: [] for name in functions}
    for number in range(rounds + 1):
        for name, function in functions.items():
            taken = seconds(function)
            if number:
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def building(rounds):
    return in_turns(BUILDERS, rounds)


def loading(models, rounds):
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            name: pathlib.Path(folder) / f"{number}.keras" for number, name in enumerate(models)
        }
        for name, model in models.items():
            model.save(paths[name])
        return in_turns(
            {name: lambda path=path: keras.saving.load_model(path) for name, path in paths.items()},
            rounds,
        )


def stepping(models, rounds, batch=8):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(batch, 224, 224, 3)).astype("float32"), rng.integers(0, 1000, batch)
    for model in models.values():
        model.compile(keras.optimizers.SGD(0.001, momentum=0.9), "sparse_categorical_crossentropy")
    return in_turns(
        {name: lambda model=model: model.train_on_batch(x, y) for name, model in models.items()},
        rounds,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    models = {name: build() for name, build in BUILDERS.items()}
    measured = {
        "build": building(given.rounds),
        "load": loading(models, given.rounds),
        "training step, batch 8, 224 px": stepping(models, given.rounds),
    }
    for what, times in measured.items():
        times["ratio"] = times["keras.applications"] / times["ours"]
        if not given.json:
            print(
                f"{what}: ours {times['ours']:.3f} s, keras.applications"
                f" {times['keras.applications']:.3f} s, ratio {times['ratio']:.2f}"
            )
    if given.json:
        print(json.dumps(measured))


if __name__ == "__main__":
    main()
