"""Trains every network of a small space on the bundled digits and writes the table that `nasnet-tf
compare` reads without --table.

    python benchmarks/digits_table.py [--out nasnet_tf/tables/digits.csv.gz]

The space: cells of one block, three operations, "add"; 21 cells up to naming, so 21 x 21 networks
(N = 1, F = 4, 8 x 8 pixels). Each is trained from seed 0 by SGD (momentum 0.9, batch 128, a rate
that falls from 0.1 to 0 along a cosine):

- signal: validation accuracy (%) after 3 epochs;
- cost: CPU seconds of these 3 epochs, on one core;
- test: test accuracy (%) after 6 epochs.

1,173 CPU seconds in all. Of 1,151 + 287 + 359 images; Spearman's correlation of signal and test is
0.45.

A network is never traced by itself. The blocks of a cell read h and p, h alone, or p alone; for
each of these 3 x 3 wirings one `Network` is built whose operations are switches, and a child is one
setting of the switches: only what is chosen is computed.
"""

import argparse
import csv
import functools
import gzip
import io
import itertools
import os
import pathlib
import time
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from nasnet_tf import data as datasets
from nasnet_tf.files import write_whole
from nasnet_tf.genotype import Block, Cell, Genotype, unused
from nasnet_tf.graph import Graph, Value
from nasnet_tf.layers import operations
from nasnet_tf.layers.parts import Bound
from nasnet_tf.network import Network
from nasnet_tf.training.graph_rewriting import rewrite_graphs

OPERATIONS = ("identity", "max_pool_3x3", "sep_conv_3x3")
WIRINGS = ((0, 1), (0, 0), (1, 1))  # what the two sides of the block read
BATCH, RATE, MOMENTUM, SHORT, LONG, SEED = 128, 0.1, 0.9, 3, 6, 0


class Switch(NamedTuple):
    """All operations at one place of a cell; one of them is computed, as `chosen` says."""

    options: tuple  # (nodes, output) of each
    y: Value
    place: tuple[int, int]


class Switching(operations.Bound):
    """A graph with switches, computed."""

    chosen: (
        tf.Variable
    )  # int32 (2, 2): cell (normal, reduction) and side (left, right) -> operation

    def _computed(self, node, values, training, masks):
        if not isinstance(node, Switch):
            return super()._computed(node, values, training, masks)

        def option(nodes, y):
            inside = dict(values)
            for part in nodes:
                inside[part.y] = self._computed(part, inside, training, masks)
            return inside[y]

        return tf.switch_case(
            Switching.chosen[node.place],
            [functools.partial(option, *pair) for pair in node.options],
        )


def switched(graph, name, operation, channels, filters, strides=1, zero_padding=False):
    """In place of `Graph.operation`: any of `OPERATIONS`, each with weights of its own."""
    made = [
        PLAIN(graph, f"{name}.{option}", option, channels, filters, strides, zero_padding)
        for option in OPERATIONS
    ]
    place = strides - 1, int("right" in name)

    def apply(x):
        nodes, rectified, options = graph.nodes, graph._rectified, []
        for option in made:
            graph.nodes, graph._rectified = [], dict(rectified)
            y = option(x)
            options.append((graph.nodes, y))
        graph.nodes, graph._rectified = nodes, rectified
        nodes.append(Switch(tuple(options), Value(filters, y.size), place))
        return nodes[-1].y

    return apply


PLAIN = Graph.operation


