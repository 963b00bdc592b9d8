"""Children by compiled kernels in a search: which may be, that nothing is lost by it, several side
by side.
"""

import pathlib
import time

import keras
import numpy as np
import pytest

from nasnet_tf import journal
from nasnet_tf.native import NativeNetwork
from nasnet_tf.network import Network
from nasnet_tf.scores.limits import SoftLimit
from nasnet_tf.spaces import SPACES, NASNetSpace
from nasnet_tf.systems import system_of
from nasnet_tf.tuners import CellHyperModel, StrategySearch
from nasnet_tf.tuners.search import train_child

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (24, 8, 8, 1)).astype("uint8"), RNG.integers(0, 2, 24)
FIT = dict(y=Y, validation_data=(X[:8], Y[:8]), epochs=2, batch_size=8)


def child(**arguments):
    return CellHyperModel(
        (8, 8, 1), 2, space=NASNetSpace(1), filters=2, mean=(128.0,), std=(70.0,), **arguments
    )


def some(hypermodel):
    """Hyperparameters of a cell of the space."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hypermodel.declare_hyperparameters(hp)
    return hp


def search(folder, hypermodel=None, trials=4, **arguments):
    tuner = StrategySearch(
        hypermodel or child(),
        "val_accuracy",
        trials,
        strategy="random",
        seed=0,
        directory=str(folder),
        project_name="s",
        **arguments,
    )
    tuner.search(X, **FIT, verbose=0)
    return tuner


def is_native(hypermodel, *args, **kwargs):
    return hypermodel.build_native(some(hypermodel), args, kwargs) is not None


def test_arrays_and_data_sets_of_images_and_labels_are_trained_natively():
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    assert is_native(child(), X, **FIT)
    assert is_native(child(), X, Y[:, None], shuffle=False)
    assert is_native(child(), batches, validation_data=batches, epochs=1)


@pytest.mark.parametrize("name", [name for name in SPACES if name not in ("recurrent", "dna")])
def test_children_of_every_space_of_pictures_are_trained_natively_where_their_kind_has_a_graph(
    name,
):
    space = SPACES[name]()
    has_graph = system_of(space.decode((0,) * len(space.decisions))).native
    assert (
        is_native(CellHyperModel((8, 8, 1), 2, space=space, filters=4, stem=None), X, Y)
        == has_graph
    )


def test_all_else_is_left_to_keras():
    import tensorflow as tf

    weighted = tf.data.Dataset.from_tensor_slices((X, Y, np.ones(24))).batch(8)
    assert not is_native(child(native=False), X, Y)
    assert not is_native(child(loss="categorical_crossentropy"), X, Y)
    assert not is_native(child(drop_path_rate=0.1), X, Y)
    assert not is_native(child(), X, Y, class_weight={0: 1.0, 1: 2.0})
    assert not is_native(child(), X, Y, validation_split=0.5)
    assert not is_native(child(), X, Y, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert not is_native(child(), X, keras.utils.to_categorical(Y))
    assert not is_native(child(), weighted)
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert not is_native(child(), X, Y)


def test_a_hypermodel_with_a_build_or_a_fit_of_its_own_is_asked_for_them():
    class Own(CellHyperModel):
        def build(self, hp):
            return super().build(hp)

    assert not is_native(Own((8, 8, 1), 2, space=NASNetSpace(1)), X, Y)


def test_without_numba_keras_trains(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nasnet_tf.native.network", None)
    assert not is_native(child(), X, Y)


def test_the_figures_are_those_of_keras(tmp_path):
    hypermodel = child()
    hp = some(hypermodel)
    ours, history = train_child(
        hypermodel, hp, 3, "float32", tmp_path / "a", X, **FIT, shuffle=False
    )
    assert (tmp_path / "a" / "checkpoint.npz").is_file()
    theirs, other = train_child(
        child(native=False), hp, 3, "float32", tmp_path / "b", X, **FIT, shuffle=False
    )
    assert (tmp_path / "b" / "checkpoint.weights.h5").is_file()
    assert ours.keys() == theirs.keys()
    for name, values in history.items():
        np.testing.assert_allclose(values, other[name], rtol=1e-3, err_msg=name)


def test_a_data_set_is_gone_through_as_arrays_are():
    import tensorflow as tf

    def trained(*args, **kwargs):
        keras.utils.set_random_seed(0)
        hypermodel = child()
        network = hypermodel.build_native(some(hypermodel), args, kwargs)
        return hypermodel.fit(some(hypermodel), network, *args, **kwargs).history

    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    ours, arrays = (
        trained(batches, epochs=2, validation_data=batches),
        trained(X, Y, epochs=2, batch_size=8, shuffle=False, validation_data=(X, Y)),
    )
    assert ours.keys() == arrays.keys()
    for name, values in ours.items():
        np.testing.assert_allclose(values, arrays[name], rtol=1e-6)


def test_a_reward_weighed_against_the_cost_is_told():
    hypermodel = child(soft=SoftLimit(1000, cost="parameters", size=child().size))
    hp = some(hypermodel)
    network = hypermodel.build_native(hp, (X,), FIT)
    history = hypermodel.fit(hp, network, X, **FIT).history
    factor = hypermodel.soft.reward(1.0, hypermodel.genotype(hp))
    assert history["reward"] == pytest.approx(
        [factor * accuracy for accuracy in history["val_accuracy"]]
    )


def test_a_training_that_diverges_is_a_failed_trial(tmp_path):
    with np.errstate(all="ignore"), pytest.raises(ArithmeticError, match="diverged"):
        train_child(child(learning_rate=1e30), some(child()), 0, "float32", tmp_path, X, **FIT)


def test_images_of_another_size_are_refused():
    network = NativeNetwork(
        child().genotype(some(child())), num_cells=1, filters=2, input_shape=(8, 8, 1), classes=2
    )
    with pytest.raises(ValueError, match=r"images are \(24, 4, 8, 1\).*\(images, 8, 8, 1\)"):
        network.fit(X[:, :4], Y)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The tuner of a search that has trained its children in one process."""
    tuner = search(tmp_path_factory.mktemp("alone"), keep_best=1)
    tuner.worker.close()
    return tuner


