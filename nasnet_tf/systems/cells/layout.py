"""Where the boxes and lines of a cell go, from the bottom up: inputs, blocks in rows by depth,
concatenation, output.

A state that is read further up than the next row passes through the rows between in a lane of its
own, so no line runs behind a box. Nothing here knows matplotlib.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from nasnet_tf.systems.cells.genotype import Block, Cell, check

__all__ = [
    "FAMILIES",
    "Box",
    "Layout",
    "Rows",
    "Wire",
    "crossings_between",
    "family_of",
    "layout",
    "packed_width",
    "short_name",
    "spread",
]

# Sizes, in units of the drawing.
OPERATION = (1.6, 0.62)
COMBINE = (1.08, 0.46)
_COMBINED = {
    "add": "add",
    "concatenate": "concat",
    "add_layer_norm": "add, LN",
    "add_instance_norm": "add, IN",
}
INPUT = (2.5, 0.86)
PORT = 0.87  # from the middle of a block to the middle of each of its two operations
PADDING = 0.13  # of the shade behind a block
BLOCK_WIDTH = 2 * PORT + OPERATION[0] + 2 * PADDING
RISE = 0.36  # from the operations to the box that combines them
ROW_HEIGHT = OPERATION[1] + RISE + COMBINE[1]
LANE_WIDTH = 0.2
BETWEEN = 0.4  # between neighbours in a row
FRAME = 1.25  # the width of all rows together, in widths of the widest

# Stiffness of the springs that place the states, in that of a line into a block.
STRAIGHTNESS = 8.0  # of a piece of a lane
CENTRING = 0.02  # from every state to the middle: it holds together what no line joins
ROUNDS = 60

# what the legend calls each; the first that is part of an operation's name is its family
FAMILIES = {
    "sep": "separable convolution",
    "conv": "convolution",
    "pool": "pooling",
    "identity": "identity",
}


class Box(NamedTuple):
    """A labelled rectangle around (x, y); y grows upwards. A box that the output does not depend on
    is not `live`.
    """

    x: float
    y: float
    width: float
    height: float
    text: str
    family: str
    live: bool


class Wire(NamedTuple):
    """A line from a state to what reads it: curves and straight pieces in turn, a curve first and
    last.
    """

    points: tuple[tuple[float, float], ...]
    state: int
    live: bool


class Layout(NamedTuple):
    """Where a cell's boxes and wires go, within (0, 0) and (width, height); `shades` lie behind the
    boxes of a block.
    """

    boxes: tuple[Box, ...]
    shades: tuple[Box, ...]
    wires: tuple[Wire, ...]
    width: float
    height: float


def layout(cell: Cell) -> Layout:
    """Positions of all boxes and lines of `cell`. Pure; the same cell gives the same layout."""
    rows = Rows(check(cell))
    xs = rows.places()
    bottom, ys = 0.0, []  # (bottom, top) of each row
    for k in range(len(rows.order)):
        ys.append((bottom, bottom + (ROW_HEIGHT if k else INPUT[1])))
        bottom = ys[k][1] + _gap(rows, xs, k + 1)
    boxes, shades = _state_boxes(rows, xs, ys)
    ports = _concat_ports(rows, xs)
    centre = sum(ports.values()) / len(ports)
    width = max(INPUT[0], 0.55 * len(ports) + 0.5)
    boxes.append(Box(centre, bottom + COMBINE[1] / 2, width, COMBINE[1], "concat", "concat", True))
    output = bottom + COMBINE[1] + 0.55
    boxes.append(Box(centre, output + 0.3, INPUT[0], 0.6, "$h_{i+1}$", "state", True))
    wires = _wires(rows, xs, ys, ports, bottom)
    wires.append(
        Wire(((centre, bottom + COMBINE[1]), (centre, output)), len(cell.blocks) + 2, True)
    )
    return _moved(boxes, shades, wires)


class Rows:
    """The rows of a cell and the order of the states in them; a state is in its own row and in
    those it passes through.
    """

    def __init__(self, cell: Cell):
        self.cell = cell
        self.depth = [0, 0]
        for block in cell.blocks:
            self.depth.append(1 + max(self.depth[block.input_1], self.depth[block.input_2]))
        self.live = _live(cell)
        last = list(self.depth)
        for state, block in enumerate(cell.blocks, 2):
            for source in (block.input_1, block.input_2):
                last[source] = max(last[source], self.depth[state] - 1)
        for state in cell.concat:
            last[state] = max(self.depth)
        rows = [
            [s for s in range(len(last)) if self.depth[s] <= k <= last[s]]
            for k in range(max(self.depth) + 1)
        ]
        rows[0] = [1, 0]  # as time runs: p, then h. The mirror image would have as many crossings
        self.order = _ordered(rows, self.sources)

    def passes(self, k: int, state: int) -> bool:
        return self.depth[state] < k

    def sources(self, k: int, state: int) -> tuple[int, ...]:
        """The states of row k - 1 that `state` of row k is reached from."""
        if k == 0:
            return ()
        if self.passes(k, state):
            return (state,)
        block = self.cell.blocks[state - 2]
        return block.input_1, block.input_2

    def ports(self, k: int, state: int) -> list[tuple[int, str, float]]:
        """(source, operation, distance from the middle) of each line into `state` of row k, left to
        right.
        """
        if k == 0:
            return []
        if self.passes(k, state):
            return [(state, "", 0.0)]
        place = self.order[k - 1].index
        one, two = sorted(_sides(self.cell.blocks[state - 2]), key=lambda side: place(side[0]))
        return [(*one, -PORT), (*two, PORT)]

    def width(self, k: int, state: int) -> float:
        return INPUT[0] if k == 0 else LANE_WIDTH if self.passes(k, state) else BLOCK_WIDTH

    def places(self) -> list[dict[int, float]]:
        """The x of every state in every row: near what it is joined to, in order, without overlap,
        within the frame.

        Each step moves one row to where the springs between states are least stretched, so the sum
        over all springs only ever falls, and parts of a cell that nothing joins do not drift apart.
        """
        widths = [[self.width(k, state) for state in row] for k, row in enumerate(self.order)]
        frame = max(packed_width(row) for row in widths) * FRAME
        xs = [dict.fromkeys(row, 0.0) for row in self.order]
        for _ in range(ROUNDS):
            for k, row in enumerate(self.order):
                places, weights = zip(*(self._wish(xs, k, state) for state in row), strict=True)
                xs[k] = dict(zip(row, spread(places, weights, widths[k], frame), strict=True))
        return xs

    def _wish(self, xs, k: int, state: int) -> tuple[float, float]:
        """Where the springs on `state` of row k would have it, and how stiff they are together."""
        springs = [(0.0, CENTRING)]  # to the middle of the picture
        springs += [
            (xs[k - 1][source] - offset, self._stiffness(k, state))
            for source, _, offset in self.ports(k, state)
        ]
        for reader in self.order[k + 1] if k + 1 < len(self.order) else ():
            stiffness = self._stiffness(k + 1, reader)
            springs += [
                (xs[k + 1][reader] + offset, stiffness)
                for source, _, offset in self.ports(k + 1, reader)
                if source == state
            ]
        total = sum(stiffness for _, stiffness in springs)
        return sum(x * stiffness for x, stiffness in springs) / total, total

    def _stiffness(self, k: int, state: int) -> float:
        return STRAIGHTNESS if self.passes(k, state) else 1.0


def _live(cell: Cell) -> set[int]:
    """The states the cell's output depends on."""
    live, frontier = set(), set(cell.concat)
    while frontier:
        live |= frontier
        frontier = {
            source
            for state in frontier
            if state > 1
            for source, _ in _sides(cell.blocks[state - 2])
        } - live
    return live


