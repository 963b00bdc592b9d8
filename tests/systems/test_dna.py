"""Large-scale evolution: the DNA, its mutations, pairwise evolution."""

import csv
import itertools
import json
import pathlib

import keras
import numpy as np
import pytest
import searching
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import convolved, normed, part_of, relu, shuffled

from nasnet_tf import genotype as genotypes
from nasnet_tf.children.inheritance import inherit, keep
from nasnet_tf.cli import main
from nasnet_tf.cost import cost_of
from nasnet_tf.genotype import DNA
from nasnet_tf.spaces import DNASpace, NASNetSpace
from nasnet_tf.strategies import STRATEGIES, AgingEvolution, PairwiseEvolution, RandomSearch
from nasnet_tf.study import PARENT
from nasnet_tf.systems import networks
from nasnet_tf.systems.dna.genotype import LINEAR, MOST_EDGES, Edge, Filter, Vertex
from nasnet_tf.systems.dna.network import DNANetwork, EdgeConvolution
from nasnet_tf.systems.dna.space import MUTATIONS
from nasnet_tf.tuners import CellHyperModel, CellTuner, StrategyOracle, StrategySearch

SPACE = DNASpace()
SMALL = DNA(  # the image, a strided convolution beside a skip of what comes before it, the end
    (Vertex(0, "linear"), Vertex(2, "linear"), Vertex(3, "bn_relu"), Vertex(1, "linear")),
    (
        Edge(0, 3, 1),
        Edge(1, 0, 2, filter=Filter(3.0, 3.0, 0.0, 4.0)),
        Edge(2, 2, 3, filter=Filter(1.0, 5.0, 1.0, 6.0)),
        Edge(3, 2, 3, True),
    ),
    0.05,
)
OPEN = pytest.mark.parametrize(
    "kind", [kind for kind in STRATEGIES.values() if kind.open], ids=lambda kind: kind.name
)


def walk(seed, length, space=SPACE):
    """The DNAs of a random walk from the linear model, with the mutation that led to each."""
    rng, dna = np.random.default_rng(seed), LINEAR
    for _ in range(length):
        name, dna = space.mutated(dna, rng)
        yield name, dna


WALKS = st.tuples(st.integers(0, 10**6), st.integers(1, 60)).map(
    lambda drawn: list(walk(*drawn))[-1][1]
)


# ---- the genotype ----


@given(dna=WALKS)
def test_a_dna_is_json_both_ways_and_equal_after_it(dna):
    again = genotypes.from_json(dna.to_json())
    assert (
        again == dna and hash(again) == hash(dna) and again.canonical_key() == dna.canonical_key()
    )
    assert all(type(gene) is float for edge in again.edges if edge.filter for gene in edge.filter)


def test_what_is_built_is_nearest_to_the_genes_and_sizes_are_odd():
    for height, built in ((0.01, 1), (1.99, 1), (2.01, 3), (3.99, 3), (4.01, 5), (6.5, 7)):
        assert Filter(height, 3.0, 0.0, 1.0).kernel_size == (built, 3)
    assert [Filter(stride=gene).strides for gene in (-0.9, 0.0, 0.49, 0.5, 1.4, 2.6)] == [
        1,
        1,
        1,
        2,
        2,
        8,
    ]
    assert [Filter(channels=gene).filters for gene in (0.1, 1.4, 1.6, 24.5)] == [1, 1, 2, 25]


def test_shapes_follow_the_primary_edges():
    assert SMALL.shapes((9, 8, 3)) == {0: (9, 8, 3), 2: (9, 8, 4), 3: (5, 4, 6), 1: (5, 4, 6)}
    assert [edge.name for edge in SMALL.primary] == [1, 2, 0]


def test_a_skip_before_it_in_the_list_does_not_make_an_edge_secondary():
    swapped = DNA(SMALL.vertices, SMALL.edges[::-1], SMALL.learning_rate)
    assert swapped.primary == SMALL.primary and swapped.canonical_key() == SMALL.canonical_key()


def test_the_key_sees_through_names_and_rounding_and_nothing_else():
    renamed = DNA(
        tuple(vertex._replace(name=vertex.name + 7) for vertex in SMALL.vertices),
        tuple(
            edge._replace(name=9 - edge.name, source=edge.source + 7, target=edge.target + 7)
            for edge in SMALL.edges
        ),
        SMALL.learning_rate,
    )
    assert renamed != SMALL and renamed.canonical_key() == SMALL.canonical_key()
    assert (
        changed(SMALL, 2, width=5.3).canonical_key()
        == SMALL.canonical_key()
        != changed(SMALL, 2, width=6.3).canonical_key()
    )
    others = [
        DNA(SMALL.vertices, SMALL.edges[:3], 0.05),
        DNA(SMALL.vertices, SMALL.edges, 0.06),
        DNA((*SMALL.vertices[:3], Vertex(1, "bn_relu")), SMALL.edges, 0.05),
        *(
            changed(SMALL, 2, **{gene: value})
            for gene, value in [("height", 3.0), ("stride", 0.0), ("channels", 7.0)]
        ),
    ]
    assert len({other.canonical_key() for other in (SMALL, *others)}) == len(others) + 1


