"""The reward stays the reward: children by compiled kernels beside children by Keras, over random
cells on the digits.

    python benchmarks/rewards.py [--cells 30] [--epochs 3] [--workers 2] [--json]

Rank correlations (Spearman) of validation accuracies: ours with Keras', from the same seed and from
another; Keras' with Keras' from another seed. Batches come in another order even from the same
seed. Processes with a thread each.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import keras_tuner
import numpy as np
from scipy.stats import spearmanr

from nasnet_tf import data as datasets
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.tuners import CellHyperModel
from nasnet_tf.tuners.search import train_child

_PAIRS = {
    "ours beside Keras, same seed": ("ours 0", "keras 0"),
    "ours beside Keras, another seed": ("ours 0", "keras 1"),
    "ours beside ours, another seed": ("ours 0", "ours 1"),
    "Keras beside Keras, another seed": ("keras 0", "keras 1"),
}


def accuracy(job):
    """Validation accuracy of one child."""
    point, native, seed, epochs = job
    data, space = datasets.load("digits", validation=0.2, seed=0), NASNetSpace(5)
    child = CellHyperModel(
        data.input_shape, data.classes, space=space, native=native,
        mean=data.mean, std=data.std, batch_norm_momentum=0.9, batch_norm_epsilon=1e-5,
    )  # fmt: skip
    hp = keras_tuner.HyperParameters()
    child.declare_hyperparameters(hp)
    hp.values.update(space.values(point))
    with tempfile.TemporaryDirectory() as folder:
        figures, _ = train_child(
            child,
            hp,
            seed,
            "float32",
            folder,
            data.x_train,
            data.y_train,
            epochs=epochs,
            batch_size=64,
            validation_data=(data.x_validation, data.y_validation),
        )
    return figures["val_accuracy"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    space, rng = NASNetSpace(5), np.random.default_rng(0)
    points = [space.random(rng) for _ in range(given.cells)]
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    with multiprocessing.get_context("spawn").Pool(given.workers, maxtasksperchild=8) as pool:
        jobs = list(itertools.product(points, (True, False), (0, 1), [given.epochs]))
        found = np.reshape(pool.map(accuracy, jobs, chunksize=1), (given.cells, 2, 2))
    by_name = {
        f"{who} {seed}": found[:, way, seed]
        for way, who in enumerate(("ours", "keras"))
        for seed in (0, 1)
    }
    result = {
        name: round(float(spearmanr(by_name[one], by_name[other])[0]), 3)
        for name, (one, other) in _PAIRS.items()
    }
    result |= {f"mean, {name}": round(float(values.mean()), 4) for name, values in by_name.items()}
    print(
        json.dumps(result)
        if given.json
        else "\n".join(f"{name}: {value}" for name, value in result.items())
    )


if __name__ == "__main__":
    main()
