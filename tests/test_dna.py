"""Large-scale evolution: the DNA, its mutations, pairwise evolution."""

import io
import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasnet_tf import genotype as genotypes
from nasnet_tf.genotype import DNA
from nasnet_tf.genotype.dna import LINEAR, MOST_EDGES, Edge, Filter, Vertex
from nasnet_tf.spaces import DNASpace, NASNetSpace
from nasnet_tf.spaces.dna import MUTATIONS
from nasnet_tf.strategies import STRATEGIES, AgingEvolution, PairwiseEvolution, RandomSearch

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
OPEN = pytest.mark.parametrize("kind", [kind for kind in STRATEGIES.values() if kind.open], ids=lambda kind: kind.name)


def walk(seed, length, space=SPACE):
    """The DNAs of a random walk from the linear model, with the mutation that led to each."""
    rng, dna = np.random.default_rng(seed), LINEAR
    for _ in range(length):
        name, dna = space.mutated(dna, rng)
        yield name, dna


WALKS = st.tuples(st.integers(0, 10**6), st.integers(1, 60)).map(lambda drawn: list(walk(*drawn))[-1][1])


# ---- the genotype ----


@given(dna=WALKS)
def test_a_dna_is_json_both_ways_and_equal_after_it(dna):
    again = genotypes.from_json(dna.to_json())
    assert again == dna and hash(again) == hash(dna) and again.canonical_key() == dna.canonical_key()
    assert all(type(gene) is float for edge in again.edges if edge.filter for gene in edge.filter)


def test_what_is_built_is_nearest_to_the_genes_and_sizes_are_odd():
    for height, built in ((0.01, 1), (1.99, 1), (2.01, 3), (3.99, 3), (4.01, 5), (6.5, 7)):
        assert Filter(height, 3.0, 0.0, 1.0).kernel_size == (built, 3)
    assert [Filter(stride=gene).strides for gene in (-0.9, 0.0, 0.49, 0.5, 1.4, 2.6)] == [1, 1, 1, 2, 2, 8]
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
        tuple(edge._replace(name=9 - edge.name, source=edge.source + 7, target=edge.target + 7) for edge in SMALL.edges),
        SMALL.learning_rate,
    )
    assert renamed != SMALL and renamed.canonical_key() == SMALL.canonical_key()
    assert changed(SMALL, 2, width=5.3).canonical_key() == SMALL.canonical_key() != changed(SMALL, 2, width=6.3).canonical_key()
    others = [
        DNA(SMALL.vertices, SMALL.edges[:3], 0.05),
        DNA(SMALL.vertices, SMALL.edges, 0.06),
        DNA((*SMALL.vertices[:3], Vertex(1, "bn_relu")), SMALL.edges, 0.05),
        *(changed(SMALL, 2, **{gene: value}) for gene, value in [("height", 3.0), ("stride", 0.0), ("channels", 7.0)]),
    ]
    assert len({other.canonical_key() for other in (SMALL, *others)}) == len(others) + 1


