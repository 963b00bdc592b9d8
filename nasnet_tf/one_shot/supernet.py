"""A network that holds the weights of every child of a cell space and runs any of them. TensorFlow
only.

The genotype is data: integers choose which states a block reads, which operation it applies and how
it combines, inside one traced step. So a step is traced once, and changing the child costs nothing.
A child computes exactly what `nasnet_tf.network.Network` computes of its genotype in training, with
batch norms by the statistics of the batch, from a part of the shared weights:

- every operation on every input of every side of every block of every cell has its own weights, one
  row of a table, as in ENAS' code. A cell has a table for each kind of input, since inputs of
  another width or stride take other weights.
- a cell's output is as wide as all its states; those that a child does not concatenate are zero. So
  each state has its own part of the kernels that read the cell, as in ENAS.

An operation on a state is one traced function for each (channels, filters, strides), so what is
traced grows neither with the number of blocks nor with that of cells.

Source: Pham et al. 2018, arXiv 1802.03268, section 2.4, and the authors' micro_child.py.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf

from nasnet_tf.graph import Graph
from nasnet_tf.layers import parts
from nasnet_tf.one_shot.edges import traced_edge
from nasnet_tf.one_shot.flat import bound, initial, views, weight_specs
from nasnet_tf.one_shot.shared_cell import SharedCell
from nasnet_tf.systems.cells.network import BATCH_NORM
from nasnet_tf.systems.cells.plan import plan, stem_convolution
from nasnet_tf.systems.cells.spaces.nasnet import NASNetSpace
from nasnet_tf.systems.stages import default_stem
from nasnet_tf.training.graph_rewriting import rewrite_graphs

_DECISIONS = 5  # a block: two inputs, two operations, the combination


class Supernet:
    """The weights that all children of `space` share, and one training step for all of them.

    Args:
        space: a `NASNetSpace`. Everywhere below, `point` is one of its points.
        input_shape, classes, num_cells, filters, stem, skip_reduction, stem_filters,
        stem_cell_filters, batch_norm_epsilon, mean, std:
            of the children, as in `nasnet_tf.network.Network`.
        seed: of the initial weights.
        momentum: of SGD. Weights and momenta that a child does not use do not change.
        clip_norm: the global norm of the gradient is clipped to this (5 in ENAS' code).
    """

    def __init__(
        self, space: NASNetSpace, input_shape, classes: int, *, num_cells=1, filters=8,
        stem="cifar", skip_reduction=False, stem_filters=None, stem_cell_filters=None,
        batch_norm_epsilon=None, mean=None, std=None, seed=0, momentum=0.9, clip_norm=5.0,
    ):  # fmt: skip
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "weights are shared with TensorFlow only, and Keras runs on"
                f" {keras.backend.backend()}; set KERAS_BACKEND=tensorflow."
            )
        if not isinstance(space, NASNetSpace):
            raise ValueError(
                f"the space is a {type(space).__name__}; weights can be shared among the children"
                " of a NASNetSpace."
            )
        self.space, self.input_shape, self.classes = space, tuple(input_shape), classes
        self.momentum, self.clip_norm = momentum, clip_norm
        stem = stem or default_stem(input_shape)
        self._epsilon = (
            BATCH_NORM[stem]["epsilon"] if batch_norm_epsilon is None else batch_norm_epsilon
        )
        self._mean = np.asarray(0.0 if mean is None else mean, "float32")
        self._std = np.asarray(1.0 if std is None else std, "float32")
        any_child = space.decode([0] * len(space.sizes))
        steps = plan(any_child, num_cells, filters, stem, skip_reduction, stem_cell_filters)
        edge = functools.cache(functools.partial(traced_edge, space.operations, self._epsilon))
        convolution = stem_convolution(stem, filters, stem_filters)
        self._stem = parts.graph_of(
            self.input_shape[-1],
            lambda graph: graph.part("stem/convolution", convolution, self.input_shape[-1]),
        )
        self._cells, widths = [], [None]
        for step in steps:
            reads = widths[step.h], widths[step.p], convolution.filters
            self._cells.append(SharedCell(space, step, *reads, edge))
            widths.append(step.filters)
        classifier = Graph()
        classifier.dense("predictions", self._cells[-1].channels, classes)
        graphs = [self._stem, *(part for cell in self._cells for part in cell.parts.values())]
        self.specs = [spec for graph in (*graphs, classifier) for spec in weight_specs(graph)]
        self.fixed, *self.tables = (tf.Variable(value) for value in self._initial(seed))
        self.momenta = [
            tf.Variable(tf.zeros_like(v), trainable=False) for v in (self.fixed, *self.tables)
        ]
        images = tf.TensorSpec((None, *self.input_shape), tf.float32)
        labels = tf.TensorSpec((None,), tf.int32)
        codes = tf.TensorSpec((2, space.num_blocks, _DECISIONS), tf.int32)
        rewrite_graphs(False)
        self._traced_step = tf.function(
            self._step,
            autograph=False,
            input_signature=[images, labels, codes, tf.TensorSpec((), tf.float32)],
        )
        self._traced_score = tf.function(
            self._score, autograph=False, input_signature=[images, labels, codes]
        )

    def train(self, images, labels, point, learning_rate) -> tuple[float, float]:
        """One step of SGD on the weights that the child `point` uses. Returns its loss and accuracy
        on the images before the step.
        """
        loss, right = self._traced_step(*_batch(images, labels), self._code(point), learning_rate)
        return float(loss), float(right) / len(labels)

    def accuracy(self, images, labels, point, batch_size: int = 128) -> float:
        """Accuracy of the child `point` with the shared weights.

        Args:
            batch_size: about how many images are in a batch, whose statistics batch norms use.
        """
        batches = np.array_split(np.arange(len(images)), max(round(len(images) / batch_size), 1))
        code = self._code(point)
        return sum(
            int(self._traced_score(*_batch(images[b], labels[b]), code)) for b in batches
        ) / len(images)

    def predict(self, images, point) -> np.ndarray:
        """(images, classes): the child's logits for the images, as one batch."""
        images, code = tf.constant(images, tf.float32), self._code(point)
        return self._logits(images, code, self.fixed, self._rows(code)).numpy()

    def named(self, point) -> dict[str, np.ndarray]:
        """Weights by the names they have in a `Network` of the child; those that it shares are
        whole.

        Kernels that read a cell read all its states; combinations have their weights under
        `combine_2/concatenate`, ..., chosen or not.
        """
        code = self._code(point)
        fixed = views(self.fixed.read_value(), self.specs)
        found = {spec.name: w.numpy() for spec, w in zip(self.specs, fixed, strict=True)}
        for cell, rows in zip(self._cells, self._rows(code), strict=True):
            for name, value in cell.named(cell.code(code).numpy(), rows):
                found[name] = value.numpy()
        return found

    def renew(self, seed) -> None:
        """Resets weights and momenta to those of a new supernet with that seed, without another
        trace.
        """
        for variable, value in zip((self.fixed, *self.tables), self._initial(seed), strict=True):
            variable.assign(value)
        for momenta in self.momenta:
            momenta.assign(tf.zeros_like(momenta))

    def state(self) -> dict[str, np.ndarray]:
        """All weights and momenta, as arrays of their own."""
        return {name: variable.numpy() for name, variable in self._variables().items()}

    def restore(self, state) -> None:
        """Restores what `state()` returned. Raises ValueError, and changes nothing, if it is of
        another supernet.
        """
        mine = self._variables()
        if set(mine) != set(state) or any(mine[key].shape != np.shape(state[key]) for key in mine):
            raise ValueError(
                "the state is of a supernet of another space or size; restore what state() of such"
                " a one gave."
            )
        for key, variable in mine.items():
            variable.assign(state[key])

    def _initial(self, seed):
        rng = np.random.default_rng(seed)
        return [
            initial(self.specs, rng),
            *(table for cell in self._cells for table in cell.initial_tables(rng)),
        ]

    def _variables(self):
        """{name in a state: variable}"""
        variables = {}
        for kind, of_kind in (("weights", (self.fixed, *self.tables)), ("momenta", self.momenta)):
            variables |= {f"{kind}_{number}": v for number, v in enumerate(of_kind)}
        return variables

    def _code(self, point):
        """(2, blocks, 5): the decisions of both cells; of a space with a single combination that is
        0.
        """
        decisions = np.reshape(self.space.checked(point), (2, self.space.num_blocks, -1))
        missing = _DECISIONS - decisions.shape[2]
        return tf.constant(np.pad(decisions, ((0, 0), (0, 0), (0, missing))), tf.int32)

    # What is traced.

    def _step(self, images, labels, code, learning_rate):
        fixed, rows = self.fixed.read_value(), self._rows(code)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([fixed, rows])
            logits = self._logits(images, code, fixed, rows)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        gradients, _ = tf.clip_by_global_norm(
            tape.gradient(loss, [fixed, *tf.nest.flatten(rows)]), self.clip_norm
        )
        indices = [rows for cell in self._cells for rows in cell.rows(cell.code(code))]
        for variable, momenta, gradient, index in zip(
            (self.fixed, *self.tables), self.momenta, gradients, [None, *indices], strict=True
        ):
            if index is None:
                momenta.assign(self.momentum * momenta + gradient)
                variable.assign_sub(learning_rate * momenta)
            else:  # TensorFlow's own sparse step has no kernel for a GPU
                new = self.momentum * tf.gather(momenta, index) + gradient
                momenta.scatter_update(tf.IndexedSlices(new, index))
                variable.scatter_sub(tf.IndexedSlices(learning_rate * new, index))
        return loss, _right(logits, labels)

    def _score(self, images, labels, code):
        return _right(self._logits(images, code, self.fixed.read_value(), self._rows(code)), labels)

    def _rows(self, code):
        """For each cell, for each kind of input: the rows of the operations that `code` chooses,
        (2 * blocks, length).
        """
        tables = iter(self.tables)
        return [
            [tf.gather(next(tables), rows) for rows in cell.rows(cell.code(code))]
            for cell in self._cells
        ]

    def _logits(self, images, code, fixed, rows):
        tensors = iter(views(tf.convert_to_tensor(fixed), self.specs))
        stem = bound(self._stem, tensors, self._epsilon)
        cells = [
            {name: bound(graph, tensors, self._epsilon) for name, graph in cell.parts.items()}
            for cell in self._cells
        ]
        kernel, bias = tensors
        outputs = [(stem((images - self._mean) / self._std), None)]
        for cell, computed, own in zip(self._cells, cells, rows, strict=True):
            h, p = outputs[cell.h], outputs[cell.p]
            outputs.append(cell(h, p, cell.code(code), computed, own))
        features = tf.reduce_mean(tf.nn.relu(outputs[-1][0]), (1, 2))
        return features @ kernel + bias


def _right(logits, labels):
    return tf.reduce_sum(tf.cast(tf.argmax(logits, -1, tf.int32) == labels, tf.int32))


def _batch(images, labels):
    return tf.constant(images, tf.float32), tf.constant(np.asarray(labels).reshape(-1), tf.int32)
