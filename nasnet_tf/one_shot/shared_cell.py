"""A cell of a `Supernet`: every child's cell at one place of the network. TensorFlow only."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from nasnet_tf.graph import Graph, Value
from nasnet_tf.layers import parts
from nasnet_tf.one_shot.edges import operation_graphs
from nasnet_tf.one_shot.flat import initial, size_of, views, weight_specs
from nasnet_tf.systems.cells.cell import Block, Cell
from nasnet_tf.systems.cells.graph import cell_graph


class _Wiring(Graph):
    """Notes what `cell_graph` asks for.

    Attributes: specs: {name of a part: (spec, channels)}. kinds: {name of an operation: (channels,
        strides) of its input}.
    """

    def __init__(self):
        super().__init__()
        self.specs, self.kinds = {}, {}

    def part(self, name, spec, channels, zero_padding=False):
        self.specs[name] = spec, channels
        return super().part(name, spec, channels, zero_padding)

    def operation(self, name, operation, channels, filters, strides=1, zero_padding=False):
        self.kinds[name] = channels, strides
        return lambda x: Value(filters, x.size)


class SharedCell:
    """A cell of every child at one place of the network.

    Args:
        step: its `nasnet_tf.systems.cells.plan.Step`.
        h_width, p_width: filters of the cells it reads; None for the stem.
        stem_channels: of the stem.
        edge: (kind, filters) -> what `traced_edge` returns.
    Attributes:
        parts: {name: graph} of what does not depend on the genotype, in the order of the weights.
        kinds: the kinds of inputs that blocks read, (channels, strides), each with a table.
    """

    def __init__(self, space, step, h_width, p_width, stem_channels, edge):
        self.space, self.name, self.h, self.p = space, step.name, step.h, step.p
        self.number = ("normal", "reduction").index(step.kind)
        self.filters, self._edge = step.filters, edge
        self.states = space.num_blocks + 2
        self.channels = self.states * self.filters
        h_channels, p_channels = (
            stem_channels if width is None else self.states * width for width in (h_width, p_width)
        )
        wirings = {c: self._wiring(step, h_channels, p_channels, c) for c in space.combinations}
        self.parts = {}
        wiring = wirings[space.combinations[0]]
        for name, (spec, channels) in wiring.specs.items():
            if name.startswith("combine"):
                for combination, other in wirings.items():
                    self._add_part(f"{name}/{combination}", *other.specs[name])
            else:
                self._add_part(name, spec, channels)
        # By state; no block reads the last block.
        self.state_kinds = [wiring.kinds[f"{side}_2"] for side in ("left", "right")] + [
            wiring.kinds[f"left_{block}"] for block in range(3, self.states)
        ]
        self.kinds = list(dict.fromkeys(self.state_kinds))
        self.first_rows = [self._first_rows(kind) for kind in self.kinds]
        self.row_counts = [
            int((first >= 0).sum()) * len(space.operations) for first in self.first_rows
        ]
        # A p of this many states is as wide as this cell already, and `Network` takes it as it is.
        fits = p_width and step.adapt in ("keep", "project") and self.filters % p_width == 0
        kept = self.filters // p_width if fits else None
        self.kept = kept if fits and kept <= self.states else None

    def _wiring(self, step, h_channels, p_channels, combination):
        """The wiring of a cell whose blocks read one state after the other, and which concatenates
        all states.
        """
        blocks = [Block(0, "identity", 1, "identity", combination)]
        for state in range(2, self.states - 1):
            blocks.append(Block(state, "identity", 0, "identity", combination))
        cell = Cell(tuple(blocks), tuple(range(self.states)))
        wiring, size = _Wiring(), (None, None)
        adapt = "project" if step.adapt == "keep" else step.adapt
        h, p = Value(h_channels, size), Value(p_channels, size)
        cell_graph(wiring, cell, step.filters, step.strides, adapt, h, p)
        return wiring

    def _add_part(self, name, spec, channels):
        self.parts[name] = parts.graph_of(
            channels, lambda graph: graph.part(f"{self.name}/{name}", spec, channels)
        )

    def code(self, code):
        """(blocks, 5): the decisions of this cell."""
        return code[self.number]

    def rows(self, code):
        """(2 * blocks,) for each kind of input: the table's rows for the edges, left and right of a
        block side by side.

        An edge that reads another kind of input gets the last row, which no edge uses.
        """
        sources, operations = (tf.reshape(code[:, at : at + 2], (-1,)) for at in (0, 2))
        edges = tf.stack([tf.range(2 * self.space.num_blocks), sources], 1)
        rows = []
        for first_rows, count in zip(self.first_rows, self.row_counts, strict=True):
            first = tf.gather_nd(tf.constant(first_rows), edges)
            rows.append(tf.where(first < 0, count, first + operations))
        return rows

    def initial_tables(self, rng):
        """(rows, length) for each kind of input."""
        tables = []
        for kind, count in zip(self.kinds, self.row_counts, strict=True):
            specs = self._operation_specs(kind)
            length = max(map(size_of, specs)) or 1
            rows = [initial(own, rng, length) for _ in range(count // len(specs)) for own in specs]
            tables.append(np.stack([*rows, np.zeros(length, "float32")]))
        return tables

    def _operation_specs(self, kind):
        """The weights of each operation on an input of `kind`."""
        graphs = operation_graphs(self.space.operations, kind, self.filters)
        return [weight_specs(graph) for graph in graphs]

    def _first_rows(self, kind):
        """(2 * blocks, states): the row of the first operation of an edge on a state; -1 where the
        state is of another kind or computed later.
        """
        first, row = np.full((2 * self.space.num_blocks, self.states), -1, "int32"), 0
        for edge in range(len(first)):
            for state in range(edge // 2 + 2):
                if self.state_kinds[state] == kind:
                    first[edge, state] = row
                    row += len(self.space.operations)
        return first

    def named(self, code, rows):
        """(name, weight) of the operations that `code`, (blocks, 5), chooses."""
        for edge in range(2 * self.space.num_blocks):
            block, side = divmod(edge, 2)
            kind = self.state_kinds[code[block, side]]
            specs = self._operation_specs(kind)[code[block, 2 + side]]
            weights = views(rows[self.kinds.index(kind)][edge], specs)
            for spec, weight in zip(specs, weights, strict=True):
                yield f"{self.name}/{('left', 'right')[side]}_{block + 2}{spec.name}", weight

    def __call__(self, h, p, code, computed, rows):
        """Output (batch, height, width, states * filters) and which of its states are not zero,
        (states,) of 0 and 1.

        Args:
            computed: {name: function} of `parts`.
        """
        states = [computed["base"](h[0]), self._previous(*p, computed["previous"])]
        for block in range(self.space.num_blocks):
            one, two = (self._apply(states, block, side, code, rows) for side in (0, 1))
            states.append(self._combined(one, two, block, code[block, 4], computed))
        read = tf.one_hot(tf.reshape(code[:, :2], (-1,)), self.states, dtype=tf.int32)
        unread = 1 - tf.reduce_max(read, 0)
        outputs = []
        for number, (use, state) in enumerate(zip(tf.unstack(unread > 0), states, strict=True)):
            x = computed[f"output_{number}"](state)
            outputs.append(tf.where(use, x, tf.zeros_like(x)))
        return tf.concat(outputs, -1), unread

    def _previous(self, p, unread, part):
        adapted = part(p)
        if self.kept is None:
            return adapted
        shape = (tf.shape(p)[0], *p.shape[1:3])
        apart = tf.reshape(p, (*shape, self.states, self.filters // self.kept))
        first = tf.argsort(-unread, stable=True)[: self.kept]
        together = tf.reshape(tf.gather(apart, first, axis=3), (*shape, self.filters))
        return tf.where(tf.reduce_sum(unread) == self.kept, together, adapted)

    def _apply(self, states, block, side, code, rows):
        """The operation of one side of a block, on the state it reads."""
        chosen, operation, edge = code[block, side], code[block, 2 + side], 2 * block + side
        available = self.state_kinds[: block + 2]

        def of(kind):
            members = [state for state, other in enumerate(available) if other == kind]
            x = states[members[0]]
            if len(members) > 1:
                at = [members.index(s) if s in members else 0 for s in range(self.states)]
                x = tf.stack([states[s] for s in members])[tf.constant(at)[chosen]]
            row = rows[self.kinds.index(kind)][edge]
            return self._edge(kind, self.filters)(x, row, operation)

        kinds = [kind for kind in self.kinds if kind in available]
        if len(kinds) == 1:
            return of(kinds[0])
        at = [kinds.index(kind) if kind in kinds else 0 for kind in self.state_kinds]
        return tf.switch_case(
            tf.constant(at)[chosen], [functools.partial(of, kind) for kind in kinds]
        )

    def _combined(self, one, two, block, number, computed):
        """The two sides of a block by the combination of that number."""

        def of(combination):
            both = tf.concat([one, two], -1) if combination == "concatenate" else one + two
            return computed[f"combine_{block + 2}/{combination}"](both)

        branches = [functools.partial(of, name) for name in self.space.combinations]
        return branches[0]() if len(branches) == 1 else tf.switch_case(number, branches)
