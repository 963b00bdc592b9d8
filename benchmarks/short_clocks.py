"""What a network of which size reaches in how little time.

    python benchmarks/short_clocks.py [--data fonts|cifar10|FILE.npz] [--cell nasnet_a]
        [--sizes 2,16 1,16 1,12 1,8] [--seconds 60 120 240] [--small 0.6] [--out FILE.json]

Each network is trained by the compiled kernels on one core for so many seconds of that core's time,
which other processes do not disturb: SGD whose rate falls along a cosine, batches of 32, images
shifted and (in colour) flipped. It begins with pictures of half the side for the share `--small` of
the time, in batches of 64 at twice the rate, as the end of a search does. Told are the steps, and
the accuracy on 2,000 test images.
"""

import argparse
import json
import math
import pathlib
import tempfile
import time

import keras
import numpy as np
import sets

from nasnet_tf.data.images import resize
from nasnet_tf.genotype import GENOTYPES
from nasnet_tf.native import NativeNetwork, labels_of

RATE, BATCH, CLIP, DECAY = 0.05, 32, 5.0, 5e-4  # of the recipe "short"


def load(name):
    with tempfile.TemporaryDirectory() as folder:
        arrays = dict(np.load(sets.source(name, folder)))
    return [arrays[part] for part in ("x_train", "y_train", "x_test", "y_test")]


def augmented(images, rng):
    side, border = images.shape[1:3], images.shape[1] // 8
    wide = np.pad(images, ((0, 0), (border, border), (border, border), (0, 0)))
    corners = rng.integers(0, 2 * border + 1, (len(images), 2))
    pairs = zip(wide, corners, strict=True)
    moved = [image[y : y + side[0], x : x + side[1]] for image, (y, x) in pairs]
    moved = np.stack(moved)
    if images.shape[-1] == 3:
        mirrored = rng.random(len(images)) < 0.5
        moved[mirrored] = moved[mirrored, :, ::-1]
    return moved


def network(genotype, x, y, size, initial):
    made = NativeNetwork(
        genotype,
        num_cells=size[0],
        filters=size[1],
        classes=int(y.max()) + 1,
        input_shape=x.shape[1:],
        stem="cifar",
        weight_decay=DECAY,
        mean=x.mean((0, 1, 2)),
        std=x.std((0, 1, 2)),
        initial=initial,
    )
    weights = [array.copy() for array in made.changing]
    made.step(made.prepared(x[:BATCH]), labels_of(y[:BATCH]), 0.0)  # compiles
    for array, values in zip(made.changing, weights, strict=True):
        array[:] = values
    return made


def train(genotype, data, size, seconds, small, seed=0):
    """(steps, test accuracy)."""
    keras.utils.set_random_seed(seed)
    x, y, x_test, y_test = data
    rng, steps, named = np.random.default_rng(seed), 0, None
    for begins, ends, side, batch in ((0.0, small, 2, 2 * BATCH), (small, 1.0, 1, BATCH)):
        if ends <= begins:
            continue
        images = resize(x, [pixels // side for pixels in x.shape[1:3]]) if side > 1 else x
        made, order = network(genotype, images, y, size, named), []
        began, done = time.process_time(), 0.0
        while done < (ends - begins) * seconds:
            if len(order) < batch:
                order = rng.permutation(len(x))
            chosen, order = order[:batch], order[batch:]
            rate = RATE * batch / BATCH * (1 + math.cos(math.pi * (begins + done / seconds))) / 2
            seen = made.prepared(augmented(images[chosen], rng))
            made.step(seen, labels_of(y[chosen]), rate, clip_norm=CLIP)
            steps, done = steps + 1, time.process_time() - began
        named = {name: values.copy() for name, values in made.named().items()}
    measure_norms(made, x, rng)
    _, accuracy = made.evaluate(made.prepared(x_test[:2000]), labels_of(y_test[:2000]))
    return steps, accuracy


def measure_norms(made, x, rng):
    """Statistics of 200 images, instead of averages over the last steps."""
    found = []
    for chosen in np.split(rng.permutation(len(x))[:200], 2):
        statistics = made.batch_statistics(made.prepared(x[chosen]))
        found.append({name: values.copy() for name, values in statistics.items()})
    named = made.named()
    for name in found[0]:
        named[name][...] = np.mean([each[name] for each in found], axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fonts")
    parser.add_argument("--cell", default="nasnet_a", choices=GENOTYPES)
    parser.add_argument("--sizes", nargs="+", default=["2,16", "1,16", "1,12", "1,8"])
    parser.add_argument("--seconds", nargs="+", type=float, default=[60, 120, 240])
    parser.add_argument("--small", type=float, default=0.6)
    parser.add_argument("--out", type=pathlib.Path)
    given = parser.parse_args()
    data, results = load(given.data), []
    for seconds in given.seconds:
        for size in given.sizes:
            counts = tuple(map(int, size.split(",")))
            steps, right = train(GENOTYPES[given.cell], data, counts, seconds, given.small)
            row = dict(data=given.data, seconds=seconds, size=size, steps=steps, accuracy=right)
            results.append({**row, "small": given.small})
            print(json.dumps(results[-1]), flush=True)
    if given.out:
        given.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