def _sides(block: Block) -> tuple[tuple[int, str], tuple[int, str]]:
    return (block.input_1, block.operation_1), (block.input_2, block.operation_2)


def _ordered(rows: list[list[int]], sources) -> list[list[int]]:
    """`rows` put in an order with few crossings: sweeps by barycentre, then swaps of neighbours
    while they help.
    """

    def crossings(rows):
        return sum(crossings_between(rows[k - 1], rows[k], sources, k) for k in range(1, len(rows)))

    best = rows = [list(row) for row in rows]
    for _ in range(6):
        for k in range(1, len(rows)):
            rows[k] = _by_barycentre(
                rows[k],
                {s: [rows[k - 1].index(source) for source in sources(k, s)] for s in rows[k]},
            )
        best = min(best, _swapped(rows, crossings), key=crossings)
        for k in range(len(rows) - 2, 0, -1):
            readers = {
                s: [i for i, reader in enumerate(rows[k + 1]) if s in sources(k + 1, reader)]
                for s in rows[k]
            }
            rows[k] = _by_barycentre(rows[k], readers)
        best = min(best, _swapped(rows, crossings), key=crossings)
    return best


def _by_barycentre(row: list[int], joined: dict[int, list[int]]) -> list[int]:
    return sorted(row, key=lambda s: sum(joined[s]) / len(joined[s]) if joined[s] else row.index(s))


