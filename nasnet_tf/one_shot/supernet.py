"""A network that holds the weights of every child of a cell space and runs any of them. TensorFlow
only.

The genotype is data: integers choose which states a block reads, which operation it applies and how
it combines, inside one traced step. So a step is traced once, and changing the child costs nothing.
A child computes exactly what `nasnet_tf.network.Network` computes of its genotype while it is
trained, batch norms by the statistics of the batch, with a part of the shared weights:

- every operation on every input of every side of every block of every cell has its own weights, one
  row of a table, as in ENAS' code. A cell has a table for each sort of input, since those that
  differ in width or stride take other weights.
- a cell's output is as wide as all its states; those that a child does not concatenate are zero. So
  each state has its own part of the kernels that read the cell, as in ENAS.

An operation on a state is one traced function for each (channels, filters, strides), to which
weights and operation are arguments: what is traced grows neither with the number of blocks nor of
cells.

Source: Pham et al. 2018, arXiv 1802.03268, section 2.4, and the authors' micro_child.py.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf

from nasnet_tf.graph import COMBINATION_SPECS, ConvSpec, ReductionSpec
from nasnet_tf.layers import parts
from nasnet_tf.layers.initializers import VarianceScaling, zeros
from nasnet_tf.one_shot.flat import Slots, Stretches, cut, initial
from nasnet_tf.systems.cells.network import BATCH_NORM
from nasnet_tf.systems.cells.plan import plan, stem_convolution
from nasnet_tf.systems.cells.spaces.nasnet import NASNetSpace
from nasnet_tf.systems.stages import default_stem
from nasnet_tf.training.graph_rewriting import rewrite_graphs

_APART = {
    "_noinline": True
}  # a call, not a copy for each edge in one large graph, which takes three times as long
_PARTS = 5  # decisions a block: two inputs, two operations, the combination


class Supernet:
    """The weights that all children of `space` share, and one training step for all of them.

    Args:
        space: a `NASNetSpace`. Everywhere below, `point` is one of its points.
        input_shape, classes, num_cells, filters, stem, skip_reduction, stem_filters,
        stem_cell_filters, batch_norm_epsilon, mean, std:
            of the children, as in `nasnet_tf.network.Network`.
        seed: of the initial weights.
        momentum: of SGD. Weights and momenta of what a child does not use stay as they are.
        clip_norm: the global norm of the gradient is cut to this (5, as in ENAS' code).
    """

    def __init__(
        self,
        space: NASNetSpace,
        input_shape,
        classes: int,
        *,
        num_cells=1,
        filters=8,
        stem="cifar",
        skip_reduction=False,
        stem_filters=None,
        stem_cell_filters=None,
        batch_norm_epsilon=None,
        mean=None,
        std=None,
        seed=0,
        momentum=0.9,
        clip_norm=5.0,
    ):
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
        self._mean, self._std = (
            np.asarray(v, "float32")
            for v in (0.0 if mean is None else mean, 1.0 if std is None else std)
        )
        self._stem = stem_convolution(stem, filters, stem_filters)
        steps = plan(
            space.decode([0] * len(space.sizes)),
            num_cells,
            filters,
            stem,
            skip_reduction,
            stem_cell_filters,
        )
        self._cells, widths = [], [None]
        for step in steps:
            self._cells.append(
                _SharedCell(
                    space, step, widths[step.h], widths[step.p], self._stem.filters, self._edge
                )
            )
            widths.append(step.filters)
        self._edges = {}
        slots = Slots()
        self._fixed(slots)
        self.slots = slots.found
        self.fixed, *self.tables = (tf.Variable(value) for value in self._initial(seed))
        self.momenta = [
            tf.Variable(tf.zeros_like(v), trainable=False) for v in (self.fixed, *self.tables)
        ]
        images = tf.TensorSpec((None, *self.input_shape), tf.float32)
        labels, codes = (
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((2, space.num_blocks, _PARTS), tf.int32),
        )
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
        """One step of SGD on the weights the child `point` uses. Returns its loss and accuracy on
        the images, before the step.
        """
        loss, right = self._traced_step(*_batch(images, labels), self._code(point), learning_rate)
        return float(loss), float(right) / len(labels)

    def accuracy(self, images, labels, point, batch_size: int = 128) -> float:
        """Accuracy of the child `point` with the shared weights.

        Args:
            batch_size: batch norms use the statistics of about so many images at a time.
        """
        batches = np.array_split(np.arange(len(images)), max(round(len(images) / batch_size), 1))
        code = self._code(point)
        return sum(
            int(self._traced_score(*_batch(images[b], labels[b]), code)) for b in batches
        ) / len(images)

    def predict(self, images, point) -> np.ndarray:
        """(n, classes): what the child says of the images, as one batch; before the softmax."""
        return self._logits(
            tf.constant(images, tf.float32),
            self._code(point),
            self.fixed,
            self._rows(self._code(point)),
        ).numpy()

    def named(self, point) -> dict[str, np.ndarray]:
        """Weights by the names they have in a `Network` of the child; what is not of this child's
        alone is there whole.

        Kernels that read a cell read all its states; combinations have their weights under
        `combine_2/concatenate`, ..., chosen or not.
        """
        code = self._code(point)
        found = {
            s.name: w.numpy()
            for s, w in zip(self.slots, cut(self.fixed.read_value(), self.slots), strict=True)
        }
        for cell, rows in zip(self._cells, self._rows(code), strict=True):
            found |= {
                name: value.numpy() for name, value in cell.named(cell.code(code).numpy(), rows)
            }
        return found

    def renew(self, seed) -> None:
        """Fresh initial weights, no momenta: what a supernet of that seed begins with. Nothing is
        traced again.
        """
        for variable, value in zip((self.fixed, *self.tables), self._initial(seed), strict=True):
            variable.assign(value)
        for momenta in self.momenta:
            momenta.assign(tf.zeros_like(momenta))

    def state(self) -> dict[str, np.ndarray]:
        """All weights and momenta, as plain arrays. A copy."""
        return {
            f"{kind}_{n}": v.numpy()
            for kind, vs in self._variables().items()
            for n, v in enumerate(vs)
        }

    def restore(self, state) -> None:
        """Takes up what `state()` gave. Raises ValueError, and changes nothing, if it is of another
        supernet.
        """
        mine = {
            f"{kind}_{n}": v for kind, vs in self._variables().items() for n, v in enumerate(vs)
        }
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
            initial(self.slots, rng),
            *(table for cell in self._cells for table in cell.initial_tables(rng)),
        ]

    def _variables(self):
        return {"weights": (self.fixed, *self.tables), "momenta": self.momenta}

    def _code(self, point):
        decided = np.reshape(
            self.space.checked(point), (2, self.space.num_blocks, -1)
        )  # nothing is decided of a single combination
        return tf.constant(
            np.pad(decided, ((0, 0), (0, 0), (0, _PARTS - decided.shape[2]))), tf.int32
        )

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
        momentum = tf.constant(self.momentum)
        for variable, momenta, gradient, index in zip(
            (self.fixed, *self.tables), self.momenta, gradients, [None, *indices], strict=True
        ):
            where = (variable.handle, momenta.handle, learning_rate)
            if index is None:
                tf.raw_ops.ResourceApplyMomentum(
                    var=where[0], accum=where[1], lr=where[2], grad=gradient, momentum=momentum
                )
            else:
                tf.raw_ops.ResourceSparseApplyMomentum(
                    var=where[0],
                    accum=where[1],
                    lr=where[2],
                    grad=gradient,
                    indices=index,
                    momentum=momentum,
                )
        return loss, _right(logits, labels)

    def _score(self, images, labels, code):
        return _right(self._logits(images, code, self.fixed.read_value(), self._rows(code)), labels)

    def _rows(self, code):
        """A list a cell: for each sort of input, (2 * blocks, length), the rows of the operations
        that `code` names.
        """
        tables = iter(self.tables)
        return [
            [tf.gather(next(tables), rows) for rows in cell.rows(cell.code(code))]
            for cell in self._cells
        ]

    def _logits(self, images, code, fixed, rows):
        stem, cells, kernel, bias = self._fixed(
            Stretches(cut(tf.convert_to_tensor(fixed), self.slots), self._epsilon)
        )
        outputs = [(stem((images - self._mean) / self._std, training=True), None)]
        for step, fixed_parts, own in zip(self._cells, cells, rows, strict=True):
            outputs.append(
                step(outputs[step.h], outputs[step.p], step.code(code), fixed_parts, own)
            )
        features = tf.reduce_mean(tf.nn.relu(outputs[-1][0]), (1, 2))
        return features @ kernel + bias

    def _fixed(self, owner):
        """The parts that every child uses: stem, those of each cell, kernel and bias of the
        classifier.
        """
        stem = _part(owner, "stem/convolution", self._stem, self.input_shape[-1])
        cells = [cell.fixed(owner) for cell in self._cells]
        shape = (self._cells[-1].channels, self.classes)
        kernel = owner.add_weight(
            shape, "predictions/kernel", VarianceScaling(1.0, "fan_avg", "uniform")
        )
        return stem, cells, kernel, owner.add_weight((self.classes,), "predictions/bias", zeros)

    def _edge(self, kind, filters, x, row, operation):
        """One operation, by number, of the state `x` with the weights in `row`."""
        if (kind, filters) not in self._edges:
            self._edges[kind, filters] = _switch(
                self.space.operations, kind, filters, self._epsilon
            )
        return self._edges[kind, filters](x, row, operation)


class _SharedCell:
    """A cell of every child at one place of the network.

    Args:
        step: its `nasnet_tf.systems.cells.plan.Step`.
        h_width, p_width: filters of the cells it reads; None for the stem.
        stem_channels: of the stem.
        edge: `Supernet._edge`.
    """

    def __init__(self, space, step, h_width, p_width, stem_channels, edge):
        self.space, self.name, self.h, self.p = space, step.name, step.h, step.p
        self.number = ("normal", "reduction").index(step.kind)
        self.filters, self.strides, self.adapt, self._edge = (
            step.filters,
            step.strides,
            step.adapt,
            edge,
        )
        self.states = space.num_blocks + 2
        self.channels = self.states * self.filters
        self.h_channels, self.p_channels = (
            stem_channels if width is None else self.states * width for width in (h_width, p_width)
        )
        widths = [self.filters, self.p_channels if step.adapt == "share" else self.filters] + [
            self.filters
        ] * space.num_blocks
        self.sorts = [
            (width, self.strides if state < 2 else 1) for state, width in enumerate(widths)
        ]
        self.kinds = list(
            dict.fromkeys(self.sorts[:-1])
        )  # of inputs of blocks; nothing reads the last block
        self.first_rows = [self._first_rows(kind) for kind in self.kinds]
        self.row_counts = [
            int((first >= 0).sum()) * len(space.operations) for first in self.first_rows
        ]
        # A p of this many states is as wide as this cell already, and `Network` takes it as it is.
        fits = (
            p_width is not None
            and step.adapt in ("keep", "project")
            and self.filters % p_width == 0
        )
        self.kept = (
            self.filters // p_width if fits and self.filters // p_width <= self.states else None
        )

    def code(self, code):
        """(blocks, 5): the decisions of this cell."""
        return code[self.number]

    def rows(self, code):
        """(2 * blocks,) for each sort of input: the rows of the edges, left and right of a block
        side by side.

        An edge that reads another sort of input gets the last row, which is nobody's.
        """
        sources, operations = (tf.reshape(code[:, part : part + 2], (-1,)) for part in (0, 2))
        edges = tf.range(2 * self.space.num_blocks)
        firsts = [
            tf.gather_nd(tf.constant(first), tf.stack([edges, sources], 1))
            for first in self.first_rows
        ]
        return [
            tf.where(first < 0, count, first + operations)
            for first, count in zip(firsts, self.row_counts, strict=True)
        ]

    def initial_tables(self, rng):
        """(rows, length) for each sort of input."""
        return [
            self._initial_table(kind, count, rng)
            for kind, count in zip(self.kinds, self.row_counts, strict=True)
        ]

    def _initial_table(self, kind, count, rng):
        slots = row_slots(self.space.operations, kind, self.filters)
        length = max(sum(slot.size for slot in own) for own in slots) or 1
        return np.stack(
            [
                *(initial(own, rng, length) for _ in range(count // len(slots)) for own in slots),
                np.zeros(length, "float32"),
            ]
        )

    def _first_rows(self, kind):
        """(2 * blocks, states): the row of the first operation of an edge on a state; -1 where it
        reads none of `kind`.
        """
        first = np.full((2 * self.space.num_blocks, self.states), -1, "int32")
        read = [
            (edge, s)
            for edge in range(len(first))
            for s in range(edge // 2 + 2)
            if self.sorts[s] == kind
        ]
        for number, place in enumerate(read):
            first[place] = number * len(self.space.operations)
        return first

    def named(self, code, rows):
        for edge, (side, block) in enumerate(
            (side, block) for block in range(self.space.num_blocks) for side in (0, 1)
        ):
            kind = self.kinds.index(self.sorts[code[block, side]])
            slots = row_slots(self.space.operations, self.kinds[kind], self.filters)[
                code[block, 2 + side]
            ]
            for slot, value in zip(slots, cut(rows[kind][edge], slots), strict=True):
                yield f"{self.name}/{('left', 'right')[side]}_{block + 2}{slot.name}", value

    def fixed(self, owner):
        """The parts that do not depend on the genotype, with weights of `owner`."""
        name, f = self.name, self.filters
        adapted = {"share": None, "reduce": ReductionSpec(f)}.get(self.adapt, ConvSpec(f))
        return {
            "base": _part(owner, f"{name}/base", ConvSpec(f), self.h_channels),
            "previous": _part(owner, f"{name}/previous", adapted, self.p_channels),
            "combines": [
                [
                    _part(owner, f"{name}/combine_{b + 2}/{c}", COMBINATION_SPECS[c](f), 2 * f)
                    for c in self.space.combinations
                ]
                for b in range(self.space.num_blocks)
            ],
            "outputs": [
                _part(owner, f"{name}/output_{s}", self._output(s), self.sorts[s][0])
                for s in range(self.states)
            ],
        }

    def _output(self, state):
        channels, strides = self.sorts[state]
        if strides > 1:
            return ReductionSpec(self.filters, relu=False)
        return None if channels == self.filters else ConvSpec(self.filters, relu=False)

    def __call__(self, h, p, code, fixed, rows):
        """Output (batch, height, width, states * filters) and which of its states are not zero,
        (states,) of 0 and 1.
        """
        states = [fixed["base"](h[0], training=True), self._previous(*p, fixed["previous"])]
        for block in range(self.space.num_blocks):
            one, two = (self._apply(states, block, side, code, rows) for side in (0, 1))
            states.append(
                _combine(
                    one, two, code[block, 4], self.space.combinations, fixed["combines"][block]
                )
            )
        unread = 1 - tf.reduce_max(
            tf.one_hot(tf.reshape(code[:, :2], (-1,)), self.states, dtype=tf.int32), 0
        )
        used = tf.unstack(unread > 0)
        fitted = [
            x if part is None else part(x, training=True)
            for part, x in zip(fixed["outputs"], states, strict=True)
        ]
        return (
            tf.concat(
                [tf.where(use, x, tf.zeros_like(x)) for use, x in zip(used, fitted, strict=True)],
                -1,
            ),
            unread,
        )

    def _previous(self, p, unread, part):
        if part is None:
            return p
        adapted = part(p, training=True)
        if self.kept is None:
            return adapted
        shape = tf.shape(p)
        width = self.filters // self.kept
        apart = tf.reshape(p, (shape[0], *p.shape[1:3], self.states, width))
        first = tf.argsort(-unread, stable=True)[: self.kept]
        together = tf.reshape(
            tf.gather(apart, first, axis=3), (shape[0], *p.shape[1:3], self.filters)
        )
        return tf.where(tf.reduce_sum(unread) == self.kept, together, adapted)

    def _apply(self, states, block, side, code, rows):
        """The operation of one side of a block, on the state it reads."""
        chosen, operation, edge = code[block, side], code[block, 2 + side], 2 * block + side

        def of(kind):
            members = [state for state in range(block + 2) if self.sorts[state] == kind]
            place = tf.constant(
                [members.index(s) if s in members else 0 for s in range(self.states)]
            )
            x = (
                states[members[0]]
                if len(members) == 1
                else tf.stack([states[s] for s in members])[place[chosen]]
            )
            return self._edge(kind, self.filters, x, rows[self.kinds.index(kind)][edge], operation)

        kinds = [kind for kind in self.kinds if kind in self.sorts[: block + 2]]
        if len(kinds) == 1:
            return of(kinds[0])
        kind = tf.constant([kinds.index(sort) if sort in kinds else 0 for sort in self.sorts])[
            chosen
        ]
        return tf.switch_case(kind, [functools.partial(of, kind) for kind in kinds])


def row_slots(operations, kind, filters):
    """A list of slots for each operation: the weights it has on an input of `kind`, (channels,
    strides).
    """
    found = []
    for name in operations:
        slots = Slots()
        parts.Bound(slots, _operation(name, kind, filters))
        found.append(slots.found)
    return found


def _switch(operations, kind, filters, epsilon):
    """(state, row of weights, number of the operation) -> its output. Traced once, and once for its
    gradient.

    The gradient computes the operation again. Otherwise every intermediate result of every
    operation would be an output of the switch, and passing on some hundred empty ones takes longer
    than the operation.
    """

    def operate(name, slots, x, row):
        return parts.Bound(Stretches(cut(row, slots), epsilon), _operation(name, kind, filters))(
            x, training=True
        )

    def slopes(branch, x, row, slope):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([x, row])
            y = branch(x, row)
        return tape.gradient(y, [x, row], slope, tf.UnconnectedGradients.ZERO)

    branches = [
        functools.partial(operate, *pair)
        for pair in zip(operations, row_slots(operations, kind, filters), strict=True)
    ]

    @functools.partial(tf.function, autograph=False, experimental_attributes=_APART)
    def forward(x, row, operation):
        return tf.switch_case(operation, [functools.partial(branch, x, row) for branch in branches])

    @functools.partial(tf.function, autograph=False, experimental_attributes=_APART)
    def backward(x, row, operation, slope):
        return tf.switch_case(
            operation, [functools.partial(slopes, branch, x, row, slope) for branch in branches]
        )

    @tf.custom_gradient
    def edge(x, row, operation):
        return forward(x, row, operation), lambda slope: (*backward(x, row, operation, slope), None)

    return edge


def _operation(name, kind, filters):
    """The graph of an operation on an input of `kind`, (channels, strides)."""
    channels, strides = kind
    return parts.graph_of(
        channels, lambda graph: graph.operation("", name, channels, filters, strides)
    )


def _part(owner, name, spec, channels):
    return (
        None
        if spec is None
        else parts.Bound(
            owner, parts.graph_of(channels, lambda graph: graph.part(name, spec, channels))
        )
    )


def _combine(one, two, number, combinations, fitted):
    def of(combination, part):
        both = tf.concat([one, two], -1) if combination == "concatenate" else one + two
        return both if part is None else part(both, training=True)

    branches = [functools.partial(of, *pair) for pair in zip(combinations, fitted, strict=True)]
    return branches[0]() if len(branches) == 1 else tf.switch_case(number, branches)


def _right(logits, labels):
    return tf.reduce_sum(tf.cast(tf.argmax(logits, -1, tf.int32) == labels, tf.int32))


def _batch(images, labels):
    return tf.constant(images, tf.float32), tf.constant(np.asarray(labels).reshape(-1), tf.int32)
