"""The trials of a search by the records of its log, and how an oracle shares its work with those
who wait.
"""

import subprocess
import sys
import threading
import time

import keras_tuner
import pytest

from nasnet_tf import journal
from nasnet_tf.journal import Log
from nasnet_tf.spaces import CategoricalSpace, NASNetSpace
from nasnet_tf.study import History, Study, is_passing
from nasnet_tf.tuners import StrategyOracle

SMALL = CategoricalSpace([("one", (0, 1, 2)), ("other", (0, 1))])

HEAD = {"objective": {"score": "max"}}
_OTHER = (
    'Traceback (most recent call last):\n  File "a.py", line 3, in run\n    # No space left on'
    " device\nValueError: no such column"
)
FAILED = {
    "status": "FAILED",
    "score": None,
    "metrics": {},
    "message": "ValueError: no such column",
    "seconds": 1.0,
}


def begin(number):
    return {"begin": str(number), "point": [0, 1], "key": f"k{number}"}


def end(number, score=0.5, **more):
    return {
        "end": str(number),
        "status": "COMPLETED",
        "score": score,
        "metrics": {},
        "message": None,
        "seconds": 1.0,
        **more,
    }


def history(*records, head=HEAD):
    return History.of(Log(head, list(records), 0), "t.log")


def refused(*records, head=HEAD):
    """What is said of a log that is refused."""
    with pytest.raises(
        ValueError, match=r"^t\.log: line \d+ .*; restore a copy of the file\.$"
    ) as raised:
        history(*records, head=head)
    return str(raised.value)


# Records.


def test_a_history_tells_what_ended_and_what_is_best():
    found = history(
        begin(0),
        begin(1),
        end(1, 0.7),
        end(0, 0.9),
        begin(2),
        {"lost": "2"},
        begin(3),
        {"end": "3", **FAILED},
    )
    assert (
        found.best() == ["0", "1"]
        and found.end_order == ["1", "0", "3"]
        and found.unfinished() == ["2"]
    )
    assert found.failed() == ["3"] and found.lost["2"] == 1 and found.failed_in_a_row == 1
    assert history(
        begin(0), begin(1), end(0, 0.7), end(1, 0.9), head={"objective": {"score": "min"}}
    ).best() == ["0", "1"]


@pytest.mark.parametrize(
    "records",
    [
        [begin(0), begin(0)],
        [begin(0), end(0), end(0)],
        [end(0), begin(0)],
        [begin(1), begin(0)],
        [begin(0), end(0), {"retry": "0"}],
        [begin(0), end(0), {"again": "0"}],
        [{"lost": "0"}],
    ],
    ids=[
        "began twice",
        "ended twice",
        "swapped",
        "began out of turn",
        "retried after its end",
        "again without failing",
        "lost unbegun",
    ],
)
def test_records_that_do_not_follow_each_other_are_refused(records):
    assert (
        f"line {len(records) + 1 if records[0] != end(0) and records[0] != begin(1) else 2} "
        in refused(*records)
    )


@pytest.mark.parametrize(
    "record",
    [
        3,
        [],
        {},
        {"more": 1},
        {"begin": 0, "point": [0]},
        {"begin": "0"},
        {"begin": "0", "point": "x"},
        {"begin": None, "point": [0]},
        {"space": {}},
        {"space": [{"class_name": "Choice"}]},
        {"begin": "0", "point": [0], "values": 3},
        {"begin": [], "point": [0]},
    ],
    ids=str,
)
def test_what_is_no_record_of_a_trial_is_refused(record):
    assert "line 2 " in refused(record)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": None},
        {"score": "high"},
        {"score": None},
        {"metrics": 3},
        {"seconds": "long"},
        {"message": 3},
    ],
)
def test_an_end_that_is_not_whole_is_refused(wrong):
    assert "line 3 " in refused(begin(0), end(0, **wrong))


@pytest.mark.parametrize("head", [3, {}, {"objective": None}, {"objective": {"score": "up"}}])
def test_a_log_that_is_no_searchs_is_refused(head):
    assert "line 1 " in refused(head=head)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_not_finite_is_never_the_best(score):
    found = history(begin(0), begin(1), end(0, score), end(1, 0.1))
    assert found.best() == ["1"] and found.failed() == ["0"]


def test_a_failed_trial_that_is_run_again_counts_as_if_it_had_not_ended():
    records = [
        begin(0),
        {"lost": "0"},
        {"end": "0", **FAILED},
        begin(1),
        end(1, 0.3),
        {"again": "0"},
    ]
    assert (
        history(*records).end_order == ["1"]
        and history(*records).unfinished() == ["0"]
        and not history(*records).lost["0"]
    )
    assert history(*records, end(0, 0.4)).best() == ["0", "1"]


def test_the_original_of_a_duplicate_is_found_through_other_duplicates():
    found = history(begin(0), end(0), begin(1), end(1, reused="0"), begin(2), end(2, reused="1"))
    assert [found.original(number) for number in "012"] == ["0", "0", "0"]
    older = end(1, message="the same network as trial 0; its result was reused")
    assert history(begin(0), end(0), begin(1), older).original("1") == "0"


@pytest.mark.parametrize(
    "message",
    [
        "the training process was killed, as the system does when memory runs out, 4 times",
        "its worker gave no sign of life for 60 s, 4 times",
        "PermissionError: [Errno 1] Operation not permitted: 'trial_0/checkpoint.npz'",
        "OSError: [Errno 28] No space left on device",
        'Traceback (most recent call last):\n  File "a.py", line 3, in run\n    fit()\nMemoryError',
        (
            'Traceback (most recent call last):\n  File "a.py", line 3, in run\n   '
            " fit()\nResourceExhaustedError: Graph execution error:\n\nOOM when allocating"
            " tensor\nHint: see the list [Op:Conv2D]"
        ),
        "ResourceExhaustedError: OOM when allocating tensor with shape[4096,4096]",
        "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes",
    ],
)
def test_failures_of_the_machine_pass(message):
    assert is_passing(message)


