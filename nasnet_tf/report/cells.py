"""Pictures of cells, in the style of the figures in Zoph et al. 2017 (arXiv 1707.07012, section 3).

A cell is drawn from the bottom up: the two inputs, the blocks in rows by depth, the concatenation, the output. A state
that is read further up than the next row passes through the rows between in a lane of its own, so no line runs behind
a box. `layout` decides where everything goes and knows no matplotlib; the rest puts ink there.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import pathlib
from typing import NamedTuple

from nasnet_tf.genotype import Block, Cell, Genotype, check

__all__ = ["Box", "Layout", "Wire", "draw_genotype", "genotype_figure", "layout", "render", "write_whole"]

# Sizes, in units of the drawing; a unit is INCHES wide.
INCHES = 0.44
OPERATION = (1.6, 0.62)
COMBINE = (1.08, 0.46)
INPUT = (2.5, 0.86)
PORT = 0.87  # from the middle of a block to the middle of each of its two operations
PADDING = 0.13  # of the shade behind a block
BLOCK_WIDTH = 2 * PORT + OPERATION[0] + 2 * PADDING
RISE = 0.36  # from the operations to the box that combines them
ROW_HEIGHT = OPERATION[1] + RISE + COMBINE[1]
LANE_WIDTH = 0.2
BETWEEN = 0.4  # between neighbours in a row
MARGIN = 0.4

FAMILIES = {  # colour and name in the legend; the first whose prefix fits an operation's name is its family
    "sep": ("#f7cf6b", "separable convolution"),
    "conv": ("#f2a07b", "convolution"),
    "pool": ("#93c2ec", "pooling"),
    "identity": ("#bfe0b0", "identity"),
}
COLOURS = {"add": "#e4e6ea", "concatenate": "#d5c8ee", "concat": "#d5c8ee", "state": "#ffffff", "other": "#e4e6ea"}
INK, MUTED, PALE, SHADE = "#22262e", "#8a909c", "#c3c7ce", "#f4f5f7"
WIRE_COLOURS = {0: "#2b62b8", 1: "#b0413e"}  # lines from h and from p; those from blocks are INK
DEAD = "#fafafa"
SETTINGS = {"svg.hashsalt": "nasnet_tf", "svg.fonttype": "path", "font.family": ["DejaVu Sans"], "text.usetex": False}


class Box(NamedTuple):
    """A labelled rectangle around (x, y); y grows upwards. A box that the output does not depend on is not `live`."""

    x: float
    y: float
    width: float
    height: float
    text: str
    family: str
    live: bool


class Wire(NamedTuple):
    """A line from a state to what reads it: curves and straight pieces in turn, a curve first and last."""

    points: tuple[tuple[float, float], ...]
    state: int
    live: bool


class Layout(NamedTuple):
    """Where a cell's boxes and wires go, within (0, 0) and (width, height); `shades` lie behind the boxes of a block."""

    boxes: tuple[Box, ...]
    shades: tuple[Box, ...]
    wires: tuple[Wire, ...]
    width: float
    height: float


def draw_genotype(genotype: Genotype, path: str | os.PathLike, title: str = "") -> None:
    """Writes a picture of both cells, side by side.

    Args:
        path: ends in .png or .svg; the file is there whole or not at all.
        title: a line above the cells, taken as it is (no mathematics).
    """
    suffix = picture_format(path)
    write_whole(path, render(lambda: genotype_figure(genotype, title), suffix))


def layout(cell: Cell) -> Layout:
    """Positions of all boxes and lines of `cell`. Pure; the same cell gives the same layout."""
    rows = _Rows(check(cell))
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
    wires.append(Wire(((centre, bottom + COMBINE[1]), (centre, output)), len(cell.blocks) + 2, True))
    return _moved(boxes, shades, wires)