def _swapped(rows: list[list[int]], crossings) -> list[list[int]]:
    rows = [list(row) for row in rows]
    count, before = crossings(rows), None
    while count != before:
        before = count
        for row in rows[1:]:
            for i in range(len(row) - 1):
                row[i], row[i + 1] = row[i + 1], row[i]
                if (now := crossings(rows)) < count:
                    count = now
                else:
                    row[i], row[i + 1] = row[i + 1], row[i]
    return rows


def crossings_between(lower: list[int], upper: list[int], sources, k: int) -> int:
    ends = [
        place for s in upper for place in sorted(lower.index(source) for source in sources(k, s))
    ]
    return sum(left > right for left, right in itertools.combinations(ends, 2))


def packed_width(widths: Sequence[float]) -> float:
    """The least width of a row of boxes so wide."""
    return sum(widths) + BETWEEN * (len(widths) - 1)


def spread(
    wishes: Sequence[float], weights: Sequence[float], widths: Sequence[float], frame: float
) -> list[float]:
    """The places nearest to `wishes` (weighted least squares) in order, without overlap and within
    `frame` around 0.

    This is isotonic regression of where each box would leave the packed row, clipped to the room
    that the row has.
    """
    steps = [0.0, *((a + b) / 2 + BETWEEN for a, b in itertools.pairwise(widths))]
    shifts = list(itertools.accumulate(steps, initial=-packed_width(widths) / 2 + widths[0] / 2))[
        1:
    ]
    pools: list[tuple[float, float, int]] = []  # (mean, weight, members)
    for wish, weight, shift in zip(wishes, weights, shifts, strict=True):
        mean, members = wish - shift, 1
        while pools and pools[-1][0] > mean:
            other, heft, count = pools.pop()
            mean, weight, members = (
                (mean * weight + other * heft) / (weight + heft),
                weight + heft,
                members + count,
            )
        pools.append((mean, weight, members))
    room = (frame - packed_width(widths)) / 2
    means = (min(max(mean, -room), room) for mean, _, members in pools for _ in range(members))
    return [mean + shift for mean, shift in zip(means, shifts, strict=True)]


def _gap(rows: Rows, xs, k: int) -> float:
    """Height between rows k - 1 and k: more where lines run far sideways."""
    if k == len(rows.order):
        ports = _concat_ports(rows, xs)
        runs = [abs(x - xs[-1][state]) for state, x in ports.items()]
    else:
        runs = [
            abs(xs[k][s] + offset - xs[k - 1][source])
            for s in rows.order[k]
            for source, _, offset in rows.ports(k, s)
        ]
    return min(max(0.8, 0.45 + 0.2 * max(runs)), 2.4)


