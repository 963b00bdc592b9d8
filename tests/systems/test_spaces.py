"""Spaces of discrete decisions, and NASNet's."""

import itertools
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasnet_tf import spaces
from nasnet_tf.genotype import (
    AMOEBANET_A,
    NASNET_A,
    PNASNET_5,
    Block,
    Cell,
    Genotype,
    NASBench201,
    canonical,
    check,
    unused,
)
from nasnet_tf.spaces import (
    EPOCHS,
    AmoebaNetSpace,
    Choices,
    DARTSSpace,
    Decision,
    NASBench201Space,
    NASNetSpace,
    PNASSpace,
    WithEpochs,
)

SMALL = Choices(
    [Decision("depth", (1, 2, 3)), Decision("only", ("x",)), Decision("kind", ("a", "b"))]
)
NASNET = NASNetSpace()


def points(space):
    return st.tuples(*(st.integers(0, size - 1) for size in space.sizes))


# ---- any space ----


def test_a_space_with_epochs_is_the_space_and_how_long_its_points_are_trained():
    space, rng = WithEpochs(NASNET, (1, 3, 9)), np.random.default_rng(0)
    assert space.decisions == (*NASNET.decisions, (EPOCHS, (1, 3, 9)))
    point = space.random(rng)
    short, long = (*point[:-1], 0), (*point[:-1], 2)
    assert space.decode(short) == space.decode(long) == NASNET.decode(point[:-1])
    assert len({space.key(short), space.key(long), NASNET.key(point[:-1])}) == 3
    mutant = space.mutate(long, rng)
    assert mutant[-1] == 2 and sum(a != b for a, b in zip(mutant, long, strict=True)) == 1


def test_two_networks_that_are_the_same_are_so_with_epochs_too():
    space = NASNetSpace(1, combinations=("add", "concatenate"))
    one, two = (space.encode(swapped) for swapped in _swapped(space))
    timed = WithEpochs(space, (1, 9))
    assert one != two and timed.key((*one, 1)) == timed.key((*two, 1)) != timed.key((*two, 0))


def _swapped(space):
    """The same genotype, written with the two halves of a block in either order."""
    genotype = space.decode((0, 1, 2, 3, 0) * 2)
    block = genotype.normal.blocks[0]
    other = Block(block.input_2, block.operation_2, block.input_1, block.operation_1, block.combine)
    return genotype, replace(genotype, normal=genotype.normal._replace(blocks=(other,)))


def test_levels_free_one_decision_after_the_other():
    assert SMALL.levels() == [(None, 0, 0), (None, None, 0), (None, None, None)]


def test_size_is_the_number_of_points():
    assert SMALL.sizes == (3, 1, 2)
    assert SMALL.size == len(set(itertools.product(*map(range, SMALL.sizes)))) == 6


def test_random_reaches_every_point_and_only_points():
    rng = np.random.default_rng(0)
    assert {SMALL.random(rng) for _ in range(200)} == set(
        itertools.product(*map(range, SMALL.sizes))
    )


def test_mutate_changes_exactly_one_decision_and_reaches_every_neighbour():
    rng = np.random.default_rng(0)
    mutants = {SMALL.mutate((0, 0, 0), rng) for _ in range(200)}
    assert mutants == {(1, 0, 0), (2, 0, 0), (0, 0, 1)}


def test_mutate_refuses_a_space_of_one_point():
    with pytest.raises(ValueError, match="nothing to mutate"):
        Choices([("only", ("x",))]).mutate((0,), np.random.default_rng(0))


def test_values_and_choices_are_inverse():
    assert (
        SMALL.values((2, 0, 1)) == {"depth": 3, "only": "x", "kind": "b"} == SMALL.decode((2, 0, 1))
    )
    for point in itertools.product(*map(range, SMALL.sizes)):
        assert SMALL.choices(SMALL.values(point)) == SMALL.encode(SMALL.decode(point)) == point


def test_keys_differ_where_points_do():
    assert len({SMALL.key(point) for point in itertools.product(*map(range, SMALL.sizes))}) == 6


@pytest.mark.parametrize(
    "values, message",
    [
        ({"depth": 1, "only": "x"}, "missing decisions: kind"),
        ({"depth": 1, "only": "x", "kind": "a", "wide": 2}, "unknown decisions: wide"),
        ({"depth": 4, "only": "x", "kind": "a"}, "depth is 4; its options are 1, 2, 3"),
    ],
)
def test_values_outside_the_space_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SMALL.choices(values)


