"""A network trained by compiled kernels: nothing is built or traced, so a new network's first step
is done as soon as any other.

Tracing a small network takes TensorFlow longer than training it for an epoch. Here a genotype
becomes a list of calls of kernels that were compiled once for all networks. What is computed is
what the genotype's Keras network computes with `model.fit` (SGD with momentum, the rate falling
along a cosine): the same weights to begin with, from the same seed; the same averages of the batch
norms in evaluation. In float32, on one core of the processor; several networks train side by side
in threads or processes.
"""

from __future__ import annotations

import inspect
import math
import random
import threading

import numpy as np

from nasnet_tf.files import replacing
from nasnet_tf.native import kernels
from nasnet_tf.native.lowering import Lowered
from nasnet_tf.native.program import Program, Vectors
from nasnet_tf.systems import SYSTEMS, system_of


class NativeNetwork:
    """The network of a genotype, trained and evaluated by compiled kernels.

    Args:
        genotype: of a system of images that names this class as its `native`.
        weight_decay, mean, std, **arguments: of its Keras network (`systems.networks.build`), as
            far as they are of the graph. Of the random numbers that Python's generator gives, the
            initial weights are those the Keras network would have.
    Raises: NotImplementedError for a genotype, a part or an argument that there is no native
        operation for.
    """

    def __init__(self, genotype, *, weight_decay=0.0, mean=None, std=None, **arguments):
        system = system_of(genotype)
        if system.native is None or system.graph is None:
            names = [name for name, each in SYSTEMS.items() if each.native and each.graph]
            raise NotImplementedError(
                f"a network of {type(genotype).__name__} is not trained natively; those of"
                f" {', '.join(names)} are."
            )
        network_graph = system.graph
        taken = inspect.signature(network_graph).parameters
        for name in [name for name in arguments if name not in taken]:
            if arguments.pop(name):
                raise NotImplementedError(f"a native network of {genotype.schema} has no {name}.")
        self.graph = Lowered(network_graph(genotype, **arguments))
        self.mean, self.std = (
            np.asarray(v, "float32")
            for v in (0.0 if mean is None else mean, 1.0 if std is None else std)
        )
        weights, moving = self.graph.initial()
        self._vectors = Vectors(weights, np.zeros_like(weights), moving, np.zeros_like(moving))
        self._velocity = np.zeros_like(weights)
        kernels_of = np.repeat(
            [len(slot.shape) > 1 for slot in self.graph.trained],
            [slot.end - slot.start for slot in self.graph.trained],
        )
        self._decay = (weight_decay * kernels_of).astype("float32")
        self._programs = {}

    def named(self) -> dict[str, np.ndarray]:
        """All weights by the paths they have in a `Network`."""
        slots = (
            (self.graph.trained, self._vectors.weights),
            (self.graph.moving, self._vectors.moving),
        )
        return {
            slot.name: vector[slot.start : slot.end].reshape(slot.shape)
            for of, vector in slots
            for slot in of
        }

    @property
    def changing(self) -> list[np.ndarray]:
        """All that training changes, in place."""
        return [self._vectors.weights, self._velocity, self._vectors.moving]

    def save_weights(self, path):
        """Writes `named()`, whole, as an .npz."""
        with replacing(path) as temporary:
            np.savez(temporary, **self.named())

    def fit(
        self,
        x,
        y=None,
        batch_size=None,
        epochs=1,
        verbose=0,
        callbacks=(),
        validation_data=None,
        shuffle=True,
        *,
        learning_rate=0.05,
        steps=None,
    ):
        """Trains as `keras.Model.fit` does with SGD and momentum 0.9.

        Args:
            x, y: images in pixels and whole numbers, which are kept in memory as floats; or batches
                of both as `x`, such as a `tf.data.Dataset`, gone through once an epoch.
            batch_size: of arrays; None is 32.
            verbose: is not looked at.
            callbacks: of Keras; `model` is this object, which has `stop_training` and its weights.
            validation_data: (images, labels), or batches.
            shuffle: arrays, before each epoch, by Python's random numbers.
            learning_rate: falls to 0 along a cosine over all steps.
            steps: of an epoch, where x does not tell; if nothing does, the rate stays as it is.
        Returns: a `keras.callbacks.History` of loss, accuracy, val_loss and val_accuracy.
        """
        import keras

        batch_size, self.stop_training = batch_size or 32, False
        if y is not None:
            x, y, steps = self.prepared(x), labels_of(y), math.ceil(len(x) / batch_size)
        if isinstance(validation_data, tuple):
            validation_data = self.prepared(validation_data[0]), labels_of(validation_data[1])
        rng = np.random.default_rng(random.getrandbits(31)) if shuffle else None
        callbacks = keras.callbacks.CallbackList(
            list(callbacks or ()), add_history=True, model=self, epochs=epochs
        )
        self._initial_epoch = 0  # Keras' name: a callback that knows of earlier epochs may say so
        callbacks.on_train_begin()
        for _ in range(self._initial_epoch if rng is not None and y is not None else 0):
            rng.permutation(len(x))  # the orders of those epochs
        done = self._initial_epoch * (steps or 0)
        for epoch in range(self._initial_epoch, epochs):
            callbacks.on_epoch_begin(epoch)
            total = _Total()
            for images, labels in self._batches(x, y, batch_size, rng):
                rate = (
                    0.5 * learning_rate * (1 + math.cos(math.pi * done / (epochs * steps)))
                    if steps
                    else learning_rate
                )
                total.add(len(images), *self.step(images, labels, rate))
                done += 1
                for callback in callbacks.callbacks:  # Keras' own list takes longer than the step
                    callback.on_train_batch_end(done)
            logs = {"accuracy": total.accuracy, "loss": total.loss}
            if validation_data is not None:
                held_out = (
                    validation_data
                    if isinstance(validation_data, tuple)
                    else (validation_data, None)
                )
                logs["val_loss"], logs["val_accuracy"] = self.evaluate(
                    *held_out, batch_size, callbacks.callbacks
                )
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        callbacks.on_train_end()
        return next(
            callback
            for callback in callbacks.callbacks
            if isinstance(callback, keras.callbacks.History)
        )

    def _batches(self, x, y, batch_size, rng=None):
        if y is None:
            for images, labels in x:
                yield self.prepared(images), labels_of(labels)
            return
        order = np.arange(len(x)) if rng is None else rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            yield x[batch], y[batch]

    def prepared(self, images) -> np.ndarray:
        """(images, numbers): images in pixels as the network computes with them."""
        shape = (*self.graph.image.size, self.graph.image.channels)
        if np.shape(images)[1:] != shape:
            raise ValueError(
                f"the images are {np.shape(images)}; this network takes (images,"
                f" {', '.join(map(str, shape))})."
            )
        normalized = (np.asarray(images, "float32") - self.mean) / self.std
        return np.ascontiguousarray(normalized.transpose(0, 3, 1, 2)).reshape(len(normalized), -1)

    def step(self, images, labels, learning_rate: float) -> tuple[float, int]:
        """One step of SGD. Returns the loss before it, that of the weights included, and how many
        images were right.

        Args:
            images: as `prepared` gives them.
            labels: as `labels_of` gives them.
        """
        vectors, program = self._vectors, self._program(len(images), True)
        losses, right, to_logits = _judged(self._logits(program, images), labels)
        loss = float(losses.mean()) + self._penalty()
        self._classifier_back(program, to_logits / np.float32(len(images)))
        program.back()
        kernels.descend(
            vectors.weights,
            self._velocity,
            vectors.slopes,
            self._decay,
            np.float32(learning_rate),
            np.float32(0.9),
        )
        keep = np.float32(self.graph.momentum)
        vectors.moving[:] = keep * vectors.moving + (1 - keep) * vectors.seen
        return loss, right

    def evaluate(self, images, labels=None, batch_size=64, callbacks=()) -> tuple[float, float]:
        """(loss, accuracy) by the averages of the batch norms. Arguments as `step`; or batches of
        images in pixels and labels.
        """
        total, penalty = _Total(), self._penalty()
        for number, (some, true) in enumerate(self._batches(images, labels, batch_size)):
            losses, right, _ = _judged(self._logits(self._program(len(some), False), some), true)
            total.add(len(some), float(losses.mean()) + penalty, right)
            for callback in callbacks:
                callback.on_test_batch_end(number)
        return total.loss, total.accuracy

    def _penalty(self):
        """The L2 loss of the weights."""
        return float(self._decay @ np.square(self._vectors.weights)) / 2

    def _program(self, images, training):
        if (images, training) not in self._programs:
            self._programs[images, training] = Program(
                self.graph, images, self._vectors, training, _space
            )
        return self._programs[images, training]

    def _classifier(self, of):
        kernel, bias = self.graph.trained[-2:]
        return of[kernel.start : kernel.end].reshape(kernel.shape), of[bias.start : bias.end]

    def _logits(self, program, images):
        """(images, classes). A linear function of the mean over the pixels."""
        program.image.reshape(-1, len(images))[:] = images.T
        program.forward()
        kernel, bias = self._classifier(self._vectors.weights)
        self._means = program.features.mean((1, 2))
        return self._means.T @ kernel + bias

    def _classifier_back(self, program, slope):
        to_kernel, to_bias = self._classifier(self._vectors.slopes)
        to_kernel[:], to_bias[:] = self._means @ slope, slope.sum(0)
        kernel, _ = self._classifier(self._vectors.weights)
        program.slope[:] = (kernel @ slope.T / np.float32(math.prod(program.slope.shape[1:3])))[
            :, None, None
        ]


