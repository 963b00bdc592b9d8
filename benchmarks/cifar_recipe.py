"""CIFAR-10: does a network do in evaluation what it did in training, and how far does it come in
ten CPU minutes?

    python benchmarks/cifar_recipe.py [--epochs 8] [--recipe short] [--num-cells 1] [--filters 8]

First 100 steps on the first 3,200 training images: accuracy in training (of the last 25 steps)
beside accuracy in evaluation on the same images, by the CIFAR recipe. A batch norm with too long a
memory shows as a gap. Then the same network from the start, on the exact-pixel subset: by the
recipe for short trainings, because the CIFAR recipe's drop path, cutout and auxiliary head are for
600 epochs.
"""

import argparse
import dataclasses
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cifar10
import keras

from nasnet_tf import data as datasets
from nasnet_tf import training
from nasnet_tf.data.recipes import augmentation_for


class LastSteps(keras.callbacks.Callback):
    """Accuracy over the steps from `first` on, out of Keras' running means."""

    def __init__(self, first):
        super().__init__()
        self.first, self.at_first, self.at_end = first, None, None

    def on_train_batch_end(self, batch, logs=None):
        found = (batch + 1) * float(training.follow.main_head(logs)["accuracy"])
        if batch + 1 == self.first:
            self.at_first = found
        self.at_end = (found, batch + 1)

    @property
    def accuracy(self):
        found, steps = self.at_end
        return (found - self.at_first) / (steps - self.first)


def gap(make, data, recipe, images=3200):
    """(accuracy in the last 25 of 100 training steps, accuracy in evaluation on the same
    images).
    """
    x, y = data.x_train[:images], data.y_train[:images]
    augmentation = augmentation_for(recipe, data.input_shape, data.flip)
    batches = datasets.pipeline(
        x, y, recipe.batch_size, augmentation=augmentation, fill=data.mean, seed=0
    )
    last = LastSteps(75)
    model = make()
    training.train(
        model, batches, datasets.pipeline(x[:320], y[:320], 32), recipe, callbacks=[last]
    )
    return last.accuracy, training.accuracy(model, x, y)["accuracy"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--recipe", default="short")
    parser.add_argument("--num-cells", type=int, default=1)
    parser.add_argument("--filters", type=int, default=8)
    given = parser.parse_args()
    recipe = training.RECIPES["cifar"]
    size = dict(num_cells=given.num_cells, filters=given.filters)
    subset = datasets.load(str(cifar10.FOLDER / "cifar10_lossless_subset.npz"))

    def make(data, recipe):
        keras.utils.set_random_seed(0)
        return training.network_for("nasnet_a", data, recipe, **size)

    short = dataclasses.replace(recipe, epochs=1)
    in_training, in_evaluation = gap(lambda: make(subset, short), subset, short)
    print(
        f"100 steps: training accuracy {in_training:.3f}, evaluation on the same images"
        f" {in_evaluation:.3f}",
        flush=True,
    )

    began, cpu = time.perf_counter(), time.process_time()
    chosen = dataclasses.replace(training.RECIPES[given.recipe], epochs=given.epochs)
    model = make(subset, chosen)
    batches, validation = datasets.recipes.recipe_batches(subset, chosen)
    training.train(
        model,
        batches,
        validation,
        chosen,
        on_epoch=lambda epoch, share, figures: print(epoch, figures, flush=True),
    )
    found = training.accuracy(model, subset.x_test, subset.y_test)["accuracy"]
    spent = {
        "cpu_seconds": round(time.process_time() - cpu),
        "seconds": round(time.perf_counter() - began),
    }
    print(
        json.dumps(
            {
                "in_training": in_training,
                "in_evaluation": in_evaluation,
                "test_accuracy": found,
                **spent,
                **size,
            }
        )
    )


if __name__ == "__main__":
    main()
