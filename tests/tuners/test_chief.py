"""Keras Tuner's own way to search on several machines, by environment variables: whoever dies,
every trial ends, once.
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import keras_tuner
import pytest
from keras_tuner.src.distribute.oracle_client import OracleClient

from nasnet_tf import journal
from nasnet_tf.tuners import StrategyOracle, chief
from nasnet_tf.tuners.oracle import LeaseLost

ROOT = pathlib.Path(journal.__file__).parents[1]
SCRIPT = """
import sys, time
import keras, keras_tuner
from nasnet_tf.tuners import CellTuner, StrategyOracle
from nasnet_tf.tuners import child_trials

child_trials._BEAT = 0.5

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

objective = keras_tuner.Objective("score", "max")
oracle = StrategyOracle("random", objective, TRIALS, seed=0, lease_seconds=4.0)
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
        variables = {
            "KERASTUNER_TUNER_ID": name,
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(self.port),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", self.script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
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


def one_choice(folder, **arguments):
    hp = keras_tuner.HyperParameters()
    hp.Choice("one", list(range(50)))
    arguments = {"trials": 2, **arguments}
    oracle = StrategyOracle(
        "random",
        keras_tuner.Objective("score", "max"),
        arguments.pop("trials"),
        hyperparameters=hp,
        seed=0,
        **arguments,
    )
    oracle._set_project_dir(str(folder), "s")
    return oracle


def serve(folder, monkeypatch, token, host="127.0.0.1", trials=2):
    """A client of a chief, and the thread in which that serves a search."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for name, value in (("IP", host), ("PORT", port)):
        monkeypatch.setenv(f"KERASTUNER_ORACLE_{name}", value)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker0")
    if token is None:
        monkeypatch.delenv(chief.TOKEN, raising=False)
    else:
        monkeypatch.setenv(chief.TOKEN, token)
    oracle = one_choice(folder, trials=trials)
    thread = threading.Thread(target=chief.serve, args=(oracle, 4), daemon=True)
    thread.start()
    return OracleClient(oracle), thread


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A client of a chief with a token, and the thread in which that serves a search of two
    trials.
    """
    return serve(tmp_path, monkeypatch, "sesame")


def test_whoever_shows_the_token_is_served_and_the_chief_ends_with_the_search(asked):
    client, thread = asked
    chief.introduce(client)
    for score in (0.5, 0.6):
        trial = client.create_trial("worker0")
        client.update_trial(trial.trial_id, {"score": score})
        trial.status = "COMPLETED"
        client.end_trial(trial)
    assert client.create_trial("worker0").status == "STOPPED"
    thread.join(timeout=20)
    assert not thread.is_alive()


@pytest.mark.parametrize("shown", ["", "sesam", "sesame_"])
def test_without_the_token_nobody_is_served(asked, monkeypatch, shown):
    client, _ = asked
    monkeypatch.setenv(chief.TOKEN, shown)
    with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
        client.create_trial("worker0")  # as Keras Tuner's own workers ask
    chief.introduce(client)
    with pytest.raises(
        ValueError, match="the chief at 127.0.0.1 has another NASNET_TF_TOKEN; set the same here"
    ):
        client.create_trial("worker0")


@pytest.mark.parametrize("token", ["two words", "line\n", "schlüssel"])
def test_a_token_that_cannot_be_sent_is_refused(monkeypatch, token):
    monkeypatch.setenv(chief.TOKEN, token)
    with pytest.raises(
        ValueError,
        match="NASNET_TF_TOKEN has blanks, or letters that are not ASCII; give one such as",
    ):
        chief._given()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_chief_without_a_token_makes_one_prints_it_and_leaves_it_to_the_same_user(
    tmp_path, monkeypatch, capfd, host
):
    client, _ = serve(tmp_path, monkeypatch, None, host)
    with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
        client.create_trial("worker0")
    file = tmp_path / "s" / "chief.token"
    token = file.read_text()
    assert len(token) == 64 and file.stat().st_mode & 0o777 == 0o600
    assert f"export NASNET_TF_TOKEN={token}" in capfd.readouterr().err
    chief.introduce(client, tmp_path / "s")
    assert client.create_trial("worker0").status == "RUNNING"
    other = OracleClient(client._oracle)
    monkeypatch.setenv(chief.TOKEN, token)  # as on a machine that does not see the folder
    chief.introduce(other)
    assert other.get_space().space


def test_a_worker_that_asks_before_the_chief_has_made_its_token_is_served(tmp_path, monkeypatch):
    client, _ = serve(tmp_path, monkeypatch, None)
    monkeypatch.setattr(
        chief,
        "_read",
        lambda path, read=chief._read, first=[""]: first.pop() if first else read(path),
    )
    chief.introduce(client, tmp_path / "s")
    time.sleep(0.5)
    assert client.create_trial("worker0").status == "RUNNING"


def test_a_chief_that_is_started_again_takes_the_token_it_had_made(tmp_path):
    file = tmp_path / "chief.token"
    token = chief._made(file)
    assert chief._made(file) == token
    file.chmod(0o644)
    assert chief._made(file) != token, "somebody else may have read it, or written it"


def test_only_the_tuner_that_holds_a_trial_tells_what_became_of_it(asked):
    client, _ = asked
    other = OracleClient(client._oracle)
    for each in (client, other):
        chief.introduce(each)
    trial = client.create_trial("worker0+lease")
    other.create_trial("worker1+lease")
    trial.status = "COMPLETED"
    with pytest.raises(
        LeaseLost, match="whoever asks does not hold trial 0; what it tells is not taken"
    ):
        other.update_trial(trial.trial_id, {"score": 1e30})
    other.stub._holders[trial.trial_id] = "worker1+lease"
    with pytest.raises(LeaseLost, match="worker1.lease does not hold trial 0"):
        other.end_trial(trial)
    client.update_trial(trial.trial_id, {"score": 0.5})
    client.end_trial(trial)
    (ended,) = client.get_best_trials()
    assert ended.score == 0.5


def oracle_with_a_lost_trial(tmp_path):
    """An oracle whose trial 0 was taken from "worker0+lease", which gave no sign of life."""
    oracle = one_choice(tmp_path, trials=1, lease_seconds=0.0)
    oracle.create_trial("worker0+lease")
    time.sleep(0.01)
    oracle.expire()
    assert not oracle.ongoing_trials
    return oracle


def test_a_tuner_that_was_away_takes_its_trial_up_again_and_nobody_else_does(tmp_path):
    oracle = oracle_with_a_lost_trial(tmp_path)
    oracle.renew("0", "worker1+lease")
    assert not oracle.ongoing_trials
    oracle.renew("0", "worker0+lease")
    assert list(oracle.ongoing_trials) == ["worker0+lease"]


def test_a_trial_that_was_given_to_another_is_not_taken_back(tmp_path):
    oracle = oracle_with_a_lost_trial(tmp_path)
    assert oracle.create_trial("worker1+lease").trial_id == "0"
    oracle.renew("0", "worker0+lease")
    assert list(oracle.ongoing_trials) == ["worker1+lease"]


def test_signs_of_life_of_others_do_not_keep_a_trial(tmp_path):
    oracle = one_choice(tmp_path, trials=1, lease_seconds=0.2)
    oracle.create_trial("worker0+lease")
    time.sleep(0.3)
    oracle.renew("0", "worker1+lease")
    oracle.expire()
    assert not oracle.ongoing_trials


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
        assert sorted(record["end"] for record in ends) == list("012345") and {
            record["status"] for record in ends
        } == {"COMPLETED"}


@pytest.mark.slow
def test_a_chief_that_is_killed_goes_on_and_scores_no_trial_twice(tmp_path):
    with Cluster(tmp_path, seconds=2.0) as cluster:
        chief, workers = (
            cluster.start("chief"),
            [cluster.start("worker0"), cluster.start("worker1")],
        )
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
