"""Children an hour: a search of ours beside Keras Tuner building, tracing and training the same
children, in one run.

    python benchmarks/search.py [--data digits] [--children 6] [--epochs 2] [--num-cells 1]
        [--filters 8] [--json]
    python benchmarks/search.py --memory 200

Both train the same random cells (five blocks, 13 operations) on the same images with the same
epochs and batch. Keras Tuner's own `Tuner` trains them one after the other with all cores; ours two
side by side with a core each, as `nasnet-tf search` does with its baseline. Medians over the
children, of seconds from one child's end to the next one's; the first of ours, for which the
workers start, is left out. "First step": from asking for a child to the end of its first step, in a
process that has trained another cell before.

With --memory, children are searched by one worker, and its resident memory after the tenth and at
most after that is told.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import keras_tuner
import numpy as np

from nasnet_tf import data as datasets
from nasnet_tf.native import labels_of
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.strategies import OneShot
from nasnet_tf.tuners import CellHyperModel, StrategySearch


class Listed(keras_tuner.Oracle):
    """Proposes the points of a list."""

    def __init__(self, space, points, **kwargs):
        super().__init__(objective="val_accuracy", max_trials=len(points), **kwargs)
        self.listed = [space.values(point) for point in points]

    def populate_space(self, trial_id):
        return {"status": "RUNNING", "values": self.listed[int(trial_id)]}


class Timed:
    """Notes when each trial ended."""

    def __init__(self):
        self.began, self.ends = time.monotonic(), []

    def each(self):
        """Seconds of each child."""
        return np.diff([self.began, *self.ends]).tolist()


def plain(child, points, job, folder):
    """Keras Tuner as it comes."""
    clock = Timed()

    class Tuner(keras_tuner.Tuner):
        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            clock.ends.append(time.monotonic())

    tuner = Tuner(Listed(child.space, points), child, directory=folder, project_name="plain")
    tuner.search(**job)
    return clock, scores(tuner)


def ours(child, points, job, folder, name, done):
    """Our tuner, in a worker with one thread."""
    clock = Timed()

    def listed(space, seed=0):
        return OneShot(space, seed, ranking=[list(point) for point in points])

    tuner = StrategySearch(
        child,
        "val_accuracy",
        len(points),
        strategy=listed,
        threads=1,
        directory=folder,
        project_name=name,
    )
    tuner.oracle.on_end = lambda trial: clock.ends.append(time.monotonic())
    tuner.search(**job)
    done[name] = clock, scores(tuner)


def first_step(child, points, job):
    """Seconds from asking for the second child to the end of its first step."""
    seconds = []
    for point in points[:2]:
        began = time.monotonic()
        hp = keras_tuner.HyperParameters()
        child.declare_hyperparameters(hp)
        hp.values.update(child.space.values(point))
        network = child.build_native(hp, (), job)
        size = job["batch_size"]
        network.step(network.prepared(job["x"][:size]), labels_of(job["y"][:size]), 0.05)
        seconds.append(time.monotonic() - began)
    return seconds[1]


def memory(child, job, trials, folder):
    """Megabytes of the worker after each child."""
    sizes = []
    tuner = StrategySearch(
        child,
        "val_accuracy",
        trials,
        strategy="auto",
        threads=1,
        seed=0,
        directory=folder,
        project_name="memory",
    )
    tuner.oracle.on_end = lambda trial: sizes.append(tuner.worker.memory_mb)
    tuner.search(**job)
    return sizes


def scores(tuner):
    """val_accuracy by trial, in order; None for a failed one."""
    return [
        trial.score
        for _, trial in sorted(tuner.oracle.trials.items(), key=lambda item: int(item[0]))
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="digits", help="as in nasnet-tf search")
    parser.add_argument("--images", type=int, default=5000, help="at most, to train on")
    parser.add_argument("--children", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--num-cells", type=int, default=1)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=int, metavar="CHILDREN")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    data = datasets.load(given.data, validation=0.2, seed=given.seed)
    space, rng = NASNetSpace(5), np.random.default_rng(given.seed)
    points = [space.random(rng) for _ in range(given.children)]

    def child(native):
        return CellHyperModel(
            data.input_shape,
            data.classes,
            space=space,
            num_cells=given.num_cells,
            filters=given.filters,
            native=native,
            mean=data.mean,
            std=data.std,
            batch_norm_momentum=0.9,
            batch_norm_epsilon=1e-5,
        )

    job = dict(
        x=data.x_train[: given.images],
        y=data.y_train[: given.images],
        validation_data=(data.x_validation, data.y_validation),
        epochs=given.epochs,
        batch_size=given.batch_size,
        verbose=0,
    )
    if given.memory:
        with tempfile.TemporaryDirectory() as folder:
            sizes = memory(child(True), job, given.memory, folder)
        result = {
            "children": len(sizes),
            "after_ten_mb": round(sizes[9]),
            "at_most_mb": round(max(sizes[10:])),
        }
        print(json.dumps(result) if given.json else result)
        return
    with tempfile.TemporaryDirectory() as folder:
        done = {}
        sides = [
            threading.Thread(
                target=ours, args=(child(True), points[side::2], job, folder, f"ours_{side}", done)
            )
            for side in (0, 1)
        ]
        for side in sides:
            side.start()
        for side in sides:
            side.join()
        theirs, their_scores = plain(child(False), points, job, folder)
    each = [seconds for clock, _ in done.values() for seconds in clock.each()[1:]]
    firsts = [clock.each()[0] for clock, _ in done.values()]
    ours_median, theirs_median = statistics.median(each) / 2, statistics.median(theirs.each())
    result = {
        "data": data.describe(),
        **{name: value for name, value in vars(given).items() if name not in ("data", "json")},
        "keras_tuner_seconds_a_child": round(theirs_median, 2),
        "our_seconds_a_child": round(ours_median, 2),
        "ratio": round(theirs_median / ours_median, 1),
        "our_first_child_seconds": round(max(firsts), 1),
        "our_second_child_first_step_seconds": round(first_step(child(True), points, job), 2),
        "keras_tuner_val_accuracy": [round(float(score), 4) for score in their_scores],
        "our_val_accuracy": [
            round(float(score), 4)
            for pair in zip(done["ours_0"][1], done["ours_1"][1], strict=False)
            for score in pair
        ],
    }
    print(
        json.dumps(result)
        if given.json
        else "\n".join(f"{name}: {value}" for name, value in result.items())
    )


if __name__ == "__main__":
    main()
