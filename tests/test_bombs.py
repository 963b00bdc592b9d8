"""Small files that would become large, and short work that would become long, are refused before they do."""

import dataclasses
import json
import time

import pytest

from nasnet_tf import genotype as genotypes
from nasnet_tf.cli import main
from nasnet_tf.genotype import Block, Cell, Hierarchical, Layer, Layerwise, canonical, check
from nasnet_tf.genotype.dna import LINEAR
from nasnet_tf.plan import stage_cells


def doubling(levels):
    """A genotype whose cell has 2**levels operations."""
    motifs = [(("conv_1x1", "none", "conv_1x1"),), *[(("motif_0", "none", "motif_0"),)] * (levels - 1)]
    return json.dumps({"schema": "nasnet_tf.hierarchical", "version": 1, "levels": motifs})


def test_motifs_that_come_to_too_many_operations_are_counted_and_refused(tmp_path, capsys):
    assert genotypes.from_json(doubling(4)).operations == 16
    for levels, message in ((14, "come to 16,384 operations"), (16, "come to 65,536 operations"), (31, "got 31 levels")):
        (tmp_path / "bomb.json").write_text(doubling(levels))
        begun = time.monotonic()
        assert main(["info", str(tmp_path / "bomb.json")]) == 2 and message in capsys.readouterr().err
        assert time.monotonic() - begun < 5


def test_what_a_motif_does_not_use_does_not_count():
    levels = ((("conv_1x1",),), (("motif_0", "none", "none", "none", "none", "none"),))
    assert Hierarchical(levels).operations == 0
    assert Hierarchical.chain().operations == 3 * 4


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Hierarchical(((("identity",) * 33 * 16,),)), "33 nodes; give at most 32"),
        (lambda: Hierarchical(((("identity",),) * 101, (("motif_0",),))), "up to 101 motifs"),
        (lambda: Layerwise((Layer(3, 3, 24),) * 1001), "1,001 layers"),
        (lambda: Layerwise((Layer(3, 3, 2**17),)), "at most 65,536"),
        (lambda: dataclasses.replace(LINEAR, learning_rate=10**400), "learning_rate"),
        (lambda: stage_cells(10**9), "at most 1000"),
    ],
)
def test_sizes_that_nobody_means_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_canonical_name_of_a_large_cell_does_not_take_for_ever():
    ties = tuple(Block(0, "conv_1x1", 0, "conv_1x1") for _ in range(50))
    readers = tuple(Block(2 + n, "conv_1x1", 2 + (n + 1) % 50, "conv_1x1") for n in range(50))
    cell = check(Cell(ties + readers, tuple(range(52, 102))))
    begun = time.monotonic()
    canonical(cell)
    assert time.monotonic() - begun < 10