class Children:
    """All children of one wiring of the two cells: one network, one traced training."""

    def __init__(self, wiring, data, single=None):
        Graph.operation, operations.Bound = (PLAIN, Bound) if single else (switched, Switching)
        self.data = {
            part: (getattr(data, f"x_{part}").astype("float32"), getattr(data, f"y_{part}"))
            for part in ("train", "validation", "test")
        }
        genotype = single or Genotype(*(cell(reads, OPERATIONS[-1:] * 2) for reads in wiring))
        keras.utils.set_random_seed(SEED)
        self.model = Network(
            genotype,
            num_cells=1,
            filters=4,
            classes=data.classes,
            input_shape=data.input_shape,
            stem="cifar",
            mean=data.mean,
            std=data.std,
            batch_norm_momentum=0.9,
            batch_norm_epsilon=1e-5,
        )
        self.initial = [variable.numpy() for variable in self.model.variables]
        self.slopes = [tf.Variable(tf.zeros(v.shape)) for v in self.model.trainable_variables]
        self.epoch, self.probabilities = (
            tf.function(self._epoch),
            tf.function(lambda x: self.model(x, training=False)),
        )

    def begin(self):
        """The same weights for every child."""
        for variable, value in zip(self.model.variables, self.initial, strict=True):
            variable.value.assign(value)
        for slope in self.slopes:
            slope.assign(tf.zeros_like(slope))

    def train(self, epochs, most=None):
        """Trains from the beginning, for `most` steps an epoch if given. CPU seconds."""
        self.begin()
        x, y = self.data["train"]
        steps, draw = most or len(x) // BATCH, np.random.default_rng(SEED)
        began = time.process_time()
        for epoch in range(epochs):
            order = draw.permutation(len(x))[: steps * BATCH].reshape(steps, BATCH)
            rates = (
                RATE
                * (1 + np.cos(np.pi * (epoch * steps + np.arange(steps)) / (epochs * steps)))
                / 2
            )
            self.epoch(x[order], y[order], rates.astype("float32"))
        return time.process_time() - began

    def accuracy(self, part):
        x, y = self.data[part]
        return 100 * float((self.probabilities(x).numpy().argmax(-1) == y).mean())

    def _epoch(self, x, y, rates):
        variables = [variable.value for variable in self.model.trainable_variables]
        for step in tf.range(tf.shape(rates)[0]):
            with tf.GradientTape() as tape:
                found = self.model(x[step], training=True)
                loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y[step], found))
            gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
            for variable, slope, gradient in zip(variables, self.slopes, gradients, strict=True):
                tf.raw_ops.ResourceApplyKerasMomentum(
                    var=variable.handle,
                    accum=slope.handle,
                    lr=rates[step],
                    grad=gradient,
                    momentum=MOMENTUM,
                    use_nesterov=False,
                )


def cell(reads, operations):
    blocks = (Block(reads[0], operations[0], reads[1], operations[1]),)
    return Cell(blocks, unused(blocks))


def cells():
    """(wiring of one cell, its two operations): each cell of one block once, whatever the order of
    its sides.
    """
    sides = itertools.combinations_with_replacement(itertools.product((0, 1), OPERATIONS), 2)
    return [((one[0], two[0]), (one[1], two[1])) for one, two in sides]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path("nasnet_tf/tables/digits.csv.gz")
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="Compare a child of the switched network with one built by itself, and end.",
    )
    given = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rewrite_graphs(False)
    Switching.chosen = tf.Variable(tf.zeros((2, 2), tf.int32))
    data = datasets.load("digits", validation=0.2, seed=SEED)
    if given.check:
        return check(data)
    rows = [["genotype", "signal", "test", "cost"]]
    for wiring in itertools.product(WIRINGS, WIRINGS):
        children = Children(wiring, data)
        children.train(1)  # traced, and every kernel of TensorFlow made, before the clock counts
        for normal, reduction in itertools.product(
            *([c for c in cells() if c[0] == reads] for reads in wiring)
        ):
            Switching.chosen.assign(
                [[OPERATIONS.index(name) for name in names] for _, names in (normal, reduction)]
            )
            cost, signal = children.train(SHORT), children.accuracy("validation")
            children.train(LONG)
            figures = (signal, children.accuracy("test"), cost)
            rows.append(
                [
                    Genotype(cell(*normal), cell(*reduction)).to_json(),
                    *(f"{figure:.3f}" for figure in figures),
                ]
            )
        print(
            f"{wiring}: {len(rows) - 1} networks, {time.process_time():.0f} CPU seconds", flush=True
        )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_whole(given.out, gzip.compress(text.getvalue().encode(), mtime=0))


def check(data):
    """A network of its own and one of switches, begun with the same weights: prints how far apart
    three steps take them.
    """
    wiring, names = (
        ((0, 1), (0, 0)),
        (("sep_conv_3x3", "max_pool_3x3"), ("identity", "sep_conv_3x3")),
    )
    switched, single = (
        Children(wiring, data),
        Children(wiring, data, Genotype(*map(cell, wiring, names))),
    )
    Switching.chosen.assign([[OPERATIONS.index(name) for name in pair] for pair in names])

    def twin(
        path,
    ):  # "cell_0/left_2.1.kernel" is "cell_0/left_2.sep_conv_3x3.1.kernel" among the switches
        layer, _, name = path.rpartition("/")
        side, _, rest = name.partition("_2.")
        if side not in ("left", "right"):
            return path
        return f"{layer}/{side}_2.{names[layer.startswith('reduction')][side == 'right']}.{rest}"

    weights = dict(zip((v.path for v in switched.model.variables), switched.initial, strict=True))
    single.initial = [weights[twin(v.path)] for v in single.model.variables]
    for children in (switched, single):
        children.train(1, most=3)
    after = {v.path: v.numpy() for v in switched.model.variables}
    apart = max(np.abs(after[twin(v.path)] - v.numpy()).max() for v in single.model.variables)
    print(f"largest difference of a weight after three steps: {apart:.1e}")


if __name__ == "__main__":
    main()
