"""Shared weights: a supernet's children are the networks of their genotypes; the search that trains it goes on where it stopped."""

import numpy as np
import pytest

from nasnet_tf.genotype import COMBINATIONS
from nasnet_tf.spaces import Choices, NASNetSpace
from nasnet_tf.strategies import PPO

tf = pytest.importorskip("tensorflow")

from nasnet_tf.evaluation.supernet import Supernet  # noqa: E402
from nasnet_tf.evaluation.weight_sharing import WeightSharing, shuffled  # noqa: E402
from nasnet_tf.network import Network, plan  # noqa: E402

SMALL = NASNetSpace(2, ("identity", "sep_conv_3x3", "max_pool_3x3"))
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 8, 8, 1)).astype("float32"), RNG.integers(0, 3, 24)


def small(seed=0, **kwargs):
    return Supernet(SMALL, (8, 8, 1), 3, num_cells=(1, 0, 0), filters=2, seed=seed, **kwargs)


@pytest.fixture(scope="module")
def trained_once():
    """A supernet that has been traced; every test that uses it restores what it needs."""
    supernet = small()
    supernet.train(X, Y, SMALL.random(np.random.default_rng(1)), 0.1)
    return supernet


def reference(supernet, point, **arguments):
    """The `Network` of the child with the supernet's weights; kernels that read a cell keep the states which that cell concatenates."""
    genotype = supernet.space.decode(point)
    model = Network(genotype, classes=supernet.classes, input_shape=supernet.input_shape, classifier_activation=None, **arguments)
    steps = plan(genotype, arguments["num_cells"], arguments["filters"], arguments["stem"])
    place, states = {step.name: step for step in steps}, supernet.space.num_blocks + 2
    values = supernet.named(point)
    for variable in model.trainable_variables:
        layer, name = variable.path.split("/", 1)
        if name.startswith("combine"):
            site, weight = name.split(".", 1)
            name = f"{site}/{getattr(genotype, place[layer].kind).blocks[int(site[-1]) - 2].combine}.{weight}"
        value = values[f"{layer}/{name}"]
        if value.shape != tuple(variable.shape):
            source = len(steps) if layer == "predictions" else getattr(place[layer], "p" if name.startswith("previous") else "h")
            kept = list(getattr(genotype, steps[source - 1].kind).concat)
            apart = value.reshape(*value.shape[:-2], states, -1, value.shape[-1])
            value = apart[..., kept, :, :].reshape(variable.shape)
        variable.assign(value)
    return model


def assert_child_is_network(space, point, stem="cifar", num_cells=1, filters=4, size=8):
    arguments = dict(num_cells=num_cells, filters=filters, stem=stem, mean=[3.0], std=[2.0])
    x = np.random.default_rng(2).normal(3, 2, (3, size, size, 1)).astype("float32")
    supernet = Supernet(space, (size, size, 1), 3, **arguments)
    child = reference(supernet, point, **arguments)
    np.testing.assert_allclose(supernet.predict(x, point), np.asarray(child(x, training=True)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_a_child_computes_what_the_network_of_its_genotype_computes_with_the_same_weights(seed):
    space = NASNetSpace(3, ("identity", "sep_conv_3x3", "avg_pool_3x3", "conv_1x3_3x1"), COMBINATIONS)
    assert_child_is_network(space, space.random(np.random.default_rng(seed)))


def test_a_p_that_is_as_wide_as_the_cell_already_is_taken_as_it_is():
    space = NASNetSpace(2, ("sep_conv_3x3",), ("add",))
    chain = space.choices(
        {name: {"0/input_2": 1, "1/input_1": 2}.get(name.split("/", 1)[1], options[0]) for name, options in space.decisions}
    )
    genotype = space.decode(chain)
    assert genotype.normal.concat == genotype.reduction.concat == (3,)
    assert "keep" in {step.adapt for step in plan(genotype, 2, 4)}
    assert_child_is_network(space, chain, num_cells=2)


def test_children_with_the_imagenet_stem_are_their_networks_too():
    space = NASNetSpace(2, ("identity", "max_pool_3x3"))
    assert_child_is_network(space, space.random(np.random.default_rng(3)), "imagenet", size=33)


def test_a_step_changes_the_weights_of_the_chosen_operations_and_no_others(trained_once):
    supernet = trained_once
    supernet.restore({k: np.zeros_like(v) if "momenta" in k else v for k, v in supernet.state().items()})
    point = SMALL.choices(
        {
            name: {"operation_1": "sep_conv_3x3", "operation_2": "identity"}.get(name.split("/")[-1], options[0])
            for name, options in SMALL.decisions
        }
    )
    before = [table.numpy() for table in supernet.tables]
    supernet.train(X, Y, point, 0.1)
    for table, old in zip(supernet.tables, before, strict=True):
        changed = set(np.flatnonzero((table.numpy() != old).any(-1)))
        edges, operations = 4, 3
        chosen = {edge * operations + (1, 0)[edge % 2] for edge in range(edges)}  # left: the separable convolution, right: identity
        assert changed <= chosen
    everything = np.concatenate([np.flatnonzero((t.numpy() != old).any(-1)) for t, old in zip(supernet.tables, before, strict=True)])
    assert {1, 7} <= set(everything)  # both blocks' separable convolutions learned


def test_gradients_are_those_of_plain_differentiation(trained_once):
    """A step without momentum moves a weight by rate times slope; the slope by finite differences."""
    supernet, point = trained_once, SMALL.random(np.random.default_rng(5))
    start = {k: np.zeros_like(v) if "momenta" in k else v for k, v in supernet.state().items()}
    supernet.restore(start)
    supernet.clip_norm = None
    supernet.train(X, Y, point, 1e-3)

    def loss(state):
        supernet.restore(state)
        logits = supernet.predict(X, point)
        return float(np.mean(np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(Y)), Y]))

    moved = {k: v for k, v in supernet.state().items() if k.startswith("weights")}
    slopes = {k: (start[k] - moved[k]) / 1e-3 for k in moved}
    norm = np.sqrt(sum((s**2).sum() for s in slopes.values()))
    small_step = 1e-3 / norm
    ahead, behind = ({**start, **{k: start[k] + sign * small_step * slopes[k] for k in moved}} for sign in (1, -1))
    assert (loss(ahead) - loss(behind)) / (2 * small_step * norm) == pytest.approx(norm, rel=0.05)


