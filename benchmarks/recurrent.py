"""A cell found on a text beside LSTM, GRU and NASCell, at equal parameters and equal steps.

    python benchmarks/recurrent.py [--trials 60] [--strategy auto] [--units 64]
        [--epochs 4] [--seeds 3] [--cell best.json]

The text is Python's own help, `pydoc_data.topics`: 470,000 characters of English, character by
character, 80 % to train, 10 % to validate, 10 % to test. The search trains children of one layer of
32 units for one pass over a fifth of the training part. Then the cell it found, NASCell, LSTM and
GRU are trained alike: one layer, as wide as gives all the parameters of NASCell with --units within
2 %, vectors shared with the classifier, Adam with a cosine, the same batches; with each of the
seeds. The weights of the best epoch by validation are tested.
"""

import argparse
import bisect
import pathlib
import platform
import pydoc_data.topics
import tempfile
import time

import keras
import keras_tuner
import numpy as np
from keras import layers

from nasnet_tf import genotype as genotypes
from nasnet_tf.data import load_text
from nasnet_tf.genotype import NAS_CELL
from nasnet_tf.systems.recurrent.network import Perplexity, TreeCell, Vocabulary
from nasnet_tf.training import KeepBest, perplexity
from nasnet_tf.tuners import LanguageHyperModel, StrategySearch

BATCH, STEPS, RATE = 64, 50, 0.01
WITHIN = 0.02


def search(data, folder, given):
    """The best cell of so many trials."""
    rng = np.random.default_rng(0)
    x, y = data.windows("train")
    some = rng.permutation(len(x))[: len(x) // 5]
    child = LanguageHyperModel(data.steps, data.classes, filters=32)
    tuner = StrategySearch(
        child,
        keras_tuner.Objective("reward", "max"),
        given.trials,
        strategy=given.strategy,
        seed=0,
        directory=folder,
        project_name="search",
        isolation="process",
        workers=given.workers,
        threads=1,
    )
    began = time.monotonic()
    tuner.search(
        x[some],
        y[some],
        validation_data=data.windows("validation"),
        epochs=1,
        batch_size=BATCH,
        verbose=0,
    )
    rewards = sorted(
        (trial.score for trial in tuner.oracle.get_best_trials(given.trials) if trial.score),
        reverse=True,
    )
    found = [(80 / reward) ** 0.5 for reward in rewards]
    took = f"{given.trials} trials in {time.monotonic() - began:.0f} s, {len(found)} succeeded"
    spread = (
        f"the best {found[0]:.2f}, the median {found[len(found) // 2]:.2f}, the worst"
        f" {found[-1]:.2f}"
    )
    print(f"{given.strategy}: {took}; validation perplexity of {spread}", flush=True)
    return tuner.get_best_genotypes()[0]


def model_of(cell, units, data):
    """A language model of one layer of `cell(units)`."""
    inputs = keras.Input((data.steps,), dtype="int32")
    vocabulary = Vocabulary(data.classes, units)
    h = layers.RNN(cell(units), return_sequences=True)(vocabulary(inputs))
    return keras.Model(
        inputs, layers.Activation("softmax", dtype="float32")(vocabulary(h, reverse=True))
    )


def wide_as(cell, parameters, data):
    """The number of units with which the model has as many parameters. Raises ValueError if none
    comes within 2 %.
    """

    def count(units):
        return model_of(cell, units, data).count_params()

    above = bisect.bisect_left(range(1000), parameters, lo=1, key=count)
    units = min((above - 1, above), key=lambda units: abs(count(units) - parameters))
    if abs(count(units) - parameters) > WITHIN * parameters:
        raise ValueError(
            f"{count(units)} parameters are not within 2 % of {parameters}; give other --units."
        )
    return units


def train(cell, units, data, epochs, seed):
    """(parameters, validation perplexity, test perplexity, seconds)."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = model_of(cell, units, data)
    x, y = data.windows("train")
    rate = keras.optimizers.schedules.CosineDecay(RATE, epochs * -(-len(x) // BATCH))
    adam = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(adam, "sparse_categorical_crossentropy", metrics=[Perplexity()])
    began = time.monotonic()
    fit = dict(
        batch_size=BATCH,
        epochs=epochs,
        validation_data=data.windows("validation"),
        verbose=0,
        callbacks=[KeepBest()],
    )
    model.fit(x, y, **fit)
    seconds = time.monotonic() - began
    found = (
        perplexity(model, *data.windows(part))["perplexity"] for part in ("validation", "test")
    )
    return model.count_params(), *found, seconds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("trials", 60), ("workers", 2), ("units", 64), ("epochs", 4), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--strategy", default="auto")
    parser.add_argument("--cell", help="found before, in place of a search")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "topics.txt"
        path.write_text("\n\n".join(pydoc_data.topics.topics.values()))
        data = load_text(path, level="character", steps=STEPS)
        print(f"Python {platform.python_version()}, {data.describe()}", flush=True)
        found = genotypes.load(given.cell) if given.cell else search(data, folder, given)
    print(found.to_json(), *found.lines(), sep="\n", flush=True)
    cells = {
        "found": lambda units: TreeCell(found, units),
        "NASCell": lambda units: TreeCell(NAS_CELL, units),
        "LSTM": layers.LSTMCell,
        "GRU": layers.GRUCell,
    }
    whole = model_of(cells["NASCell"], given.units, data).count_params()
    print(
        "| cell | units | parameters | validation perplexity | test perplexity | test bits a"
        " character | s a training |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, cell in cells.items():
        units = given.units if name in ("found", "NASCell") else wide_as(cell, whole, data)
        runs = np.array(
            [train(cell, units, data, given.epochs, seed) for seed in range(given.seeds)]
        )
        told = [
            f"{column.mean():.3f} +- {column.std(ddof=1):.3f}"
            for column in (runs[:, 1], runs[:, 2], np.log2(runs[:, 2]))
        ]
        print(
            f"| {name} | {units} | {runs[0, 0]:,.0f} | {' | '.join(told)} |"
            f" {runs[:, 3].mean():.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
