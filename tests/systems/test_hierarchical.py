"""Motifs of motifs: genotype, space, tournament evolution."""

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasnet_tf import genotype as genotypes
from nasnet_tf import spaces
from nasnet_tf.genotype import Hierarchical
from nasnet_tf.spaces import HierarchicalSpace, WithEpochs
from nasnet_tf.strategies import AgingEvolution, RandomSearch, TournamentEvolution
from nasnet_tf.systems.hierarchical.genotype import PRIMITIVES, pairs

SPACE, FLAT = HierarchicalSpace(), spaces.get("hierarchical-flat")()
BOTH = pytest.mark.parametrize("space", [SPACE, FLAT], ids=["hierarchical", "flat"])
SMALL = HierarchicalSpace((2, 1), (3, 3))


def points(space):
    return st.tuples(*(st.integers(0, size - 1) for size in space.sizes))


def flat(**edges):
    """A flat genotype: flat(_0_1="conv_1x1", ...) of as many nodes as the highest that is named."""
    named = {tuple(map(int, key.split("_")[1:])): name for key, name in edges.items()}
    return Hierarchical(
        ((tuple(named.get(pair, "none") for pair in pairs(1 + max(map(max, named)))),),)
    )


# ---- sizes ----


def test_the_hierarchical_space_has_46_edges_and_the_flat_one_55_each_with_seven_choices():
    assert len(SPACE.decisions) == 6 * math.comb(4, 2) + math.comb(5, 2) == 46
    assert len(FLAT.decisions) == math.comb(11, 2) == 55
    assert (SPACE.size, FLAT.size) == (7**46, 7**55) and (f"{7**46:.1e}", f"{7**55:.1e}") == (
        "7.5e+38",
        "3.0e+46",
    )


def test_decisions_are_named_by_level_motif_and_edge():
    names = [name for name, _ in SPACE.decisions]
    assert names[:7] == [
        "l2/0/0_1",
        "l2/0/0_2",
        "l2/0/1_2",
        "l2/0/0_3",
        "l2/0/1_3",
        "l2/0/2_3",
        "l2/1/0_1",
    ]
    assert names[36:] == [f"l3/{source}_{node}" for node in range(1, 5) for source in range(node)]
    assert SPACE.decisions[0].options == ("none", *PRIMITIVES) == FLAT.decisions[0].options
    assert SPACE.decisions[-1].options == ("none", *(f"motif_{number}" for number in range(6)))
    assert (FLAT.decisions[0].name, FLAT.decisions[-1].name) == ("l2/0_1", "l2/9_10")


@pytest.mark.parametrize(
    "motifs, nodes", [((6, 2), (4, 5)), ((6,), (4, 5)), ((), ()), ((0, 1), (4, 5)), ((1,), (1,))]
)
def test_a_space_that_makes_no_sense_is_refused(motifs, nodes):
    with pytest.raises(ValueError, match="give 1 or more motifs a level"):
        HierarchicalSpace(motifs, nodes)


# ---- genotypes ----


@given(points(SPACE))
def test_decoding_gives_a_genotype_that_encodes_to_the_same_point_and_is_read_back(point):
    genotype = SPACE.decode(point)
    assert SPACE.encode(genotype) == point and SPACE.key(point) == genotype.canonical_key()
    again = genotypes.from_json(genotype.to_json())
    assert again == genotype and hash(again) == hash(genotype) and isinstance(again, Hierarchical)


def test_a_genotype_of_other_sizes_is_not_in_the_space():
    with pytest.raises(
        ValueError,
        match=r"has \(1,\) motifs of \(\{55\},\) edges; this space has \(6, 1\) of \(4, 5\) nodes",
    ):
        SPACE.encode(Hierarchical.chain((1,), (11,)))


@pytest.mark.parametrize(
    ("levels", "says"),
    [
        ((), "one on the last level"),
        (((("identity",),), (("motif_0",), ("motif_0",))), "one on the last level"),
        (("identity",), "each a tuple of names"),
        ((((1,),),), "each a tuple of names"),
        (
            ((("identity",) * 2,),),
            r"motif 0 of level 2 has 2 edges; 2, 3, 4, 5, ... nodes have 1, 3, 6, 10",
        ),
        (
            ((("identity", "none", "conv_5x5"),),),
            "edge 1_2 of motif 0 of level 2 is 'conv_5x5'; there are none, conv_1x1",
        ),
        (
            ((("identity",),), (("motif_1",),)),
            "edge 0_1 of motif 0 of level 3 is 'motif_1'; there are none, motif_0",
        ),
        (((("motif_0",),),), "is 'motif_0'; there are none, conv_1x1"),
    ],
)
def test_what_is_no_genotype_is_refused(levels, says):
    with pytest.raises(ValueError, match=says):
        Hierarchical(levels)