_OF_THREAD = threading.local()


def _space(size):
    """Memory for a program. Those of a thread run one at a time and leave nothing there, so all
    share it, also those of other networks: memory that a process uses for the first time costs
    seconds. What is asked for and not used costs nothing.
    """
    if len(getattr(_OF_THREAD, "memory", ())) < size:
        _OF_THREAD.memory = np.empty(1 << (size - 1).bit_length(), "float32")
    return _OF_THREAD.memory


class _Total:
    """Means over images that come in batches."""

    def __init__(self):
        self._images, self._losses, self._right = 0, 0.0, 0

    def add(self, images, loss, right):
        self._images, self._losses, self._right = (
            self._images + images,
            self._losses + loss * images,
            self._right + right,
        )

    @property
    def loss(self):
        return self._losses / max(self._images, 1)

    @property
    def accuracy(self):
        return self._right / max(self._images, 1)


def _judged(logits, labels):
    """(loss of each image, how many are right, slopes of the losses): cross-entropy of softmax."""
    shifted = logits - logits.max(1, keepdims=True)
    shares = np.exp(shifted)
    sums = shares.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    losses = np.log(sums[:, 0]) - shifted[rows, labels]
    slope = shares / sums
    slope[rows, labels] -= 1
    return losses, int((logits.argmax(1) == labels).sum()), slope


def labels_of(labels) -> np.ndarray:
    """(images,): whole numbers, given as (images,) or (images, 1)."""
    return np.asarray(labels).reshape(-1).astype("int64")