def changed(dna, name, **genes):
    """The DNA with other genes of the convolution of that name."""
    edges = (
        edge._replace(filter=edge.filter._replace(**genes)) if edge.name == name else edge
        for edge in dna.edges
    )
    return DNA(dna.vertices, tuple(edges), dna.learning_rate)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"learning_rate": True}, "learning_rate is True"),
        ({"vertices": (Vertex(0, "linear"),)}, "two vertices at least"),
        ({"vertices": (Vertex(0, "bn_relu"), *SMALL.vertices[1:])}, "the first of them linear"),
        (
            {"vertices": (*SMALL.vertices[:3], Vertex(1, "tanh"))},
            "vertex 1 is 'tanh'; there are linear, bn_relu",
        ),
        ({"vertices": (*SMALL.vertices, Vertex(2, "linear"))}, "names of vertices are"),
        ({"vertices": ((0, "linear"), (1,))}, "give lists of name, activation"),
        ({"vertices": 3}, "vertices are 3; give lists"),
        ({"edges": SMALL.edges[1:]}, "no edge but skips leads to vertex 1"),
        (
            {"edges": (*SMALL.edges, Edge(7, 3, 2))},
            "edge 7 leads from 3 to 2; it must lead to a later vertex",
        ),
        ({"edges": (*SMALL.edges, Edge(7, 3, 3))}, "edge 7 leads from 3 to 3"),
        ({"edges": (*SMALL.edges, Edge(7, 3, 9))}, "edge 7 leads from 3 to 9"),
        ({"edges": (*SMALL.edges, Edge(7, [], 1))}, r"edge 7 leads from \[\] to 1"),
        ({"edges": (*SMALL.edges, Edge(3, 0, 1))}, "names of edges are"),
        ({"edges": (*SMALL.edges, Edge(7, 0, 1, 1))}, "edge 7: skip is 1; give true or false"),
        (
            {"edges": (*SMALL.edges, Edge(7, 0, 1, True, (1.0, "2", 0.0, 1.0)))},
            "edge 7: Filter.*give floats",
        ),
        (
            {"edges": (*SMALL.edges, Edge(7, 0, 1, True, 3.0))},
            "filters are .*give lists of height, width, stride, channels",
        ),
        (
            {"edges": (*SMALL.edges, Edge(7, 0, 1, True, Filter(channels=1e9)))},
            "edge 7: Filter.*all up to 65,536",
        ),
        (
            {"edges": (*SMALL.edges, Edge(7, 0, 1, True, Filter(stride=float("inf"))))},
            "edge 7: Filter",
        ),
        (
            {"edges": tuple(Edge(name, 0, 1) for name in range(MOST_EDGES + 1))},
            "1001 edges; a DNA has up to 1000",
        ),
        (
            {"edges": (Edge(0, 0, 2), Edge(1, 0, 3), Edge(2, 2, 1))},
            "no edge leads on from vertex 3",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_dna_is_refused(edit, says):
    fields = {
        "vertices": SMALL.vertices,
        "edges": SMALL.edges,
        "learning_rate": SMALL.learning_rate,
    }
    with pytest.raises(ValueError, match=says):
        DNA(**{**fields, **edit})


# ---- the mutations ----


def test_there_are_eleven_and_each_comes_as_often_where_all_apply():
    assert len(MUTATIONS) == 11
    rng, counts = np.random.default_rng(0), dict.fromkeys(MUTATIONS, 0)
    for _ in range(5500):
        counts[SPACE.mutated(SMALL, rng)[0]] += 1
    assert (
        sum((count - 500) ** 2 / 500 for count in counts.values()) < 29.6
    )  # chi-squared, 10 degrees of freedom, p = 0.001


def test_what_cannot_be_applied_is_drawn_again():
    rng, names = np.random.default_rng(0), set()
    for _ in range(300):
        names.add(SPACE.mutated(LINEAR, rng)[0])
    assert set(MUTATIONS) - names == {
        "remove-convolution",
        "alter-stride",
        "alter-number-of-channels",
        "filter-size",
        "remove-skip",
    }


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_mutation_changes_what_its_name_says_and_nothing_else(name):
    """The edges and vertices that are in parent and child are compared by name."""
    rng, seen = np.random.default_rng(0), 0
    for seed in range(60):
        parent = list(walk(seed, 40))[-1][1]
        child = MUTATIONS[name](parent, rng, 3)
        if child is None:
            continue
        seen += 1
        kept = [
            (one, {e.name: e for e in child.edges}[one.name])
            for one in parent.edges
            if one.name in {e.name for e in child.edges}
        ]
        gone, new = len(parent.edges) - len(kept), len(child.edges) - len(kept)
        genes = {
            f
            for one, two in kept
            if one.filter and two.filter
            for f in Filter._fields
            if getattr(one.filter, f) != getattr(two.filter, f)
        }
        grown = len(child.vertices) - len(parent.vertices)
        assert (child.learning_rate != parent.learning_rate) == (name == "alter-learning-rate")
        assert genes <= {
            "alter-stride": {"stride"},
            "filter-size": {"height", "width"},
            "alter-number-of-channels": {"channels"},
        }.get(name, set())
        assert len(genes) == (name in ("alter-stride", "filter-size", "alter-number-of-channels"))
        if name in ("insert-convolution", "insert-one-to-one"):
            assert (gone, new, grown) == (0, 1, 1) and (child.edges[-1].filter is None) == (
                name == "insert-one-to-one"
            )
        elif name == "remove-convolution":
            fewer = sum(e.filter is not None for e in parent.edges) - sum(
                e.filter is not None for e in child.edges
            )
            assert (new, grown, fewer) == (0, -1, 1)
        else:
            assert (gone, new, grown) == (name == "remove-skip", name == "add-skip", 0)
        if name in ("identity", "reset-weights"):
            assert child == parent
    assert seen > 20


def test_an_inserted_convolution_is_3x3_has_the_channels_before_it_and_a_stride_of_1_or_2():
    rng, strides, activations = np.random.default_rng(0), [], []
    for _ in range(100):
        child = MUTATIONS["insert-convolution"](SMALL, rng, 3)
        new = child.edges[-1]
        shapes = child.shapes((16, 16, 3))
        assert (
            new.filter.kernel_size == (3, 3)
            and shapes[new.source][2] == shapes[new.target][2] == new.filter.filters
        )
        strides.append(new.filter.strides)
        activations.append(
            {vertex.name: vertex.activation for vertex in child.vertices}[new.target]
        )
    assert set(strides) == {1, 2} and set(activations) == {"linear", "bn_relu"}


@given(dna=WALKS, seed=st.integers(0, 99))
def test_removing_what_was_inserted_or_added_gives_the_parent_back(dna, seed):
    inverse = {"insert-convolution": "remove-convolution", "add-skip": "remove-skip"}
    for there, back in inverse.items():
        child = MUTATIONS[there](dna, np.random.default_rng(seed), 3)
        if child is not None:
            assert any(
                MUTATIONS[back](child, np.random.default_rng(draw), 3) == dna for draw in range(300)
            )


@pytest.mark.parametrize(
    "mutation", ["alter-learning-rate", "alter-number-of-channels", "filter-size", "alter-stride"]
)
def test_a_number_becomes_any_from_its_half_to_its_double(mutation):
    rng, factors = np.random.default_rng(0), []
    for _ in range(2000):
        child = MUTATIONS[mutation](SMALL, rng, 3)
        old, new = (
            [
                dna.learning_rate,
                *(
                    gene + (place == 2)
                    for e in dna.edges
                    if e.filter
                    for place, gene in enumerate(e.filter)
                ),
            ]
            for dna in (SMALL, child)
        )
        factors += [b / a for a, b in zip(old, new, strict=True) if a != b]
    assert len(factors) == 2000 and 0.5 <= min(factors) < 0.51 and 1.99 < max(factors) <= 2
    counts = np.histogram(factors, 10, (0.5, 2))[0]
    assert ((counts - 200) ** 2 / 200).sum() < 27.9  # chi-squared, 9 degrees of freedom, p = 0.001


def test_small_changes_of_a_gene_add_up_without_bound():
    rng, dna = np.random.default_rng(0), SMALL
    widths = []
    for _ in range(60):
        dna = MUTATIONS["alter-number-of-channels"](dna, rng, 3) or dna
        widths.append(max(edge.filter.filters for edge in dna.edges if edge.filter))
    assert max(widths) > 100


def test_nothing_grows_beyond_a_thousand_edges():
    chain = DNA(
        tuple(Vertex(name, "linear") for name in range(MOST_EDGES + 1)),
        tuple(Edge(n, n, n + 1) for n in range(MOST_EDGES)),
        0.1,
    )
    rng = np.random.default_rng(0)
    assert all(
        MUTATIONS[name](chain, rng, 3) is None
        for name in ("insert-convolution", "insert-one-to-one", "add-skip")
    )
    assert {SPACE.mutated(chain, rng)[0] for _ in range(40)} == {
        "alter-learning-rate",
        "identity",
        "reset-weights",
    }
    assert DNA.from_json(chain.to_json()) == chain


def test_a_convolution_that_another_branch_joins_becomes_the_identity():
    """Such graphs no mutation makes, but a file may hold one."""
    branches = DNA(
        (
            Vertex(0, "linear"),
            Vertex(1, "linear"),
            Vertex(2, "linear"),
            Vertex(3, "linear"),
            Vertex(4, "linear"),
        ),
        (
            Edge(0, 0, 1),
            Edge(1, 0, 2),
            Edge(2, 1, 3, filter=Filter()),
            Edge(3, 2, 3, True),
            Edge(4, 3, 4),
        ),
        0.1,
    )
    child = MUTATIONS["remove-convolution"](branches, np.random.default_rng(0), 3)
    assert child == DNA(
        branches.vertices, tuple(edge._replace(filter=None) for edge in branches.edges), 0.1
    )
    assert (
        MUTATIONS["remove-skip"](branches, np.random.default_rng(0), 3) is None
    )  # vertex 2 would lead nowhere


def brute_shapes(dna, image):
    """Sizes by following each vertex's first edge that is no skip back to the image."""
    found = {}
    for vertex in dna.vertices:
        path, at = [], vertex.name
        while at != dna.vertices[0].name:
            edge = next(edge for edge in dna.edges if edge.target == at and not edge.skip)
            path, at = [edge, *path], edge.source
        height, width, channels = image
        for edge in path:
            if edge.filter is not None:
                height, width = (
                    int(np.ceil(size / edge.filter.strides)) for size in (height, width)
                )
                channels = edge.filter.filters
        found[vertex.name] = (height, width, channels)
    return found


def test_ten_thousand_mutations_leave_a_sound_graph():
    """200 walks of 50; `DNA` checks itself, here what it checks is looked at by other means."""
    names, deepest = set(), 0
    for seed in range(200):
        for name, dna in walk(seed, 50):
            names.add(name)
            order = [vertex.name for vertex in dna.vertices]
            assert order[0] == 0 and order[-1] == 1
            reached = {0}
            for _ in order:
                reached |= {
                    edge.target for edge in dna.edges if edge.source in reached and not edge.skip
                }
            assert reached == set(order)
            assert all(order.index(edge.source) < order.index(edge.target) for edge in dna.edges)
            deepest = max(deepest, sum(edge.filter is not None for edge in dna.edges))
        assert dna.shapes((8, 8, 1)) == brute_shapes(dna, (8, 8, 1))
        assert min(itertools.chain(*dna.shapes((8, 8, 1)).values())) >= 1
    assert names == set(MUTATIONS) and deepest >= 8


# ---- the space ----


def test_a_point_is_json_and_stands_for_its_dna():
    rng = np.random.default_rng(0)
    for _ in range(20):
        point = SPACE.mutate(SPACE.random(rng), rng)
        assert (
            tuple(json.loads(json.dumps(point)))
            == point
            == SPACE.checked(list(point))
            == SPACE.choices(SPACE.values(point))
        )
        assert SPACE.encode(SPACE.decode(point)) == (point[0], "")
    assert SPACE.decode(SPACE.start(rng)) == SPACE.decode(SPACE.first) == LINEAR


def test_a_child_inherits_from_its_parent_unless_its_weights_are_reset():
    rng, inherited = np.random.default_rng(0), 0
    parent = (SMALL.to_json(), "")
    for _ in range(220):
        child = SPACE.mutate(parent, rng)
        if SPACE.parent(child) is None:
            assert child == parent
        else:
            inherited += 1
            assert SPACE.parent(child) == SPACE.key(parent) != SPACE.key(child)
    assert 180 < inherited < 220  # ten of eleven


def test_training_longer_is_another_point_than_training_once():
    once = SPACE.first
    twice = (once[0], SPACE.key(once))
    thrice = (once[0], SPACE.key(twice))
    assert len({SPACE.key(point) for point in (once, twice, thrice)}) == 3


def test_random_points_are_walks_of_up_to_so_many_mutations_that_inherit_nothing():
    rng = np.random.default_rng(0)
    assert {DNASpace(walk=0).random(rng) for _ in range(5)} == {SPACE.first}
    points = [DNASpace(walk=4).random(rng) for _ in range(200)]
    assert all(
        SPACE.parent(point) is None and len(SPACE.decode(point).edges) <= 5 for point in points
    )
    assert max(len(SPACE.decode(point).edges) for point in points) > 2


@pytest.mark.parametrize(
    "point", [(), ("",), (SMALL.to_json(),), (SMALL.to_json(), 3), ("{}", ""), (0, 1)]
)
def test_what_is_no_point_is_refused(point):
    with pytest.raises(ValueError, match="no point of this space|not a genotype"):
        SPACE.checked(point)


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"walk": -1}])
def test_settings_of_the_space_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="1 or more, walk 0 or more"):
        DNASpace(**wrong)


