"""Children trained by functions that JAX compiled once for all, on whatever it computes with.

    python benchmarks/device_children.py [--children 50] [--size 1,8] [--data digits|cifar10|noise]
        [--epochs 2] [--images N] [--kernels N] [--keras N] [--dtype float32] [--out FILE.json]

Random cells of the NASNet space, one after the other in one process. Told of each child: how many
functions are compiled so far, seconds to its first step, seconds of its training and of all, and
the memory of the process. Beside them the first so many of the same children by the kernels of the
processor on one core, and by Keras on JAX, which compiles each as a whole (in a process of its
own). `--kernels` and `--keras` say how many.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

CIFAR10 = pathlib.Path(__file__).resolve().parents[2] / "shared/data/cifar10"


def tell(**result):
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in result.items()}
    print(json.dumps(rounded), flush=True)


def data_of(name, images):
    """(x, y, x_validation, y_validation) of digits, CIFAR-10 or noise of its shape."""
    if name == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        x, y = digits.images[..., None].astype("uint8"), digits.target
    elif name == "noise":
        rng = np.random.default_rng(0)
        x = rng.integers(0, 256, (images, 32, 32, 3)).astype("uint8")
        y = rng.integers(0, 10, images)
    else:
        arrays = np.load(CIFAR10 / "cifar10_lossless_subset.npz")
        x, y = arrays["x_train"], arrays["y_train"].reshape(-1)
    order = np.random.default_rng(0).permutation(len(x))[:images]
    held = len(order) // 5
    return x[order[held:]], y[order[held:]], x[order[:held]], y[order[:held]]


def memory_mb():
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def networks(given):
    """(genotype, arguments of its network), one child after the other."""
    from nasnet_tf.spaces import SPACES

    x, y, *_ = given.arrays
    cells, filters = map(int, given.size.split(","))
    size = dict(num_cells=cells, filters=filters, classes=int(y.max()) + 1, input_shape=x.shape[1:])
    pixels = dict(mean=(float(x.mean()),) * x.shape[-1], std=(float(x.std()),) * x.shape[-1])
    space, rng = SPACES["nasnet"](), np.random.default_rng(1)
    while True:
        yield space.decode(space.random(rng)), size | pixels


def by_kernels(given, count, make, compiled=lambda: None):
    x, y, *validation = given.arrays
    for number, (genotype, arguments) in zip(range(count), networks(given), strict=False):
        began = time.perf_counter()
        network = make(genotype, arguments)
        network.fit(x[:64], y[:64], batch_size=64)
        first = time.perf_counter() - began
        network = make(genotype, arguments)
        start = time.perf_counter()
        history = network.fit(
            x, y, batch_size=64, epochs=given.epochs, validation_data=tuple(validation)
        ).history
        yield dict(
            child=number,
            compiled=compiled(),
            first_step_s=first,
            training_s=time.perf_counter() - start,
            seconds=time.perf_counter() - began,
            memory_mb=memory_mb(),
            accuracy=history["val_accuracy"][-1],
        )


def by_device(given):
    from nasnet_tf.device import DeviceNetwork, compiled

    return by_kernels(
        given,
        given.children,
        lambda genotype, arguments: DeviceNetwork(genotype, dtype=given.dtype, **arguments),
        lambda: compiled.ways.cache_info().misses,
    )


def by_processor(given):
    from nasnet_tf.native import NativeNetwork

    return by_kernels(given, given.kernels, lambda genotype, all: NativeNetwork(genotype, **all))


def by_keras(given):
    import keras

    from nasnet_tf.network import Network

    x, y, *validation = given.arrays
    for number, (genotype, arguments) in zip(range(given.keras), networks(given), strict=False):
        began = time.perf_counter()
        network = Network(genotype, **arguments)
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
        network.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = network.fit(
            x, y, batch_size=64, epochs=given.epochs, validation_data=tuple(validation), verbose=0
        ).history
        accuracy = history["val_accuracy"][-1]
        yield dict(child=number, seconds=time.perf_counter() - began, accuracy=accuracy)


WAYS = {"device": by_device, "kernels": by_processor, "keras": by_keras}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--children", type=int, default=50)
    parser.add_argument("--size", default="1,8", help="N,F")
    parser.add_argument("--data", choices=("digits", "cifar10", "noise"), default="digits")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--images", type=int)
    parser.add_argument("--kernels", type=int, default=0)
    parser.add_argument("--keras", type=int, default=0)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        given.arrays = data_of(given.data, given.images)
        for result in WAYS[given.way](given):
            tell(way=given.way, **result)
        return
    environment = {
        **os.environ, "KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }  # fmt: skip
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    results = []
    for way, count in zip(WAYS, (given.children, given.kernels, given.keras), strict=True):
        if not count:
            continue
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
            own = []
            for line in run.stdout:
                print(line, end="", flush=True)
                own.append(json.loads(line))
        if run.returncode:
            raise SystemExit(f"{way} failed: exit status {run.returncode}")
        half = [row["seconds"] for row in own[len(own) // 2 :]]
        hourly = 3600 / statistics.mean(half)
        results += [*own, dict(way=way, children_an_hour=hourly)]
        tell(**results[-1])
    if given.out:
        given.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