@pytest.mark.parametrize(
    "point, message",
    [
        ((0, 0), "3 decisions"),
        ((3, 0, 0), "depth is 3"),
        ((-1, 0, 0), "depth is -1"),
        ((0.5, 0, 0), "integers"),
        (7, "integers"),
    ],
)
def test_points_outside_the_space_are_refused(point, message):
    with pytest.raises(ValueError, match=message):
        SMALL.decode(point)


@pytest.mark.parametrize(
    "decisions", [[], [("a", ())], [("a", (1, 1))], [("a", (1,)), ("a", (2,))]]
)
def test_a_space_that_makes_no_sense_is_refused(decisions):
    with pytest.raises(ValueError):
        Choices(decisions)


def test_spaces_are_got_by_name():
    assert spaces.get("nasnet") is NASNetSpace
    with pytest.raises(ValueError, match="there are nasnet"):
        spaces.get("resnet")


WITH_DECISIONS = {
    name: space for name, make in spaces.SPACES.items() if (space := make()).decisions
}
EVERY = pytest.mark.parametrize("space", WITH_DECISIONS.values(), ids=WITH_DECISIONS)
GROWING = ("blocks", "layers")  # a first decision that says how much there is of the rest


@EVERY
def test_decoding_and_encoding_are_inverse_up_to_the_same_network(space):
    rng = np.random.default_rng(0)
    for _ in range(20):
        point = space.random(rng)
        genotype = space.decode(point)
        again = space.encode(genotype)
        assert (
            space.decode(again) == genotype
            and space.key(again) == space.key(point) == genotype.canonical_key()
        )
        assert again == point or space.decisions[0].name in GROWING


@EVERY
def test_options_are_what_keras_tuner_can_choose_among(space):
    assert all(len({type(option) for option in options}) == 1 for _, options in space.decisions)
    assert {type(options[0]) for _, options in space.decisions} <= {int, str}


@EVERY
def test_levels_free_more_and_more_until_all_is_free(space):
    levels = space.levels()
    assert all(len(level) == len(space.decisions) for level in levels)
    free = [{number for number, fixed in enumerate(level) if fixed is None} for level in levels]
    assert all(less < more for less, more in itertools.pairwise(free))
    everything = set(range(len(space.decisions))) - (
        {0} if space.decisions[0].name in GROWING else set()
    )
    assert free[0] and free[-1] == everything
    for level in levels:
        assert space.decode(tuple(fixed or 0 for fixed in level))


def test_spaces_and_strategies_need_no_keras():
    code = (
        "import nasnet_tf.spaces, nasnet_tf.strategies, sys; assert not {'keras', 'tensorflow'} &"
        " set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- NASNet's space ----


def test_the_paper_s_space_has_50_decisions_and_its_size():
    assert len(NASNET.decisions) == 50
    assert NASNET.size == 2286906949584691200**2  # facts/nasnet.md 1.1


def test_decisions_come_in_the_paper_s_order():
    names = [name for name, _ in NASNET.decisions]
    assert names[:6] == [
        f"normal/0/{part}"
        for part in ("input_1", "input_2", "operation_1", "operation_2", "combine")
    ] + ["normal/1/input_1"]
    assert names[25] == "reduction/0/input_1"
    assert dict(NASNET.decisions)["reduction/4/input_2"] == (0, 1, 2, 3, 4, 5)


@given(points(NASNET))
def test_decoding_gives_a_sound_genotype_that_encodes_to_the_same_point(point):
    genotype = NASNET.decode(point)
    assert check(genotype) is genotype
    assert all(cell.concat == unused(cell.blocks) for cell in genotype)
    assert NASNET.encode(genotype) == point
    assert NASNET.key(point) == genotype.canonical_key()
    assert Genotype.from_json(genotype.to_json()) == genotype


def test_a_genotype_that_breaks_the_unused_states_rule_is_not_in_the_space():
    with pytest.raises(ValueError, match="normal cell: concat is .*unused states"):
        NASNET.encode(NASNET_A)
    follows = Genotype(*(cell._replace(concat=unused(cell.blocks)) for cell in NASNET_A))
    assert NASNET.decode(NASNET.encode(follows)) == follows


def test_genotypes_of_other_sizes_and_operations_are_not_in_the_space():
    genotype = NASNET.decode((0,) * 50)
    with pytest.raises(ValueError, match=r"5 blocks; this space has 4: use NASNetSpace\(5\)"):
        NASNetSpace(4).encode(genotype)
    with pytest.raises(ValueError, match="operation_1 is 'identity'"):
        NASNetSpace(operations=("sep_conv_3x3", "conv_3x3")).encode(genotype)


def test_an_operation_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="choose from identity"):
        NASNetSpace(operations=("sep_conv_9x9",))


