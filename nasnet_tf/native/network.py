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

import math
import os
import random

import numpy as np

from nasnet_tf.lowered.images import ImageModel, labels_of
from nasnet_tf.native import kernels
from nasnet_tf.native.lists import compile_kernel
from nasnet_tf.native.program import Program, Vectors
from nasnet_tf.native.threads import Crew


class NativeNetwork(ImageModel):
    """The network of a genotype, trained and evaluated by compiled kernels.

    Args:
        threads: that compute a step together; its results are the same for every number.
        Others as of `ImageModel`.
    Raises: as `ImageModel`.
    """

    def __init__(self, genotype, *, threads=1, **arguments):
        super().__init__(genotype, **arguments)
        weights, moving = self.initial
        self._vectors = Vectors(weights, np.zeros_like(weights), moving, np.zeros_like(moving))
        self.velocity, self._decay = np.zeros_like(weights), np.zeros_like(weights)
        for weight in self.graph.trained:
            if len(weight.shape) > 1:
                weight.of(self._decay)[:] = self.weight_decay
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
        self.check_shape(images)
        normalized = (np.asarray(images, "float32") - self.mean) / self.std
        return np.ascontiguousarray(normalized.transpose(0, 3, 1, 2)).reshape(len(normalized), -1)

    def step(
        self, images, labels, learning_rate: float, momentum: float = 0.9, clip_norm=None
    ) -> tuple[float, int]:
        """One step of SGD with momentum. Returns the loss before it, with the L2 loss of the
        weights, and the number of images that were classified correctly.

        Args:
            images: as `prepared` returns them.
            labels: as `labels_of` returns them, or the shares of the classes in each image, float32
                (images, classes).
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

    def compile(self, batch_size=None) -> None:
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

    def _prepared(self, x, y):
        return self.prepared(x), labels_of(y)

    _train_batch = step

    def _test_batch(self, images, labels):
        logits = self._logits(self._program(len(images), False), images)
        losses, right, _ = _cross_entropy(logits, labels, self.label_smoothing)
        return float(losses.mean()) + self._penalty(), right

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
    """(loss of each image, number of correct predictions, gradients with respect to the logits).

    `labels` are whole numbers (images,), or shares of the classes (images, classes), of which the
    largest is the correct one.
    """
    if labels.ndim == 2:
        return _cross_entropy_of_shares(logits, labels, smoothing)
    shifted = logits - logits.max(1, keepdims=True)
    exponentials = np.exp(shifted)
    sums, rows = exponentials.sum(1, keepdims=True), np.arange(len(labels))
    share = np.float32(smoothing / logits.shape[1])
    own = np.float32(1 - smoothing)
    losses = np.log(sums[:, 0]) - own * shifted[rows, labels] - share * shifted.sum(1)
    gradient = exponentials / sums - share
    gradient[rows, labels] -= own
    return losses, int((logits.argmax(1) == labels).sum()), gradient


def _cross_entropy_of_shares(logits, shares, smoothing):
    shifted = logits - logits.max(1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(1, keepdims=True)
    targets = np.float32(1 - smoothing) * shares + np.float32(smoothing / logits.shape[1])
    losses = (targets * (np.log(sums) - shifted)).sum(1)
    right = int((logits.argmax(1) == shares.argmax(1)).sum())
    return losses, right, exponentials / sums - targets