class _Rows:
    """The rows of a cell and the order of the states in them; a state is in its own row and in those it passes through."""

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
        rows = [[s for s in range(len(last)) if self.depth[s] <= k <= last[s]] for k in range(max(self.depth) + 1)]
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
        """(source, operation, distance from the middle) of each line into `state` of row k, left to right."""
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
        """The x of every state in every row: near what it is joined to, in order, without overlap."""
        xs = [dict(zip(row, _spread([0.0] * len(row), self._widths(k)), strict=True)) for k, row in enumerate(self.order)]
        for _ in range(40):
            for k, row in enumerate(self.order):
                wishes = [self._wish(xs, k, state) for state in row]
                xs[k] = dict(zip(row, _spread(wishes, self._widths(k)), strict=True))
        return xs

    def _widths(self, k: int) -> list[float]:
        return [self.width(k, state) for state in self.order[k]]

    def _wish(self, xs, k: int, state: int) -> float:
        pulls = [(xs[k - 1][source] - offset, 8 if self.passes(k, state) else 1) for source, _, offset in self.ports(k, state)]
        for reader in self.order[k + 1] if k + 1 < len(self.order) else ():
            weight = 8 if reader == state else 1  # keep lanes straight
            pulls += [(xs[k + 1][reader] + offset, weight) for source, _, offset in self.ports(k + 1, reader) if source == state]
        total = sum(weight for _, weight in pulls)
        return sum(x * weight for x, weight in pulls) / total if total else xs[k][state]


def _live(cell: Cell) -> set[int]:
    """The states the cell's output depends on."""
    live, frontier = set(), set(cell.concat)
    while frontier:
        live |= frontier
        frontier = {source for state in frontier if state > 1 for source, _ in _sides(cell.blocks[state - 2])} - live
    return live


def _sides(block: Block) -> tuple[tuple[int, str], tuple[int, str]]:
    return (block.input_1, block.operation_1), (block.input_2, block.operation_2)


def _ordered(rows: list[list[int]], sources) -> list[list[int]]:
    """`rows` put in an order with few crossings: sweeps by barycentre, then swaps of neighbours while they help."""

    def crossings(rows):
        return sum(_crossings(rows[k - 1], rows[k], sources, k) for k in range(1, len(rows)))

    best = rows = [list(row) for row in rows]
    for _ in range(6):
        for k in range(1, len(rows)):
            rows[k] = _by_barycentre(rows[k], {s: [rows[k - 1].index(source) for source in sources(k, s)] for s in rows[k]})
        best = min(best, _swapped(rows, crossings), key=crossings)
        for k in range(len(rows) - 2, 0, -1):
            readers = {s: [i for i, reader in enumerate(rows[k + 1]) if s in sources(k + 1, reader)] for s in rows[k]}
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


def _crossings(lower: list[int], upper: list[int], sources, k: int) -> int:
    ends = [place for s in upper for place in sorted(lower.index(source) for source in sources(k, s))]
    return sum(left > right for left, right in itertools.combinations(ends, 2))


def _spread(wishes: list[float], widths: list[float]) -> list[float]:
    """The places nearest to `wishes` (least squares) that keep their order and do not overlap: isotonic regression."""
    steps = [0.0, *((a + b) / 2 + BETWEEN for a, b in itertools.pairwise(widths))]
    shifts = list(itertools.accumulate(steps))
    pools: list[tuple[float, int]] = []  # (mean, members)
    for wish, shift in zip(wishes, shifts, strict=True):
        mean, members = wish - shift, 1
        while pools and pools[-1][0] > mean:
            other, count = pools.pop()
            mean, members = (mean * members + other * count) / (members + count), members + count
        pools.append((mean, members))
    return [mean + shift for mean, shift in zip((m for m, n in pools for _ in range(n)), shifts, strict=True)]