def test_a_combination_that_is_not_to_choose_is_no_decision():
    assert len(NASNetSpace(combinations=("add",)).decisions) == 40
    with pytest.raises(ValueError, match="normal/0/combine is 'concatenate'; this space has add"):
        NASNetSpace(1, combinations=("add",)).encode(
            NASNetSpace(1, combinations=("concatenate",)).decode((0,) * 8)
        )


# ---- sizes of the published spaces ----

# operations of PNAS and AmoebaNet; a block of b earlier blocks has b + 2 states to read, PNAS
# counts blocks from 1
EIGHT = 8
ORDERED = [(b + 1) ** 2 * EIGHT**2 for b in range(1, 6)]


def test_pnas_has_the_paper_s_size():
    assert ORDERED == [256, 576, 1024, 1600, 2304]
    assert PNASSpace().size == math.prod(ORDERED) == 556_627_761_561_600  # 5.566e14


def test_amoebanet_has_two_cells_of_that_size():
    assert AmoebaNetSpace().size == math.prod(ORDERED) ** 2
    assert f"{AmoebaNetSpace().size:.1e}" == "3.1e+29"


def test_darts_has_the_paper_s_size():
    """A cell: each node picks two of the states before it and one of seven operations for each."""
    pairs = [len(list(itertools.combinations(range(k), 2))) for k in (2, 3, 4, 5)]
    cell = math.prod(pairs) * 7**8
    assert (pairs, cell) == ([1, 3, 6, 10], 1_037_664_180)  # 1.0377e9
    assert DARTSSpace().size == cell**2


def test_nas_bench_201_has_the_paper_s_size():
    space = NASBench201Space()
    assert (
        space.size
        == len({space.decode(point) for point in itertools.product(range(5), repeat=6)})
        == 15_625
    )


# ---- growing ----


def points_of(space, level):
    return itertools.product(
        *(
            range(size) if fixed is None else [fixed]
            for size, fixed in zip(space.sizes, level, strict=True)
        )
    )


@pytest.mark.parametrize("growing", [True, False])
def test_the_first_level_of_pnas_has_136_cells(growing):
    space = PNASSpace(growing=growing)
    level = list(points_of(space, space.levels()[0]))
    assert (len(level), len({space.key(point) for point in level})) == (256, 136)


def test_a_level_of_pnas_has_as_many_blocks_and_the_paper_s_number_of_them():
    space = PNASSpace(growing=True)
    for blocks, level in enumerate(space.levels(), start=1):
        options = [size for size, fixed in zip(space.sizes, level, strict=True) if fixed is None]
        assert math.prod(options) == math.prod(ORDERED[:blocks])
        for point in itertools.islice(points_of(space, level), 0, 2000, 97):
            genotype = space.decode(point)
            assert len(genotype.normal.blocks) == blocks and genotype.normal == genotype.reduction
            assert genotype.normal.concat == tuple(range(2, blocks + 2))


def test_without_left_and_right_the_blocks_are_136_to_1176_and_a_search_trains_1160_models():
    """A block is an unordered pair of (state, operation)."""
    unordered = [
        len(list(itertools.combinations_with_replacement(range((b + 1) * EIGHT), 2)))
        for b in range(1, 6)
    ]
    assert unordered == [136, 300, 528, 820, 1176]
    assert unordered[0] + 4 * 256 == 1160


@pytest.mark.parametrize(
    "space", [NASNetSpace(3), AmoebaNetSpace(3), PNASSpace(3)], ids=["nasnet", "amoeba", "pnas"]
)
def test_what_a_level_leaves_is_the_identity_of_h_twice(space):
    rest = Block(0, "identity", 0, "identity", "add")
    for blocks, level in enumerate(space.levels(), start=1):
        point = tuple(
            size - 1 if fixed is None else fixed
            for size, fixed in zip(space.sizes, level, strict=True)
        )
        for cell in space.decode(point):
            assert (
                cell.blocks[blocks:] == (rest,) * (3 - blocks) and rest not in cell.blocks[:blocks]
            )
            assert set(range(blocks + 2, 5)) <= set(cell.concat)


