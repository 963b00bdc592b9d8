"""Do children on pictures of half the side order cells as children on whole pictures do?

    python benchmarks/small_pictures.py [--data FILE.npz] [--cells 20] [--out cells.csv]

NASNet-A, PNASNet-5 and random cells of the NASNet space, as the children of a search (N = 1, F = 8,
3 epochs of 2,000 images), once on the pictures as they are and once averaged down to half the side,
by our kernels on one core. Told are the seconds of a training on the processor, and how well the
accuracies on 1,600 other images agree: Spearman's rank correlation, with 95 % of bootstraps. Beside
them, how well the loss of training orders the cells after some of its steps, for who would stop
children early.
"""

import argparse
import csv
import pathlib
import random
import time

import numpy as np

CIFAR10 = pathlib.Path(__file__).resolve().parents[2] / "shared/data/cifar10"
EPOCHS, BATCH, RATE = 3, 64, 0.05


def halved(images):
    """Means of two by two pixels."""
    count, height, width, channels = images.shape
    even = images[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(count, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def trained(genotype, seed, train, test, classes):
    """(seconds, accuracy, the loss at each step) of a child."""
    from nasnet_tf.native import NativeNetwork

    (x, y), rng = train, np.random.default_rng(seed)
    random.seed(seed)
    began = time.process_time()
    network = NativeNetwork(
        genotype,
        num_cells=1,
        filters=8,
        classes=classes,
        input_shape=x.shape[1:],
        stem="cifar",
        batch_norm_momentum=0.9,
        batch_norm_epsilon=1e-5,
        mean=x.mean((0, 1, 2)),
        std=x.std((0, 1, 2)),
    )
    images, losses, steps = network.prepared(x), [], EPOCHS * -(-len(x) // BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x), BATCH):
            batch = order[start : start + BATCH]
            rate = RATE * (1 + np.cos(np.pi * len(losses) / steps)) / 2
            losses.append(network.step(images[batch], y[batch], rate)[0])
    seconds = time.process_time() - began
    return seconds, network.evaluate(network.prepared(test[0]), test[1])[1], losses


def agreement(one, other, rng, times=2000):
    """(Spearman's correlation, the middle 95 % of bootstraps)."""
    from scipy.stats import spearmanr

    one, other = np.array(one), np.array(other)
    drawn = rng.integers(len(one), size=(times, len(one)))
    found = [spearmanr(one[rows], other[rows])[0] for rows in drawn]
    return spearmanr(one, other)[0], np.nanquantile(found, (0.025, 0.975))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=CIFAR10 / "cifar10_lossless_subset.npz")
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--out", type=pathlib.Path, help="a CSV, a row a cell")
    given = parser.parse_args()
    from nasnet_tf.genotype import NASNET_A, PNASNET_5
    from nasnet_tf.spaces import NASNetSpace

    data, rng, space = np.load(given.data), np.random.default_rng(0), NASNetSpace()
    order = rng.permutation(len(data["x_train"]))
    x, y = data["x_train"].astype("float32"), data["y_train"].reshape(-1).astype("int64")
    train, test = ((x[rows], y[rows]) for rows in (order[:2000], order[2000:3600]))
    drawn = np.random.default_rng(5)
    cells = [NASNET_A, PNASNET_5]
    while len(cells) < given.cells:
        cells.append(space.decode(space.random(drawn)))
    rows, losses = [], []
    for number, cell in enumerate(cells):
        row = {"cell": number}
        for name, sized in (("whole", lambda images: images), ("small", halved)):
            both = ((sized(images), labels) for images, labels in (train, test))
            *found, of_steps = trained(cell, number, *both, int(y.max()) + 1)
            if name == "whole":
                losses.append(of_steps)
            row |= dict(zip((f"{name}_seconds", f"{name}_accuracy"), found, strict=True))
        rows.append(row)
        print(*(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    correlation, (low, high) = agreement(
        columns["whole_accuracy"], columns["small_accuracy"], np.random.default_rng(0)
    )
    seconds = {name: np.mean(columns[f"{name}_seconds"]) for name in ("whole", "small")}
    print(f"{seconds['whole']:.1f} s and {seconds['small']:.1f} s a child on a core;", end=" ")
    print(f"Spearman {correlation:.2f} ({low:.2f} to {high:.2f}) of {len(rows)} cells")
    for steps in (16, 32, 64, 96):
        late = [-np.mean(each[steps // 2 : steps]) for each in losses]
        found, _ = agreement(columns["whole_accuracy"], late, np.random.default_rng(0))
        print(f"loss of training after {steps} steps: Spearman {found:.2f}")
    if given.out:
        with open(given.out, "w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