def _gap(rows: _Rows, xs, k: int) -> float:
    """Height between rows k - 1 and k: more where lines run far sideways."""
    if k == len(rows.order):
        ports = _concat_ports(rows, xs)
        runs = [abs(x - xs[-1][state]) for state, x in ports.items()]
    else:
        runs = [abs(xs[k][s] + offset - xs[k - 1][source]) for s in rows.order[k] for source, _, offset in rows.ports(k, s)]
    return min(max(0.8, 0.45 + 0.2 * max(runs)), 2.4)


def _concat_ports(rows: _Rows, xs) -> dict[int, float]:
    """Where on the concatenation the line of each of its states arrives."""
    states = [state for state in rows.order[-1] if state in rows.cell.concat]
    centre = (xs[-1][states[0]] + xs[-1][states[-1]]) / 2
    return {state: centre + 0.55 * (i - (len(states) - 1) / 2) for i, state in enumerate(states)}


def _state_boxes(rows: _Rows, xs, ys) -> tuple[list[Box], list[Box]]:
    names = {0: "$h_i$\nprevious cell", 1: "$h_{i-1}$\ncell before that"}
    boxes = [Box(xs[0][s], INPUT[1] / 2, *INPUT, names[s], "state", s in rows.live) for s in (1, 0)]
    shades = []
    for state, block in enumerate(rows.cell.blocks, 2):
        k, live = rows.depth[state], state in rows.live
        x, (bottom, top) = xs[k][state], ys[k]
        for _, operation, offset in rows.ports(k, state):
            boxes.append(Box(x + offset, bottom + OPERATION[1] / 2, *OPERATION, _text(operation), _family(operation), live))
        boxes.append(Box(x, top - COMBINE[1] / 2, *COMBINE, "add" if block.combine == "add" else "concat", block.combine, live))
        shades.append(Box(x, (bottom + top) / 2, BLOCK_WIDTH, ROW_HEIGHT + 2 * PADDING, str(state), "shade", live))
    return boxes, shades


def _wires(rows: _Rows, xs, ys, concat_ports: dict[int, float], top: float) -> list[Wire]:
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
    return Layout(tuple(boxes), tuple(shades), tuple(wires), right - left, max(b.y + b.height / 2 for b in boxes))


def _family(operation: str) -> str:
    return next((family for family in FAMILIES if family in operation), "other")


def _text(operation: str) -> str:
    """`sep_conv_5x5` as `sep 5x5`, `max_pool_3x3` as `max 3x3`, `conv_1x7_7x1` as `1x7 7x1`."""
    kind, *rest = [word for word in operation.split("_") if word != "pool"]
    sizes = [word for word in rest if word != "conv"]
    return " ".join(sizes if len(sizes) > 1 else [kind, *sizes])


