"""The graph of a network of cells: `nasnet_tf.network.Network`, by the same plan."""

from __future__ import annotations

import itertools

from nasnet_tf.genotype import Genotype
from nasnet_tf.native.graph import Graph, classified, part_of
from nasnet_tf.network import BATCH_NORM
from nasnet_tf.plan import default_stem, plan, plan_cell, stem_convolution

__all__ = ["graph_of"]


def graph_of(
    genotype: Genotype, *, num_cells=6, filters=32, classes=10, stem="cifar", input_shape=(32, 32, 3), skip_reduction=False,
    residual=False, stem_filters=None, stem_cell_filters=None, batch_norm_momentum=None, batch_norm_epsilon=None,
) -> Graph:  # fmt: skip
    """Arguments as `Network`. Raises NotImplementedError for a part that has no native operation."""
    stem = stem or default_stem(input_shape)
    norm, part = BATCH_NORM[stem], stem_convolution(stem, filters, stem_filters)
    graph = Graph(
        input_shape,
        norm["momentum"] if batch_norm_momentum is None else batch_norm_momentum,
        norm["epsilon"] if batch_norm_epsilon is None else batch_norm_epsilon,
    )
    outputs = [part_of(graph, "stem/convolution", part, input_shape[-1])(graph.image)]
    for step in plan(genotype, num_cells, filters, stem, skip_reduction, stem_cell_filters):
        outputs.append(_cell(graph, step, getattr(genotype, step.kind), outputs[step.h], outputs[step.p], residual))
    return classified(graph, outputs[-1], classes)


def _cell(graph, step, cell, h, p, residual):
    """The output of one cell."""
    made = plan_cell(cell, step.filters, step.strides, step.adapt, h.channels, p.channels, residual)
    base = part_of(graph, f"{step.name}/base", made.base, h.channels)
    previous = part_of(graph, f"{step.name}/previous", made.previous, p.channels)
    channels = [step.filters, p.channels if made.previous is None else step.filters] + [step.filters] * len(cell.blocks)
    read = itertools.chain.from_iterable((block.input_1, block.input_2) for block in cell.blocks)
    edges = []
    for edge, (state, parts) in enumerate(zip(read, made.operations, strict=True)):
        site, width, row = f"{step.name}/{('left', 'right')[edge % 2]}_{edge // 2 + 2}", channels[state], []
        for number, part in enumerate(parts, start=1):
            row.append(part_of(graph, f"{site}.{number}", part, width))
            width = getattr(part, "filters", width)
        edges.append((state, row))
    combines = [part_of(graph, f"{step.name}/combine_{n}", part, 2 * step.filters) for n, part in enumerate(made.combines, start=2)]
    outputs = [
        (state, part_of(graph, f"{step.name}/output_{state}", part, channels[state]))
        for state, part in zip(cell.concat, made.outputs, strict=True)
    ]
    shortcut = part_of(graph, f"{step.name}/shortcut", made.residual, h.channels)

    def operate(edge):
        state, row = edges[edge]
        x = states[state]
        for part in row:
            x = part(x)
        return x

    states = [base(h), previous(p)]
    for number, block in enumerate(cell.blocks):
        one, two = operate(2 * number), operate(2 * number + 1)
        states.append(combines[number](graph.concatenate([one, two]) if block.combine == "concatenate" else graph.add(one, two)))
    out = graph.concatenate([part(states[state]) for state, part in outputs])
    return graph.add(out, shortcut(h)) if residual else out