# ---- strategies in a space without decisions ----


def search(strategy, score, trials):
    """The points that are proposed one after the other; their genotypes are scored."""
    return searching.search(strategy, lambda point: score(strategy.space.decode(point)), trials)


def convolutions(dna):
    return sum(edge.filter is not None for edge in dna.edges)


def quality(dna):
    """Rewards eight convolutions, eight ReLUs and a learning rate of 0.03."""
    relus = sum(vertex.activation == "bn_relu" for vertex in dna.vertices)
    return (
        min(convolutions(dna), 8) / 8 + min(relus, 8) / 8 - abs(np.log10(dna.learning_rate / 0.03))
    )


@pytest.mark.parametrize("kind", STRATEGIES.values(), ids=STRATEGIES)
def test_a_strategy_that_needs_decisions_says_so_and_the_others_search(kind):
    if kind.open:
        assert len(search(kind(SPACE), quality, 20)) == 20
    else:
        with pytest.raises(
            ValueError,
            match=(
                f"{kind.name} needs a space of fixed decisions, which DNASpace is not; take"
                " pairwise-evolution"
            ),
        ):
            kind(SPACE)


@OPEN
def test_a_state_whose_points_are_no_dna_is_refused_and_changes_nothing(kind):
    strategy = kind(SPACE)
    search(strategy, quality, 12)
    state = strategy.state()
    if "points" in state:
        before = strategy.propose(12)
        with pytest.raises(ValueError, match="no point of this space"):
            strategy.restore(
                {**state, "points": np.frombuffer(json.dumps([["x"]] * 11).encode(), np.uint8)}
            )
        assert strategy.propose(12) == before


