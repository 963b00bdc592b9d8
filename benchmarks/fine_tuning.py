"""Fine-tuning on flower_photos from a network trained on CIFAR-10, beside the same network from
scratch: test accuracy by epoch.

    python benchmarks/fine_tuning.py cifar.keras flower_photos/ [--epochs 8]
        [--image-size 64] [--out curves]

`cifar.keras` is what `nasnet-tf train nasnet_a --data cifar10.npz --image-size 64 --num-cells 1
--filters 32` saved. Both trainings see the same images in the same order for the same number of
epochs. Writes curves.csv and curves.png.
"""

import argparse
import dataclasses
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from nasnet_tf import data as datasets
from nasnet_tf import training, zoo
from nasnet_tf.data.recipes import recipe_batches
from nasnet_tf.files import write_whole
from nasnet_tf.training.follow import table


def run(make, data, recipe, seed):
    """Test accuracy after every epoch; the test images choose nothing here."""
    keras.utils.set_random_seed(seed)
    batches, _ = recipe_batches(data, recipe, seed)
    test = datasets.pipeline(data.x_test, data.y_test, recipe.batch_size)

    def told(epoch, share, figures):
        print(f"  epoch {epoch}: test accuracy {figures['val_accuracy']:.4f}", flush=True)

    return training.train(make(), batches, test, recipe, on_epoch=told)["val_accuracy"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source")
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="curves")
    given = parser.parse_args()
    data = datasets.load(given.data, image_size=given.image_size)
    print(data.describe())
    scratch = dataclasses.replace(training.RECIPES["short"], epochs=given.epochs)
    tuned = dataclasses.replace(scratch, head_epochs=1, epochs=given.epochs - 1, learning_rate=0.02)
    described = dict(
        classes=data.classes, class_names=data.class_names, input_shape=data.input_shape
    )
    source = keras.saving.load_model(given.source, compile=False)
    own = {
        name: source.get_config()[name] for name in ("num_cells", "filters", "stem", "weight_decay")
    }
    curves = {}
    for name, recipe, make in (
        ("fine-tuned", tuned, lambda: zoo.adapt(source, **described)),
        ("from scratch", scratch, lambda: training.network_for(source.genotype, data, **own)),
    ):
        print(name, flush=True)
        curves[name] = run(make, data, recipe, given.seed)
    rows = [
        {"epoch": number + 1, **{name: curve[number] for name, curve in curves.items()}}
        for number in range(given.epochs)
    ]
    write_whole(pathlib.Path(f"{given.out}.csv"), table(rows).encode())
    draw(curves, f"{given.out}.png")
    print(json.dumps({name: curve[-1] for name, curve in curves.items()}))


def draw(curves, path):
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(6, 4), layout="constrained")).add_subplot()
    for name, curve in curves.items():
        axes.plot(range(1, len(curve) + 1), curve, marker="o", label=name)
    axes.set(xlabel="epoch", ylabel="test accuracy", title="flower_photos")
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
