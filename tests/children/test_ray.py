"""A search on a Ray cluster: the same search as in processes of this machine, whoever dies."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from nasnet_tf import journal
from nasnet_tf.children.ray_worker import Cluster, RayWorker
from nasnet_tf.evaluation import ChildFailed, Stopped, WorkerLost
from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.tuners import CellHyperModel, StrategySearch

ray = pytest.importorskip("ray", reason="pip install nasnet_tf[ray]")
pytestmark = pytest.mark.slow
ROOT = pathlib.Path(journal.__file__).parents[1]
RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (600, 8, 8, 3)).astype("uint8"), RNG.integers(0, 2, 600)


@pytest.fixture(scope="module")
def machines():
    """A cluster of one machine, which more can be added to."""
    from ray.cluster_utils import Cluster as Machines

    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    made = Machines(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def cluster(machines):
    return Cluster(machines.address)


def search(folder, trials=4, **arguments):
    child = CellHyperModel((8, 8, 3), 2, space=NASNetSpace(1), filters=2)
    tuner = StrategySearch(
        child,
        "val_accuracy",
        trials,
        strategy="random",
        seed=0,
        directory=str(folder),
        project_name="s",
        **arguments,
    )
    tuner.search(X, Y, validation_data=(X[:50], Y[:50]), epochs=1, batch_size=64, verbose=0)
    return tuner


def scores(tuner):
    return {number: trial.score for number, trial in tuner.oracle.trials.items()}


def test_a_call_gives_its_result_or_says_why_not(cluster):
    worker = RayWorker(cluster)
    assert worker.run(divmod, 17, 5) == (3, 2)
    with pytest.raises(ChildFailed, match="^ValueError: invalid literal"):
        worker.run(int, "no\nnumber")
    with pytest.raises(WorkerLost, match="the training process was lost"):
        worker.run(os._exit, 3)
    assert worker.run(abs, -1) == 1


def test_stop_breaks_a_call_off_without_calling_it_failed(cluster):
    worker = RayWorker(cluster)
    threading.Timer(1.0, worker.stop).start()
    with pytest.raises(Stopped):
        worker.run(time.sleep, 60)


def test_a_large_array_is_put_into_the_cluster_once(cluster):
    assert cluster.stored(X) == cluster.stored(X) and cluster.stored(Y[:3]) is not None
    assert isinstance(cluster.stored(X), ray.ObjectRef) and isinstance(
        cluster.stored(np.zeros(3)), np.ndarray
    )


def test_a_data_set_is_refused(cluster):
    import tensorflow as tf

    with pytest.raises(ValueError, match="give arrays"):
        RayWorker(cluster).run(len, tf.data.Dataset.range(3))


def test_a_cluster_that_is_not_there_is_one_line():
    with pytest.raises(
        ValueError,
        match="there is no Ray cluster at 127.0.0.1:1: .*; start one with `ray start --head`",
    ):
        Cluster("127.0.0.1:1")


def test_the_cluster_and_this_machine_search_alike(cluster, machines, tmp_path):
    here, there = (
        search(tmp_path / "here"),
        search(tmp_path / "there", engine="ray", address=machines.address),
    )
    assert scores(here) == scores(there)


def test_machines_that_leave_take_no_trial_with_them(cluster, machines, tmp_path):
    more = machines.add_node(num_cpus=2)
    threading.Timer(4.0, machines.remove_node, (more,), {"allow_graceful": False}).start()
    tuner = search(tmp_path, trials=12, engine="ray", address=machines.address, workers=4)
    assert len(tuner.oracle.end_order) == 12 and {
        trial.status for trial in tuner.oracle.trials.values()
    } == {"COMPLETED"}


def test_a_driver_that_is_killed_goes_on(machines, tmp_path):
    script = f"""
import sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
import test_ray
test_ray.search({str(tmp_path)!r}, 8, engine="ray", address={machines.address!r}, workers=2)
"""
    env, log = {**os.environ, "PYTHONPATH": str(ROOT)}, tmp_path / "s" / journal.TRIALS

    def ended():
        return [record["end"] for record in journal.read(log).records if "end" in record]

    first = subprocess.Popen([sys.executable, "-c", script], env=env)
    while len(ended()) < 3:
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = ended()
    subprocess.run([sys.executable, "-c", script], env=env, check=True, timeout=300)
    assert ended()[: len(before)] == before and sorted(ended()) == list("01234567")


@pytest.mark.parametrize("before", ["", "import ray; "])
def test_a_cluster_that_a_search_starts_lets_nobody_else_in(before):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {
        "PYTHONPATH": str(ROOT)
    }
    start = (
        f"{before}from nasnet_tf.children.ray_worker import Cluster; ray = Cluster().ray; "
        "print(ray.get_runtime_context().gcs_address, flush=True); input()"
    )
    join = "import sys, ray; ray.init(sys.argv[1], log_to_driver=False)"
    pipes = dict(
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with subprocess.Popen([sys.executable, "-c", start], env=plain, **pipes) as owner:
        address = owner.stdout.readline().strip()
        assert address.rpartition(":")[2].isdigit()
        other = subprocess.run(
            [sys.executable, "-c", join, address],
            env=plain,
            timeout=120,
            capture_output=True,
            text=True,
        )
        assert other.returncode == 1 and "Failed to connect" in other.stderr, other.stderr
        owner.communicate("\n")


def test_workers_run_nothing_of_the_current_folder(tmp_path):
    here, beside = tmp_path / "here", tmp_path / "beside"
    for name in ("numpy", "keras", "tensorflow", "nasnet_tf"):
        (here / name).mkdir(parents=True)
        (here / name / "__init__.py").write_text(
            f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r}); raise SystemExit(1)"
        )
    beside.mkdir()
    (beside / "of_the_script.py").write_text("")
    (beside / "script.py").write_text(
        "import sys; from nasnet_tf.children.ray_worker import Cluster, RayWorker\n"
        "assert RayWorker(Cluster()).run(exec, 'import numpy, keras, of_the_script') is None\n"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {
        "PYTHONPATH": str(ROOT)
    }
    done = subprocess.run(
        [sys.executable, beside / "script.py"],
        cwd=here,
        env=plain,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()


def test_a_folder_is_sent_as_an_absolute_one(machines, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tuner = search("runs", trials=1, engine="ray", address=machines.address)
    (trial,) = tuner.oracle.get_best_trials()
    assert trial.status == "COMPLETED" and tuner.load_model(trial) is not None
