"""How well the predictor of `auto` orders really trained NASNet-space cells, and what it finds
among them beside random search.

    python benchmarks/lanas.py lanas_trace.jsonl.gz [--runs 50] [--json]

The file: 5,402 cells of seven blocks that a distributed search trained on CIFAR-10
(github.com/facebookresearch/LaMCTS, CC BY-NC 4.0), a JSON object a line with `code` (28 integers:
two operations and two inputs a block) and `acc` (%, best test accuracy; 0 is a failed run, left
out). The search that chose them was no random one. What is found is restricted to these cells.
"""

import argparse
import gzip
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import spearmanr

from nasnet_tf.spaces import CategoricalSpace, Decision
from nasnet_tf.strategies import Auto, RandomSearch
from nasnet_tf.strategies.gaussian_process import GaussianProcess, normal_scores
from nasnet_tf.strategies.traits import traits_of

OPERATIONS = [f"operation {number}" for number in range(4)]
SPACE = CategoricalSpace(
    [Decision(f"operation_{number}", OPERATIONS) for number in range(14)]
    + [Decision(f"input_{number}", range(number // 2 + 2)) for number in range(14)]
)
_AFTER = (20, 30, 50, 100)


def read(path):
    """(points, accuracies) of the distinct cells that were trained; a block's two halves in one
    order.
    """
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    found = {}
    for row in rows:
        halves = [
            sorted([(row["code"][2 * b + side], row["code"][14 + 2 * b + side]) for side in (0, 1)])
            for b in range(7)
        ]
        if row["acc"] > 0:
            flat = [half for pair in halves for half in pair]
            found.setdefault((*(o for o, _ in flat), *(i for _, i in flat)), row["acc"])
    return np.array(list(found)), np.array(list(found.values()))


def correlation(points, accuracies, training, seed):
    """Spearman of predicted and true accuracy on the cells that the process has not seen."""
    order = np.random.default_rng(seed).permutation(len(points))
    seen, held_out = order[:training], order[training:]
    process = GaussianProcess(SPACE.sizes, traits=traits_of(SPACE))
    values = normal_scores(accuracies[seen])
    process.fit(points[seen], values, 30)
    process.condition(points[seen], values)
    return spearmanr(process.predict(points[held_out])[0], accuracies[held_out])[0]


def found(kind, points, accuracies, budget, seed):
    """Best accuracy after each of `budget` cells of the table: of those left, the one that the
    strategy's predictor promises most of.
    """
    strategy, rng = kind(SPACE, seed), np.random.default_rng(seed)
    left, best = list(rng.permutation(len(points))), []
    for _ in range(budget):
        predictor = getattr(strategy, "predictor", None)
        place = 0
        if predictor is not None and len(predictor.archive) >= predictor.first:
            place = int(predictor._improvement(points[left]).argmax())
        cell = left.pop(place)
        strategy.observe(points[cell], accuracies[cell])
        best.append(max(accuracies[cell], best[-1] if best else 0.0))
    return best


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trace")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    points, accuracies = read(given.trace)
    rhos = [correlation(points, accuracies, 200, seed) for seed in range(given.runs)]
    result = {
        "cells": len(points),
        "spearman_200": {"mean": np.mean(rhos), "sem": np.std(rhos) / len(rhos) ** 0.5},
    }
    for kind in (Auto, RandomSearch):
        curves = np.array(
            [found(kind, points, accuracies, 100, seed) for seed in range(given.runs)]
        )
        result[kind.name] = {str(n): curves[:, n - 1].mean() for n in _AFTER}
        result[kind.name]["sem_100"] = curves[:, -1].std() / len(rhos) ** 0.5
    if given.json:
        print(json.dumps(result))
        return
    rho = result["spearman_200"]
    print(
        f"{len(points)} cells; Spearman on held-out cells after 200: {rho['mean']:.3f} +-"
        f" {rho['sem']:.3f}"
    )
    for name in (Auto.name, RandomSearch.name):
        row = result[name]
        best = ", ".join(f"{row[str(n)]:.2f}" for n in _AFTER)
        print(f"{name}: best accuracy after {_AFTER} cells: {best} +- {row['sem_100']:.2f}")


if __name__ == "__main__":
    main()
