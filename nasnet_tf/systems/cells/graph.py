"""The graph of a cell, and of a network of cells.

Source: Zoph et al. 2017, arXiv 1707.07012, section 3 and appendix A; the authors' TF-slim code
(slim/nets/nasnet/nasnet.py, nasnet_utils.py) for the wiring.
"""

from __future__ import annotations

from nasnet_tf.graph import COMBINATION_SPECS, ConvSpec, Graph, ReductionSpec, Value
from nasnet_tf.graph.heads import AUXILIARY_POOL, auxiliary_features
from nasnet_tf.systems.cells.cell import Cell
from nasnet_tf.systems.cells.genotype import Genotype
from nasnet_tf.systems.cells.plan import plan, stem_convolution
from nasnet_tf.systems.stages import default_stem

__all__ = ["BATCH_NORM", "cell_graph", "network_graph"]

# Batch norm of the authors' recipes (nasnet.py): an average over thousands of steps poisons a short
# training, so networks with the CIFAR stem, searched children among them, use the short one.
BATCH_NORM = {
    "cifar": dict(momentum=0.9, epsilon=1e-5),
    "imagenet": dict(momentum=0.9997, epsilon=1e-3),
}


def cell_graph(
    graph: Graph, cell: Cell, filters: int, strides: int, adapt: str, h: Value, p: Value, *,
    residual: bool = False, zero_padded_pools: bool = False,
) -> Value:  # fmt: skip
    """Adds a cell to `graph` and returns its output. Arguments as
    `nasnet_tf.systems.cells.layer.Cell`.

    Only what reads the cell's inputs is strided; every block is `filters` wide.
    """
    adapted = {
        "share": None,
        "keep": None,
        "project": ConvSpec(filters),
        "reduce": ReductionSpec(filters),
    }[adapt]
    channels = [filters, filters if adapted else p.channels] + [filters] * len(cell.blocks)
    width = filters * len(cell.concat)

    def output(state):
        if state < 2 and strides > 1:
            return ReductionSpec(filters, relu=False)
        return None if channels[state] == filters else ConvSpec(filters, relu=False)

    base = graph.part("base", ConvSpec(filters), h.channels)
    previous = graph.part("previous", adapted, p.channels)
    operations = []
    for number, block in enumerate(cell.blocks, start=2):
        for side, state, name in (("left", *block[:2]), ("right", *block[2:4])):
            sizes = channels[state], filters, strides if state < 2 else 1
            operation = graph.operation(f"{side}_{number}", name, *sizes, zero_padded_pools)
            operations.append((state, operation, name != "identity"))
    combines = [
        graph.part(f"combine_{number}", COMBINATION_SPECS[block.combine](filters), 2 * filters)
        for number, block in enumerate(cell.blocks, start=2)
    ]
    outputs = [
        graph.part(f"output_{state}", output(state), channels[state]) for state in cell.concat
    ]
    fits = h.channels == width and strides == 1
    adds = residual and not fits
    shortcut = graph.part(
        "shortcut", ConvSpec(width, strides=(strides, strides)) if adds else None, h.channels
    )

    def operate(number):
        state, operation, is_dropped = operations[number]
        y = operation(states[state])
        return graph.drop_path(y) if is_dropped else y

    states = [base(h), previous(p)]
    for number, block in enumerate(cell.blocks):
        both = operate(2 * number), operate(2 * number + 1)
        joined = graph.concatenate(both) if block.combine == "concatenate" else graph.add(*both)
        states.append(combines[number](joined))
    out = graph.concatenate(
        [made(states[state]) for state, made in zip(cell.concat, outputs, strict=True)]
    )
    return graph.add(out, shortcut(h)) if residual else out


def network_graph(
    genotype: Genotype,
    num_cells=6,
    filters: int = 32,
    *,
    classes: int = 10,
    stem: str | None = "cifar",
    input_shape=(32, 32, 3),
    skip_reduction: bool = False,
    stem_filters=None,
    stem_cell_filters=None,
    include_top: bool = True,
    auxiliary_head: bool = False,
    residual: bool = False,
    zero_padded_pools: bool = False,
    batch_norm_momentum=None,
    batch_norm_epsilon=None,
) -> Graph:
    """The graph of `nasnet_tf.systems.cells.network.Network` of the same arguments."""
    stem = stem or default_stem(input_shape)
    steps = plan(genotype, num_cells, filters, stem, skip_reduction, stem_cell_filters)
    norm = BATCH_NORM[stem]
    momentum = norm["momentum"] if batch_norm_momentum is None else batch_norm_momentum
    epsilon = norm["epsilon"] if batch_norm_epsilon is None else batch_norm_epsilon
    graph = Graph.of_images(input_shape, momentum, epsilon)
    with graph.layer("stem"):
        spec = stem_convolution(stem, filters, stem_filters)
        outputs = [graph.part("convolution", spec, input_shape[2])(*graph.inputs)]
    for step in steps:
        cell, sizes = getattr(genotype, step.kind), (step.filters, step.strides, step.adapt)
        with graph.layer(step.name):
            h, p = outputs[step.h], outputs[step.p]
            outputs.append(
                cell_graph(
                    graph, cell, *sizes, h, p,
                    residual=residual, zero_padded_pools=zero_padded_pools,
                )
            )  # fmt: skip
    graph.output = features = graph.relu(outputs[-1])
    if include_top:
        graph.classified(features, classes)
    if auxiliary_head:
        reductions = [number for number, step in enumerate(steps) if step.kind == "reduction"]
        before = outputs[reductions[-1]]
        head = graph.auxiliary = Graph(before, momentum=graph.momentum, epsilon=graph.epsilon)
        with head.layer("auxiliary"):
            x = auxiliary_features(head, before, AUXILIARY_POOL.out(before.size))
            head.output = head.dense("dense", x.channels, classes)(x)
    return graph