def test_a_genotype_is_told_node_by_node():
    genotype = Hierarchical(
        (
            (("identity", "conv_1x1", "max_pool_3x3"), ("none",) * 3),
            (("motif_0", "motif_1", "motif_0"),),
        )
    )
    assert genotype.lines() == [
        "level 2, motif_0: node 1 = identity of 0",
        "level 2, motif_0: node 2 = conv_1x1 of 0, max_pool_3x3 of 1",
        "level 2, motif_1: nothing",
        "cell: node 1 = motif_0 of 0",
        "cell: node 2 = motif_0 of 1",
    ]


# ---- what counts ----


def paths(edges, at, sink):
    """All ways to the sink, as tuples of edges."""
    if at == sink:
        yield ()
    for edge in edges:
        if edge[0] == at:
            yield from ((edge, *rest) for rest in paths(edges, edge[1], sink))


@given(points(SMALL))
def test_an_edge_counts_exactly_if_it_is_on_a_way_from_source_to_sink_along_what_brings_something(
    point,
):
    genotype, brings = SMALL.decode(point), set(PRIMITIVES)
    for motifs, living in zip(genotype.levels, genotype.living, strict=True):
        for motif, found in zip(motifs, living, strict=True):
            edges = [
                (*pair, operation)
                for pair, operation in zip(pairs(3), motif, strict=True)
                if operation in brings
            ]
            assert set(found) == {edge for path in paths(edges, 0, 2) for edge in path}
        brings = {f"motif_{number}" for number, found in enumerate(living) if found}


def test_a_node_that_nothing_reaches_brings_nothing():
    assert flat(_0_2="conv_1x1", _1_2="sep_conv_3x3").living == ((((0, 2, "conv_1x1"),),),)


def test_a_motif_whose_sink_nothing_reaches_is_as_good_as_none():
    broken, sound = ("conv_1x1", "none", "none"), ("none", "conv_1x1", "none")
    with_it = Hierarchical(((broken, sound), (("motif_0", "motif_1", "motif_1"),)))
    without = Hierarchical(((broken, sound), (("none", "motif_1", "none"),)))
    assert (
        with_it.living[1] == without.living[1]
        and with_it.canonical_key() == without.canonical_key()
    )


def test_a_cell_whose_sink_nothing_reaches_is_a_network_of_its_own_kind():
    severed = {space.key((0,) * len(space.decisions)) for space in (SPACE, FLAT, SMALL)}
    assert len(severed) == 1 and SPACE.key(SPACE.trivial) not in severed
    assert (
        Hierarchical(
            (tuple([("identity",) * 6] * 6), (("motif_0", *["none"] * 9),))
        ).canonical_key()
        in severed
    )


# ---- the key ----


def brute(motif, nodes):
    """The least way to write what counts of a flat motif, over all numberings; a node that is
    another by an identity is that one.
    """
    edges = [
        (*pair, name) for pair, name in zip(pairs(nodes), motif, strict=True) if name != "none"
    ]
    edges = list(dict.fromkeys(edge for path in paths(edges, 0, nodes - 1) for edge in path))
    same = list(range(nodes))
    while True:
        into = {node: [edge for edge in edges if edge[1] == node] for node in range(nodes)}
        alone = next(
            (of[0] for of in into.values() if len(of) == 1 and of[0][2] == "identity"), None
        )
        if alone is None:
            break
        edges.remove(alone)
        same = [alone[0] if node == alone[1] else node for node in same]
        edges = [(alone[0] if a == alone[1] else a, b, name) for a, b, name in edges]
    written = (
        (sorted((order[a], order[b], name) for a, b, name in edges), order[same[nodes - 1]])
        for order in ([0, *rest] for rest in itertools.permutations(range(1, nodes)))
    )
    return str(min(written)) if edges or same[nodes - 1] == 0 else "nothing"


def test_all_motifs_of_four_nodes_have_one_key_exactly_if_they_are_the_same_graph():
    cells = {
        motif: brute(motif, 4)
        for motif in itertools.product(("none", "conv_1x1", "identity"), repeat=6)
    }
    keys = {motif: Hierarchical(((motif,),)).canonical_key() for motif in cells}
    assert len(cells) == 729
    assert (
        len(set(cells.values()))
        == len(set(keys.values()))
        == len({(cells[motif], keys[motif]) for motif in cells})
        < 500
    )


