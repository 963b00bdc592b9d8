"""What a network is built of, as data: parts of operations, parts of a cell, cells of a network. No Keras here.

Everything a builder, a parameter count or a multiply-add count needs to know is decided here, from the genotype and a few
numbers, never from the shape of a tensor. So sizes may be None, and a count needs no network.

Sources: Zoph et al. 2017, arXiv 1707.07012, section 3 and appendix A.4; the authors' TF-slim code
(slim/nets/nasnet/nasnet.py, nasnet_utils.py) for the wiring between cells; for operations that slim does not have (1x3-3x1,
1x7-7x1, dilated, 3x3, 1x1), Google's AmoebaNet code on the same base class (tpu/models/official/amoeba_net); for dilated separable
convolutions the code of DARTS (cnn/operations.py), for the plain 3x3 that of NAS-Bench-201.
"""

from __future__ import annotations

from typing import NamedTuple

from nasnet_tf.genotype import Cell, Genotype, check

_MOST_CELLS = 1000  # a stage; published networks have up to 20
STEMS = ("cifar", "imagenet")


class Convolution(NamedTuple):
    """ReLU (unless `relu` is False), convolution without bias, batch norm."""

    filters: int
    kernel_size: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilation: int = 1
    separable: bool = False
    relu: bool = True
    padding: str = "same"


class Pooling(NamedTuple):
    """Maximum or average over `size` x `size`; the border is not counted ("same" as TensorFlow means it)."""

    kind: str  # "max" or "avg"
    size: int
    strides: int = 1


class Reduction(NamedTuple):
    """Factorized reduction: two 1x1 convolutions of every second pixel, the second one pixel on; then batch norm."""

    filters: int
    relu: bool = True


class Normalization(NamedTuple):
    """Layer norm over an image's pixels and channels, or instance norm over its pixels; gain and bias a channel."""

    kind: str  # "layer" or "instance"
    filters: int


class CellPlan(NamedTuple):
    """The parts of one cell by role. None is "take it as it is"."""

    base: Convolution  # state 0, from h
    previous: Convolution | Reduction | None  # state 1, from p
    operations: tuple[tuple[Convolution | Pooling, ...], ...]  # two a block: of input_1, of input_2
    combines: tuple[Convolution | Normalization | None, ...]  # one a block: what follows a concatenation or an addition
    outputs: tuple[Convolution | Reduction | None, ...]  # one a state of `concat`
    residual: Convolution | None  # from h to the cell's output, where their shapes differ
    channels: int  # of the cell's output


class Step(NamedTuple):
    """One cell of a network. `h` and `p` are numbers of outputs: 0 is the stem convolution, k is the k-th step."""

    name: str
    kind: str  # "normal" or "reduction"
    filters: int
    strides: int
    adapt: str  # of p: "share" (p is h, untouched), "keep", "project" (1x1) or "reduce" (factorized reduction)
    h: int
    p: int
    drop_ratio: float  # (c + 1) / C: how deep this cell lies


def _pool(kind, size):
    def parts(channels, filters, strides):
        fit = () if channels == filters else (Convolution(filters, relu=False),)
        return (Pooling(kind, size, strides), *fit)

    return parts


def _separable(size):
    def parts(channels, filters, strides):  # a separable convolution is always applied twice (section 3)
        first = Convolution(filters, (size, size), (strides, strides), separable=True)
        return (first, Convolution(filters, (size, size), separable=True))

    return parts


def _dilated_separable(size):
    def parts(channels, filters, strides):  # once, unlike the other separable ones
        return (Convolution(filters, (size, size), (strides, strides), dilation=2, separable=True),)

    return parts


def _bottleneck(share, *kernels, dilation=1):
    """Convolutions at `share` of the filters between two 1x1; no bottleneck where that would leave no filter."""

    def parts(channels, filters, strides):
        narrow = int(filters * share)
        width = narrow or filters
        inner = tuple(Convolution(width, k, tuple(strides if side > 1 or k == (3, 3) else 1 for side in k), dilation) for k in kernels)
        return (Convolution(narrow), *inner, Convolution(filters)) if narrow else inner

    return parts


