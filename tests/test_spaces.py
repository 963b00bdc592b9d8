"""Spaces of discrete decisions, and NASNet's."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasnet_tf import spaces
from nasnet_tf.genotype import NASNET_A, Block, Cell, Genotype, canonical, check, unused
from nasnet_tf.spaces import EPOCHS, Choices, Decision, NASNetSpace, WithEpochs

SMALL = Choices([Decision("depth", (1, 2, 3)), Decision("only", ("x",)), Decision("kind", ("a", "b"))])
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
    space = NASNetSpace(1, combinations=("add",))
    one, two = (space.encode(swapped) for swapped in _swapped(space))
    timed = WithEpochs(space, (1, 9))
    assert one != two and timed.key((*one, 1)) == timed.key((*two, 1)) != timed.key((*two, 0))


def _swapped(space):
    """The same genotype, written with the two halves of a block in either order."""
    genotype = space.decode((0, 1, 2, 3, 0) * 2)
    block = genotype.normal.blocks[0]
    other = Block(block.input_2, block.operation_2, block.input_1, block.operation_1, block.combine)
    return genotype, genotype._replace(normal=genotype.normal._replace(blocks=(other,)))


def test_levels_free_one_decision_after_the_other():
    assert SMALL.levels() == [(None, 0, 0), (None, None, 0), (None, None, None)]


def test_size_is_the_number_of_points():
    assert SMALL.sizes == (3, 1, 2)
    assert SMALL.size == len(set(itertools.product(*map(range, SMALL.sizes)))) == 6


def test_random_reaches_every_point_and_only_points():
    rng = np.random.default_rng(0)
    assert {SMALL.random(rng) for _ in range(200)} == set(itertools.product(*map(range, SMALL.sizes)))


def test_mutate_changes_exactly_one_decision_and_reaches_every_neighbour():
    rng = np.random.default_rng(0)
    mutants = {SMALL.mutate((0, 0, 0), rng) for _ in range(200)}
    assert mutants == {(1, 0, 0), (2, 0, 0), (0, 0, 1)}


def test_mutate_refuses_a_space_of_one_point():
    with pytest.raises(ValueError, match="nothing to mutate"):
        Choices([("only", ("x",))]).mutate((0,), np.random.default_rng(0))


def test_values_and_choices_are_inverse():
    assert SMALL.values((2, 0, 1)) == {"depth": 3, "only": "x", "kind": "b"} == SMALL.decode((2, 0, 1))
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
    [((0, 0), "3 decisions"), ((3, 0, 0), "depth is 3"), ((-1, 0, 0), "depth is -1"), ((0.5, 0, 0), "integers"), (7, "integers")],
)
def test_points_outside_the_space_are_refused(point, message):
    with pytest.raises(ValueError, match=message):
        SMALL.decode(point)


@pytest.mark.parametrize("decisions", [[], [("a", ())], [("a", (1, 1))], [("a", (1,)), ("a", (2,))]])
def test_a_space_that_makes_no_sense_is_refused(decisions):
    with pytest.raises(ValueError):
        Choices(decisions)


def test_spaces_are_got_by_name():
    assert spaces.get("nasnet") is NASNetSpace
    with pytest.raises(ValueError, match="there are nasnet"):
        spaces.get("resnet")


def test_spaces_and_strategies_need_no_keras():
    code = "import nasnet_tf.spaces, nasnet_tf.strategies, sys; assert not {'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- NASNet's space ----


def test_the_paper_s_space_has_50_decisions_and_its_size():
    assert len(NASNET.decisions) == 50
    assert NASNET.size == 2286906949584691200**2  # facts/nasnet.md 1.1


def test_decisions_come_in_the_paper_s_order():
    names = [name for name, _ in NASNET.decisions]
    assert names[:6] == [f"normal/0/{part}" for part in ("input_1", "input_2", "operation_1", "operation_2", "combine")] + [
        "normal/1/input_1"
    ]
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


def test_fewer_operations_make_the_space_of_pnas():
    eight = ("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "identity", "avg_pool_3x3", "max_pool_3x3", "dil_conv_3x3", "conv_1x7_7x1")
    space = NASNetSpace(operations=eight, combinations=("add",))
    assert space.size == (2 * 3 * 4 * 5 * 6) ** 4 * 8**20  # 5.6e14 a cell: arXiv 1712.00559, section 3.1
    with pytest.raises(ValueError, match="choose from identity"):
        NASNetSpace(operations=("sep_conv_9x9",))


# ---- the key: the same network, and only it ----


def swapped(cell, blocks):
    """The cell with the inputs of the given blocks exchanged."""
    exchange = {n: Block(b.input_2, b.operation_2, b.input_1, b.operation_1, b.combine) for n, b in enumerate(cell.blocks) if n in blocks}
    return cell._replace(blocks=tuple(exchange.get(n, b) for n, b in enumerate(cell.blocks)))


def relabelled(cell, order):
    """The cell with block order[k] at place k; None where a block would come before one it reads."""
    places = {0: 0, 1: 1} | {old + 2: new + 2 for new, old in enumerate(order)}
    blocks = tuple(
        cell.blocks[old]._replace(input_1=places[cell.blocks[old].input_1], input_2=places[cell.blocks[old].input_2]) for old in order
    )
    if any(max(b.input_1, b.input_2) > n + 1 for n, b in enumerate(blocks)):
        return None
    return Cell(blocks, tuple(places[state] for state in cell.concat))


def variants(cell):
    """Every way to write the cell, each with sorted inputs and outputs: all topological orders, by trying all permutations."""
    for order in itertools.permutations(range(len(cell.blocks))):
        same = relabelled(cell, order)
        if same:
            blocks = tuple((tuple(sorted([(b.input_1, b.operation_1), (b.input_2, b.operation_2)])), b.combine) for b in same.blocks)
            yield blocks, tuple(sorted(same.concat))


def living(cell):
    """The cell without the blocks that reach no output."""
    while dead := [
        n for n in range(len(cell.blocks)) if n + 2 not in cell.concat and all(n + 2 not in (b.input_1, b.input_2) for b in cell.blocks)
    ]:
        places = {s: s - (s > dead[0] + 2) for s in range(len(cell.blocks) + 2)}
        blocks = (b._replace(input_1=places[b.input_1], input_2=places[b.input_2]) for n, b in enumerate(cell.blocks) if n != dead[0])
        cell = Cell(tuple(blocks), tuple(places[state] for state in cell.concat))
    return cell


def same_network(one, other):
    """Graph isomorphism by brute force."""
    return min(variants(living(one))) == min(variants(living(other)))


def random_cell(rng, blocks, operations=("identity", "conv_1x1"), combinations=("add", "concatenate"), any_concat=False):
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
    assert genotype._replace(normal=same).canonical_key() == genotype.canonical_key()


@given(points(NASNET), st.integers(0, 6), st.integers(0, 6))
def test_the_key_ignores_a_dead_block(point, one, other):
    genotype = NASNET.decode(point)
    dead = Block(one, "conv_3x3", other, "identity", "add")
    more = genotype._replace(reduction=genotype.reduction._replace(blocks=(*genotype.reduction.blocks, dead)))
    assert more.canonical_key() == genotype.canonical_key()


def test_every_rewriting_of_a_cell_has_the_same_canonical_form():
    rng = np.random.default_rng(0)
    for _ in range(150):
        cell = random_cell(rng, 4, any_concat=True)
        forms = {canonical(same) for order in itertools.permutations(range(4)) if (same := relabelled(swapped(cell, {0, 2}), order))}
        assert forms == {canonical(cell)}
        assert same_network(canonical(cell), cell)


@pytest.mark.parametrize("any_concat", [False, True])
def test_canonical_forms_are_equal_exactly_for_isomorphic_cells(any_concat):
    """Few operations, so that ties, twins and near misses are common; compared with brute-force isomorphism."""
    rng = np.random.default_rng(1)
    cells = [random_cell(rng, 3, ("identity", "conv_1x1"), ("add",), any_concat) for _ in range(250)]
    forms, brute = [canonical(cell) for cell in cells], [min(variants(living(cell))) for cell in cells]
    assert len(set(forms)) == len(set(brute)) == len(set(zip(forms, brute, strict=True))) < len(cells)


def test_all_small_cells_fall_into_as_many_classes_as_brute_force_finds():
    space = NASNetSpace(2, ("identity", "conv_1x1"), ("add",))
    half = len(space.sizes) // 2
    cells = [space.decode((*point, *point)).normal for point in itertools.product(*map(range, space.sizes[:half]))]
    brute = {cell: min(variants(living(cell))) for cell in cells}
    assert len(cells) == 576
    assert len(set(brute.values())) == len({canonical(cell) for cell in cells}) == len({(canonical(c), brute[c]) for c in cells})


@settings(max_examples=50)
@given(points(NASNetSpace(4, ("identity", "conv_1x1"))), points(NASNetSpace(4, ("identity", "conv_1x1"))))
def test_two_cells_share_a_canonical_form_exactly_if_they_are_isomorphic(one, other):
    space = NASNetSpace(4, ("identity", "conv_1x1"))
    for left, right in itertools.product(space.decode(one), space.decode(other)):
        assert (canonical(left) == canonical(right)) == same_network(left, right)
