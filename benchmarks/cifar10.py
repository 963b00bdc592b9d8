"""CIFAR-10 as arrays, from the packed JPEGs or the exact subset that stand beside the repository
(../shared/data/cifar10).
"""

import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10"


def decoded(part, limit=None):
    """(images, labels) of "train" or "test", decoded from JPEG; at most `limit`."""
    import tensorflow as tf

    with np.load(FOLDER / f"cifar10_jpeg_{part}.npz") as file:
        data, offsets, labels = file["jpeg"].tobytes(), file["offsets"], file["labels"]
    count = len(labels) if limit is None else min(limit, len(labels))
    images = [
        tf.io.decode_jpeg(data[offsets[i] : offsets[i + 1]], channels=3).numpy()
        for i in range(count)
    ]
    return np.stack(images), labels[:count].astype("int32")


def write(path, limit=None):
    """The whole set as an .npz that `nasnet-tf` takes."""
    x, y = decoded("train", limit)
    x_test, y_test = decoded("test")
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