def test_every_child_and_every_number_of_images_runs_by_the_same_traced_step(trained_once):
    rng = np.random.default_rng(6)
    for images in (24, 7, 16):
        trained_once.train(X[:images], Y[:images], SMALL.random(rng), 0.01)
        trained_once.accuracy(X[:images], Y[:images], SMALL.random(rng))
    assert trained_once._traced_step.experimental_get_tracing_count() == 1
    assert trained_once._traced_score.experimental_get_tracing_count() == 1


def test_the_seed_says_the_initial_weights():
    states = [small(seed).state() for seed in (0, 0, 1)]
    same, other = (all(np.array_equal(states[0][k], state[k]) for k in state) for state in states[1:])
    assert same and not other


def test_a_space_that_is_not_of_cells_is_refused():
    with pytest.raises(ValueError, match="children of a NASNetSpace"):
        Supernet(Choices.of_sizes([2, 2]), (8, 8, 1), 3)


def test_the_state_of_another_supernet_is_refused(trained_once):
    other = Supernet(NASNetSpace(1, ("identity",)), (8, 8, 1), 3, num_cells=(1, 0, 0), filters=2)
    with pytest.raises(ValueError, match="another space or size"):
        trained_once.restore(other.state())


# The search.


def sharing(supernet, **kwargs):
    return WeightSharing(supernet, PPO(SMALL, 3, minibatch=4, elites=0), shuffled(X, Y, 8, 0), (X, Y), updates=2, children=4, **kwargs)


def test_a_search_goes_on_as_if_it_had_not_been_interrupted(trained_once, tmp_path):
    fresh = small(seed=4).state()
    trained_once.restore(fresh)
    whole = sharing(trained_once)
    whole.run(3)
    wanted, history = trained_once.state(), [{**row, "seconds": 0} for row in whole.history]

    trained_once.restore(fresh)
    interrupted = sharing(trained_once)

    def stop(share):
        if interrupted.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted.run(3, folder=tmp_path, on_share=stop, save_seconds=0)
    trained_once.restore(small(seed=9).state())
    after = sharing(trained_once)
    after.run(3, folder=tmp_path)
    for row, expected in zip(after.history, history, strict=True):
        assert {**row, "seconds": 0} == pytest.approx(expected, rel=1e-3)
    assert after.proposed == whole.proposed == 3 * (3 + 2 * 4)
    assert after._child() == whole._child()
    for key, value in trained_once.state().items():
        np.testing.assert_allclose(value, wanted[key], rtol=1e-2, atol=1e-4)


def test_a_damaged_state_is_refused_by_name(trained_once, tmp_path):
    (tmp_path / "shared.npz").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match="shared.npz cannot be taken up"):
        sharing(trained_once).run(1, folder=tmp_path)


def test_the_ranking_has_no_network_twice_and_goes_down(trained_once):
    ranking = sharing(trained_once).rank(12)
    accuracies = [accuracy for _, accuracy in ranking]
    assert len({SMALL.key(point) for point, _ in ranking}) == len(ranking) == 12
    assert accuracies == sorted(accuracies, reverse=True)
    assert trained_once.accuracy(X, Y, ranking[0][0], 24) == accuracies[0]


def test_time_that_is_up_ends_the_search_at_the_next_batch(trained_once):
    search = sharing(trained_once)
    search.run(1000, minutes=1e-6)
    assert search.epoch == 1 and search.proposed == 1
