"""How fast the compiled kernels train a network, beside Keras on the same cores in the same run.

    python benchmarks/native_training.py --num-cells 2 --filters 16 --batch-size 64 --json

Both train NASNet-A on the same random images from the same weights by SGD with momentum, with their
steps taken in turn; what is told is the median of each, and how far apart the first losses are.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import keras
import numpy as np

from nasnet_tf.cores import cores
from nasnet_tf.genotype import GENOTYPES
from nasnet_tf.native import NativeNetwork, labels_of
from nasnet_tf.systems import networks

RATE = 1e-3


def measure(num_cells, filters, image_size, batch_size, steps, threads) -> dict:
    """{"keras", "native", ...}: seconds of a step in the median; "losses", the largest relative
    difference of the losses of the first step.
    """
    arguments = dict(
        num_cells=num_cells,
        filters=filters,
        classes=10,
        input_shape=(image_size, image_size, 3),
        weight_decay=5e-4,
        batch_norm_momentum=0.9,
        batch_norm_epsilon=1e-5,
    )
    keras.utils.set_random_seed(0)
    model = networks.build(GENOTYPES["nasnet_a"], **arguments)
    model.compile(keras.optimizers.SGD(RATE, momentum=0.9), "sparse_categorical_crossentropy")
    trained = {}
    for count in threads:
        keras.utils.set_random_seed(0)
        trained[f"native on {count}"] = NativeNetwork(
            GENOTYPES["nasnet_a"], threads=count, **arguments
        )
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch_size, image_size, image_size, 3)).astype("float32")
    labels = rng.integers(0, 10, batch_size)
    times, apart = {name: [] for name in ("keras", *trained)}, 0.0
    for number in range(steps + 1):  # the first traces, and touches memory
        losses = {}
        began = time.perf_counter()
        losses["keras"] = float(model.train_on_batch(images, labels))
        times["keras"].append(time.perf_counter() - began)
        for name, network in trained.items():
            began = time.perf_counter()
            losses[name], _ = network.step(network.prepared(images), labels_of(labels), RATE)
            times[name].append(time.perf_counter() - began)
            if number == 0:  # later ones part as all float32 trainings do
                apart = max(apart, abs(losses[name] / losses["keras"] - 1))
    median = {name: statistics.median(each[1:]) for name, each in times.items()}
    ratios = {
        f"keras / {name}": median["keras"] / median[name] for name in median if name != "keras"
    }
    return {**median, **ratios, "losses": apart, "first keras step": times["keras"][0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-cells", type=int, default=2)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, cores()}))
    parser.add_argument("--json", action="store_true")
    given = vars(parser.parse_args())
    as_json = given.pop("json")
    found = measure(**given)
    if as_json:
        print(json.dumps({**given, **found}))
    else:
        for name, value in found.items():
            print(f"{name:24} {value:.4g}")


if __name__ == "__main__":
    main()
