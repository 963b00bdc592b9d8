"""Published genotypes of cells, and how DARTS' notation becomes one. No Keras here."""

from __future__ import annotations

from nasnet_tf.systems.cells.cell import Block, Cell
from nasnet_tf.systems.cells.genotype import Genotype, check

__all__ = ["AMOEBANET_A", "GENOTYPES", "NASNET_A", "PNASNET_5", "from_darts", "get"]

_DARTS_NAMES = {
    "skip_connect": "identity",
    "conv_7x1_1x7": "conv_1x7_7x1",
    "dil_conv_3x3": "dil_sep_conv_3x3",
    "dil_conv_5x5": "dil_sep_conv_5x5",
}


def from_darts(normal, normal_concat, reduce, reduce_concat) -> Genotype:
    """A genotype from DARTS' notation: lists of (operation, state), two a node; state 0 is p and 1
    is h there.

    Source: Liu et al. 2019, arXiv 1806.09055, and the index order of its published code
        (cnn/genotypes.py).
    """

    def state(index):
        return {0: 1, 1: 0}.get(index, index)

    def cell(edges, concat):
        if len(edges) % 2:
            raise ValueError(f"DARTS lists two edges a node; got an odd number, {len(edges)}.")
        named = [
            (state(source), _DARTS_NAMES.get(operation, operation)) for operation, source in edges
        ]
        blocks = tuple(Block(*one, *two) for one, two in zip(named[::2], named[1::2], strict=True))
        return Cell(blocks, tuple(state(index) for index in concat))

    return check(Genotype(cell(normal, normal_concat), cell(reduce, reduce_concat)))


def get(name: str) -> Genotype:
    """The published genotype of that name. Raises ValueError with the names there are."""
    try:
        return GENOTYPES[name]
    except KeyError:
        raise ValueError(
            f"no genotype {name!r}; there are {', '.join(GENOTYPES)}; one in a file is read by"
            " Genotype.load(path)."
        ) from None


# Zoph et al. 2017; wiring and output masks of the authors' code (slim/nets/nasnet/nasnet_utils.py).
NASNET_A = check(
    Genotype(
        normal=Cell(
            (
                Block(0, "sep_conv_5x5", 1, "sep_conv_3x3"),
                Block(1, "sep_conv_5x5", 1, "sep_conv_3x3"),
                Block(0, "avg_pool_3x3", 1, "identity"),
                Block(1, "avg_pool_3x3", 1, "avg_pool_3x3"),
                Block(0, "sep_conv_3x3", 0, "identity"),
            ),
            concat=(1, 2, 3, 4, 5, 6),
        ),
        reduction=Cell(
            (
                Block(0, "sep_conv_5x5", 1, "sep_conv_7x7"),
                Block(0, "max_pool_3x3", 1, "sep_conv_7x7"),
                Block(0, "avg_pool_3x3", 1, "sep_conv_5x5"),
                Block(3, "identity", 2, "avg_pool_3x3"),
                Block(2, "sep_conv_3x3", 0, "max_pool_3x3"),
            ),
            concat=(3, 4, 5, 6),
        ),
    )
)

# Liu et al. 2018, arXiv 1712.00559; one cell, its stride-2 version reduces
# (slim/nets/nasnet/pnasnet.py).
_PNASNET_5_CELL = Cell(
    (
        Block(1, "sep_conv_5x5", 1, "max_pool_3x3"),
        Block(0, "sep_conv_7x7", 0, "max_pool_3x3"),
        Block(0, "sep_conv_5x5", 0, "sep_conv_3x3"),
        Block(4, "sep_conv_3x3", 0, "max_pool_3x3"),
        Block(1, "sep_conv_3x3", 0, "identity"),
    ),
    concat=(2, 3, 4, 5, 6),
)
PNASNET_5 = check(Genotype(_PNASNET_5_CELL, _PNASNET_5_CELL))

# Real et al. 2019, arXiv 1802.01548, in DARTS' notation.
AMOEBANET_A = from_darts(
    normal=[
        ("avg_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_5x5", 2),
        ("sep_conv_3x3", 0),
        ("avg_pool_3x3", 3),
        ("sep_conv_3x3", 1),
        ("skip_connect", 1),
        ("skip_connect", 0),
        ("avg_pool_3x3", 1),
    ],
    normal_concat=[4, 5, 6],
    reduce=[
        ("avg_pool_3x3", 0),
        ("sep_conv_3x3", 1),
        ("max_pool_3x3", 0),
        ("sep_conv_7x7", 2),
        ("sep_conv_7x7", 0),
        ("avg_pool_3x3", 1),
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("conv_7x1_1x7", 0),
        ("sep_conv_3x3", 5),
    ],
    reduce_concat=[3, 4, 6],
)

GENOTYPES = {"nasnet_a": NASNET_A, "pnasnet_5": PNASNET_5, "amoebanet_a": AMOEBANET_A}
