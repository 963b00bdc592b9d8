"""Where the boxes and lines of a cell go, from the bottom up: inputs, blocks in rows by depth,
concatenation, output.

A state that is read further up than the next row passes through the rows between in a lane of its
own, so no line runs behind a box. Nothing here knows matplotlib.
"""

from __future__ import annotations

from typing import NamedTuple

from nasnet_tf.drawing.rows import ordered, packed_width, spread
from nasnet_tf.drawing.style import family_of, short_name
from nasnet_tf.systems.cells.cell import Block, Cell, check_cell

__all__ = ["Box", "Layout", "Rows", "Wire", "layout"]

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
FRAME = 1.25  # the width of all rows together, in widths of the widest

# Stiffness of the springs that place the states, in that of a line into a block.
STRAIGHTNESS = 8.0  # of a piece of a lane
CENTRING = 0.02  # from every state to the middle: it holds together what no line joins
ROUNDS = 60


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
    rows = Rows(check_cell(cell))
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
        self.order = ordered(rows, self.sources)

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
