"""Cells and genotypes as data: what is sound, what is stored, what is the same."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasnet_tf.genotype import (
    AMOEBANET_A,
    COMBINATIONS,
    GENOTYPES,
    NASNET_A,
    OPERATION_NAMES,
    PNASNET_5,
    Block,
    Cell,
    Genotype,
    canonical,
    check,
    from_darts,
    get,
    unused,
)

# The literal `NASNet` of DARTS' cnn/genotypes.py: (operation, state), state 0 is the cell before
# last.
DARTS_NASNET = dict(
    normal=[
        ("sep_conv_5x5", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_5x5", 0),
        ("sep_conv_3x3", 0),
        ("avg_pool_3x3", 1),
        ("skip_connect", 0),
        ("avg_pool_3x3", 0),
        ("avg_pool_3x3", 0),
        ("sep_conv_3x3", 1),
        ("skip_connect", 1),
    ],
    normal_concat=[2, 3, 4, 5, 6],
    reduce=[
        ("sep_conv_5x5", 1),
        ("sep_conv_7x7", 0),
        ("max_pool_3x3", 1),
        ("sep_conv_7x7", 0),
        ("avg_pool_3x3", 1),
        ("sep_conv_5x5", 0),
        ("skip_connect", 3),
        ("avg_pool_3x3", 2),
        ("sep_conv_3x3", 2),
        ("max_pool_3x3", 1),
    ],
    reduce_concat=[4, 5, 6],
)


@st.composite
def cells(draw, most=6):
    """Any sound cell."""
    operation = st.sampled_from(OPERATION_NAMES)
    blocks = []
    for number in range(draw(st.integers(1, most))):
        state = st.integers(0, number + 1)
        blocks.append(
            Block(
                draw(state),
                draw(operation),
                draw(state),
                draw(operation),
                draw(st.sampled_from(COMBINATIONS)),
            )
        )
    states = draw(st.permutations(range(len(blocks) + 2)))
    concat = tuple(states[: draw(st.integers(1, len(states)))])
    return Cell(tuple(blocks), concat if max(concat) >= 2 else (*concat, 2))


genotypes = st.builds(Genotype, cells(), cells())


def cell(*blocks, concat=None):
    return Cell(tuple(Block(*block) for block in blocks), concat or (len(blocks) + 1,))


ONE = cell((0, "identity", 1, "identity"))
SOUND = Genotype(ONE, ONE)


# ---- check ----


@given(genotypes)
def test_every_sound_genotype_passes_unchanged(genotype):
    assert check(genotype) is genotype


def test_a_block_cannot_read_a_block_that_comes_after_it():
    with pytest.raises(
        ValueError,
        match=(
            r"block 0 reads state 2; it can read 0 to 1 \(0 is h, 1 is p, then the blocks before"
            r" it\)"
        ),
    ):
        check(cell((2, "identity", 0, "identity")))


def test_a_block_can_read_the_block_before_it_but_not_itself():
    check(cell((0, "identity", 1, "identity"), (2, "identity", 0, "identity")))
    with pytest.raises(ValueError, match="block 1 reads state 3; it can read 0 to 2"):
        check(cell((0, "identity", 1, "identity"), (0, "identity", 3, "identity")))


@pytest.mark.parametrize("state", [-1, True, False, 0.0, "0", None, [0], float("nan")], ids=repr)
def test_a_state_is_a_whole_number_from_zero(state):
    with pytest.raises(ValueError, match="block 0 reads state"):
        check(cell((0, "identity", state, "identity")))


@pytest.mark.parametrize("operation", ["sep_conv_9x9", "", None, ["identity"]], ids=repr)
def test_an_unknown_operation_is_answered_with_the_known_ones(operation):
    with pytest.raises(
        ValueError,
        match="block 0 has operation .*; there are identity, conv_1x3_3x1, .*sep_conv_7x7",
    ):
        check(cell((0, "identity", 0, operation)))


def test_an_unknown_combination_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match="block 0 combines with 'multiply'; there are add, concatenate"
    ):
        check(cell((0, "identity", 0, "identity", "multiply")))


def test_a_cell_without_blocks_is_refused():
    with pytest.raises(ValueError, match="a cell needs at least one block"):
        check(Cell((), (0,)))


@pytest.mark.parametrize(
    "concat, message",
    [
        ((), "must concatenate at least one state into its output; choose from 0 to 2"),
        ((3,), "concat names state 3; there are 0 to 2"),
        ((-1, 2), "concat names state -1; there are 0 to 2"),
        ((True, 2), "concat names state True; there are 0 to 2"),
        ((2, 2), "concat names a state twice"),
        ((0, 1), "holds no block, so the cell would compute nothing; add one of 2 to 2"),
    ],
)
def test_a_concat_that_makes_no_output_is_refused(concat, message):
    with pytest.raises(ValueError, match=message):
        check(Cell(ONE.blocks, concat))


def test_the_error_of_a_genotype_names_the_cell():
    with pytest.raises(ValueError, match="^reduction cell: concat names state 9"):
        check(Genotype(ONE, Cell(ONE.blocks, (9,))))


@pytest.mark.parametrize(
    "value",
    ["nasnet_a", None, (ONE, ONE), ONE.blocks[0], Genotype(ONE, None)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_neither_genotype_nor_cell_is_refused(value):
    with pytest.raises(ValueError, match="expected a Genotype or a Cell, got"):
        check(value)


# ---- data ----


def test_genotypes_are_values():
    again = Genotype.from_json(NASNET_A.to_json())
    assert again is not NASNET_A
    assert len({NASNET_A, again, PNASNET_5}) == 2


def test_unused_states_are_those_no_block_reads():
    assert unused(NASNET_A.normal.blocks) == (2, 3, 4, 5, 6)
    assert unused(NASNET_A.reduction.blocks) == (4, 5, 6)
    assert unused((Block(0, "identity", 0, "identity"), Block(2, "identity", 2, "identity"))) == (
        1,
        3,
    )


def test_genotypes_plans_and_costs_need_no_keras():
    code = (
        "import nasnet_tf.genotype, nasnet_tf.cost, sys; assert not {'keras', 'tensorflow',"
        " 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- JSON ----


@pytest.mark.parametrize("name", GENOTYPES)
def test_published_genotypes_come_back_from_json(name):
    assert Genotype.from_json(get(name).to_json()) == get(name)


@given(genotypes)
def test_any_genotype_comes_back_from_json(genotype):
    assert Genotype.from_json(genotype.to_json()) == genotype


@given(genotypes)
@settings(max_examples=20)
def test_any_genotype_comes_back_from_a_file(tmp_path_factory, genotype):
    path = tmp_path_factory.mktemp("genotype") / "g.json"
    genotype.save(path)
    assert Genotype.load(path) == genotype == Genotype.load(str(path))


def test_json_says_what_it_is_and_of_which_version():
    assert (
        json.loads(NASNET_A.to_json()).items()
        >= {"schema": "nasnet_tf.genotype", "version": 1}.items()
    )


def test_json_cut_off_anywhere_is_refused():
    text = SOUND.to_json()
    for end in range(len(text)):
        with pytest.raises(ValueError, match="not a whole genotype JSON"):
            Genotype.from_json(text[:end])


def changed(**keys):
    return json.dumps({**json.loads(SOUND.to_json()), **keys})


FOREIGN = {
    "empty": ("", "not a whole genotype JSON"),
    "a list": ("[]", 'expected a JSON object with "schema": "nasnet_tf.genotype"'),
    "null": ("null", "expected a JSON object"),
    "a number": ("1" * 5000, "."),
    "nested": ("[" * 100_000, "not a whole genotype JSON"),
    "foreign": ('{"class_name": "Functional"}', "expected a JSON object"),
    "version 2": (changed(version=2), "genotype of version 2; this release reads version 1"),
    "no version": (changed(version=None), "genotype of version None"),
    "unknown key": (changed(author="me"), "unknown keys in genotype: 'author'; remove them"),
    "no cell": (changed(normal=None), "normal cell: a cell must be an object with the lists"),
    "unknown key of a cell": (
        changed(normal={**ONE.to_data(), "kind": 1}),
        "normal cell: a cell must be an object",
    ),
    "blocks of a cell": (
        changed(reduction={"blocks": "five", "concat": [2]}),
        "reduction cell: a cell must be an object",
    ),
    "short block": (
        changed(normal={"blocks": [[0, "identity", 1]], "concat": [2]}),
        "normal cell: block 0 must be a list of input_1, operation_1",
    ),
    "NaN state": (
        changed(
            normal={"blocks": [[float("nan"), "identity", 1, "identity", "add"]], "concat": [2]}
        ),
        "block 0 reads state nan",
    ),
    "true state": (
        changed(normal={"blocks": [[True, "identity", 1, "identity", "add"]], "concat": [2]}),
        "block 0 reads state True",
    ),
    "odd concat": (
        changed(normal={"blocks": [[0, "identity", 1, "identity", "add"]], "concat": [{}]}),
        r"concat names state \{\}",
    ),
}


@pytest.mark.parametrize("text, message", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_holds_no_genotype_is_refused_in_one_line_that_names_it(
    tmp_path, text, message
):
    path = tmp_path / "cell.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        Genotype.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_file_of_bytes_is_refused_by_name(tmp_path):
    (tmp_path / "cell.json").write_bytes(b"\x89HDF\xff\xfe")
    with pytest.raises(ValueError, match="cell.json: "):
        Genotype.load(tmp_path / "cell.json")


def test_a_giant_file_is_refused_unread(tmp_path):
    path = tmp_path / "cell.json"
    path.write_text(SOUND.to_json() + " " * 1_000_000)
    with pytest.raises(ValueError, match="cell.json: .* bytes is too large for a genotype"):
        Genotype.load(path)


def test_a_missing_file_is_answered_with_the_published_names(tmp_path):
    with pytest.raises(
        ValueError, match="none.json: no such file; .*nasnet_a, pnasnet_5, amoebanet_a"
    ):
        Genotype.load(tmp_path / "none.json")


def test_a_save_that_fails_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "cell.json"
    SOUND.save(path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        NASNET_A.save(path)
    assert Genotype.load(path) == SOUND


def test_save_leaves_nothing_but_the_file(tmp_path):
    NASNET_A.save(tmp_path / "cell.json")
    NASNET_A.save(tmp_path / "cell.json")
    assert os.listdir(tmp_path) == ["cell.json"]


def test_a_save_that_fails_leaves_no_other_file(tmp_path):
    (tmp_path / "cell.json").mkdir()
    with pytest.raises(OSError):
        SOUND.save(tmp_path / "cell.json")
    assert os.listdir(tmp_path) == ["cell.json"]


# ---- published genotypes ----


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError,
        match=(
            "no genotype 'nasnet_d'; there are nasnet_a, pnasnet_5, amoebanet_a; one in a file is"
            " read by"
        ),
    ):
        get("nasnet_d")


def test_darts_numbers_h_and_p_the_other_way_round():
    converted = from_darts(
        [("skip_connect", 0), ("conv_7x1_1x7", 1)],
        [2],
        [("sep_conv_3x3", 1), ("max_pool_3x3", 0)],
        [0, 2],
    )
    assert converted.normal == cell((1, "identity", 0, "conv_1x7_7x1"))
    assert converted.reduction == cell((0, "sep_conv_3x3", 1, "max_pool_3x3"), concat=(1, 2))


def test_darts_lists_two_edges_a_node():
    with pytest.raises(ValueError, match="two edges a node; got an odd number, 1"):
        from_darts([("skip_connect", 0)], [2], [("skip_connect", 0)], [2])


def test_nasnet_a_is_wired_as_darts_copy_of_it():
    theirs = from_darts(**DARTS_NASNET)
    assert (NASNET_A.normal.blocks, NASNET_A.reduction.blocks) == (
        theirs.normal.blocks,
        theirs.reduction.blocks,
    )


def test_nasnet_a_concatenates_two_states_that_darts_copy_leaves_out():
    theirs = from_darts(
        **DARTS_NASNET
    )  # the authors' masks: [1,0,0,0,0,0,0] and [1,1,1,0,0,0,0] are used up
    assert set(NASNET_A.normal.concat) - set(theirs.normal.concat) == {1}
    assert set(NASNET_A.reduction.concat) - set(theirs.reduction.concat) == {3}


def parameters_in_darts_network(genotype, filters, layers=20, classes=10):
    """Trainable parameters in DARTS' macro network without auxiliary head, written from its
    description (arXiv 1806.09055, 3.1).
    """

    def operation(name, c, strided):
        if name.startswith("sep_conv"):
            k = int(name[-1])
            return 2 * (k * k * c + c * c + 2 * c)
        if name == "conv_1x7_7x1":  # no bottleneck there, one batch norm
            return 2 * 7 * c * c + 2 * c
        if name == "identity":
            return c * c + 2 * c if strided else 0
        assert "pool" in name
        return 0

    h = p = 3 * filters
    total = 27 * h + 2 * h
    for layer in range(layers):
        strided = layer in (layers // 3, 2 * layers // 3)
        filters *= 2 if strided else 1
        kind = genotype.reduction if strided else genotype.normal
        total += (h + p) * filters + 4 * filters
        for b in kind.blocks:
            total += operation(b.operation_1, filters, strided and b.input_1 < 2) + operation(
                b.operation_2, filters, strided and b.input_2 < 2
            )
        h, p = filters * len(kind.concat), h
    return total + h * classes + classes


def test_amoebanet_a_has_the_parameters_it_has_in_darts():
    assert parameters_in_darts_network(AMOEBANET_A, 36) == 3_145_078


def test_nasnet_a_has_the_parameters_it_has_in_darts():
    assert parameters_in_darts_network(from_darts(**DARTS_NASNET), 33) == 3_245_989


# ---- what is the same ----


def test_the_order_of_a_blocks_inputs_is_naming():
    assert canonical(cell((0, "identity", 1, "conv_1x1"))) == canonical(
        cell((1, "conv_1x1", 0, "identity"))
    )


def test_the_order_of_blocks_is_naming():
    one = cell(
        (0, "identity", 0, "identity"),
        (1, "conv_1x1", 1, "conv_1x1"),
        (2, "conv_3x3", 3, "identity"),
    )
    two = cell(
        (1, "conv_1x1", 1, "conv_1x1"),
        (0, "identity", 0, "identity"),
        (3, "conv_3x3", 2, "identity"),
    )
    assert canonical(one) == canonical(two)


def test_the_order_of_concat_is_naming():
    blocks = ((0, "identity", 0, "identity"), (1, "conv_1x1", 1, "conv_1x1"))
    assert canonical(cell(*blocks, concat=(3, 0, 2))) == canonical(cell(*blocks, concat=(0, 2, 3)))


def test_a_block_that_nothing_reads_is_not_there():
    dead = cell((0, "identity", 1, "identity"), (0, "sep_conv_7x7", 2, "identity"), concat=(2,))
    assert canonical(dead) == canonical(ONE)


def test_what_the_operation_reads_is_no_naming():
    assert canonical(cell((0, "identity", 1, "conv_1x1"))) != canonical(
        cell((1, "identity", 0, "conv_1x1"))
    )


def test_how_a_block_combines_is_no_naming():
    assert canonical(cell((0, "identity", 1, "identity", "add"))) != canonical(
        cell((0, "identity", 1, "identity", "concatenate"))
    )


def test_two_equal_blocks_are_not_one():
    block = (0, "conv_1x1", 1, "conv_1x1")
    assert canonical(cell(block, block, (2, "identity", 3, "identity"))) != canonical(
        cell(block, block, (2, "identity", 2, "identity"))
    )


def test_normal_and_reduction_cell_are_not_interchangeable():
    swapped = Genotype(NASNET_A.reduction, NASNET_A.normal)
    assert swapped.canonical_key() != NASNET_A.canonical_key()


@given(genotypes)
def test_the_canonical_genotype_is_sound_and_its_own_representative(genotype):
    representative = check(Genotype(*map(canonical, genotype)))
    assert Genotype(*map(canonical, representative)) == representative
    assert representative.canonical_key() == genotype.canonical_key()


@given(genotypes, st.randoms(use_true_random=False))
def test_the_key_does_not_depend_on_naming(genotype, draw):
    def renamed(cell):
        """The same cell: inputs swapped, concat shuffled, blocks in another order in which each
        comes after what it reads.
        """
        names, done, rest = {0: 0, 1: 1}, [], list(range(len(cell.blocks)))
        while rest:
            n = draw.choice(
                [n for n in rest if {cell.blocks[n].input_1, cell.blocks[n].input_2} <= set(names)]
            )
            rest.remove(n)
            b = cell.blocks[n]
            edges = [(names[b.input_1], b.operation_1), (names[b.input_2], b.operation_2)]
            draw.shuffle(edges)
            done.append(Block(*edges[0], *edges[1], b.combine))
            names[n + 2] = len(done) + 1
        concat = [names[state] for state in cell.concat]
        draw.shuffle(concat)
        return Cell(tuple(done), tuple(concat))

    assert check(Genotype(*map(renamed, genotype))).canonical_key() == genotype.canonical_key()


def test_published_genotypes_have_keys_of_their_own():
    keys = {genotype.canonical_key() for genotype in GENOTYPES.values()}
    assert len(keys) == 3
    assert all(len(key) == 32 and int(key, 16) >= 0 for key in keys)