@pytest.mark.parametrize("seed", range(5))
def test_pairwise_evolution_beats_random_walks_at_equal_budget(seed):
    best = [
        max(map(quality, map(SPACE.decode, search(kind(SPACE, seed), quality, 200))))
        for kind in (PairwiseEvolution, RandomSearch)
    ]
    assert best[0] > best[1] + 0.2


# ---- pairwise evolution ----


def test_it_begins_with_linear_models_until_the_population_is_full():
    strategy = PairwiseEvolution(SPACE, population=6)
    for number in range(9):
        assert strategy.propose(number) == SPACE.first
        if number % 3:  # one in three fails, and is not born
            strategy.observe(SPACE.first, float(number))
        else:
            strategy.observe(SPACE.first, None)
    assert strategy.born == 6 and len(strategy.living) == 5
    assert any(strategy.propose(number) != SPACE.first for number in range(9, 20))


def test_each_event_kills_the_worse_of_two_and_the_better_has_the_child():
    strategy, rewards = (
        PairwiseEvolution((9,) * 4, population=8),
        np.random.default_rng(0).permutation(200),
    )
    for number in range(200):
        before = list(strategy.living)
        point = strategy.propose(number)
        if strategy.winner is not None:
            assert sum(a != b for a, b in zip(point, strategy.winner, strict=True)) == 1
        strategy.observe(point, float(rewards[number]))
        born = [*before, (point, float(rewards[number]))]
        dead = [individual for individual in born if individual not in strategy.living]
        assert len(dead) == (number >= 7)
        if dead:
            assert dead[0][1] < max(
                reward for one, reward in strategy.living if one == strategy.winner
            )