def changed(dna, name, **genes):
    """The DNA with other genes of the convolution of that name."""
    edges = (edge._replace(filter=edge.filter._replace(**genes)) if edge.name == name else edge for edge in dna.edges)
    return DNA(dna.vertices, tuple(edges), dna.learning_rate)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"learning_rate": True}, "learning_rate is True"),
        ({"vertices": (Vertex(0, "linear"),)}, "two vertices at least"),
        ({"vertices": (Vertex(0, "bn_relu"), *SMALL.vertices[1:])}, "the first of them linear"),
        ({"vertices": (*SMALL.vertices[:3], Vertex(1, "tanh"))}, "vertex 1 is 'tanh'; there are linear, bn_relu"),
        ({"vertices": (*SMALL.vertices, Vertex(2, "linear"))}, "names of vertices are"),
        ({"vertices": ((0, "linear"), (1,))}, "give lists of name, activation"),
        ({"vertices": 3}, "vertices are 3; give lists"),
        ({"edges": SMALL.edges[1:]}, "no edge but skips leads to vertex 1"),
        ({"edges": (*SMALL.edges, Edge(7, 3, 2))}, "edge 7 leads from 3 to 2; it must lead to a later vertex"),
        ({"edges": (*SMALL.edges, Edge(7, 3, 3))}, "edge 7 leads from 3 to 3"),
        ({"edges": (*SMALL.edges, Edge(7, 3, 9))}, "edge 7 leads from 3 to 9"),
        ({"edges": (*SMALL.edges, Edge(7, [], 1))}, r"edge 7 leads from \[\] to 1"),
        ({"edges": (*SMALL.edges, Edge(3, 0, 1))}, "names of edges are"),
        ({"edges": (*SMALL.edges, Edge(7, 0, 1, 1))}, "edge 7: skip is 1; give true or false"),
        ({"edges": (*SMALL.edges, Edge(7, 0, 1, True, (1.0, "2", 0.0, 1.0)))}, "edge 7: Filter.*give floats"),
        ({"edges": (*SMALL.edges, Edge(7, 0, 1, True, 3.0))}, "filters are .*give lists of height, width, stride, channels"),
        ({"edges": (*SMALL.edges, Edge(7, 0, 1, True, Filter(channels=1e9)))}, "edge 7: Filter.*all up to 65,536"),
        ({"edges": (*SMALL.edges, Edge(7, 0, 1, True, Filter(stride=float("inf"))))}, "edge 7: Filter"),
        ({"edges": tuple(Edge(name, 0, 1) for name in range(MOST_EDGES + 1))}, "1001 edges; a DNA has up to 1000"),
        ({"edges": (Edge(0, 0, 2), Edge(1, 0, 3), Edge(2, 2, 1))}, "no edge leads on from vertex 3"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_dna_is_refused(edit, says):
    fields = {"vertices": SMALL.vertices, "edges": SMALL.edges, "learning_rate": SMALL.learning_rate}
    with pytest.raises(ValueError, match=says):
        DNA(**{**fields, **edit})


# ---- the mutations ----


def test_there_are_eleven_and_each_comes_as_often_where_all_apply():
    assert len(MUTATIONS) == 11
    rng, counts = np.random.default_rng(0), dict.fromkeys(MUTATIONS, 0)
    for _ in range(5500):
        counts[SPACE.mutated(SMALL, rng)[0]] += 1
    assert sum((count - 500) ** 2 / 500 for count in counts.values()) < 29.6  # chi-squared, 10 degrees of freedom, p = 0.001


def test_what_cannot_be_applied_is_drawn_again():
    rng, names = np.random.default_rng(0), set()
    for _ in range(300):
        names.add(SPACE.mutated(LINEAR, rng)[0])
    assert set(MUTATIONS) - names == {"remove-convolution", "alter-stride", "alter-number-of-channels", "filter-size", "remove-skip"}


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
        kept = [(one, {e.name: e for e in child.edges}[one.name]) for one in parent.edges if one.name in {e.name for e in child.edges}]
        gone, new = len(parent.edges) - len(kept), len(child.edges) - len(kept)
        genes = {
            f for one, two in kept if one.filter and two.filter for f in Filter._fields if getattr(one.filter, f) != getattr(two.filter, f)
        }
        grown = len(child.vertices) - len(parent.vertices)
        assert (child.learning_rate != parent.learning_rate) == (name == "alter-learning-rate")
        assert genes <= {"alter-stride": {"stride"}, "filter-size": {"height", "width"}, "alter-number-of-channels": {"channels"}}.get(
            name, set()
        )
        assert len(genes) == (name in ("alter-stride", "filter-size", "alter-number-of-channels"))
        if name in ("insert-convolution", "insert-one-to-one"):
            assert (gone, new, grown) == (0, 1, 1) and (child.edges[-1].filter is None) == (name == "insert-one-to-one")
        elif name == "remove-convolution":
            fewer = sum(e.filter is not None for e in parent.edges) - sum(e.filter is not None for e in child.edges)
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
        assert new.filter.kernel_size == (3, 3) and shapes[new.source][2] == shapes[new.target][2] == new.filter.filters
        strides.append(new.filter.strides)
        activations.append({vertex.name: vertex.activation for vertex in child.vertices}[new.target])
    assert set(strides) == {1, 2} and set(activations) == {"linear", "bn_relu"}


@given(dna=WALKS, seed=st.integers(0, 99))
def test_removing_what_was_inserted_or_added_gives_the_parent_back(dna, seed):
    inverse = {"insert-convolution": "remove-convolution", "add-skip": "remove-skip"}
    for there, back in inverse.items():
        child = MUTATIONS[there](dna, np.random.default_rng(seed), 3)
        if child is not None:
            assert any(MUTATIONS[back](child, np.random.default_rng(draw), 3) == dna for draw in range(300))


@pytest.mark.parametrize("mutation", ["alter-learning-rate", "alter-number-of-channels", "filter-size", "alter-stride"])
def test_a_number_becomes_any_from_its_half_to_its_double(mutation):
    rng, factors = np.random.default_rng(0), []
    for _ in range(2000):
        child = MUTATIONS[mutation](SMALL, rng, 3)
        old, new = (
            [dna.learning_rate, *(gene + (place == 2) for e in dna.edges if e.filter for place, gene in enumerate(e.filter))]
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
    chain = DNA(tuple(Vertex(name, "linear") for name in range(MOST_EDGES + 1)), tuple(Edge(n, n, n + 1) for n in range(MOST_EDGES)), 0.1)
    rng = np.random.default_rng(0)
    assert all(MUTATIONS[name](chain, rng, 3) is None for name in ("insert-convolution", "insert-one-to-one", "add-skip"))
    assert {SPACE.mutated(chain, rng)[0] for _ in range(40)} == {"alter-learning-rate", "identity", "reset-weights"}
    assert DNA.from_json(chain.to_json()) == chain


def test_a_convolution_that_another_branch_joins_becomes_the_identity():
    """Such graphs no mutation makes, but a file may hold one."""
    branches = DNA(
        (Vertex(0, "linear"), Vertex(1, "linear"), Vertex(2, "linear"), Vertex(3, "linear"), Vertex(4, "linear")),
        (Edge(0, 0, 1), Edge(1, 0, 2), Edge(2, 1, 3, filter=Filter()), Edge(3, 2, 3, True), Edge(4, 3, 4)),
        0.1,
    )
    child = MUTATIONS["remove-convolution"](branches, np.random.default_rng(0), 3)
    assert child == DNA(branches.vertices, tuple(edge._replace(filter=None) for edge in branches.edges), 0.1)
    assert MUTATIONS["remove-skip"](branches, np.random.default_rng(0), 3) is None  # vertex 2 would lead nowhere


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
                height, width = (int(np.ceil(size / edge.filter.strides)) for size in (height, width))
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
                reached |= {edge.target for edge in dna.edges if edge.source in reached and not edge.skip}
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
        assert tuple(json.loads(json.dumps(point))) == point == SPACE.checked(list(point)) == SPACE.choices(SPACE.values(point))
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
    assert all(SPACE.parent(point) is None and len(SPACE.decode(point).edges) <= 5 for point in points)
    assert max(len(SPACE.decode(point).edges) for point in points) > 2


@pytest.mark.parametrize("point", [(), ("",), (SMALL.to_json(),), (SMALL.to_json(), 3), ("{}", ""), (0, 1)])
def test_what_is_no_point_is_refused(point):
    with pytest.raises(ValueError, match="no point of this space|not a genotype"):
        SPACE.checked(point)


@pytest.mark.parametrize("settings", [{"channels": 0}, {"walk": -1}])
def test_settings_of_the_space_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match="1 or more, walk 0 or more"):
        DNASpace(**settings)


# ---- strategies in a space without decisions ----


def search(strategy, score, trials, start=0):
    """Proposes, scores and observes one after the other; the proposals."""
    made = []
    for number in range(start, start + trials):
        made.append(strategy.propose(number))
        strategy.observe(made[-1], score(strategy.space.decode(made[-1])))
    return made


def convolutions(dna):
    return sum(edge.filter is not None for edge in dna.edges)


def quality(dna):
    """Rewards eight convolutions, eight ReLUs and a learning rate of 0.03."""
    relus = sum(vertex.activation == "bn_relu" for vertex in dna.vertices)
    return min(convolutions(dna), 8) / 8 + min(relus, 8) / 8 - abs(np.log10(dna.learning_rate / 0.03))


@pytest.mark.parametrize("kind", STRATEGIES.values(), ids=STRATEGIES)
def test_a_strategy_that_needs_decisions_says_so_and_the_others_search(kind):
    if kind.open:
        assert len(search(kind(SPACE), quality, 20)) == 20
    else:
        with pytest.raises(
            ValueError, match=f"{kind.name} needs a space of fixed decisions, which DNASpace is not; take pairwise-evolution"
        ):
            kind(SPACE)


@OPEN
@pytest.mark.parametrize("cut", [0, 4, 17, 40])
def test_killed_and_restored_it_goes_on_with_the_same_proposals(kind, cut):
    whole, before, after = (kind(SPACE, seed=3) for _ in range(3))

    def score(dna):
        return None if convolutions(dna) == 2 else quality(dna)

    proposals = search(whole, score, 60)
    search(before, score, cut)
    file = io.BytesIO()
    np.savez(file, **before.state())
    file.seek(0)
    after.restore(np.load(file, allow_pickle=False))
    assert search(after, score, 60 - cut, start=cut) == proposals[cut:]
    assert after.parents() == whole.parents()


@OPEN
def test_a_state_whose_points_are_no_dna_is_refused_and_changes_nothing(kind):
    strategy = kind(SPACE)
    search(strategy, quality, 12)
    state = strategy.state()
    if "points" in state:
        before = strategy.propose(12)
        with pytest.raises(ValueError, match="no point of this space"):
            strategy.restore({**state, "points": np.frombuffer(json.dumps([["x"]] * 11).encode(), np.uint8)})
        assert strategy.propose(12) == before


@pytest.mark.parametrize("seed", range(5))
def test_pairwise_evolution_beats_random_walks_at_equal_budget(seed):
    best = [max(map(quality, map(SPACE.decode, search(kind(SPACE, seed), quality, 200)))) for kind in (PairwiseEvolution, RandomSearch)]
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
    strategy, rewards = PairwiseEvolution((9,) * 4, population=8), np.random.default_rng(0).permutation(200)
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
            assert dead[0][1] < max(reward for one, reward in strategy.living if one == strategy.winner)


def test_every_pair_competes_as_often():
    """Of the ranks 0 to 4 the one of rank r dies in (4 - r) of the 10 pairs and wins in r of them."""
    deaths, wins = np.zeros(5), np.zeros(5)
    for seed in range(2000):
        strategy = PairwiseEvolution((9,), seed, population=5)
        for rank in (3, 0, 4, 1, 2):
            strategy.observe((rank,), float(rank))
        deaths[({0, 1, 2, 3, 4} - {point[0] for point, _ in strategy.living}).pop()] += 1
        wins[strategy.winner[0]] += 1
    expected = np.arange(5) * 200
    for counts in (deaths[::-1], wins):
        assert counts[0] == 0 and ((counts[1:] - expected[1:]) ** 2 / expected[1:]).sum() < 16.3  # 3 degrees of freedom, p = 0.001


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
    """One convolution is better than two, three are best. Mutations add one at a time, and of a pair the worse always dies."""

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
