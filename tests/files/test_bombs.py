"""Small files that would become large, and short work that would become long, are refused before
they do.
"""

import bz2
import collections
import dataclasses
import gzip
import json
import pickle
import time

import numpy as np
import pytest

from nasnet_tf import genotype as genotypes
from nasnet_tf.cli import main
from nasnet_tf.genotype import Block, Cell, Hierarchical, Layer, Layerwise, canonical, check
from nasnet_tf.systems.dna.genotype import LINEAR
from nasnet_tf.systems.stages import stage_cells
from nasnet_tf.tables.pickled import load_plain
from nasnet_tf.tables.rows import read_rows
from nasnet_tf.tables.table import Table


def doubling(levels):
    """A genotype whose cell has 2**levels operations."""
    motifs = [
        (("conv_1x1", "none", "conv_1x1"),),
        *[(("motif_0", "none", "motif_0"),)] * (levels - 1),
    ]
    return json.dumps({"schema": "nasnet_tf.hierarchical", "version": 1, "levels": motifs})


def test_motifs_that_come_to_too_many_operations_are_counted_and_refused(tmp_path, capsys):
    assert genotypes.from_json(doubling(4)).operations == 16
    for levels, message in (
        (14, "come to 16,384 operations"),
        (16, "come to 65,536 operations"),
        (31, "got 31 levels"),
    ):
        (tmp_path / "bomb.json").write_text(doubling(levels))
        begun = time.monotonic()
        assert (
            main(["info", str(tmp_path / "bomb.json")]) == 2 and message in capsys.readouterr().err
        )
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


# ---- packed tables ----


def nats_file(content):
    """A pickle of a dict with what `content` leaves on the stack as its key."""
    return bz2.compress(b"\x80\x02}(" + content + b"Nu.")


GETS = b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(60))


@pytest.mark.parametrize(
    "content, message",
    [
        (nats_file(b")q\x00" + GETS), "a key is neither text nor number nor a tuple of these"),
        (nats_file(b")" + b"\x85" * 100_000), "a key is neither text nor number"),
        (
            bz2.compress(b"\x80\x02" + b"](" * 50_000 + b"e" * 50_000 + b"."),
            "no list of cells|items are added",
        ),
        (bz2.compress(b"\x80\x02" + b"N0" * 600_000 + b"N."), "it takes more than 1,000,000 steps"),
        (bz2.compress(b"\x80\x02]q\x00" + b"(h\x00h\x00e" * 20_000 + b"."), "no list of cells"),
        (
            bz2.compress(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R."),
            "it asks for posix.system",
        ),
        (bz2.compress(bytes(100_000_000)), "more than 50,000,000 bytes"),
    ],
    ids=["tuples", "deep tuples", "deep lists", "steps", "itself", "code", "zeros"],
)
def test_a_pickle_takes_no_more_work_than_its_length(tmp_path, content, message):
    (tmp_path / "meta.pickle.pbz2").write_bytes(content)
    begun = time.monotonic()
    with pytest.raises(ValueError, match=f"meta.pickle.pbz2: .*({message})"):
        Table.read(tmp_path)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_plain_data_is_read_as_python_reads_it(protocol):
    value = {
        "a": [1, 2.5, None, True, "x" * 300, b"z" * 300, -5, 10**30, 70_000],
        ("c", 7): collections.OrderedDict(a=1),
        "s": {1, 2},
    }
    value |= {
        "n": [np.int64(4), np.float32(2), np.float64(0.1)],
        "again": value["a"],
        "e": ((), [], {}),
        "t": (1, 2, 3, 4),
    }
    assert load_plain(pickle.dumps(value, protocol)) == value


def test_a_packed_table_is_unpacked_no_further_than_a_table_would(tmp_path):
    for number, line in enumerate(
        (b"a,signal\n" + (b"b" * 60_000 + b",1\n") * 500, bytes(10_000_000))
    ):
        (tmp_path / f"{number}.csv.gz").write_bytes(gzip.compress(line, 1))
        with pytest.raises(
            ValueError,
            match=(
                f"{number}.csv.gz, line .*(bytes of text; give a smaller table, or unpack it|longer"
                " than)"
            ),
        ):
            list(read_rows(tmp_path / f"{number}.csv.gz")[1])
