"""A network trained by compiled kernels: nothing is built or traced, so the first step of a new
network takes no longer than any other.

Tracing a small network takes TensorFlow longer than training it for an epoch. Here a genotype
becomes a list of calls of kernels that were compiled once for all networks. It computes what the
genotype's Keras network computes in `model.fit` (SGD with momentum, the learning rate falling along
a cosine): the same initial weights from the same seed, the same moving averages of the batch norms
in evaluation. In float32, on one core unless more `threads` are asked for; several networks train
side by side in threads or processes.
"""

from __future__ import annotations

import inspect
import math
import os
import random

import numpy as np

from nasnet_tf.native import kernels
from nasnet_tf.native.fitting import NativeModel
from nasnet_tf.native.lists import compile_kernel
from nasnet_tf.native.lowering import LoweredGraph
from nasnet_tf.native.program import Program, Vectors
from nasnet_tf.native.threads import Crew
from nasnet_tf.systems import SYSTEMS, system_of


class NativeNetwork(NativeModel):
    """The network of a genotype, trained and evaluated by compiled kernels.

    Args:
        genotype: of a system of images that is `native`.
        weight_decay, mean, std, **arguments: of its Keras network (`systems.networks.build`), as
            far as its graph takes them. From the same state of Python's random numbers the initial
            weights are those of the Keras network.
        label_smoothing: share of the target that is spread over all classes.
        initial: {path: initial value} of all weights, instead of random numbers.
        threads: that compute a step together; its results are the same for every number.
    Raises: NotImplementedError for a genotype, a node or an argument that has no native operation.
    """

    learning_rate = 0.05

    def __init__(
        self, genotype, *, weight_decay=0.0, mean=None, std=None, label_smoothing=0.0, threads=1,
        initial=None, **arguments,
    ):  # fmt: skip
        system = system_of(genotype)
        if not system.native or system.graph is None:
            names = [name for name, each in SYSTEMS.items() if each.native and each.graph]
            raise NotImplementedError(
                f"a network of {type(genotype).__name__} is not trained natively; those of"
                f" {', '.join(names)} are."
            )
        accepted = inspect.signature(system.graph).parameters
        for name in [name for name in arguments if name not in accepted]:
            if arguments.pop(name):
                raise NotImplementedError(f"a native network of {genotype.schema} has no {name}.")
        self.graph = LoweredGraph(system.graph(genotype, **arguments))
        self.mean = np.asarray(0.0 if mean is None else mean, "float32")
        self.std = np.asarray(1.0 if std is None else std, "float32")
        weights, moving = self.graph.initial() if initial is None else self.graph.filled(initial)
        self._vectors = Vectors(weights, np.zeros_like(weights), moving, np.zeros_like(moving))
        self.velocity, self._decay = np.zeros_like(weights), np.zeros_like(weights)
        for weight in self.graph.trained:
            if len(weight.shape) > 1:
                weight.of(self._decay)[:] = weight_decay
        self.label_smoothing = label_smoothing
        self._programs, self._crew = {}, Crew(threads)

    @property
    def weights(self) -> np.ndarray:
        """All trained weights as one vector."""
        return self._vectors.weights

    @property
    def velocities(self) -> dict[str, np.ndarray]:
        """The velocities of the trained weights, as views, by the paths of these."""
        return {weight.name: weight.of(self.velocity) for weight in self.graph.trained}

    def named(self) -> dict[str, np.ndarray]:
        """All weights, as views, by their paths in a `Network`."""
        trained = {w.name: w.of(self._vectors.weights) for w in self.graph.trained}
        return trained | {w.name: w.of(self._vectors.moving) for w in self.graph.moving}

    @property
    def changing(self) -> list[np.ndarray]:
        """The arrays that training changes in place."""
        return [self._vectors.weights, self.velocity, self._vectors.moving]

    def prepared(self, images) -> np.ndarray:
        """(images, numbers): images in pixels, (images, height, width, channels), normalized and
        laid out as `step` takes them.
        """
        shape = (*self.graph.image.size, self.graph.image.channels)
        if np.shape(images)[1:] != shape:
            raise ValueError(
                f"the images are {np.shape(images)}; this network takes (images,"
                f" {', '.join(map(str, shape))})."
            )
        normalized = (np.asarray(images, "float32") - self.mean) / self.std
        return np.ascontiguousarray(normalized.transpose(0, 3, 1, 2)).reshape(len(normalized), -1)

    def step(
        self, images, labels, learning_rate: float, momentum: float = 0.9, clip_norm=None
    ) -> tuple[float, int]:
        """One step of SGD with momentum. Returns the loss before it, with the L2 loss of the
        weights, and the number of images that were classified correctly.

        Args:
            images: as `prepared` returns them.
            labels: as `labels_of` returns them.
            clip_norm: the global norm to which the gradient is clipped, that of the L2 loss
                included; None for no clipping.
        """
        vectors, program = self._vectors, self._program(len(images), True)
        logits = self._logits(program, images)
        losses, right, dlogits = _cross_entropy(logits, labels, self.label_smoothing)
        loss = float(losses.mean()) + self._penalty()
        self._classifier_backward(program, dlogits / np.float32(len(images)))
        program.backward()
        rate, of_weights = learning_rate, (vectors.weights, self.velocity, vectors.gradients)
        if clip_norm is not None:
            norm = math.sqrt(kernels.squared_norm(vectors.weights, vectors.gradients, self._decay))
            rate *= min(clip_norm / norm, 1.0) if norm > 0 else 1.0
        kernels.sgd(*of_weights, self._decay, np.float32(rate), np.float32(momentum))
        keep = np.float32(self.graph.momentum)
        vectors.moving[:] = keep * vectors.moving + (1 - keep) * vectors.batch_statistics
        return loss, right

    def batch_statistics(self, images) -> dict[str, np.ndarray]:
        """The means and variances of a batch, as views that the next batch overwrites, by the paths
        of the moving averages of them. `images`: as `prepared` returns them.
        """
        self._logits(self._program(len(images), True), images)
        return {w.name: w.of(self._vectors.batch_statistics) for w in self.graph.moving}

    def compile(self) -> None:
        """Compiles the kernels of training and of evaluation, as far as no process has done so
        before. Processes side by side begin with different ones.
        """
        crew = Crew(1)
        programs = [Program(self.graph, 1, self._vectors, mode, crew) for mode in (True, False)]
        calls = [call for program in programs for call in program.calls]
        random.Random(os.getpid()).shuffle(calls)
        for kernel, arguments in calls:
            compile_kernel(kernel, arguments)

    def probabilities(self, images) -> np.ndarray:
        """(images, classes). `images`: as `prepared` returns them."""
        logits = self._logits(self._program(len(images), False), images)
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        return exponentials / exponentials.sum(1, keepdims=True)

    def evaluate(self, images, labels=None, batch_size=64, callbacks=()) -> tuple[float, float]:
        """(loss, accuracy) by the moving averages of the batch norms. Arguments as `step`; or an
        iterable of batches of images in pixels and labels.
        """
        totals = self._evaluated(images, labels, batch_size, callbacks)
        return totals.loss, totals.accuracy

    def _prepared(self, x, y):
        return self.prepared(x), labels_of(y)

    _train_batch = step

    def _test_batch(self, images, labels):
        logits = self._logits(self._program(len(images), False), images)
        losses, right, _ = _cross_entropy(logits, labels, self.label_smoothing)
        return float(losses.mean()) + self._penalty(), right

    def _logs(self, totals):
        return {"accuracy": totals.accuracy, "loss": totals.loss}

    def _penalty(self):
        """The L2 loss of the weights."""
        return float(self._decay @ np.square(self._vectors.weights)) / 2

    def _program(self, images, training):
        if (images, training) not in self._programs:
            program = Program(self.graph, images, self._vectors, training, self._crew)
            self._programs[images, training] = program
        return self._programs[images, training]

    def _classifier(self, vector):
        """Kernel and bias."""
        return (weight.of(vector) for weight in self.graph.trained[-2:])

    def _logits(self, program, images):
        """(images, classes)."""
        program.image.reshape(-1, len(images))[:] = images.T
        program.forward()
        kernel, bias = self._classifier(self._vectors.weights)
        self._means = program.features.mean((1, 2))
        return self._means.T @ kernel + bias

    def _classifier_backward(self, program, dlogits):
        dkernel, dbias = self._classifier(self._vectors.gradients)
        dkernel[:], dbias[:] = self._means @ dlogits, dlogits.sum(0)
        kernel, _ = self._classifier(self._vectors.weights)
        pixels = np.float32(math.prod(program.gradient.shape[1:3]))
        program.gradient[:] = (kernel @ dlogits.T / pixels)[:, None, None]


def _cross_entropy(logits, labels, smoothing):
    """(loss of each image, number of correct predictions, gradients with respect to the logits)."""
    shifted = logits - logits.max(1, keepdims=True)
    exponentials = np.exp(shifted)
    sums, rows = exponentials.sum(1, keepdims=True), np.arange(len(labels))
    share = np.float32(smoothing / logits.shape[1])
    own = np.float32(1 - smoothing)
    losses = np.log(sums[:, 0]) - own * shifted[rows, labels] - share * shifted.sum(1)
    gradient = exponentials / sums - share
    gradient[rows, labels] -= own
    return losses, int((logits.argmax(1) == labels).sum()), gradient


def labels_of(labels) -> np.ndarray:
    """(images,): class indices, given as (images,) or (images, 1), as int64."""
    return np.asarray(labels).reshape(-1).astype("int64")
