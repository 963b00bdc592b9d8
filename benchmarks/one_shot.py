"""How well accuracy with shared weights ranks children: beside training each of them by itself, on
the bundled digits.

    python benchmarks/one_shot.py [--children 20] [--share-epochs 120] [--epochs 5]
        [--seeds 3] [--out benchmarks/results/one_shot]

Weights are shared twice: among uniformly random children, and as `nasnet-tf search digits
--strategy one-shot` does, among those that a controller proposes while it learns. Then random
children of the space, none of them chosen for its accuracy, are scored with both kinds of shared
weights on the validation images, and trained by themselves `--seeds` times, scored on the test
images. So are the best few of the controller's ranking.

A stand-alone training is one by the supernet's own traced step from fresh weights: to the weights
it uses it is the training of the `Network` of that genotype
(tests/one_shot/test_supernet.py), with SGD,
momentum 0.9, a cosine to 0, and batch norms by the statistics of the batch in scoring as well.

Writes OUT.csv, a row a child, and OUT.json: Spearman's and Kendall's correlation with 95 %
intervals (bootstrap over the children), beside two to compare them with: of one stand-alone
training with the mean of the others, and of the number of parameters.
"""

import argparse
import json
import math
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy import stats

from nasnet_tf import data as datasets
from nasnet_tf.cost import cost
from nasnet_tf.files import write_whole
from nasnet_tf.one_shot.supernet import Supernet
from nasnet_tf.one_shot.weight_sharing import WeightSharing, shuffled
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.strategies import PPO, RandomSearch
from nasnet_tf.training.follow import table

# A space small enough for weights to be shared well in two thousand steps; ENAS took some forty
# thousand larger ones.
OPERATIONS, COMBINATIONS = ("identity", "sep_conv_3x3", "avg_pool_3x3", "max_pool_3x3"), ("add",)
BATCH, RATE = 64, 0.05


def share(supernet, controller, data, given, updates):
    """Shares weights from fresh ones on; returns the search."""
    supernet.renew(given.seed)
    batches = shuffled(data.x_train, data.y_train, BATCH, given.seed)
    sharing = WeightSharing(
        supernet,
        controller,
        batches,
        (data.x_validation, data.y_validation),
        seed=given.seed,
        learning_rate=RATE,
        updates=updates,
    )
    sharing.run(given.share_epochs)
    print(json.dumps({"controller": controller.name, **sharing.history[-1]}), flush=True)
    return sharing


def alone(supernet, point, data, given):
    """Test accuracies of the child after training by itself, one for each seed."""
    found = []
    for seed in range(given.seeds):
        supernet.renew([given.seed, seed])
        batches = shuffled(data.x_train, data.y_train, BATCH, seed)
        steps, step = given.epochs * (len(data.x_train) // BATCH), 0
        for epoch in range(given.epochs):
            for images, labels in batches(epoch):
                supernet.train(
                    images, labels, point, RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
                )
                step += 1
        found.append(supernet.accuracy(data.x_test, data.y_test, point))
    return found


def correlation(a, b, rng, draws=10_000):
    """Spearman's and Kendall's correlation of two lists, each with its 95 % interval by bootstrap
    over the pairs.
    """
    a, b = np.asarray(a), np.asarray(b)
    found = {}
    for name, measure in (("spearman", stats.spearmanr), ("kendall", stats.kendalltau)):
        drawn = [
            measure(a[c], b[c]).statistic
            for c in rng.integers(0, len(a), (draws, len(a)))
            if np.ptp(a[c]) and np.ptp(b[c])
        ]
        found[name] = round(float(measure(a, b).statistic), 3)
        found[f"{name}_95"] = [round(float(q), 3) for q in np.quantile(drawn, (0.025, 0.975))]
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument(
        "--whole-space", action="store_true", help="all 13 operations and both combinations"
    )
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--children", type=int, default=20)
    parser.add_argument("--best", type=int, default=5, help="of the controller's ranking")
    parser.add_argument("--share-epochs", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="benchmarks/results/one_shot")
    given = parser.parse_args()
    data = datasets.load("digits", validation=0.2, seed=given.seed)
    print(data.describe())
    space = (
        NASNetSpace(given.blocks)
        if given.whole_space
        else NASNetSpace(given.blocks, OPERATIONS, COMBINATIONS)
    )
    supernet = Supernet(
        space, data.input_shape, data.classes, filters=given.filters, mean=data.mean, std=data.std
    )
    rng = np.random.default_rng([given.seed, 77])
    points = list(
        {
            space.key(point): point
            for point in (space.random(rng) for _ in range(10 * given.children))
        }.values()
    )[: given.children]

    def scores():
        return [
            round(supernet.accuracy(data.x_validation, data.y_validation, point), 4)
            for point in points
        ]

    share(supernet, RandomSearch(space, given.seed), data, given, updates=0)
    uniform = scores()
    searched = share(supernet, PPO(space, given.seed, elites=0, draws=1), data, given, updates=3)
    controlled, ranking = scores(), searched.rank(100)[: given.best]

    children = [(f"random {n}", point, uniform[n], controlled[n]) for n, point in enumerate(points)]
    children += [
        (f"best {n}", point, None, round(accuracy, 4))
        for n, (point, accuracy) in enumerate(ranking)
    ]
    rows = []
    for name, point, by_uniform, by_controller in children:
        began = time.monotonic()
        accuracies = {
            f"alone_{n}": round(accuracy, 4)
            for n, accuracy in enumerate(alone(supernet, point, data, given))
        }
        parameters = cost(
            space.decode(point),
            1,
            given.filters,
            classes=data.classes,
            input_shape=data.input_shape,
        ).parameters
        rows.append(
            {
                "child": name,
                "shared_uniform": by_uniform,
                "shared_controller": by_controller,
                **accuracies,
            }
        )
        rows[-1] |= {
            "parameters": parameters,
            "seconds": round(time.monotonic() - began, 1),
            "choices": " ".join(map(str, point)),
        }
        print(rows[-1], flush=True)
        write_whole(pathlib.Path(f"{given.out}.csv"), table(rows).encode())
    result = {
        "data": data.describe(),
        **{k: v for k, v in vars(given).items() if k != "out"},
        **summary(rows, given),
    }
    write_whole(pathlib.Path(f"{given.out}.json"), (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result))


def summary(rows, given):
    runs = np.array([[row[f"alone_{n}"] for n in range(given.seeds)] for row in rows])
    runs, best = runs[: given.children], runs[given.children :].mean(1)
    mean, rng = runs.mean(1), np.random.default_rng(0)
    found = {
        "alone_random": {
            "mean": round(float(mean.mean()), 4),
            "least": round(float(mean.min()), 4),
            "most": round(float(mean.max()), 4),
        },
        "alone_best_of_ranking": {
            "mean": round(float(best.mean()), 4),
            "each": [round(float(b), 4) for b in best],
        },
        "better_than_random": f"{round(100 * float(np.mean(best[:, None] > mean)))} % of pairs",
    }
    for name in ("shared_uniform", "shared_controller", "parameters"):
        found[f"{name}_and_alone"] = correlation(
            [row[name] for row in rows[: given.children]], mean, rng
        )
    if given.seeds > 1:
        found["one_training_and_the_others"] = correlation(runs[:, 0], runs[:, 1:].mean(1), rng)
    return found


if __name__ == "__main__":
    main()
