"""Is a search worth its clock? `search` beside fixed cells that are trained for as long.

    python benchmarks/worth.py [--data fonts,cifar10,digits,FOLDER_OR_NPZ] [--minutes 10]
        [--methods search,nasnet_a,pnasnet_5,random] [--seeds 3] [--out worth.csv] [--json]

Each method has the same minutes and the whole machine, one after the other, in a process of its
own. nasnet_a and pnasnet_5 are `nasnet-tf train` of N = 2, F = 16; random is a random cell of the
NASNet space whose multiply-adds are within a tenth of NASNet-A's. Told is the accuracy on the test
part, which nothing else sees, with the interval that Student's t gives over the seeds (95 %).

Sets: those of `sets.py`; others are given as files.
"""

import argparse
import csv
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from sets import source


def random_cell(seed, folder):
    """The file of a random genotype that costs what NASNet-A costs."""
    from nasnet_tf.cost import cost_of
    from nasnet_tf.genotype import NASNET_A
    from nasnet_tf.spaces import NASNetSpace

    size = dict(num_cells=2, filters=16, classes=10, input_shape=(32, 32, 3))
    wanted, rng = cost_of(NASNET_A, **size).multiply_adds, np.random.default_rng(seed)
    space = NASNetSpace()
    while True:
        genotype = space.decode(space.random(rng))
        if abs(cost_of(genotype, **size).multiply_adds / wanted - 1) < 0.1:
            genotype.save(folder / f"random_{seed}.json")
            return str(folder / f"random_{seed}.json")


def run(method, data, minutes, seed, folder):
    """(what the command says as JSON, seconds) of one method."""
    command, out = [sys.executable, "-m", "nasnet_tf"], folder / f"{method}_{seed}.keras"
    limits = ["--minutes", str(minutes), "--seed", str(seed), "--json"]
    if method == "search":
        command += ["search", data, *limits, "--runs-dir", str(folder), "--name", f"run_{seed}"]
    else:
        model = random_cell(seed, folder) if method == "random" else method
        command += ["train", model, "--data", data, *limits, "--out", str(out)]
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout), time.monotonic() - began


def interval(values):
    """(mean, half of its 95 % interval, NaN for one value)."""
    from scipy import stats

    if len(values) < 2:
        return values[0], math.nan
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values)), float(stats.t.ppf(0.975, len(values) - 1) * error)


def write(path, rows):
    """The rows as a CSV."""
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fonts,cifar10,digits")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--methods", default="search,nasnet_a,pnasnet_5,random")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path, help="a CSV, a row a run")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rows, results = [], {}
    for name in given.data.split(","):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            data = source(name, folder)
            for method in given.methods.split(","):
                for seed in range(given.seeds):
                    result, seconds = run(method, data, given.minutes, seed, folder)
                    row = {"data": name, "method": method, "seed": seed, "seconds": seconds}
                    row |= {key: result.get(key) for key in ("accuracy", "trials", "parameters")}
                    rows.append({**row, "why": result.get("why", "")})
                    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
                    if given.out:
                        write(given.out, rows)
                found = [r["accuracy"] for r in rows if (r["data"], r["method"]) == (name, method)]
                results.setdefault(name, {})[method] = dict(
                    zip(("accuracy", "interval"), interval(found), strict=True)
                )
    if given.json:
        print(json.dumps(results, indent=1))
        return
    for name, methods in results.items():
        for method, each in methods.items():
            print(f"{name:10} {method:10} {each['accuracy']:.2%} +- {each['interval']:.2%}")


if __name__ == "__main__":
    main()