def test_every_pair_competes_as_often():
    """Of the ranks 0 to 4 the one of rank r dies in (4 - r) of the 10 pairs and wins in r of
    them.
    """
    deaths, wins = np.zeros(5), np.zeros(5)
    for seed in range(2000):
        strategy = PairwiseEvolution((9,), seed, population=5)
        for rank in (3, 0, 4, 1, 2):
            strategy.observe((rank,), float(rank))
        deaths[({0, 1, 2, 3, 4} - {point[0] for point, _ in strategy.living}).pop()] += 1
        wins[strategy.winner[0]] += 1
    expected = np.arange(5) * 200
    for counts in (deaths[::-1], wins):
        assert (
            counts[0] == 0 and ((counts[1:] - expected[1:]) ** 2 / expected[1:]).sum() < 16.3
        )  # 3 degrees of freedom, p = 0.001


def test_equal_rewards_compete_too():
    strategy = PairwiseEvolution((9,), population=2)
    for number in range(50):
        strategy.observe((number % 9,), 0.0)
    assert strategy.living == [(strategy.winner, 0.0)]


def test_the_papers_population_is_1000_and_the_default_grows_to_it():
    assert PairwiseEvolution.paper(SPACE).size == 1000
    strategy = PairwiseEvolution(SPACE)
    sizes = []
    for born in (0, 35, 36, 10_000, 2_000_000):
        strategy.born = born
        sizes.append(strategy.size)
    assert sizes == [5, 5, 6, 100, 1000]


def test_results_that_come_late_do_not_disturb_it():
    strategy, out, rng = PairwiseEvolution(SPACE, population=20), [], np.random.default_rng(0)
    best = -np.inf
    for number in range(400):
        out.append(strategy.propose(number))
        if len(out) == 5:  # a quarter of the population is at work
            point = out.pop(int(rng.integers(5)))
            best = max(best, quality(SPACE.decode(point)))
            strategy.observe(point, quality(SPACE.decode(point)))
        assert len(strategy.living) <= 19
    assert best > 1.7


def test_a_large_population_leaves_a_trap_that_holds_a_pair_for_ever():
    """One convolution is better than two, three are best. Mutations add one at a time, and of a
    pair the worse always dies.
    """

    def trap(dna):
        return {0: 0.1, 1: 0.5, 2: 0.4}.get(convolutions(dna), 1.0)

    def escapes(population, seed):
        found = search(PairwiseEvolution(SPACE, seed, population=population), trap, 500)
        return any(trap(SPACE.decode(point)) == 1.0 for point in found)

    assert sum(escapes(2, seed) for seed in range(5)) == 0
    assert sum(escapes(100, seed) for seed in range(5)) >= 3


@pytest.mark.parametrize("population", [0, 1])
def test_a_population_without_a_pair_is_refused(population):
    with pytest.raises(ValueError, match=f"population is {population}; give 2 or more"):
        PairwiseEvolution(SPACE, population=population)


def test_a_state_of_another_population_or_space_is_refused():
    strategy = PairwiseEvolution(SPACE, population=10)
    search(strategy, quality, 30)
    with pytest.raises(ValueError, match="population is 9, this search's 20"):
        PairwiseEvolution(SPACE, population=20).restore(strategy.state())
    with pytest.raises(ValueError, match="the state has sizes"):
        PairwiseEvolution(NASNetSpace(1), population=10).restore(strategy.state())
    assert AgingEvolution(SPACE).parents() == []


# ---- the network ----

EIGHT = dict(input_shape=(8, 8, 1), classes=3)
PIXELS = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
LABELS = np.array([0, 1, 2, 0])


def numpy_resized(x, height, width, channels):
    """Every pixel is the one at its place in the smaller or larger picture."""
    result = np.zeros((len(x), height, width, channels))
    for i, j, c in itertools.product(range(height), range(width), range(min(channels, x.shape[3]))):
        result[:, i, j, c] = x[:, int(i * x.shape[1] / height), int(j * x.shape[2] / width), c]
    return result


def numpy_network(dna, weights, x):
    """Probabilities of the classes; batch norms by their averages."""
    states = {dna.vertices[0].name: x}
    for vertex in dna.vertices[1:]:
        edges = sorted(
            (edge for edge in dna.edges if edge.target == vertex.name), key=lambda edge: edge.skip
        )
        terms = []
        for edge in edges:
            term = states[edge.source]
            if edge.filter is not None:
                term = convolved(
                    term, weights[f"edge_{edge.name}/kernel"], (edge.filter.strides,) * 2
                )
            terms.append(term)
        y = sum(numpy_resized(term, *terms[0].shape[1:]) for term in terms)
        if vertex.activation == "bn_relu":
            y = relu(normed(y, part_of(weights, f"vertex_{vertex.name}/norm")))
        states[vertex.name] = y
    logits = (
        states[dna.vertices[-1].name].mean((1, 2)) @ weights["predictions/kernel"]
        + weights["predictions/bias"]
    )
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def with_random_weights(model):
    return {variable.path: np.asarray(variable) for variable in shuffled(model, 0, 0.5).weights}


