"""NAS-Bench-101: the space of its modules, and its own file of their trainings.

A module is a graph of up to seven vertices: 0 is its input, the last its output, each other one an
operation on the sum of its inputs. Vertices on no path from input to output are removed; what
remains has nine edges at most.

Source: Ying et al. 2019, arXiv 1902.09635; the file as nasbench/api.py and
    nasbench/lib/model_metrics.proto of github.com/google-research/nasbench read and define it.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import os
import pathlib
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable

from nasnet_tf.contracts.categorical import CategoricalSpace, Decision
from nasnet_tf.tables.tfrecord import records

__all__ = ["NASBench101Space", "read_nas_bench_101"]

_OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
_VERTICES, _MOST_EDGES = 7, 9
_EDGES = tuple((source, vertex) for vertex in range(1, _VERTICES) for source in range(vertex))
_EPOCHS, _REPEATS = 108, 3
_EVALUATIONS = 3  # before, halfway through and after a training
# Fields of EvaluationData: training_time, validation_accuracy, test_accuracy.
_TIME, _VALIDATION, _TEST = 2, 4, 5
_ROW = "a row of NAS-Bench-101 is [hash, epochs, adjacency, operations, metrics]"


class NASBench101Space(CategoricalSpace):
    """The 2^21 * 3^5 = 509,607,936 encodings of a module of seven vertices; 423,624 different
    modules have metrics.
    """

    def __init__(self):
        edges = (Decision(f"edge_{source}_{vertex}", (0, 1)) for source, vertex in _EDGES)
        operations = (
            Decision(f"operation_{vertex}", _OPERATIONS) for vertex in range(1, _VERTICES - 1)
        )
        super().__init__((*edges, *operations))

    def key(self, point) -> str:
        """Equal exactly if both modules are isomorphic once the vertices on no path from input to
        output are removed; "" if there is no path.
        """
        point = self.checked(point)
        edges = itertools.compress(_EDGES, point)
        return _key(
            _VERTICES, edges, ["", *(_OPERATIONS[choice] for choice in point[len(_EDGES) :]), ""]
        )

    def levels(self):
        """Level l frees the first l vertices, with the edges into them and to the output; the last
        level also frees the edge from input to output.

        Before that, this edge is present, so that every module has a path.
        """
        last, found = _VERTICES - 1, []
        for free in range(1, last):
            edges = {
                (source, vertex): (
                    None if (vertex if vertex < last else source) in range(1, free + 1) else 0
                )
                for source, vertex in _EDGES
            }
            edges[0, last] = None if free == last - 1 else 1
            found.append(
                (*edges.values(), *(None if vertex <= free else 0 for vertex in range(1, last)))
            )
        return found


def _key(vertices: int, edges: Iterable[tuple[int, int]], operations) -> str:
    """See `NASBench101Space.key`. The edges come ordered by the vertex they lead to; `operations`
    has one a vertex, any at both ends.
    """
    edges, last = list(edges), vertices - 1
    after, before = {0}, {last}
    for source, vertex in edges:
        if source in after:
            after.add(vertex)
    for source, vertex in reversed(edges):
        if vertex in before:
            before.add(source)
    kept = sorted(after & before)
    if last not in after:
        return ""
    reads, feeds = defaultdict(list), defaultdict(list)
    for source, vertex in edges:
        if source in after and vertex in before:
            reads[vertex].append(source)
            feeds[source].append(vertex)
    # By vertex: the tree of all paths that lead to it, and of all that start from it.
    ancestors, descendants = {0: "<"}, {last: ">"}
    for vertex in kept[1:]:
        trees = sorted(ancestors[source] for source in reads[vertex])
        ancestors[vertex] = f"{operations[vertex]}({','.join(trees)})"
    for source in kept[-2::-1]:
        trees = sorted(descendants[vertex] for vertex in feeds[source])
        descendants[source] = f"{operations[source]}({','.join(trees)})"
    alike = defaultdict(list)
    for vertex in kept[1:-1]:
        alike[ancestors[vertex], descendants[vertex]].append(vertex)
    groups = [alike[trees] for trees in sorted(alike)]

    def encoded(order):
        names = {0: 0, last: len(kept) - 1} | {
            vertex: name for name, vertex in enumerate(order, start=1)
        }
        return sum(
            1 << _VERTICES * names[source] + names[vertex]
            for vertex in kept
            for source in reads[vertex]
        )

    orders = itertools.product(*map(itertools.permutations, groups))
    graph = min(encoded(itertools.chain(*order)) for order in orders)
    words = "".join(str(_OPERATIONS.index(operations[group[0]])) * len(group) for group in groups)
    return f"{words}/{graph:x}"


def read_nas_bench_101(
    path: str | os.PathLike, progress: Callable[[float], None] | None = None
) -> tuple[NASBench101Space, dict[str, tuple[float, float, float]]]:
    """The space, and key -> means over the repeats of 108 epochs: validation accuracy in %, test
    accuracy in %, seconds.

    Args:
        path: nasbench_only108.tfrecord or nasbench_full.tfrecord.
        progress: called regularly with the share that is read.
    Raises: ValueError that names the file, and the record where it is wrong.
    """
    path = pathlib.Path(path)
    keys, sums = {}, {}  # a module as it is written -> its key -> [trainings, sums of the metrics]
    for number, record in records(path, progress):
        try:
            epochs, module, metrics = _row(record)
            if epochs != _EPOCHS:
                continue
            if module not in keys:
                keys[module] = _key_of_written(*module)
            values = _decoded(metrics)
        except ValueError as error:
            raise ValueError(f"{path}, record {number}: {error}") from None
        total = sums.setdefault(keys[module], [0, 0.0, 0.0, 0.0])
        for place, value in enumerate((1, *values)):
            total[place] += value
    if not sums:
        raise ValueError(
            f"{path}: there is no training of {_EPOCHS} epochs; give nasbench_only108.tfrecord or"
            " nasbench_full.tfrecord."
        )
    for count, *_ in sums.values():
        if count != _REPEATS:
            raise ValueError(
                f"{path}: each module is trained {_REPEATS} times, but one {count} times; the file"
                " is not whole, copy it again."
            )
    return NASBench101Space(), {
        key: (100 * a / count, 100 * b / count, c / count) for key, (count, a, b, c) in sums.items()
    }


def _row(record):
    """(epochs, (adjacency, operations), metrics), as in the file."""
    try:
        row = json.loads(record)
    except (ValueError, RecursionError):
        row = record
    match row:
        case [str(), int(epochs), str(adjacency), str(operations), str(metrics)]:
            return epochs, (adjacency, operations), metrics
    raise ValueError(f"{_ROW}; got {row!r:.80}.")


def _key_of_written(adjacency, operations):
    """`_key` of the concatenated rows of a matrix and comma-separated words. Raises ValueError if
    it is no module.
    """
    words, vertices = operations.split(","), math.isqrt(len(adjacency))
    edges = [divmod(place, vertices) for place, digit in enumerate(adjacency) if digit == "1"]
    is_graph = (
        vertices**2 == len(adjacency)
        and set(adjacency) <= {"0", "1"}
        and all(source < vertex for source, vertex in edges)
    )
    if not is_graph or not 2 <= vertices <= _VERTICES or len(edges) > _MOST_EDGES:
        raise ValueError(
            f"adjacency is {adjacency!r:.80}; give an upper triangle of at most 7 vertices and 9"
            " edges, as 0 and 1."
        )
    if (
        len(words) != vertices
        or (words[0], words[-1]) != ("input", "output")
        or not set(words[1:-1]) <= set(_OPERATIONS)
    ):
        raise ValueError(
            f"operations are {operations!r:.120}; give input, {vertices - 2} of"
            f" {', '.join(_OPERATIONS)}, and output."
        )
    key = _key(vertices, sorted(edges, key=lambda edge: edge[1]), words)
    if not key:
        raise ValueError(f"adjacency is {adjacency!r}; there is no path from input to output.")
    return key


def _decoded(metrics):
    """Validation accuracy, test accuracy and seconds at the end of a training, from ModelMetrics in
    base64.
    """
    try:
        message = base64.b64decode(metrics, validate=True)
    except ValueError:
        raise ValueError(f"metrics are no base64: {metrics!r:.60}.") from None
    evaluations = [value for field, value in _fields(message) if field == 1]
    if len(evaluations) != _EVALUATIONS or not all(
        isinstance(evaluation, bytes) for evaluation in evaluations
    ):
        raise ValueError(
            f"metrics have {len(evaluations)} evaluations; a training has {_EVALUATIONS}."
        )
    fields = dict(_fields(evaluations[-1]))
    texts = [fields.get(field) for field in (_VALIDATION, _TEST, _TIME)]
    if not all(isinstance(text, bytes) and len(text) == 8 for text in texts):
        raise ValueError(
            "metrics lack validation_accuracy, test_accuracy or training_time; each is a double."
        )
    validation, test, seconds = struct.unpack("<3d", b"".join(texts))
    if not (0 <= validation <= 1 and 0 <= test <= 1 and 0 <= seconds < math.inf):
        raise ValueError(
            f"accuracies are {validation:g} and {test:g}, seconds {seconds:g}; give two of 0 to 1,"
            " and at least 0."
        )
    return validation, test, seconds


_SIZES = {1: 8, 5: 4}  # of the fixed wire types


def _fields(message):
    """(number, value) of each field of a protobuf message; the value of a varint is an integer, of
    all others bytes.
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(message, place)
        else:
            size, place = (
                _varint(message, place) if kind == 2 else (_SIZES.get(kind, len(message)), place)
            )
            value, place = message[place : place + size], place + size
        if place > len(message):
            raise ValueError("metrics are no whole protobuf message.")
        yield tag >> 3, value


def _varint(message, place):
    """The number that begins at `place`, and the place after it."""
    value = 0
    for count, byte in enumerate(message[place : place + 10]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, place + count + 1
    raise ValueError("metrics are no whole protobuf message.")
