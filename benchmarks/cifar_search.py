"""A real search on CIFAR-10 with equal budgets: the curve that figure 6 of Zoph et al. 2017 (arXiv
1707.07012) draws.

    python benchmarks/cifar_search.py [--children 30] [--seeds 3]
        [--strategies auto,ppo,aging-evolution,random] [--side 16]

Children: five blocks, N = 1, F = 8, 3 epochs of 2,000 images, judged by 1,500 others; exact pixels,
averaged down to 16 x 16 so that it fits in three CPU hours. Two searches at a time, a core each.
Written as results/cifar_search.csv (a row a child) and .png: the best so far, and the mean of the
best five so far, over the seeds, with standard errors.
"""

import argparse
import concurrent.futures
import csv
import itertools
import os
import pathlib
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from cifar10 import FOLDER

from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.tuners import CellHyperModel, StrategySearch

RESULTS = pathlib.Path(__file__).parent / "results"


def images(side):
    """Training and validation images of the exact subset, averaged down to `side` pixels, and their
    labels.
    """
    with np.load(FOLDER / "cifar10_lossless_subset.npz") as file:
        x, y = file["x_train"], file["y_train"].reshape(-1)
    small = (
        x.reshape(len(x), side, 32 // side, side, 32 // side, 3)
        .mean((2, 4))
        .round()
        .astype("uint8")
    )
    order = np.random.default_rng(0).permutation(len(x))
    train, held_out = order[:2000], order[2000:3500]
    return small[train], y[train], (small[held_out], y[held_out])


def accuracies(strategy, seed, given):
    """Validation accuracies of the children of one search, in the order they were asked for."""
    x, y, held_out = images(given.side)
    pixels = x.reshape(-1, 3).astype("float32")
    child = CellHyperModel(
        x.shape[1:],
        10,
        space=NASNetSpace(5),
        num_cells=1,
        filters=8,
        mean=tuple(pixels.mean(0)),
        std=tuple(pixels.std(0)),
        batch_norm_momentum=0.9,
        batch_norm_epsilon=1e-5,
    )
    with tempfile.TemporaryDirectory() as folder:
        tuner = StrategySearch(
            child,
            "val_accuracy",
            given.children,
            strategy=strategy,
            seed=seed,
            threads=1,
            directory=folder,
            project_name="s",
        )
        tuner.search(x, y, validation_data=held_out, epochs=3, batch_size=64, verbose=0)
    trials = [
        trial for _, trial in sorted(tuner.oracle.trials.items(), key=lambda item: int(item[0]))
    ]
    return [trial.score if trial.status == "COMPLETED" else np.nan for trial in trials]


def top(scores, count):
    """Mean of the best `count` so far, after each child."""
    return np.array([np.sort(scores[:n])[::-1][:count].mean() for n in range(1, len(scores) + 1)])


def picture(found, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.2), sharey=True)
    for axis, count in zip(axes, (1, 5), strict=True):
        for strategy, runs in found.items():
            curves = np.array([top(np.nan_to_num(run), count) for run in runs])
            mean, error = curves.mean(0), curves.std(0, ddof=1) / len(curves) ** 0.5
            axis.plot(range(1, len(mean) + 1), 100 * mean, label=strategy)
            axis.fill_between(
                range(1, len(mean) + 1), 100 * (mean - error), 100 * (mean + error), alpha=0.2
            )
        axis.set(
            xlabel="children",
            title="best so far" if count == 1 else f"mean of the best {count} so far",
        )
    axes[0].set_ylabel("validation accuracy of the child, %")
    axes[1].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--children", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strategies", default="auto,ppo,aging-evolution,random")
    parser.add_argument("--side", type=int, default=16, choices=(8, 16, 32))
    given = parser.parse_args()
    began, jobs = (
        time.monotonic(),
        list(itertools.product(given.strategies.split(","), range(given.seeds))),
    )
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = dict(zip(jobs, pool.map(lambda job: accuracies(*job, given), jobs), strict=True))
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / "cifar_search.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["strategy", "seed", "child", "val_accuracy"])
        table.writerows(
            [*job, child, round(float(score), 4)]
            for job, run in runs.items()
            for child, score in enumerate(run)
        )
    found = {
        strategy: [run for (name, _), run in runs.items() if name == strategy]
        for strategy, _ in runs
    }
    picture(found, RESULTS / "cifar_search.png")
    for strategy, scores in found.items():
        ends = np.array(
            [[top(np.nan_to_num(run), count)[-1] for count in (1, 5)] for run in scores]
        )
        means, errors = 100 * ends.mean(0), 100 * ends.std(0, ddof=1) / len(ends) ** 0.5
        print(
            f"{strategy}: best {means[0]:.2f} +- {errors[0]:.2f}, best five {means[1]:.2f} +-"
            f" {errors[1]:.2f}"
        )
    print(f"{(time.monotonic() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