def resizing():
    """A DNA whose skips lead to smaller and larger pictures, of fewer and more channels, by ratios
    that are no whole numbers.
    """
    vertices = (
        Vertex(0, "linear"),
        Vertex(2, "bn_relu"),
        Vertex(3, "linear"),
        Vertex(1, "bn_relu"),
    )
    edges = (
        Edge(0, 0, 2, filter=Filter(3.0, 5.0, 1.0, 5.0)),
        Edge(1, 2, 3, filter=Filter(1.0, 3.0, 1.0, 2.0)),
        Edge(2, 3, 1),
        *(
            Edge(3 + n, source, target, True)
            for n, (source, target) in enumerate([(0, 2), (0, 3), (2, 3), (0, 1), (2, 1)])
        ),
        Edge(9, 0, 1, True, Filter(7.0, 1.0, 0.0, 4.0)),
    )
    return DNA(vertices, edges, 0.1)


@pytest.mark.parametrize("side", [8, 7])
@pytest.mark.parametrize(
    "dna", [SMALL, resizing(), *(list(walk(seed, 25))[-1][1] for seed in range(3))]
)
def test_a_network_computes_what_numpy_computes(dna, side):
    x = np.random.default_rng(1).normal(size=(2, side, side + 2, 3)).astype("float32")
    model = networks.build(dna, input_shape=x.shape[1:], classes=3)
    weights = with_random_weights(model)
    np.testing.assert_allclose(np.asarray(model(x)), numpy_network(dna, weights, x), atol=1e-4)


@given(dna=WALKS)
@settings(max_examples=15)
def test_the_cost_is_what_is_built(dna):
    model, side = networks.build(dna, **EIGHT), cost_of(dna, **EIGHT)
    assert model.count_params() == side.parameters
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == side.trainable
    multiplied = sum(
        layer.count_params() * layer.output.shape[1] * layer.output.shape[2]
        for layer in model.layers
        if isinstance(layer, EdgeConvolution)
    )
    assert side.multiply_adds == multiplied + model.get_layer("predictions").kernel.shape[0] * 3