def _identity(channels, filters, strides):
    return () if channels == filters and strides == 1 else (Convolution(filters, strides=(strides, strides)),)


# What each operation is made of: (channels in, filters, strides) -> parts. A new operation is a row here and a name in genotype/cells.py.
OPERATION_PARTS = {
    "identity": _identity,
    "conv_1x3_3x1": _bottleneck(3 / 8, (1, 3), (3, 1)),
    "conv_1x7_7x1": _bottleneck(1 / 4, (1, 7), (7, 1)),
    "dil_conv_3x3": _bottleneck(1 / 4, (3, 3), dilation=2),
    "avg_pool_3x3": _pool("avg", 3),
    "max_pool_3x3": _pool("max", 3),
    "max_pool_5x5": _pool("max", 5),
    "max_pool_7x7": _pool("max", 7),
    "conv_1x1": lambda channels, filters, strides: (Convolution(filters, strides=(strides, strides)),),
    "conv_3x3": _bottleneck(1 / 4, (3, 3)),
    "sep_conv_3x3": _separable(3),
    "sep_conv_5x5": _separable(5),
    "sep_conv_7x7": _separable(7),
    "dil_sep_conv_3x3": _dilated_separable(3),
    "dil_sep_conv_5x5": _dilated_separable(5),
    "nor_conv_3x3": lambda channels, filters, strides: (Convolution(filters, (3, 3), (strides, strides)),),
}

# The operations on an edge of NAS-Bench-201 by their names above.
NAS_BENCH_201_PARTS = {
    "skip_connect": "identity",
    "nor_conv_1x1": "conv_1x1",
    "nor_conv_3x3": "nor_conv_3x3",
    "avg_pool_3x3": "avg_pool_3x3",
}

# What follows each combination: filters -> part, or None. A concatenation is twice as wide and projected back.
COMBINE_PARTS = {
    "add": lambda filters: None,
    "concatenate": lambda filters: Convolution(filters),
    "add_layer_norm": lambda filters: Normalization("layer", filters),
    "add_instance_norm": lambda filters: Normalization("instance", filters),
}


def plan_cell(cell: Cell, filters: int, strides: int, adapt: str, h_channels: int, p_channels: int, residual=False) -> CellPlan:
    """The parts of `cell` at `filters`, reading an `h` and a `p` of so many channels.

    Only what reads the cell's inputs is strided; every block is `filters` wide.
    """
    previous = {"share": None, "keep": None, "project": Convolution(filters), "reduce": Reduction(filters)}[adapt]
    channels = [filters, h_channels if adapt == "share" else p_channels if adapt == "keep" else filters] + [filters] * len(cell.blocks)

    def operation(state, name):
        return OPERATION_PARTS[name](channels[state], filters, strides if state < 2 else 1)

    def output(state):
        if state < 2 and strides > 1:
            return Reduction(filters, relu=False)
        return None if channels[state] == filters else Convolution(filters, relu=False)

    width = filters * len(cell.concat)
    fits = h_channels == width and strides == 1
    return CellPlan(
        base=Convolution(filters),
        previous=previous,
        operations=tuple(operation(*edge) for b in cell.blocks for edge in ((b.input_1, b.operation_1), (b.input_2, b.operation_2))),
        combines=tuple(COMBINE_PARTS[b.combine](filters) for b in cell.blocks),
        outputs=tuple(map(output, cell.concat)),
        residual=Convolution(width, strides=(strides, strides)) if residual and not fits else None,
        channels=width,
    )


def stage_cells(num_cells) -> tuple[int, int, int]:
    """N normal cells in each of the three stages, 1000 at most; three numbers give each stage its own. Raises ValueError."""
    stages = tuple(num_cells) if isinstance(num_cells, list | tuple) else (num_cells,) * 3
    if (
        len(stages) != 3
        or not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= _MOST_CELLS for n in stages)
        or stages[0] < 1
    ):
        raise ValueError(
            f"num_cells is {num_cells!r:.60}; give the number of normal cells a stage, at least 1 and at most {_MOST_CELLS}, or three such "
            "numbers."
        )
    return stages


