"""A lowered graph in pieces that are compiled once for all networks which have equal ones.

A piece is a chain: nodes one after the other, of which nothing else reads what is between, such as
the two separable convolutions of an operation. Smaller pieces are more calls (a node each makes
three times as many), larger ones are seldom equal in two networks: a whole network is a
compilation of a quarter of a minute each.
"""

from __future__ import annotations

from typing import NamedTuple

from nasnet_tf.device.operations import Step, step_of, weights_of
from nasnet_tf.graph import Value
from nasnet_tf.lowered import graph as nodes

_SEVERAL = nodes.Add, nodes.Concatenate, nodes.Zero  # read several feature maps, or none


class Chain(NamedTuple):
    """Args:
    x, y: the first feature map that is read, and the result.
    steps: what is done.
    trained, moving: the numbers of the weights of all steps, in their order.
    """

    x: Value
    y: Value
    steps: tuple[Step, ...]
    trained: tuple[int, ...]
    moving: tuple[int, ...]


def pieces_of(graph: nodes.LoweredGraph, longest: int | None = None) -> list:
    """The chains of a graph, and the nodes that are none, in order of computation.

    Args:
        longest: nodes that a chain may have; None is any number.
    """
    readers = nodes.readers_of(graph.nodes)
    readers[graph.features] += 1
    found, open_chains = [], {}  # {what a chain that may go on computes: its place}
    for node in graph.nodes:
        if isinstance(node, _SEVERAL):
            found.append(node)
            continue
        trained, moving = weights_of(node)
        piece = Chain(node.x, node.y, (step_of(node),), trained, moving)
        place = open_chains.pop(node.x, None)
        if place is None:
            place = len(found)
            found.append(piece)
        else:
            found[place] = piece = _joined(found[place], piece)
        if readers[node.y] == 1 and len(piece.steps) != longest:
            open_chains[node.y] = place
    return found


def _joined(first, then):
    both = zip(first[2:], then[2:], strict=True)
    return Chain(first.x, then.y, *(a + b for a, b in both))
