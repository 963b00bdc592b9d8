"""A network trained on an accelerator without being compiled itself.

A framework compiles every network for itself, which takes it longer than to train a small one. Here
a network is a list of calls of functions that JAX compiled before for others: chains of nodes that
are equal in many networks. It computes what `NativeNetwork` computes, on the device: images are
sent there once, and nothing is waited for within an epoch.
"""

from __future__ import annotations

from collections import Counter

import jax
import numpy as np

from nasnet_tf import gpus
from nasnet_tf.device import compiled
from nasnet_tf.device.pieces import Chain, pieces_of
from nasnet_tf.lowered import ImageModel, graph, labels_of


class Variable:
    """A number of a network that training changes: an array on the device."""

    def __init__(self, value):
        self.value = jax.device_put(value)
        self.shape = self.value.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype)

    def assign(self, value) -> None:
        """Takes the values of an array."""
        self.value = jax.device_put(np.asarray(value, "float32"))


class Batch:
    """Images, and which of them are there: every batch is of the same size, so that nothing is
    compiled for a smaller one.
    """

    def __init__(self, images, present, count):
        self.images, self.present, self.count = images, present, count

    def __len__(self):
        return self.count


class DeviceNetwork(ImageModel):
    """The network of a genotype, trained and evaluated by functions that are compiled once for all.

    Args:
        dtype: of feature maps; "bfloat16" is faster where there are units for it. Weights are
            float32.
        longest: nodes that are compiled together at most; None is any number that follow one
            another.
        Others as of `nasnet_tf.lowered.ImageModel`.
    Raises: as `ImageModel`.
    """

    def __init__(self, genotype, *, dtype="float32", longest=None, **arguments):
        super().__init__(genotype, **arguments)
        _keep_compiled()
        self.dtype, self.pieces = dtype, pieces_of(self.graph, longest)
        trained, moving = self.initial
        self.trained = [Variable(weight.of(trained)) for weight in self.graph.trained]
        self.velocities = [Variable(np.zeros(weight.shape, "float32")) for weight in self.trained]
        self.moving = [Variable(weight.of(moving)) for weight in self.graph.moving]
        # what every call takes lies on the device, or it would be sent there with each
        self._decay, self._smoothing = _number(self.weight_decay), _number(self.label_smoothing)
        self._pixels = jax.device_put((self.mean, self.std))
        self._readers = Counter(value for piece in self.pieces for value in _inputs(piece))

    def named(self) -> dict[str, np.ndarray]:
        """All weights by their paths in a `Network`."""
        both = zip(
            (*self.graph.trained, *self.graph.moving), (*self.trained, *self.moving), strict=True
        )
        return {weight.name: np.asarray(variable) for weight, variable in both}

    @property
    def changing(self) -> list[Variable]:
        """All that training changes."""
        return [*self.trained, *self.velocities, *self.moving]

    def compile(self, batch_size: int | None = None) -> None:
        """Compiles what has not been compiled yet, for batches of that size."""
        if batch_size is None:
            return
        kept = [variable.value for variable in self.changing]
        shape = *self.graph.image.size, self.graph.image.channels
        nothing = np.zeros((batch_size, *shape), "uint8"), np.zeros(batch_size, "int32")
        ((batch, labels),) = self.batches(*nothing, batch_size)
        self.step(batch, labels, 0.0)
        self._classified(batch, labels)
        _assign(self.changing, kept)

    def step(self, batch: Batch, labels, learning_rate: float):
        """One step of SGD with momentum 0.9. Returns the loss before it, with the L2 loss of the
        weights, and the number of images that were classified correctly, as arrays on the device.

        Args:
            batch: as `batches` yields it, with the labels.
        """
        rate, decay = _number(learning_rate), self._decay
        features, left = self._forward(batch)
        head, velocities = _values(self.trained[-2:]), _values(self.velocities[-2:])
        given = labels, batch.present, self._smoothing, rate, decay
        loss, right, gradient, *new = compiled.train_classifier(features, head, velocities, *given)
        penalty = _stepped(self.trained[-2:], self.velocities[-2:], *new)
        penalty = self._backward(left, gradient, penalty, rate, decay)
        return loss + penalty, right

    def batches(self, images, labels, batch_size: int, rng=None):
        """(`Batch`, labels) for all images in pixels.

        Args:
            rng: shuffles them.
        """
        return self._batches(*self._prepared(images, labels), batch_size, rng)

    def probabilities(self, images, batch_size=64) -> np.ndarray:
        """(images, classes) for images in pixels."""
        found, nothing = [], np.zeros(len(images), "int32")
        for batch, labels in self.batches(images, nothing, batch_size):
            _, _, logits = self._classified(batch, labels)
            found.append(np.asarray(jax.nn.softmax(logits))[: len(batch)])
        return np.concatenate(found)

    def _prepared(self, x, y):
        self.check_shape(x)
        return jax.device_put(np.asarray(x)), labels_of(y).astype("int32")

    def _batches(self, x, y, batch_size, rng=None):
        if y is None:
            for images, labels in x:
                size = max(len(images), batch_size)
                yield from self._batches(*self._prepared(images, labels), size)
            return
        order = np.arange(len(x)) if rng is None else rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            chosen = order[start : start + batch_size]
            count = len(chosen)
            chosen = np.resize(chosen, batch_size)
            present = (np.arange(batch_size) < count).astype("float32")
            chosen, present, labels = jax.device_put((chosen, present, y[chosen]))
            images = compiled.batch(x, chosen, present, *self._pixels, self.dtype)
            yield Batch(images, present, count), labels

    _train_batch = step

    def _test_batch(self, batch, labels):
        loss, right, _ = self._classified(batch, labels)
        return loss + self._penalty(), right

    def _penalty(self):
        """The L2 loss of the weights."""
        if not self.weight_decay:
            return 0.0
        kernels = [np.asarray(weight) for weight in self.trained if len(weight.shape) > 1]
        return self.weight_decay * sum(float(np.square(kernel).sum()) for kernel in kernels) / 2

    def _classified(self, batch, labels):
        features, _ = self._forward(batch, training=False)
        kernel, bias = _values(self.trained[-2:])
        return compiled.classify(features, kernel, bias, labels, batch.present, self._smoothing)

    def _ways(self, chain, x):
        return compiled.ways(
            chain.steps,
            x.shape,
            str(x.dtype),
            self.graph.momentum,
            self.graph.epsilon,
            chain.x is not self.graph.image,
        )

    def _forward(self, batch, training=True):
        """(the features, what each chain leaves for the way back)."""
        data, left, unread = {self.graph.image: batch.images}, {}, Counter(self._readers)
        for piece in self.pieces:
            inputs = [data[value] for value in _inputs(piece)]
            if isinstance(piece, Chain):
                (x,) = inputs
                moving = [self.moving[number] for number in piece.moving]
                weights = [self.trained[number].value for number in piece.trained]
                chain, fixed = self._ways(piece, x), _values(moving)
                if training:
                    y, fixed, rest = chain.forward(x, weights, fixed, batch.present)
                    _assign(moving, fixed)
                    left[piece] = chain, rest
                else:
                    y = chain.inference(x, weights, fixed)
            elif isinstance(piece, graph.Add):
                y = compiled.add(inputs)
            elif isinstance(piece, graph.Concatenate):
                y = compiled.concatenate(inputs)
            else:
                shape = len(batch.images), *piece.y.size, piece.y.channels
                y = compiled.zeros(shape, self.dtype)
            data[piece.y] = y
            for value in _inputs(piece):
                unread[value] -= 1
                if not unread[value] and value is not self.graph.features:
                    del data[value]
        return data[self.graph.features], left

    def _backward(self, left, gradient, penalty, rate, decay):
        """Goes back with a step of SGD on the way, and returns the L2 loss of all weights."""
        gradients = {self.graph.features: [gradient]}
        for piece in reversed(self.pieces):
            if piece.y not in gradients:  # nothing reads it
                if isinstance(piece, Chain):
                    trained, velocities = self._trained_of(piece)
                    given = _values(trained), _values(velocities), penalty, rate, decay
                    penalty = _stepped(trained, velocities, *compiled.decay(*given))
                continue
            parts = gradients.pop(piece.y)
            dy = parts[0] if len(parts) == 1 else compiled.add(parts)
            if isinstance(piece, Chain):
                chain, rest = left.pop(piece)
                trained, velocities = self._trained_of(piece)
                given = _values(trained), _values(velocities), penalty, rate, decay
                dx, *new = chain.backward(rest, dy, *given)
                penalty = _stepped(trained, velocities, *new)
                found = [dx]
            elif isinstance(piece, graph.Add):
                found = [dy, dy]
            elif isinstance(piece, graph.Concatenate):
                found = compiled.split(dy, tuple(value.channels for value in piece.values))
            else:
                continue
            for value, each in zip(_inputs(piece), found, strict=True):
                gradients.setdefault(value, []).append(each)
        return penalty

    def _trained_of(self, chain):
        """Its trained weights and their velocities."""
        numbers = chain.trained
        return [self.trained[n] for n in numbers], [self.velocities[n] for n in numbers]


def _number(value):
    return jax.device_put(np.float32(value))


def _inputs(piece):
    return (piece.x,) if isinstance(piece, Chain) else graph.inputs_of(piece)


def _values(variables):
    return [variable.value for variable in variables]


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.value = value


def _stepped(trained, velocities, new, changed, penalty):
    """Takes new weights and velocities; returns the penalty."""
    _assign(trained, new)
    _assign(velocities, changed)
    return penalty


def _keep_compiled():
    """Lets JAX keep what it compiles, however small, unless the user told it where."""
    ours = str(gpus.compiled_folder())
    if jax.config.jax_compilation_cache_dir in (None, ours):
        jax.config.update("jax_compilation_cache_dir", ours)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