def default_stem(input_shape) -> str:
    """The stem for images of that size: "imagenet" reduces them eightfold, which pays from 64 pixels on."""
    return "imagenet" if all(size is not None and size >= 64 for size in input_shape[:2]) else "cifar"


def stem_widths(stem: str, filters: int, stem_cell_filters=None) -> tuple[int, ...]:
    """Widths of the reduction cells of the stem: none for "cifar", F/4 and F/2 for "imagenet". Raises ValueError."""
    if stem not in STEMS:
        raise ValueError(f"stem is {stem!r}; there are {', '.join(STEMS)}.")
    if not isinstance(filters, int) or isinstance(filters, bool) or filters < 1:
        raise ValueError(f"filters is {filters!r}; give a whole number of at least 1.")
    if stem == "cifar":
        return ()
    if stem_cell_filters is None and filters % 4:
        raise ValueError(
            f"filters is {filters}; the imagenet stem has cells of a quarter and a half of it, so give a multiple of 4, such as "
            f"{-(-filters // 4) * 4}, or the widths of these two cells as stem_cell_filters."
        )
    widths = (filters // 4, filters // 2) if stem_cell_filters is None else tuple(stem_cell_filters)
    if len(widths) != 2 or min(widths) < 1:
        raise ValueError(f"stem_cell_filters is {stem_cell_filters!r}; give the widths of the stem's two cells, at least 1 each.")
    return widths


def plan(
    genotype: Genotype, num_cells=6, filters: int = 32, stem: str = "cifar", skip_reduction: bool = False, stem_cell_filters=None
) -> tuple[Step, ...]:
    """The cells of a network, in order, and what each reads.

    Args:
        num_cells: N normal cells in each of three stages, a reduction cell between stages; or three numbers.
        filters: F of the first stage; 2F and 4F after the reductions. A multiple of 4 for the imagenet stem.
        stem: "cifar" (a 3x3 convolution) or "imagenet" (strided convolution and two reduction cells at F/4 and F/2).
        skip_reduction: the normal cell after a reduction takes as p what the reduction took (NASNet-A large), not
            what the reduction read (NASNet-A mobile, CIFAR).
        stem_cell_filters: widths of the stem's two cells, for an F that is no multiple of 4 (PNASNet-5 mobile).
    """
    check(genotype)
    cells = [(f"cell_stem_{i}", "reduction", width) for i, width in enumerate(stem_widths(stem, filters, stem_cell_filters))]
    number = 0
    for stage, count in enumerate(stage_cells(num_cells)):
        width = filters * 2**stage
        if stage:
            cells.append((f"reduction_cell_{stage - 1}", "reduction", width))
        cells += [(f"cell_{number + i}", "normal", width) for i in range(count)]
        number += count

    steps, levels, channels = [], [0], [None]  # halvings since, and channels of, each output; the stem's channels fit nobody
    for position, (name, kind, width) in enumerate(cells):
        h = len(levels) - 1
        p = max(h - 1, 0)
        after_reduction = position > 0 and cells[position - 1][0].startswith("reduction_cell")
        if skip_reduction and kind == "normal" and after_reduction and levels[h] - levels[h - 2] == 1:
            p = h - 2
        strides = 2 if kind == "reduction" else 1
        if h == 0:
            adapt = "share"
        elif levels[p] != levels[h]:
            adapt = "reduce"
        else:
            adapt = "keep" if channels[p] == width else "project"
        steps.append(Step(name, kind, width, strides, adapt, h, p, (position + 1) / len(cells)))
        levels.append(levels[h] + strides - 1)
        channels.append(width * len(getattr(genotype, kind).concat))
    return tuple(steps)


def stem_convolution(stem: str, filters: int, stem_filters: int | None = None) -> Convolution:
    """The convolution on the image: 3F filters for CIFAR (stem multiplier 3), 32 for ImageNet (96 in NASNet-A large)."""
    if stem == "imagenet":
        return Convolution(stem_filters or 32, (3, 3), (2, 2), relu=False, padding="valid")
    return Convolution(stem_filters or 3 * filters, (3, 3), relu=False)