@pytest.mark.parametrize(
    "operations",
    [
        ("none", "conv_1x1"),
        ("none", "conv_1x1", "max_pool_3x3"),
        ("none", "none", "identity", "conv_1x1"),
    ],
)
def test_motifs_of_five_nodes_too(operations):
    rng = np.random.default_rng(0)
    motifs = [tuple(rng.choice(operations, 10).tolist()) for _ in range(400)]
    cells, keys = (
        [brute(motif, 5) for motif in motifs],
        [Hierarchical(((motif,),)).canonical_key() for motif in motifs],
    )
    assert len(set(cells)) == len(set(keys)) == len(set(zip(cells, keys, strict=True))) < 400


@given(points(SPACE), st.permutations(range(6)))
def test_the_key_ignores_the_numbers_of_motifs(point, order):
    genotype = SPACE.decode(point)
    motifs, ((*top,),) = genotype.levels
    renamed = {f"motif_{old}": f"motif_{new}" for new, old in enumerate(order)} | {"none": "none"}
    other = Hierarchical(
        (tuple(motifs[old] for old in order), (tuple(renamed[name] for name in top),))
    )
    assert other.canonical_key() == genotype.canonical_key()


@given(points(SPACE), points(SPACE), st.integers(0, 5))
def test_the_key_ignores_a_motif_that_nothing_uses(point, other, number):
    unused = f"motif_{number}"
    one, two = SPACE.decode(point), SPACE.decode(other)
    top = tuple("none" if name == unused else name for name in one.levels[1][0])
    motifs = (*one.levels[0][:number], two.levels[0][number], *one.levels[0][number + 1 :])
    assert (
        Hierarchical((motifs, (top,))).canonical_key()
        == Hierarchical((one.levels[0], (top,))).canonical_key()
    )


@given(st.integers(0, 10**6), st.integers(1, 3))
def test_the_key_ignores_the_numbers_of_nodes(seed, dense):
    rng = np.random.default_rng(seed)
    edges = {pair: str(rng.choice(PRIMITIVES)) for pair in pairs(11) if rng.random() < dense / 6}
    order = []  # one of the topological ones, the source first and the sink last
    while len(order) < 11:
        free = [
            n for n in range(11) if n not in order and all(a in order for a, b in edges if b == n)
        ]
        order.append(0 if not order else int(rng.choice([n for n in free if n < 10] or [10])))
    moved = {(order.index(a), order.index(b)): name for (a, b), name in edges.items()}
    one, two = (
        Hierarchical(((tuple(of.get(pair, "none") for pair in pairs(11)),),))
        for of in (edges, moved)
    )
    assert one.canonical_key() == two.canonical_key()


def test_the_key_tells_one_convolution_read_twice_from_two():
    once = flat(_0_1="conv_1x1", _1_2="identity", _1_3="max_pool_3x3", _2_3="identity")
    twice = flat(_0_1="conv_1x1", _0_2="conv_1x1", _1_3="max_pool_3x3", _2_3="identity")
    assert once.canonical_key() != twice.canonical_key()


# ---- mutation and the first population ----


def chances_by_the_paper(motifs, nodes):
    """Of each edge in order: uniform level, motif of it, node after the source, node before
    that.
    """
    for count, size in zip(motifs, nodes, strict=True):
        for _ in range(count):
            yield from (
                Fraction(1, len(motifs) * count * (size - 1) * node) for _, node in pairs(size)
            )


@BOTH
def test_every_edge_is_mutated_as_often_as_the_paper_says(space):
    exact = list(chances_by_the_paper(space.motifs, space.nodes))
    assert sum(exact) == 1
    np.testing.assert_allclose(space.chances, [float(chance) for chance in exact])
    rng, counts, start = np.random.default_rng(0), np.zeros(len(exact)), (3,) * len(exact)
    for _ in range(6000):
        (*place,) = (n for n, option in enumerate(space.mutate(start, rng)) if option != 3)
        assert len(place) <= 1
        counts[place] += 1
    expected = 6000 * 6 / 7 * np.array(exact, float)
    assert (
        (counts - expected) ** 2 / expected
    ).sum() < 100  # chi-squared, 45 and 54 degrees of freedom: p = 4e-6 and 1.4e-4
    assert counts.sum() == pytest.approx(6000 * 6 / 7, abs=120)  # one in seven draws what was there