def one_step(dna):
    """Builds the network, runs it, and takes one step of gradient descent; the loss."""
    import tensorflow as tf

    model = networks.build(dna, **EIGHT)
    with tf.GradientTape() as tape:
        predicted = model(PIXELS, training=True)
        loss = keras.losses.sparse_categorical_crossentropy(LABELS, predicted)
        total = tf.reduce_mean(loss) + sum(model.losses)
    gradients = tape.gradient(total, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        variable.assign(variable - dna.learning_rate * gradient)
    assert predicted.shape == (4, 3)
    np.testing.assert_allclose(np.asarray(predicted).sum(1), 1, atol=1e-4)
    return float(total)


def distinct(seeds, length):
    """The DNAs of walks whose network none before them has: learning rates aside."""
    seen = set()
    for seed in seeds:
        for _, dna in walk(seed, length):
            key = DNA(dna.vertices, dna.edges, 0.1).canonical_key()
            if key not in seen:
                seen.add(key)
                yield dna


def test_mutants_build_run_and_train_a_step():
    assert all(
        np.isfinite(one_step(dna)) for dna in itertools.islice(distinct(range(100, 102), 20), 20)
    )


@pytest.mark.slow
def test_hundreds_of_mutants_build_run_and_train_a_step():
    """20 walks of 20 mutations; a network that stood there before is not built again."""
    count = 0
    for dna in distinct(range(20), 20):
        assert np.isfinite(one_step(dna)), dna
        count += 1
        if count % 100 == 0:
            keras.backend.clear_session()
    assert count > 120


def test_a_network_is_saved_with_its_dna_and_loads(tmp_path):
    model = networks.build(resizing(), **EIGHT, mean=[1.0], std=[2.0], class_names=["a", "b", "c"])
    with_random_weights(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (type(loaded), loaded.genotype, loaded.class_names) == (
        DNANetwork,
        resizing(),
        ("a", "b", "c"),
    )
    np.testing.assert_array_equal(
        loaded.predict(PIXELS, verbose=0), model.predict(PIXELS, verbose=0)
    )


def test_a_dna_has_a_size_of_its_own():
    assert (
        networks.build(SMALL, **EIGHT, num_cells=9, filters=99, stem=None).count_params()
        == networks.build(SMALL, **EIGHT).count_params()
    )
    for wrong in (dict(classes=0), dict(input_shape=(None, None, 1)), dict(auxiliary_head=True)):
        with pytest.raises(
            ValueError, match="classes is 0|needs height and width|has no auxiliary_head"
        ):
            networks.build(SMALL, **{**EIGHT, **wrong})
    with pytest.raises(ValueError, match="genotype is a NASBench201; give a DNA"):
        DNANetwork(genotypes.NASBench201(*["none"] * 6))


def test_half_precision_keeps_sums_in_it_and_tells_classes_in_full():
    model = networks.build(resizing(), **EIGHT, dtype="mixed_bfloat16")
    assert (
        model.get_layer("edge_0").compute_dtype == "bfloat16" and model(PIXELS).dtype == "float32"
    )


# ---- inheritance ----


def shapes_of(dna):
    """{layer: shapes of its weights}, worked out by hand from the graph."""
    sizes = brute_shapes(dna, (8, 8, 1))
    found = {
        f"edge_{e.name}": [(*e.filter.kernel_size, sizes[e.source][2], e.filter.filters)]
        for e in dna.edges
        if e.filter
    }
    found |= {
        f"vertex_{v.name}": [(sizes[v.name][2],)] * 4
        for v in dna.vertices
        if v.activation == "bn_relu"
    }
    return found | {"predictions": [(sizes[dna.vertices[-1].name][2], 3), (3,)]}


@pytest.mark.parametrize("seed", range(12))
def test_exactly_the_layers_whose_shapes_match_are_inherited(tmp_path, seed):
    (_, parent), (_, child) = list(walk(seed, 24))[-4::3]  # three mutations apart
    model = networks.build(parent, **EIGHT)
    weights = with_random_weights(model)
    keep(model, tmp_path / "parent.npz")
    ours, theirs = shapes_of(child), shapes_of(parent)
    expected = {name for name in ours if ours[name] == theirs.get(name)}
    model = networks.build(child, **EIGHT)
    before = {variable.path: np.asarray(variable) for variable in model.variables}
    assert set(inherit(model, tmp_path / "parent.npz")) == expected
    for variable in model.variables:
        inherited = variable.path.split("/")[0] in expected
        np.testing.assert_array_equal(
            np.asarray(variable),
            (weights if inherited else before)[variable.path],
            err_msg=variable.path,
        )


def test_nothing_is_inherited_where_there_is_no_file_and_a_damaged_one_is_told(tmp_path):
    model = networks.build(SMALL, **EIGHT)
    assert inherit(model, tmp_path / "nowhere.npz") == []
    keep(model, tmp_path / "parent.npz")
    assert len(inherit(model, tmp_path / "parent.npz")) == 4
    whole = (tmp_path / "parent.npz").read_bytes()
    before = model.get_weights()
    for torn in (
        b"",
        whole[:200],
        whole[:-1],
        whole[: len(whole) // 3] + bytes(2 * len(whole) // 3),
    ):
        (tmp_path / "parent.npz").write_bytes(torn)
        with pytest.raises(
            ValueError,
            match="the parent's weights are lost: .*parent.npz is not a readable .npz file",
        ):
            inherit(model, tmp_path / "parent.npz")
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


# ---- through Keras Tuner ----


class Scored(CellTuner):
    """Children are not trained: their reward is the quality of their DNA, their weights a file."""

    def run_trial(self, trial, *args, **kwargs):
        folder = pathlib.Path(self.get_trial_dir(trial.trial_id))
        parent = trial.hyperparameters.values.get(PARENT)
        if parent is not None:
            assert (folder.parent / f"trial_{parent}" / "checkpoint.npz").is_file(), (
                "the parent's weights are gone"
            )
        if int(trial.trial_id) == self.breaks_at:
            raise KeyboardInterrupt
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint.npz").write_bytes(b"weights")
        return {"val_accuracy": quality(self.hypermodel.genotype(trial.hyperparameters))}


def scored(folder, trials=40, breaks_at=None, **chosen):
    """A search without training; its tuner."""
    oracle = StrategyOracle(
        "pairwise-evolution", "val_accuracy", trials, seed=0, space=SPACE, settings=chosen
    )
    oracle.verbose = 0
    child = CellHyperModel((8, 8, 1), 3, space=SPACE)
    tuner = Scored(oracle, child, directory=str(folder), project_name="dna", isolation="none")
    tuner.breaks_at = breaks_at
    return tuner


def proposals(tuner):
    return [
        tuner.oracle.trials[number].hyperparameters.values for number in sorted(tuner.oracle.trials)
    ]


def test_the_oracle_carries_the_strategy_and_tells_each_child_its_parent(tmp_path):
    tuner, strategy, numbers = scored(tmp_path), PairwiseEvolution(SPACE, seed=0), {}
    tuner.search(verbose=0)
    children = 0
    for number in tuner.oracle.end_order:
        trial, point = tuner.oracle.trials[number], strategy.propose(int(number))
        values = dict(trial.hyperparameters.values)
        assert values.pop(PARENT, None) == numbers.get(
            SPACE.parent(point)
        ) and values == SPACE.values(point)
        children += PARENT in trial.hyperparameters.values
        numbers.setdefault(SPACE.key(point), number)
        strategy.observe(point, trial.score)
    assert children > 15


def test_killed_and_resumed_the_search_goes_on_with_the_same_children(tmp_path):
    whole, killed = scored(tmp_path / "whole"), scored(tmp_path / "killed", breaks_at=23)
    whole.search(verbose=0)
    with pytest.raises(KeyboardInterrupt):
        killed.search(verbose=0)
    killed.oracle.close()
    again = scored(tmp_path / "killed")
    again.search(verbose=0)
    assert proposals(again) == proposals(whole) and len(proposals(whole)) == 40
    assert [again.oracle.trials[number].score for number in again.oracle.trials] == [
        whole.oracle.trials[n].score for n in whole.oracle.trials
    ]


def test_weights_are_kept_while_somebody_may_inherit_them_and_no_longer(tmp_path):
    tuner = scored(tmp_path, 60, population=6)
    tuner.search(verbose=0)
    kept = {
        file.parent.name.removeprefix("trial_")
        for file in pathlib.Path(tuner.project_dir).rglob("checkpoint.npz")
    }
    best = {trial.trial_id for trial in tuner.oracle.get_best_trials(3)}
    assert best <= kept and len(kept) <= 3 + 6 + 1  # the best, the living, the one that ended last


def test_equal_training_is_done_once(tmp_path):
    tuner = scored(tmp_path, 8)
    tuner.search(verbose=0)
    first = list(tuner.oracle.trials.values())[:5]
    assert [
        trial.message and "the same network as trial 0" in trial.message for trial in first
    ] == [None, True, True, True, True]


def test_a_strategy_that_cannot_search_the_space_is_refused_before_anything_is_trained(tmp_path):
    child = CellHyperModel((8, 8, 1), 3, space=SPACE)
    for name in ("ppo", "auto", "successive-halving"):
        with pytest.raises(ValueError, match=f"{name} needs a space of fixed decisions"):
            StrategySearch(
                child, "val_accuracy", 3, strategy=name, directory=str(tmp_path), project_name=name
            )


def test_a_further_choice_beside_the_space_is_refused(tmp_path):
    class More(CellHyperModel):
        def declare_hyperparameters(self, hp):
            super().declare_hyperparameters(hp)
            hp.Choice("batch", [16, 32])

    with pytest.raises(ValueError, match="'batch' is a choice beside those of a DNASpace"):
        StrategySearch(
            More((8, 8, 1), 3, space=SPACE),
            "val_accuracy",
            3,
            strategy="random",
            directory=str(tmp_path),
            project_name="more",
        ).search(PIXELS, LABELS, verbose=0)


def test_children_are_trained_at_the_rate_of_their_genes_and_inherit(tmp_path):
    rates, x, y = [], np.tile(PIXELS, (8, 1, 1, 1)), np.tile(LABELS, 8)

    class Watched(CellHyperModel):
        def fit(self, hp, model, *args, **kwargs):
            fitted = super().fit(hp, model, *args, **kwargs)
            rates.append(
                (
                    self.genotype(hp).learning_rate,
                    float(model.optimizer.learning_rate),
                    model.optimizer.momentum,
                )
            )
            return fitted

    tuner = StrategySearch(
        Watched((8, 8, 1), 3, space=SPACE),
        "val_accuracy",
        6,
        strategy="pairwise-evolution",
        settings={"population": 2},
        seed=1,
        directory=str(tmp_path),
        project_name="dna",
        isolation="none",
    )
    tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0)
    assert all(gene == pytest.approx(rate) and momentum == 0.9 for gene, rate, momentum in rates)
    trials = [
        trial
        for trial in tuner.oracle.trials.values()
        if PARENT in trial.hyperparameters.values and not trial.message
    ]
    assert trials and all(trial.metrics.get_last_value("inherited") >= 0 for trial in trials)
    assert max(trial.metrics.get_last_value("inherited") for trial in trials) >= 1
    best = tuner.oracle.get_best_trials()[0]
    if not best.message:
        assert isinstance(tuner.load_model(best), DNANetwork)


# ---- the command ----


def test_the_command_refuses_what_the_space_does_not_have(capsys, tmp_path):
    def line(*arguments):
        assert (
            main(["search", "digits", "--space", "dna", "--runs-dir", str(tmp_path), *arguments])
            == 2
        )
        return capsys.readouterr().err

    assert (
        "ppo needs a space of fixed decisions, which DNASpace is not; take pairwise-evolution"
        in line("--strategy", "ppo")
    )
    assert (
        "--child-filters is nothing that networks of the space dna have: their size is their own"
        in line("--child-filters", "4")
    )
    assert "the space dna has no blocks" in line("--blocks", "2")
    assert not list(tmp_path.iterdir())
    SMALL.save(tmp_path / "best.json")
    assert (
        main(
            [
                "train",
                str(tmp_path / "best.json"),
                "--data",
                "digits",
                "--filters",
                "4",
                "--out",
                str(tmp_path / "m.keras"),
            ]
        )
        == 2
    )
    assert "has a size of its own; leave --filters out" in capsys.readouterr().err
    assert main(["info", str(tmp_path / "best.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == cost_of(SMALL).parameters


@pytest.mark.slow
def test_the_command_searches_dna_end_to_end_and_goes_on(capsys, tmp_path):
    command = [
        "search",
        "digits",
        "--space",
        "dna",
        "--runs-dir",
        str(tmp_path),
        "--child-epochs",
        "1",
        "--epochs",
        "2",
        "--json",
    ]
    assert main([*command, "--max-trials", "8"]) == 0
    first = list(csv.DictReader(open(tmp_path / "digits" / "trials.csv")))
    assert main([*command, "--max-trials", "12", "--resume"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = list(csv.DictReader(open(tmp_path / "digits" / "trials.csv")))
    assert {row["strategy"] for row in rows} == {"pairwise-evolution", "random baseline"} and len(
        rows
    ) == 24 == result["trials"]
    before, after = (
        {(row["strategy"], int(row["trial"]), row["genotype"], row["reward"]) for row in table}
        for table in (first, rows)
    )
    assert before < after and len(before) == 16
    assert any(row["note"].startswith("child of") for row in rows)
    assert isinstance(genotypes.load(tmp_path / "digits" / "best.json"), DNA)
    model = keras.saving.load_model(tmp_path / "digits" / "model.keras")
    assert isinstance(model, DNANetwork) and model.genotype == genotypes.load(
        tmp_path / "digits" / "best.json"
    )
    page = (tmp_path / "digits" / "report.html").read_text()
    assert "vertex 0: the image" in page and "pairwise-evolution" in page
