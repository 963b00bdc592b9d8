"""Shared weights: a supernet's children are the networks of their genotypes; the search that trains
it goes on where it stopped.
"""

import numpy as np
import pytest

from nasnet_tf.genotype import COMBINATIONS
from nasnet_tf.spaces import Choices, NASNetSpace
from nasnet_tf.strategies import PPO, OneShot

tf = pytest.importorskip("tensorflow")

from nasnet_tf.network import Network, plan  # noqa: E402
from nasnet_tf.one_shot.supernet import Supernet  # noqa: E402
from nasnet_tf.one_shot.weight_sharing import WeightSharing, shuffled  # noqa: E402
from nasnet_tf.tuners import CellHyperModel, OneShotSearch  # noqa: E402

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
    """The `Network` of the child with the supernet's weights; kernels that read a cell keep the
    states which that cell concatenates.
    """
    genotype = supernet.space.decode(point)
    model = Network(
        genotype,
        classes=supernet.classes,
        input_shape=supernet.input_shape,
        classifier_activation=None,
        **arguments,
    )
    steps = plan(genotype, arguments["num_cells"], arguments["filters"], arguments["stem"])
    place, states = {step.name: step for step in steps}, supernet.space.num_blocks + 2
    values = supernet.named(point)
    for variable in model.trainable_variables:
        layer, name = variable.path.split("/", 1)
        if name.startswith("combine"):
            site, weight = name.split(".", 1)
            block = getattr(genotype, place[layer].kind).blocks[int(site[-1]) - 2]
            name = f"{site}/{block.combine}.{weight}"
        value = values[f"{layer}/{name}"]
        if value.shape != tuple(variable.shape):
            source = (
                len(steps)
                if layer == "predictions"
                else getattr(place[layer], "p" if name.startswith("previous") else "h")
            )
            kept = list(getattr(genotype, steps[source - 1].kind).concat)
            apart = value.reshape(*value.shape[:-2], states, -1, value.shape[-1])
            value = apart[..., kept, :, :].reshape(variable.shape)
        variable.assign(value)
    return model


