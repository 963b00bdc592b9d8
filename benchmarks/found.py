"""What more children are worth: the cell of a search of the digits, scaled up and trained again.

    python benchmarks/found.py [--seconds 270] [--child-epochs 3] [--few 8] [--seeds 3] [--json]

Each seed searches for so many seconds with one worker, as `nasnet-tf search digits` does beside its
baseline. The best cell of all children and the best of the first few (as many as Keras traces and
trains in that time) are each trained again, three times from other initial weights, as networks of
N = 2, F = 16 for 12 epochs. Mean validation accuracy of these, with standard error over the
searches.
"""

import argparse
import json
import os
import random
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from nasnet_tf import data as datasets
from nasnet_tf.native import NativeNetwork
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.tuners import CellHyperModel, StrategySearch


def searched(data, seed, given):
    """The tuner after its search."""
    child = CellHyperModel(
        data.input_shape, data.classes, space=NASNetSpace(5), num_cells=1, filters=8,
        mean=data.mean, std=data.std, batch_norm_momentum=0.9, batch_norm_epsilon=1e-5,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        tuner = StrategySearch(
            child,
            "val_accuracy",
            None,
            strategy=given.strategy,
            seed=seed,
            threads=1,
            directory=folder,
            project_name="s",
        )
        end = time.monotonic() + given.seconds
        tuner.oracle.should_stop = lambda: time.monotonic() > end
        tuner.search(
            data.x_train,
            data.y_train,
            validation_data=(data.x_validation, data.y_validation),
            epochs=given.child_epochs,
            batch_size=64,
            verbose=0,
        )
    return tuner


def retrained(data, genotype):
    """Validation accuracy of the scaled-up network, one for each of three initial weights."""
    found = []
    for seed in range(3):
        random.seed(seed)
        network = NativeNetwork(
            genotype,
            num_cells=2,
            filters=16,
            classes=data.classes,
            input_shape=data.input_shape,
            mean=data.mean,
            std=data.std,
            batch_norm_momentum=0.9,
            batch_norm_epsilon=1e-5,
        )
        held_out = data.x_validation, data.y_validation
        found.append(
            network.fit(data.x_train, data.y_train, 32, 12, validation_data=held_out).history[
                "val_accuracy"
            ][-1]
        )
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=270)
    parser.add_argument("--strategy", default="auto")
    parser.add_argument("--child-epochs", type=int, default=3)
    parser.add_argument("--few", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    data, rows = datasets.load("digits", validation=0.2, seed=0), []
    for seed in range(given.seeds):
        tuner = searched(data, seed, given)
        trials = [trial for trial in tuner.oracle.trials.values() if trial.status == "COMPLETED"]
        best = [max(some, key=lambda trial: trial.score) for some in (trials[: given.few], trials)]
        accuracies = [
            retrained(data, tuner.hypermodel.genotype(trial.hyperparameters)) for trial in best
        ]
        rows.append(
            {
                "seed": seed,
                "children": len(trials),
                "rewards": [trial.score for trial in best],
                "retrained": accuracies,
            }
        )
        if not given.json:
            print(rows[-1], flush=True)
    means = np.array([[np.mean(found) for found in row["retrained"]] for row in rows])
    errors = means.std(0, ddof=1) / len(means) ** 0.5 if len(means) > 1 else np.full(2, np.nan)
    result = {
        name: {"mean": round(m, 4), "sem": round(e, 4)}
        for name, m, e in zip(("few", "all"), means.mean(0), errors, strict=True)
    }
    print(json.dumps({"rows": rows, **result}) if given.json else result)


if __name__ == "__main__":
    main()
