"""Keras Tuner's own way to search on several machines, by environment variables: whoever dies, every trial ends, once."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from nasnet_tf import journal

ROOT = pathlib.Path(journal.__file__).parents[1]
SCRIPT = """
import sys, time
import keras, keras_tuner
from nasnet_tf.tuners import CellTuner, StrategyOracle
from nasnet_tf.tuners import search

search._BEAT = 0.5

class Child(keras_tuner.HyperModel):
    def declare_hyperparameters(self, hp):
        hp.Choice("one", list(range(50)))
        hp.Choice("other", list(range(50)))

class Tuner(CellTuner):
    def _train(self, trial, *args, **kwargs):
        print("begins", trial.trial_id, flush=True)
        time.sleep(SECONDS)
        if FAILS:
            raise keras_tuner.errors.FailedTrialError("no such column")
        return {"score": trial.hyperparameters.get("one") / 64}, {}

oracle = StrategyOracle("random", keras_tuner.Objective("score", "max"), TRIALS, seed=0, lease_seconds=4.0)
Tuner(oracle, Child(), directory=FOLDER, project_name="s").search(verbose=0)
"""


class Cluster:
    """A chief and workers on this machine."""

    def __init__(self, folder, trials=6, seconds=1.0, fails=False):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        values = {"SECONDS": seconds, "FAILS": fails, "TRIALS": trials, "FOLDER": repr(str(folder))}
        self.script = "\n".join(f"{name} = {value}" for name, value in values.items()) + SCRIPT
        self.log, self.processes = folder / "s" / journal.TRIALS, []

    def start(self, name):
        variables = {"KERASTUNER_TUNER_ID": name, "KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(self.port)}
        process = subprocess.Popen(
            [sys.executable, "-c", self.script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **variables, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        self.processes.append(process)
        return process

    def records(self, kind):
        return [record for record in journal.read(self.log).records if kind in record]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def in_a_trial(worker):
    for line in worker.stdout:
        if line.startswith("begins"):
            return line.split()[1]


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_no_trial_and_keeps_nobody_waiting(tmp_path):
    with Cluster(tmp_path) as cluster:
        chief, victim = cluster.start("chief"), cluster.start("worker0")
        lost = in_a_trial(victim)
        victim.send_signal(signal.SIGKILL)
        other = cluster.start("worker1")
        assert other.wait(timeout=90) == 0, other.stderr.read()
        assert chief.wait(timeout=60) == 0, chief.stderr.read()
        assert [record["lost"] for record in cluster.records("lost")] == [lost]
        ends = cluster.records("end")
        assert sorted(record["end"] for record in ends) == list("012345") and {record["status"] for record in ends} == {"COMPLETED"}


@pytest.mark.slow
def test_a_chief_that_is_killed_goes_on_and_scores_no_trial_twice(tmp_path):
    with Cluster(tmp_path, seconds=2.0) as cluster:
        chief, workers = cluster.start("chief"), [cluster.start("worker0"), cluster.start("worker1")]
        for worker in workers:
            in_a_trial(worker)
        chief.send_signal(signal.SIGKILL)
        time.sleep(1)
        again = cluster.start("chief")
        for worker in workers:
            assert worker.wait(timeout=120) == 0, worker.stderr.read()
        assert again.wait(timeout=60) == 0, again.stderr.read()
        assert sorted(record["end"] for record in cluster.records("end")) == list("012345")
        assert sorted(record["begin"] for record in cluster.records("begin")) == list("012345")


@pytest.mark.slow
def test_a_search_in_which_everything_fails_ends_everywhere_and_the_chief_says_why(tmp_path):
    with Cluster(tmp_path, trials=20, seconds=0.0, fails=True) as cluster:
        chief, worker = cluster.start("chief"), cluster.start("worker0")
        assert worker.wait(timeout=90) == 0, worker.stderr.read()
        assert chief.wait(timeout=60) == 1
        assert "no such column" in chief.stderr.read()
        assert len(cluster.records("end")) == 10
