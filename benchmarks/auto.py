"""`nasnet-tf auto` beside what people would do instead, on the same clock.

    python benchmarks/auto.py [--data digits,cifar10,...] [--minutes 10] [--seeds 3]
        [--methods auto,nasnet_a,tuned,logistic,autokeras] [--init MODEL.keras]
        [--autokeras PYTHON] [--out auto.csv] [--json]

auto: the command. nasnet_a: `nasnet-tf train nasnet_a`. tuned: `nasnet-tf train --init MODEL`, of
colour pictures, MODEL being NASNet-A trained on CIFAR-10. logistic: logistic regression on the
pixels (`pip install scikit-learn`). autokeras: its image classifier, in an environment of its own
(`pip install autokeras` there), stopped when the time is over; its best model so far counts.

Each has the same minutes and the whole machine, one after the other, in a process of its own. Sets:
those of `sets.py`, or files. Told is the accuracy on the test part, which nothing else sees, with
the interval that Student's t gives over the seeds (95 %), and of one seed that of the test images.
"""

import argparse
import contextlib
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import sets
import worth

METHODS = ("auto", "nasnet_a", "tuned", "logistic", "autokeras")
_PEER = """
import json, pathlib, sys
import autokeras, keras, numpy as np

arrays, out, seed = dict(np.load(sys.argv[1])), pathlib.Path(sys.argv[2]), int(sys.argv[3])
best = {"validation": -1.0}

class Keep(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] > best["validation"]:
            found = self.model.predict(arrays["x_test"], verbose=0)
            right = found.argmax(1) if found.shape[1] > 1 else found[:, 0] > 0.5
            best["validation"] = logs["val_accuracy"]
            best["accuracy"] = float((right == arrays["y_test"]).mean())
            best["parameters"] = self.model.count_params()
            out.with_suffix(".part").write_text(json.dumps(best))
            out.with_suffix(".part").rename(out)

keras.utils.set_random_seed(seed)
found = autokeras.ImageClassifier(
    overwrite=True, max_trials=1000, directory=out.parent / "autokeras", seed=seed
)
found.fit(arrays["x_train"], arrays["y_train"], callbacks=[Keep()], verbose=0)
"""


def logistic(arrays, minutes, seed):
    """The accuracy of logistic regression on the pixels; C is chosen on a fifth of the images."""
    from sklearn.linear_model import LogisticRegression

    began = time.monotonic()
    x, test = (arrays[f"x_{part}"].reshape(len(arrays[f"x_{part}"]), -1) / 255.0 for part in
               ("train", "test"))  # fmt: skip
    y, order = arrays["y_train"], np.random.default_rng(seed).permutation(len(x))
    held, rest = order[: len(x) // 5], order[len(x) // 5 :]
    scores = {}
    for strength in (0.001, 0.01, 0.1, 1.0):
        if time.monotonic() - began > 30 * minutes:
            break
        model = LogisticRegression(C=strength, max_iter=200).fit(x[rest], y[rest])
        scores[strength] = model.score(x[held], y[held])
    best = LogisticRegression(C=max(scores, key=scores.get), max_iter=200).fit(x, y)
    return {"accuracy": float(best.score(test, arrays["y_test"]))}


def autokeras(arrays, given, seed, folder):
    """The accuracy of its best model, by its own validation images, when the time is over."""
    out = folder / f"autokeras_{seed}.json"
    np.savez(folder / "arrays.npz", **arrays)
    command = [given.autokeras, "-c", _PEER, str(folder / "arrays.npz"), str(out), str(seed)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, timeout=60 * given.minutes, check=True, **quiet)
    return json.loads(out.read_text()) if out.exists() else {"accuracy": 0.0}


def run(method, data, given, seed, folder):
    """(what came out, seconds) of one method."""
    limits = ["--minutes", str(given.minutes), "--seed", str(seed), "--json"]
    out = str(folder / f"{method}_{seed}.keras")
    command = [sys.executable, "-m", "nasnet_tf"]
    began = time.monotonic()
    if method == "auto":
        name = ["--runs-dir", str(folder), "--name", f"auto_{seed}"]
        command += ["auto", data, *limits, *name, *(["--init", given.init] if given.init else [])]
    elif method == "tuned":
        command += ["train", "--init", given.init, "--data", data, *limits, "--out", out]
    elif method == "nasnet_a":
        command += ["train", method, "--data", data, *limits, "--out", out]
    elif method == "logistic":
        return logistic(_arrays(data), given.minutes, seed), time.monotonic() - began
    elif method == "autokeras":
        return autokeras(_arrays(data), given, seed, folder), time.monotonic() - began
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout), time.monotonic() - began


def _arrays(data):
    """The parts as arrays, as `nasnet-tf` divides them."""
    from nasnet_tf.data import load

    found = load(data)
    return {
        "x_train": np.concatenate([found.x_train, found.x_validation]),
        "y_train": np.concatenate([found.y_train, found.y_validation]),
        "x_test": found.x_test,
        "y_test": found.y_test,
    }


def interval(values, images):
    """(mean, half of its 95 % interval): over the seeds, or of one seed over the test images."""
    if len(values) > 1:
        return worth.interval(values)
    share = values[0]
    return share, 1.96 * math.sqrt(share * (1 - share) / images)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=",".join(sets.NAMES))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--methods", default="auto,nasnet_a,logistic")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--init", help="a network trained on CIFAR-10, for tuned and for auto")
    parser.add_argument("--autokeras", help="the Python of an environment that has it")
    parser.add_argument("--out", type=pathlib.Path, help="a CSV, a row a run")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    methods = given.methods.split(",")
    if "tuned" in methods and not given.init:
        parser.error("tuned needs --init")
    if "autokeras" in methods and not given.autokeras:
        parser.error("autokeras needs --autokeras")
    rows, results = [], {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name in given.data.split(","):
            data = sets.source(name, folder)
            arrays = _arrays(data)
            of_colour = arrays["x_train"].shape[-1] == 3
            for method in methods:
                if method == "tuned" and not of_colour:
                    continue
                for seed in range(given.seeds):
                    place = folder / f"{pathlib.PurePath(name).stem}_results"
                    place.mkdir(exist_ok=True)
                    found, seconds = run(method, data, given, seed, place)
                    row = {"data": name, "method": method, "seed": seed, "seconds": seconds}
                    row |= {key: found.get(key) for key in ("accuracy", "trials", "parameters")}
                    errors = found.get("calibration_error") or {}
                    row |= {f"error_{when}": errors.get(when) for when in ("before", "after")}
                    rows.append({**row, "plan": json.dumps(found.get("plan"))})
                    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
                    if given.out:
                        worth.write(given.out, rows)
                values = [r["accuracy"] for r in rows if (r["data"], r["method"]) == (name, method)]
                shown = dict(zip(("accuracy", "interval"),
                                 interval(values, len(arrays["y_test"])), strict=True))  # fmt: skip
                results.setdefault(name, {})[method] = shown
    if given.json:
        print(json.dumps(results, indent=1))
        return
    for name, found in results.items():
        first = max(found, key=lambda method: found[method]["accuracy"])
        for method, each in found.items():
            mark = "*" if method == first else " "
            print(f"{name:15} {method:10}{mark} {each['accuracy']:.2%} +- {each['interval']:.2%}")


if __name__ == "__main__":
    main()