def test_a_level_of_nas_bench_201_skips_where_it_is_not_free():
    space = NASBench201Space()
    assert space.decode(
        [0 if fixed is None else fixed for fixed in space.levels()[1]]
    ) == NASBench201(*["none"] * 2, *["skip_connect"] * 4)
    assert len({space.key(point) for point in points_of(space, space.levels()[0])}) == 5


# ---- genotypes in and out of the published spaces ----


def test_the_published_genotypes_are_in_their_spaces():
    for space, genotype in (
        (PNASSpace(), PNASNET_5),
        (PNASSpace(growing=True), PNASNET_5),
        (AmoebaNetSpace(), AMOEBANET_A),
    ):
        assert space.decode(space.encode(genotype)) == genotype
    with pytest.raises(ValueError, match="normal and the reduction cell differ"):
        PNASSpace().encode(AMOEBANET_A)
    with pytest.raises(ValueError, match="this space concatenates the unused states"):
        AmoebaNetSpace().encode(PNASNET_5)
    with pytest.raises(ValueError, match="5 blocks; this space has 4"):
        PNASSpace(4, growing=True).encode(PNASNET_5)


def test_a_growing_cell_of_few_blocks_is_found_again():
    space = PNASSpace(growing=True)
    small = Genotype(
        *[
            Cell(
                (
                    Block(1, "sep_conv_7x7", 0, "identity"),
                    Block(2, "max_pool_3x3", 0, "dil_conv_3x3"),
                ),
                (2, 3),
            )
        ]
        * 2
    )
    assert space.decode(space.encode(small)) == small
    assert space.values(space.encode(small))["blocks"] == 2


@given(points(DARTSSpace()))
def test_a_node_of_darts_reads_two_different_states_and_all_nodes_are_concatenated(point):
    for cell in DARTSSpace().decode(point):
        assert all(
            block.input_1 < block.input_2 and block.combine == "add" for block in cell.blocks
        )
        assert cell.concat == (2, 3, 4, 5)


def test_darts_takes_a_node_s_inputs_in_either_order_but_not_the_same_twice():
    space = DARTSSpace()
    genotype = space.decode((0,) * 24)
    block = genotype.normal.blocks[1]
    turned = swapped(genotype.normal, {1})
    assert space.encode(replace(genotype, normal=turned)) == space.encode(genotype)
    twice = genotype.normal._replace(
        blocks=(*genotype.normal.blocks[:1], block._replace(input_2=0), *genotype.normal.blocks[2:])
    )
    with pytest.raises(ValueError, match="normal/1/inputs is '0,0'; its options are 0,1, 0,2, 1,2"):
        space.encode(replace(genotype, normal=twice))


# ---- the key: the same network, and only it ----


def swapped(cell, blocks):
    """The cell with the inputs of the given blocks exchanged."""
    exchange = {
        n: Block(b.input_2, b.operation_2, b.input_1, b.operation_1, b.combine)
        for n, b in enumerate(cell.blocks)
        if n in blocks
    }
    return cell._replace(blocks=tuple(exchange.get(n, b) for n, b in enumerate(cell.blocks)))


def relabelled(cell, order):
    """The cell with block order[k] at place k; None where a block would come before one it
    reads.
    """
    places = {0: 0, 1: 1} | {old + 2: new + 2 for new, old in enumerate(order)}
    blocks = tuple(
        cell.blocks[old]._replace(
            input_1=places[cell.blocks[old].input_1], input_2=places[cell.blocks[old].input_2]
        )
        for old in order
    )
    if any(max(b.input_1, b.input_2) > n + 1 for n, b in enumerate(blocks)):
        return None
    return Cell(blocks, tuple(places[state] for state in cell.concat))


def variants(cell):
    """Every way to write the cell, each with sorted inputs and outputs: all topological orders, by
    trying all permutations.
    """
    for order in itertools.permutations(range(len(cell.blocks))):
        same = relabelled(cell, order)
        if same:
            blocks = tuple(
                (tuple(sorted([(b.input_1, b.operation_1), (b.input_2, b.operation_2)])), b.combine)
                for b in same.blocks
            )
            yield blocks, tuple(sorted(same.concat))


def living(cell):
    """The cell without the blocks that reach no output."""
    while dead := [
        n
        for n in range(len(cell.blocks))
        if n + 2 not in cell.concat
        and all(n + 2 not in (b.input_1, b.input_2) for b in cell.blocks)
    ]:
        places = {s: s - (s > dead[0] + 2) for s in range(len(cell.blocks) + 2)}
        blocks = (
            b._replace(input_1=places[b.input_1], input_2=places[b.input_2])
            for n, b in enumerate(cell.blocks)
            if n != dead[0]
        )
        cell = Cell(tuple(blocks), tuple(places[state] for state in cell.concat))
    return cell