def test_the_best_models_come_back_with_their_weights(alone):
    assert len(list(pathlib.Path(alone.project_dir).rglob("checkpoint.npz"))) == 1
    model, best = alone.get_best_models()[0], alone.oracle.get_best_trials()[0]
    assert isinstance(model, Network)
    _, accuracy = model.evaluate(*FIT["validation_data"], verbose=0)
    assert accuracy == pytest.approx(best.score)


def test_what_a_lost_process_left_of_a_childs_weights_is_removed(tmp_path):
    left = tmp_path / ".4711.checkpoint.npz"
    left.write_bytes(b"half")
    train_child(child(), some(child()), 0, "float32", str(tmp_path), X, **FIT, verbose=0)
    assert not left.exists() and (tmp_path / "checkpoint.npz").exists()


def test_weights_of_another_network_are_refused(alone, monkeypatch):
    trial = alone.oracle.get_best_trials()[0]
    monkeypatch.setattr(alone.hypermodel, "filters", 4)
    with pytest.raises(ValueError):
        alone.load_model(trial)
    path = pathlib.Path(alone.get_trial_dir(trial.trial_id)) / "checkpoint.npz"
    whole = path.read_bytes()
    np.savez(path, other=np.zeros(3))
    with pytest.raises(ValueError, match="checkpoint.npz is of another network: it has no"):
        alone.load_model(trial)
    path.write_bytes(whole)


@pytest.mark.slow
def test_several_workers_train_each_trial_once(tmp_path, alone):
    tuner = search(tmp_path, workers=2)
    assert sorted(tuner.oracle.trials) == list("0123") == sorted(tuner.oracle.end_order)
    assert {trial.status for trial in tuner.oracle.trials.values()} == {"COMPLETED"}
    for (
        number,
        trial,
    ) in alone.oracle.trials.items():  # a child's seed is its trial's, whoever trains it
        assert trial.score == tuner.oracle.trials[number].score


class Fails(CellHyperModel):
    """Fails in its process."""

    def fit(self, hp, model, *args, **kwargs):
        raise ValueError("no such column")


@pytest.mark.slow
def test_what_goes_wrong_beside_is_heard_of(tmp_path):
    child = Fails((8, 8, 1), 2, space=NASNetSpace(1), filters=2)
    with pytest.raises(RuntimeError, match="consecutive failures"):
        search(tmp_path, child, trials=20, workers=2, max_consecutive_failed_trials=2)


class HangsOnce(keras.callbacks.Callback):
    """Hangs in the second epoch of the first training that gets there; its process lives."""

    def __init__(self, marker):
        super().__init__()
        self.marker = marker

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1 and not self.marker.exists():
            self.marker.touch()
            time.sleep(600)


@pytest.mark.slow
def test_a_child_that_hangs_is_trained_again(tmp_path):
    tuner = StrategySearch(
        child(),
        "val_accuracy",
        1,
        strategy="random",
        seed=0,
        directory=str(tmp_path),
        project_name="s",
    )
    tuner.worker.patience = 3.0  # in place of 120
    began = time.monotonic()
    tuner.search(X, **FIT, callbacks=[HangsOnce(tmp_path / "hung")], verbose=0)
    (trial,) = tuner.oracle.get_best_trials()
    assert (
        trial.status == "COMPLETED"
        and (tmp_path / "hung").exists()
        and time.monotonic() - began < 500
    )
    (lost,) = [
        record
        for record in journal.read(tmp_path / "s" / journal.TRIALS).records
        if "lost" in record
    ]
    assert lost["message"].startswith("the training has made no step for")


@pytest.mark.parametrize("workers", [0, 1.5, "all"])
def test_a_number_of_workers_that_is_none_is_refused(tmp_path, workers):
    with pytest.raises(ValueError, match="workers is"):
        search(tmp_path, workers=workers)


def test_workers_need_processes(tmp_path):
    with pytest.raises(ValueError, match="a process each"):
        search(tmp_path, workers=2, isolation="none")

    class Local(CellHyperModel):
        pass

    Local.__module__ = "__main__"
    with pytest.raises(ValueError, match="a process each"):
        search(tmp_path, Local((8, 8, 1), 2, space=NASNetSpace(1)), workers=2)


@pytest.mark.slow
def test_memory_stays_as_it_is_from_child_to_child(tmp_path):
    tuner, sizes = (
        StrategySearch(
            child(),
            "val_accuracy",
            25,
            strategy="random",
            seed=0,
            directory=str(tmp_path),
            project_name="m",
        ),
        [],
    )
    tuner.oracle.on_end = lambda trial: sizes.append(tuner.worker.memory_mb)
    tuner.search(X, **FIT, verbose=0)
    assert max(sizes[10:]) < 1.1 * sizes[9]