def _concat_ports(rows: Rows, xs) -> dict[int, float]:
    """Where on the concatenation the line of each of its states arrives."""
    states = [state for state in rows.order[-1] if state in rows.cell.concat]
    centre = (xs[-1][states[0]] + xs[-1][states[-1]]) / 2
    return {state: centre + 0.55 * (i - (len(states) - 1) / 2) for i, state in enumerate(states)}


def _state_boxes(rows: Rows, xs, ys) -> tuple[list[Box], list[Box]]:
    names = {0: "$h_i$\nprevious cell", 1: "$h_{i-1}$\ncell before that"}
    boxes = [Box(xs[0][s], INPUT[1] / 2, *INPUT, names[s], "state", s in rows.live) for s in (1, 0)]
    shades = []
    for state, block in enumerate(rows.cell.blocks, 2):
        k, live = rows.depth[state], state in rows.live
        x, (bottom, top) = xs[k][state], ys[k]
        for _, operation, offset in rows.ports(k, state):
            boxes.append(
                Box(
                    x + offset,
                    bottom + OPERATION[1] / 2,
                    *OPERATION,
                    short_name(operation),
                    family_of(operation),
                    live,
                )
            )
        boxes.append(
            Box(x, top - COMBINE[1] / 2, *COMBINE, _COMBINED[block.combine], block.combine, live)
        )
        shades.append(
            Box(
                x,
                (bottom + top) / 2,
                BLOCK_WIDTH,
                ROW_HEIGHT + 2 * PADDING,
                str(state),
                "shade",
                live,
            )
        )
    return boxes, shades


def _wires(rows: Rows, xs, ys, concat_ports: dict[int, float], top: float) -> list[Wire]:
    def wire(source, k, x, y, live):
        start = (xs[rows.depth[source]][source], ys[rows.depth[source]][1])
        lane = ((xs[j][source], y) for j in range(rows.depth[source] + 1, k) for y in ys[j])
        return Wire((start, *lane, (x, y)), source, live)

    wires = []
    for state in range(2, len(rows.depth)):
        k, live = rows.depth[state], state in rows.live
        x, (bottom, ceiling) = xs[k][state], ys[k]
        for source, _, offset in rows.ports(k, state):
            wires.append(wire(source, k, x + offset, bottom, live))
            inside = ((x + offset, bottom + OPERATION[1]), (x + offset * 0.3, ceiling - COMBINE[1]))
            wires.append(Wire(inside, state, live))
    return wires + [wire(state, len(rows.order), x, top, True) for state, x in concat_ports.items()]


def _moved(boxes, shades, wires) -> Layout:
    """The layout with its lower left corner at (0, 0)."""
    xs = [x for wire in wires for x, _ in wire.points]
    left = min(*(b.x - b.width / 2 for b in (*boxes, *shades)), *xs)
    right = max(*(b.x + b.width / 2 for b in (*boxes, *shades)), *xs)
    boxes, shades = ([b._replace(x=b.x - left) for b in some] for some in (boxes, shades))
    wires = [wire._replace(points=tuple((x - left, y) for x, y in wire.points)) for wire in wires]
    return Layout(
        tuple(boxes),
        tuple(shades),
        tuple(wires),
        right - left,
        max(b.y + b.height / 2 for b in boxes),
    )


def family_of(operation: str) -> str:
    return next((family for family in FAMILIES if family in operation), "other")


def short_name(operation: str) -> str:
    """`sep_conv_5x5` as `sep 5x5`, `max_pool_3x3` as `max 3x3`, `conv_1x7_7x1` as `1x7 7x1`,
    `dil_sep_conv_3x3` as `dil sep 3`.
    """
    if operation.startswith("dil_sep_conv_"):
        return f"dil sep {operation[-1]}"
    kind, *rest = [word for word in operation.split("_") if word != "pool"]
    sizes = [word for word in rest if word != "conv"]
    return " ".join(sizes if len(sizes) > 1 else [kind, *sizes])