def same_network(one, other):
    """Graph isomorphism by brute force."""
    return min(variants(living(one))) == min(variants(living(other)))


def random_cell(
    rng,
    blocks,
    operations=("identity", "conv_1x1"),
    combinations=("add", "concatenate"),
    any_concat=False,
):
    cell = NASNetSpace(blocks, operations, combinations)
    cell = cell.decode(cell.random(rng)).normal
    if not any_concat:
        return cell
    last = blocks + 1
    picked = [s for s in range(last) if rng.random() < 0.4] or [last]
    return cell._replace(concat=tuple(picked if max(picked) >= 2 else [*picked, last]))


@given(points(NASNET), st.sets(st.integers(0, 4)), st.permutations(range(5)), st.randoms())
def test_the_key_ignores_order_of_inputs_blocks_and_concatenation(point, exchanged, order, chance):
    genotype = NASNET.decode(point)
    same = swapped(genotype.normal, exchanged)
    same = relabelled(same, order) or same
    same = same._replace(concat=tuple(chance.sample(same.concat, len(same.concat))))
    assert replace(genotype, normal=same).canonical_key() == genotype.canonical_key()


@given(points(NASNET), st.integers(0, 6), st.integers(0, 6))
def test_the_key_ignores_a_dead_block(point, one, other):
    genotype = NASNET.decode(point)
    dead = Block(one, "conv_3x3", other, "identity", "add")
    more = replace(
        genotype, reduction=genotype.reduction._replace(blocks=(*genotype.reduction.blocks, dead))
    )
    assert more.canonical_key() == genotype.canonical_key()


def test_every_rewriting_of_a_cell_has_the_same_canonical_form():
    rng = np.random.default_rng(0)
    for _ in range(150):
        cell = random_cell(rng, 4, any_concat=True)
        forms = {
            canonical(same)
            for order in itertools.permutations(range(4))
            if (same := relabelled(swapped(cell, {0, 2}), order))
        }
        assert forms == {canonical(cell)}
        assert same_network(canonical(cell), cell)


@pytest.mark.parametrize("any_concat", [False, True])
def test_canonical_forms_are_equal_exactly_for_isomorphic_cells(any_concat):
    """Few operations, so that ties, twins and near misses are common; compared with brute-force
    isomorphism.
    """
    rng = np.random.default_rng(1)
    cells = [
        random_cell(rng, 3, ("identity", "conv_1x1"), ("add",), any_concat) for _ in range(250)
    ]
    forms, brute = (
        [canonical(cell) for cell in cells],
        [min(variants(living(cell))) for cell in cells],
    )
    assert (
        len(set(forms)) == len(set(brute)) == len(set(zip(forms, brute, strict=True))) < len(cells)
    )


def test_all_small_cells_fall_into_as_many_classes_as_brute_force_finds():
    space = NASNetSpace(2, ("identity", "conv_1x1"), ("add",))
    half = len(space.sizes) // 2
    cells = [
        space.decode((*point, *point)).normal
        for point in itertools.product(*map(range, space.sizes[:half]))
    ]
    brute = {cell: min(variants(living(cell))) for cell in cells}
    assert len(cells) == 576
    assert (
        len(set(brute.values()))
        == len({canonical(cell) for cell in cells})
        == len({(canonical(c), brute[c]) for c in cells})
    )


@settings(max_examples=50)
@given(
    points(NASNetSpace(4, ("identity", "conv_1x1"))),
    points(NASNetSpace(4, ("identity", "conv_1x1"))),
)
def test_two_cells_share_a_canonical_form_exactly_if_they_are_isomorphic(one, other):
    space = NASNetSpace(4, ("identity", "conv_1x1"))
    for left, right in itertools.product(space.decode(one), space.decode(other)):
        assert (canonical(left) == canonical(right)) == same_network(left, right)


def test_words_mean_the_same_in_every_decision_and_numbers_only_in_their_own():
    space = Choices([("a", ("relu", "tanh")), ("b", (0, 1)), ("c", ("tanh", 1))])
    assert space.meanings == (0, 1, 2, 3, 1, 4)
    assert len(set(NASNetSpace(2).meanings)) == 13 + 2 + 2 * 2 * (2 + 3)