@BOTH
def test_a_mutation_touches_at_most_one_entry(space):
    rng = np.random.default_rng(1)
    point, touched = space.random(rng), Counter()
    for _ in range(500):
        mutant = space.mutate(point, rng)
        touched[sum(a != b for a, b in zip(mutant, point, strict=True))] += 1
        point = mutant
    assert set(touched) == {0, 1} and touched[0] == pytest.approx(500 / 7, abs=30)


def test_with_epochs_a_mutation_leaves_the_epochs():
    space, rng = WithEpochs(SPACE, (1, 3)), np.random.default_rng(0)
    assert {space.mutate((*SPACE.trivial, 1), rng)[-1] for _ in range(20)} == {1}


def test_the_first_population_is_the_chain_mutated_one_after_the_other():
    """The law of a small space after four mutations, exact, from its matrix of transitions."""
    space = HierarchicalSpace((1,), (3,), mutations=4)
    every = list(itertools.product(range(7), repeat=3))
    law = {point: Fraction(point == space.trivial) for point in every}
    for _ in range(4):
        after = dict.fromkeys(every, Fraction(0))
        for point, share in law.items():
            if share:
                for place, chance in enumerate(chances_by_the_paper((1,), (3,))):
                    for option in range(7):
                        after[(*point[:place], option, *point[place + 1 :])] += share * chance / 7
        law = after
    rng, drawn = np.random.default_rng(0), Counter()
    for _ in range(10_000):
        drawn[space.random(rng)] += 1
    patterns = [tuple(a == b for a, b in zip(point, space.trivial, strict=True)) for point in every]
    found, expected = (Counter(), Counter())
    for point, pattern in zip(every, patterns, strict=True):
        found[pattern] += drawn[point]
        expected[pattern] += 10_000 * float(law[point])
    assert (
        sum((found[p] - expected[p]) ** 2 / expected[p] for p in expected) < 24.3
    )  # 7 degrees of freedom, p = 0.001
    assert HierarchicalSpace((1,), (3,), mutations=0).random(rng) == space.trivial


@BOTH
def test_after_a_thousand_mutations_hardly_anything_is_left_of_the_chain(space):
    rng = np.random.default_rng(0)
    options = np.array([space.random(rng) for _ in range(400)])
    counts = np.stack([(options == option).sum(0) for option in range(7)])
    assert ((counts - 400 / 7) ** 2 / (400 / 7)).sum() < 6 * len(space.decisions) + 5 * (
        12 * len(space.decisions)
    ) ** 0.5


def test_the_trivial_genotype_is_a_chain_of_identities():
    genotype = SPACE.decode(SPACE.trivial)
    assert genotype == Hierarchical.chain() and FLAT.decode(FLAT.trivial) == Hierarchical.chain(
        (1,), (11,)
    )
    assert set(genotype.living[0]) == {((0, 1, "identity"), (1, 2, "identity"), (2, 3, "identity"))}
    assert genotype.living[1] == (
        ((0, 1, "motif_0"), (1, 2, "motif_0"), (2, 3, "motif_0"), (3, 4, "motif_0")),
    )
    assert FLAT.key(FLAT.trivial) == flat(_0_1="identity").canonical_key()


# ---- tournament evolution ----


def evolved(count, **settings):
    """A search that has learned points 0, 1, ... of one decision, whose rewards are a
    permutation.
    """
    strategy = TournamentEvolution((count, 2), **settings)
    for number, reward in enumerate(np.random.default_rng(0).permutation(count)):
        strategy.observe((number, 0), float(reward))
    return strategy


@pytest.mark.parametrize(
    ("count", "share", "size"),
    [(40, 0.05, 2), (41, 0.05, 3), (10, 0.25, 3), (7, 0.05, 1), (5, 1.0, 5)],
)
def test_a_tournament_is_won_as_often_as_the_closed_form_says(count, share, size):
    """Of `size` drawn without replacement the one of rank r, 0 the best, is the best if all others
    are among the count - 1 - r worse.
    """
    strategy, rng = evolved(count, share=share), np.random.default_rng(0)
    expected = np.array(
        [math.comb(count - 1 - rank, size - 1) / math.comb(count, size) for rank in range(count)]
    )
    assert expected[0] == pytest.approx(size / count) and expected.sum() == pytest.approx(1)
    counts = np.zeros(count)
    for _ in range(6000):
        number, _ = strategy.parent(rng)
        counts[count - 1 - int(strategy.archive.rewards[number])] += 1
    assert counts[expected == 0].sum() == 0
    some = expected > 0
    statistic = ((counts - 6000 * expected)[some] ** 2 / (6000 * expected)[some]).sum()
    freedom = some.sum() - 1
    assert statistic <= freedom + 4.5 * (2 * freedom) ** 0.5