def assert_child_is_network(space, point, stem="cifar", num_cells=(1, 0, 0), filters=4, size=8):
    arguments = dict(num_cells=num_cells, filters=filters, stem=stem, mean=[3.0], std=[2.0])
    x = np.random.default_rng(2).normal(3, 2, (3, size, size, 1)).astype("float32")
    supernet = Supernet(space, (size, size, 1), 3, **arguments)
    child = reference(supernet, point, **arguments)
    np.testing.assert_allclose(
        supernet.predict(x, point), np.asarray(child(x, training=True)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("seed", range(2))
def test_a_child_computes_what_the_network_of_its_genotype_computes_with_the_same_weights(seed):
    space = NASNetSpace(
        3, ("identity", "sep_conv_3x3", "avg_pool_3x3", "conv_1x3_3x1"), COMBINATIONS
    )
    assert_child_is_network(space, space.random(np.random.default_rng(seed)))


def test_a_p_that_is_as_wide_as_the_cell_already_is_taken_as_it_is():
    space = NASNetSpace(2, ("sep_conv_3x3",), ("add",))
    chain = space.choices(
        {
            name: {"0/input_2": 1, "1/input_1": 2}.get(name.split("/", 1)[1], options[0])
            for name, options in space.decisions
        }
    )
    genotype = space.decode(chain)
    assert genotype.normal.concat == genotype.reduction.concat == (3,)
    assert "keep" in {step.adapt for step in plan(genotype, 2, 4)}
    assert_child_is_network(space, chain, num_cells=2)


def test_children_with_the_imagenet_stem_are_their_networks_too():
    space = NASNetSpace(2, ("identity", "max_pool_3x3"))
    assert_child_is_network(space, space.random(np.random.default_rng(3)), "imagenet", size=33)


def test_a_step_changes_the_weights_of_the_chosen_operations_and_no_others(trained_once):
    trained_once.renew(0)
    point = tuple(
        0 if "identity" in options else 1 if "add" in options else 0
        for _, options in SMALL.decisions
    )
    one, two = SMALL.values(point), SMALL.values(point)
    one |= {
        f"{cell}/{block}/operation_1": "sep_conv_3x3"
        for cell in ("normal", "reduction")
        for block in (0, 1)
    }
    two |= {
        f"{cell}/{block}/operation_2": "sep_conv_3x3"
        for cell in ("normal", "reduction")
        for block in (0, 1)
    }
    one, two = SMALL.choices(one), SMALL.choices(two)
    before = trained_once.named(one), trained_once.named(two)
    tables = [table.numpy() for table in trained_once.tables]
    trained_once.train(X, Y, one, 0.1)
    after = trained_once.named(one), trained_once.named(two)
    left = [name for name in before[0] if "left" in name and "pointwise" in name]
    right = [name for name in before[1] if "right" in name and "kernel" in name]
    assert len(left) == 2 * 2 * 3 and all(
        (after[0][name] != before[0][name]).any() for name in left
    )  # two a separable convolution
    assert len(right) >= 2 * 2 * 2 * 3 and all(
        (after[1][name] == before[1][name]).all()
        for name in right
        if "sep" in name or ".2." in name
    )
    changed = sum(
        len(np.flatnonzero((table.numpy() != old).any(-1)))
        for table, old in zip(trained_once.tables, tables, strict=True)
    )
    assert changed <= 3 * 4  # a row an edge


def test_gradients_are_those_of_plain_differentiation(trained_once):
    """A step without momentum moves a weight by rate times slope; the slope by finite
    differences.
    """
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
    ahead, behind = (
        {**start, **{k: start[k] + sign * small_step * slopes[k] for k in moved}}
        for sign in (1, -1)
    )
    assert (loss(ahead) - loss(behind)) / (2 * small_step * norm) == pytest.approx(norm, rel=0.05)


def test_every_child_and_every_number_of_images_runs_by_the_same_traced_step(trained_once):
    rng = np.random.default_rng(6)
    for images in (24, 7, 16):
        trained_once.train(X[:images], Y[:images], SMALL.random(rng), 0.01)
        trained_once.accuracy(X[:images], Y[:images], SMALL.random(rng))
    assert trained_once._traced_step.experimental_get_tracing_count() == 1
    assert trained_once._traced_score.experimental_get_tracing_count() == 1


def test_a_renewed_supernet_is_a_new_one(trained_once):
    trained_once.train(X, Y, SMALL.random(np.random.default_rng(7)), 0.1)
    trained_once.renew(5)
    renewed, new = trained_once.state(), small(seed=5).state()
    assert all(np.array_equal(renewed[key], new[key]) for key in new)


def test_the_seed_says_the_initial_weights():
    states = [small(seed).state() for seed in (0, 0, 1)]
    same, other = (
        all(np.array_equal(states[0][k], state[k]) for k in state) for state in states[1:]
    )
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
    return WeightSharing(
        supernet,
        PPO(SMALL, 3, minibatch=4, elites=0, draws=1),
        shuffled(X, Y, 8, 0),
        (X, Y),
        updates=2,
        children=4,
        **kwargs,
    )


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


# Its strategy and its tuner.


def test_a_ranking_is_handed_out_best_first_past_what_is_out_or_turned_down_and_then_at_random():
    ranking = [(0, 1), (1, 2), (1, 0)]
    strategy = OneShot([2, 3], seed=1, ranking=ranking)
    assert strategy.propose(0) == (0, 1)
    assert strategy.propose(1, pending=[(0, 1)]) == (1, 2)
    assert strategy.propose(1, pending=[(0, 1)], attempt=1) == (1, 0)
    strategy.observe((1, 2), 0.5)
    assert strategy.propose(2) == (0, 1) and strategy.propose(2, attempt=1) == (1, 0)
    again = OneShot([2, 3], seed=1, ranking=ranking)
    again.restore(strategy.state())
    assert again.propose(2, attempt=1) == (1, 0)
    for point in ranking:
        strategy.observe(point, None)
    assert len({strategy.propose(number) for number in range(3, 60)}) == 6
    with pytest.raises(ValueError, match="another ranking"):
        OneShot([2, 3], seed=1, ranking=ranking[::-1]).restore(strategy.state())


class Ranked(OneShotSearch):
    """Trains nothing."""

    def run_trial(self, trial, *args, **kwargs):
        return {"val_accuracy": 0.5}


def test_the_tuner_shares_once_and_then_tries_the_ranking_in_order(tmp_path, monkeypatch):
    space = NASNetSpace(1, ("identity", "sep_conv_3x3"))
    points = [(0, 0, 1, 1, 0) * 2, (0, 0, 0, 1, 0) * 2, (1, 1, 1, 1, 1) * 2]

    def tuner(max_trials):
        made = Ranked(
            CellHyperModel((8, 8, 1), 3, space=space),
            "val_accuracy",
            max_trials,
            seed=0,
            directory=str(tmp_path),
        )
        made.search(X, Y, validation_data=(X, Y), verbose=0)
        return made

    shared = []

    def share(ranking, *args, **kwargs):
        shared.append(ranking)
        return [{"choices": list(point), "shared_accuracy": 0.5} for point in points]

    monkeypatch.setattr("nasnet_tf.one_shot.ranking.Ranking._share", share)
    tuner(2)
    second = tuner(3)
    assert len(shared) == 1
    values = [second.oracle.trials[i].hyperparameters.values for i in ("0", "1", "2")]
    assert [space.choices(v) for v in values] == points


def test_one_shot_search_refuses_a_network_it_cannot_share_weights_of(tmp_path):
    with pytest.raises(ValueError, match="knows no residual"):
        OneShotSearch(
            CellHyperModel((8, 8, 1), 3, residual=True), "val_accuracy", directory=str(tmp_path)
        )


def test_one_shot_search_needs_validation_data(tmp_path):
    tuner = OneShotSearch(
        CellHyperModel((8, 8, 1), 3, space=SMALL), "val_accuracy", directory=str(tmp_path)
    )
    with pytest.raises(ValueError, match="needs training images and validation_data"):
        tuner.search(X, Y)


@pytest.mark.slow
def test_a_whole_one_shot_search(tmp_path):
    child = CellHyperModel((8, 8, 1), 3, space=SMALL, filters=2, num_cells=(1, 0, 0))
    shares = []
    tuner = OneShotSearch(
        child,
        "val_accuracy",
        2,
        seed=0,
        share_epochs=2,
        candidates=4,
        settings={"minibatch": 4},
        on_share=shares.append,
        directory=str(tmp_path),
        isolation="none",
    )
    x, validation = (tf.data.Dataset.from_tensor_slices((X, Y)).batch(size) for size in (8, 10))
    tuner.search(x, validation_data=validation, epochs=1, verbose=0)
    assert shares == sorted(shares) and shares[-1] == 1.0
    tried = [space_point(tuner.oracle.trials[i]) for i in ("0", "1")]
    assert tried == [tuple(row["choices"]) for row in tuner.ranking()[:2]]
    assert tuner.get_best_genotypes()


def space_point(trial):
    return SMALL.choices(trial.hyperparameters.values)