@pytest.mark.parametrize(
    "message", [None, "", "ArithmeticError: training diverged: loss is nan", _OTHER]
)
def test_other_failures_do_not(message):
    assert not is_passing(message)


# An oracle and its strategy.


class Slow:
    """A strategy that thinks until it is told to go on."""

    name = "slow"

    def __init__(self, space, seed=0):
        from nasnet_tf.strategies import RandomSearch

        self.random, self.thinks, self.go_on = (
            RandomSearch(space, seed),
            threading.Event(),
            threading.Event(),
        )

    def propose(self, number, pending=(), attempt=0):
        self.thinks.set()
        self.go_on.wait(10)
        return self.random.propose(number, pending, attempt)

    def __getattr__(self, name):
        return getattr(self.random, name)


def oracle(folder, strategy="random", options=50, trials=10, **given):
    hp = keras_tuner.HyperParameters()
    hp.Choice("one", list(range(options)))
    made = StrategyOracle(
        strategy, keras_tuner.Objective("score", "max"), trials, hyperparameters=hp, seed=0, **given
    )
    made._set_project_dir(str(folder), "s")
    made.verbose = 0
    return made


def ended(search, trial, score=0.5, status="COMPLETED"):
    if score is not None:
        search.update_trial(trial.trial_id, {"score": score})
    search.end_trial(trial.trial_id, status)


def test_signs_of_life_and_results_do_not_wait_for_a_strategy_that_thinks(tmp_path):
    made = []
    search = oracle(
        tmp_path, lambda space, seed: made.append(Slow(space, seed)) or made[-1], repeats=True
    )
    search.study._learned()
    made[0].go_on.set()
    first = search.create_trial("a")
    made[0].go_on.clear(), made[0].thinks.clear()
    asking = threading.Thread(target=search.create_trial, args=("b",), daemon=True)
    asking.start()
    assert made[0].thinks.wait(5)
    began = time.monotonic()
    (
        search.get_trial(first.trial_id),
        search.expire(),
        ended(search, first),
        search.get_best_trials(),
        search.best_score(),
    )
    assert time.monotonic() - began < 2
    made[0].go_on.set()
    asking.join(5)
    assert search.end_order == ["00"] and sorted(search.trials) == ["00", "01"]


def test_what_ends_while_a_strategy_thinks_is_learned_for_the_next_proposal(tmp_path):
    search = oracle(tmp_path, "aging-evolution")
    for number in range(5):
        ended(search, search.create_trial("a"), number / 10)
    assert search.study._learned()[0].strategy.observed == 5
    assert [
        record.get("end")
        for record in journal.read(tmp_path / "s" / journal.TRIALS).records
        if "end" in record
    ] == search.end_order


def test_a_proposal_may_be_asked_for_before_any_trial_and_changes_nothing(tmp_path):
    search = oracle(tmp_path)
    first = search.populate_space("0")
    assert first["status"] == "RUNNING" and set(first["values"]) == {"one"}
    assert (
        search.populate_space("trial_x") == first and not (tmp_path / "s" / journal.TRIALS).exists()
    )
    assert search.create_trial("a").hyperparameters.values == first["values"]


def test_a_study_needs_neither_keras_nor_keras_tuner():
    code = (
        "import nasnet_tf.study, sys; "
        "assert not {'keras', 'keras_tuner', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kept", [False, True])
def test_a_study_of_a_space_is_asked_and_told(tmp_path, kept):
    def searched(trials):
        study = Study("random", SMALL, trials, seed=3, folder=tmp_path / "s" if kept else None)
        while (trial := study.ask()) is not None:
            study.tell(trial.number, sum(SMALL.choices(trial.values)), metrics={"cost": 2.0})
        return study

    first, whole = searched(4), searched(6)
    assert first.history.end_order == ["0", "1", "2", "3"]
    points = [whole.point(number) for number in whole.history.end_order]
    assert len(set(points)) == 6 and points[:4] == [first.point(n) for n in first.history.end_order]
    best = whole.ended(whole.best(1)[0])
    assert best.score == max(map(sum, points)) == whole.best_score()
    assert best.metrics == {"cost": 2.0, "score": best.score} and best.reason == ""


def test_a_trial_that_failed_says_why_and_is_never_the_best():
    study = Study("random", SMALL, 3, seed=0, max_failures=None)
    for score, message in ((0.5, None), (None, "out of paint"), (float("nan"), None)):
        study.tell(study.ask().number, score, message=message)
    assert study.ask() is None
    assert study.best() == ["0"] and study.ended("1").reason == "out of paint"
    assert [study.ended(number).status for number in "012"] == ["COMPLETED", "FAILED", "FAILED"]


def test_points_of_one_network_are_trained_once():
    space = NASNetSpace(1, ("identity",), ("add",))
    study, asked = Study("random", space, 40, seed=0, repeats=True), []
    while (trial := study.ask()) is not None:
        asked.append(trial.genotype.canonical_key())
        study.tell(trial.number, len(asked))
    assert len(asked) == len(set(asked)) < 40 == len(study.history.ended)
    reused = [n for n in study.history.ended if study.original(n) != n]
    assert all("its result was reused" in study.ended(number).message for number in reused)


def test_a_study_has_something_to_search():
    with pytest.raises(ValueError, match="give it a space"):
        Study("random")
    with pytest.raises(ValueError, match="at least 1"):
        Study("random", SMALL, 0)
