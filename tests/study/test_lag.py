"""Proposals that depend on the order of the trials, not on how long each takes."""

import random
import threading
import time

import pytest
import threadpoolctl

from nasnet_tf.spaces import NASNetSpace
from nasnet_tf.study import Study, replay


def points(study):
    return [study.point(number) for number in study.history.start_order]


def searched(workers, seed, lag=4, folder=None, trials=24):
    """The points of a search whose trials take times that differ from seed to seed."""
    rng, study = (
        random.Random(seed),
        Study("auto", NASNetSpace(2), trials, seed=1, lag=lag, folder=folder),
    )

    def work(name):
        while (trial := study.ask(name)) is not None:
            time.sleep(0.01 * rng.random())
            study.tell(trial.number, sum(study.point(trial.number)) / 100)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return points(study)


def test_with_a_lag_any_number_of_workers_gets_the_same_proposals():
    alone = searched(1, 0)
    assert len(alone) == 24
    assert searched(2, 1) == alone and searched(4, 2) == alone and searched(7, 3) == alone


def test_with_a_lag_of_one_a_single_worker_gets_what_it_gets_without():
    assert searched(1, 0, lag=1) == searched(1, 0, lag=None) != searched(1, 0, lag=4)


def test_a_worker_waits_for_the_results_that_its_proposal_is_made_from():
    study = Study("random", NASNetSpace(1), 10, seed=0, lag=2)
    assert [study.next(name).number for name in "ab"] == ["00", "01"]
    assert study.next("c").status == "IDLE"
    study.tell("01", 0.5)
    assert study.next("b").status == "IDLE"  # trial 0 has not ended
    study.tell("00", 0.5)
    assert study.next("b").number == "02"


def test_a_search_that_was_stopped_goes_on_as_it_would_have(tmp_path):
    whole = searched(3, 0, folder=tmp_path / "whole")
    study = Study("auto", NASNetSpace(2), 24, seed=1, lag=4, folder=tmp_path / "cut")
    for name in "abcabc":
        number = study.next(name).number
        study.tell(number, sum(study.point(number)) / 100)
    assert {study.next(name).number for name in "abc"} == {"06", "07", "08"}  # and is killed
    study.close()
    assert searched(2, 1, folder=tmp_path / "cut") == whole


def test_a_lag_below_one_is_refused():
    with pytest.raises(ValueError, match="lag is 0; give at least 1"):
        Study("random", NASNetSpace(1), lag=0)


def test_a_strategy_computes_on_one_thread_and_leaves_the_number_of_threads_as_it_was():
    def threads():
        return {each["num_threads"] for each in libraries.info() if each["user_api"] == "blas"}

    libraries = threadpoolctl.ThreadpoolController()
    with libraries.limit(limits=2, user_api="blas"):
        before = threads()
        first, second = replay._ONE_THREAD, replay._ONE_THREAD
        first.__enter__()
        second.__enter__()  # of another study, in another thread
        first.__exit__()
        assert threads() == {1}
        second.__exit__()
        assert threads() == before == {2}