def test_the_first_proposals_are_random_and_what_comes_later_is_a_child():
    strategy, random = TournamentEvolution(SPACE, 3, initial=5), RandomSearch(SPACE, 3)
    assert [strategy.propose(number) for number in range(5)] == [
        random.propose(number) for number in range(5)
    ]
    assert strategy.propose(5) == random.propose(5), "nothing has ended yet"
    strategy.observe(SPACE.trivial, None)
    assert strategy.propose(5) == random.propose(5), "what failed is nobody's parent"
    strategy.observe(SPACE.trivial, 0.5)
    assert all(
        sum(a != b for a, b in zip(strategy.propose(n), SPACE.trivial, strict=True)) <= 1
        for n in range(5, 60)
    )


def test_the_population_only_grows():
    strategy = evolved(500)
    assert len(strategy.archive) == 500 and strategy.state()["points"].shape == (500, 2)
    before = strategy.state()["points"]
    strategy.observe((3, 1), 9.0)
    np.testing.assert_array_equal(strategy.state()["points"][:-1], before)


def test_the_papers_settings_are_200_random_ones_and_five_percent():
    paper = TournamentEvolution.paper(SPACE)
    assert (paper.initial, paper.share) == (200, 0.05)
    assert paper.repeats and not TournamentEvolution(SPACE).repeats
    for settings in (dict(initial=0), dict(share=0.0), dict(share=1.1)):
        with pytest.raises(ValueError, match="initial must be 1 or more and share above 0"):
            TournamentEvolution(SPACE, **settings)


def test_what_is_being_trained_is_not_proposed_again():
    strategy = TournamentEvolution((2, 3), initial=1)
    strategy.observe((0, 0), 1.0)
    for number in range(1, 30):
        assert strategy.propose(number, pending=[(1, 0), (0, 2)]) == (0, 1)


@pytest.mark.parametrize("repeats", [False, True])
def test_a_network_is_tried_again_only_if_that_is_asked_for(repeats):
    strategy, keys = TournamentEvolution(SMALL, 1, repeats=repeats), []
    for number in range(100):
        point = strategy.propose(number)
        keys.append(SMALL.key(point))
        strategy.observe(point, None if number == 30 else float(number == 0))
    assert (
        any(key in keys[:number] for number, key in enumerate(keys) if number >= strategy.initial)
        is repeats
    )


def landscape(space, seed):
    """A reward of a genotype: every edge that counts adds something, of its place and operation;
    those of used motifs once a use.
    """
    effects = [
        np.random.default_rng([seed, n]).normal(size=size) for n, size in enumerate(space.sizes)
    ]
    places = {name: n for n, (name, _) in enumerate(space.decisions)}

    def value(genotype, level, number):
        name = f"l{level + 2}/{number}" if space.motifs[level] > 1 else f"l{level + 2}"
        total = 0.0
        for source, node, operation in genotype.living[level][number]:
            n = places[f"{name}/{source}_{node}"]
            total += effects[n][space.decisions[n].options.index(operation)]
            if level:
                total += value(genotype, level - 1, int(operation.removeprefix("motif_"))) / len(
                    pairs(space.nodes[level - 1])
                )
        return total

    return lambda point: value(space.decode(point), len(space.motifs) - 1, 0)


def best_of(strategy, score, trials):
    best = -math.inf
    for number in range(trials):
        point = strategy.propose(number)
        best = max(best, score(point))
        strategy.observe(point, score(point))
    return best


@BOTH
@pytest.mark.parametrize("seed", range(3))
def test_tournament_evolution_beats_random_search_at_equal_budget(space, seed):
    score = landscape(space, seed)
    ours, theirs = (
        best_of(kind(space, seed), score, 200) for kind in (TournamentEvolution, RandomSearch)
    )
    assert ours > theirs


def test_a_state_of_other_points_is_refused():
    state = evolved(3).state()
    with pytest.raises(ValueError, match="no point of this space"):
        evolved(3).restore(state | {"points": state["points"] + 3})
    with pytest.raises(
        ValueError, match="strategy 'tournament-evolution', this search 'aging-evolution'"
    ):
        AgingEvolution((3, 2)).restore(state)