def genotype_figure(genotype: Genotype, title: str = ""):
    """Both cells as a matplotlib Figure that belongs to no window."""
    from matplotlib.figure import Figure

    if not isinstance(genotype, Genotype):
        raise ValueError(f"expected a Genotype, got {type(genotype).__name__}; Genotype.load reads one from a file.")
    layouts = [layout(cell) for cell in check(genotype)]
    apart, below, above = 1.6, 1.5, 1.0 if title else 0.2
    width = sum(max(some.width, 7.5) for some in layouts) + apart + 2 * MARGIN
    height = max(some.height for some in layouts) + below + above + MARGIN
    figure = Figure(figsize=(width * INCHES, height * INCHES), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    x = MARGIN
    for some, name in zip(layouts, ("Normal cell", "Reduction cell"), strict=True):
        panel = max(some.width, 7.5)
        axes.text(x + panel / 2, below - 0.5, name, ha="center", va="center", fontsize=11, weight="bold", color=INK)
        _draw(axes, some, x + (panel - some.width) / 2, below)
        x += panel + apart
    if title:
        axes.text(
            width / 2, height - 0.6, one_line(title), ha="center", va="center", fontsize=13, weight="bold", color=INK, parse_math=False
        )
    _draw_legend(axes, width, layouts)
    return figure


def _draw(axes, some: Layout, x: float, y: float) -> None:
    for shade in some.shades:
        _draw_box(axes, shade, x, y, SHADE, "none", zorder=0)
        corner = (x + shade.x + shade.width / 2 - 0.1, y + shade.y + shade.height / 2 - 0.18)
        axes.text(*corner, shade.text, fontsize=7, color=MUTED if shade.live else PALE, ha="right", va="center")
    for wire in some.wires:
        _draw_wire(axes, wire, x, y)
    for box in some.boxes:
        ink = INK if box.live else PALE
        _draw_box(axes, box, x, y, _colour(box), ink, zorder=4)
        align = "center" if "\n" in box.text else "center_baseline"
        axes.text(x + box.x, y + box.y, box.text, ha="center", va=align, fontsize=8, color=ink, zorder=5, linespacing=1.15)


def _draw_box(axes, box: Box, x: float, y: float, fill: str, edge: str, zorder: int) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (x + box.x - box.width / 2, y + box.y - box.height / 2)
    style = "round,pad=0,rounding_size=0.15"
    axes.add_patch(FancyBboxPatch(corner, box.width, box.height, style, fc=fill, ec=edge, lw=0.9, zorder=zorder))


def _colour(box: Box) -> str:
    if not box.live:
        return DEAD
    return FAMILIES[box.family][0] if box.family in FAMILIES else COLOURS[box.family]


def _draw_wire(axes, wire: Wire, x: float, y: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    points = [(x + a, y + b) for a, b in wire.points]
    vertices, codes = [points[0]], [Path.MOVETO]
    for i, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(points)):
        if i % 2:
            vertices, codes = [*vertices, (x1, y1)], [*codes, Path.LINETO]
        else:
            bend = 0.5 * (y1 - y0)
            vertices += [(x0, y0 + bend), (x1, y1 - bend), (x1, y1)]
            codes += [Path.CURVE4] * 3
    colour = WIRE_COLOURS.get(wire.state, INK) if wire.live else PALE
    style = "-|>,head_length=3.2,head_width=1.7"
    arrow = FancyArrowPatch(path=Path(vertices, codes), arrowstyle=style, color=colour, lw=1.1, zorder=2 if wire.live else 1)
    axes.add_patch(arrow)


def _draw_legend(axes, width: float, layouts) -> None:
    from matplotlib.patches import Rectangle

    entries = [(colour, INK, name) for colour, name in FAMILIES.values()]
    if not all(box.live for some in layouts for box in some.boxes):
        entries.append((DEAD, PALE, "unused"))
    lengths = [0.85 + 0.145 * len(name) for *_, name in entries]
    x = (width - sum(lengths)) / 2
    for (colour, ink, name), length in zip(entries, lengths, strict=True):
        axes.add_patch(Rectangle((x, 0.22), 0.3, 0.3, fc=colour, ec=ink, lw=0.6))
        axes.text(x + 0.42, 0.37, name, fontsize=7, va="center_baseline", color=INK)
        x += length


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, which an SVG file must not hold."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def picture_format(path: str | os.PathLike) -> str:
    """`png` or `svg`, by the suffix of `path`. Raises ValueError on any other."""
    suffix = pathlib.Path(path).suffix.lower().lstrip(".")
    if suffix not in ("png", "svg"):
        raise ValueError(f"{path}: a picture is written as .png or .svg; end the name in one of them.")
    return suffix


def render(make_figure, suffix: str) -> bytes:
    """The figure that `make_figure()` returns as a PNG or SVG file; the same figure gives the same bytes."""
    import matplotlib

    buffer = io.BytesIO()
    metadata = {"Date": None} if suffix == "svg" else None
    with matplotlib.rc_context():  # the caller's settings come back afterwards
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        make_figure().savefig(buffer, format=suffix, dpi=200 if suffix == "png" else 72, metadata=metadata)
    return buffer.getvalue()


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Writes the file by way of a temporary name beside it: it is there whole or not at all."""
    path = pathlib.Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; create it first.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
