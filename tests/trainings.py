"""A network trained by compiled kernels beside the one that Keras builds, traces and trains."""

import keras
import numpy as np
import pytest
from nasnet_tf import native
from nasnet_tf.systems import networks

SIZE = dict(
    num_cells=1, filters=8, classes=3, input_shape=(8, 8, 3), mean=(120.0, 125.0, 130.0), std=(60.0, 65.0, 70.0), batch_norm_epsilon=1e-2
)


def twins(genotype, seed=0, **arguments):
    arguments = {**SIZE, **arguments}
    keras.utils.set_random_seed(seed)
    network = networks.build(genotype, **arguments)
    keras.utils.set_random_seed(seed)
    return network, native.NativeNetwork(genotype, **arguments)


def by_path(network):
    return {v.path: v.numpy() for v in network.variables if not v.path.startswith("normalization/") and "seed" not in v.path}


def trained(network, x, y, steps, rate):
    """Losses of `steps` eager steps of Keras' own SGD."""
    network.compile(keras.optimizers.SGD(rate, momentum=0.9), "sparse_categorical_crossentropy", run_eagerly=True)
    return [float(network.train_on_batch(x[step % 2 :: 2], y[step % 2 :: 2])) for step in range(steps)]


def assert_equal_trainings(genotype, steps=3, rate=1e-4, image_seed=0, **arguments):
    arguments = {**SIZE, **arguments}
    network, child = twins(genotype, **arguments)
    before = child.named()
    assert before.keys() == by_path(network).keys()
    assert all(np.array_equal(before[path], values) for path, values in by_path(network).items())
    before = {path: values.copy() for path, values in before.items()}
    images = np.random.default_rng(image_seed).integers(0, 256, (16, *arguments["input_shape"])).astype("float32")
    labels = np.arange(16) // 2 % 3
    x, y = child.prepared(images), native.labels_of(labels)
    losses = [child.step(x[step % 2 :: 2], y[step % 2 :: 2], rate)[0] for step in range(steps)]
    np.testing.assert_allclose(losses, trained(network, images, labels, steps, rate), rtol=1e-4)
    for trained_too in (True, False):  # the moving averages are of another size
        paths = [path for path in before if ("moving" in path) != trained_too]
        ours, keras_ = (np.concatenate([(now[p] - before[p]).ravel() for p in paths]) for now in (child.named(), by_path(network)))
        assert np.linalg.norm(ours - keras_) < 5e-3 * np.linalg.norm(keras_)
    loss, accuracy = child.evaluate(x, y, batch_size=6)
    said = network.predict(images, verbose=0)
    assert accuracy == np.mean(said.argmax(-1) == labels)
    assert loss == pytest.approx(network.evaluate(images, labels, verbose=0), rel=1e-3)
