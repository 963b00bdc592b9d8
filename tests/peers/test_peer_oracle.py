"""What Keras Tuner asks of every oracle, of ours."""

import threading

import keras_tuner
import pytest

from nasnet_tf.tuners import PPOOracle, StrategyOracle


def choices():
    hp = keras_tuner.HyperParameters()
    hp.Choice("a", [1, 2, 3, 4])
    hp.Choice("b", ["x", "y", "z"])
    return hp


def oracle(path, objective="val_loss", max_trials=20, **options):
    made = PPOOracle(objective, max_trials, hyperparameters=choices(), seed=0, **options)
    made.verbose = 0
    made._set_project_dir(str(path), "name")
    return made


def end(one, trial, status="COMPLETED", value=0.5, message="error1"):
    if status == "COMPLETED":
        one.update_trial(trial.trial_id, {"val_loss": value})
    else:
        trial.message = message
    trial.status = status
    one.end_trial(trial)


def test_a_trial_has_a_value_for_every_choice_and_runs(tmp_path):
    one = oracle(tmp_path)
    trial = one.create_trial("a")
    assert (trial.status, set(trial.hyperparameters.values)) == ("RUNNING", {"a", "b"})
    assert one.ongoing_trials == {"a": trial} and one.start_order == [trial.trial_id]


def test_two_tuners_have_a_trial_each(tmp_path):
    one = oracle(tmp_path)
    assert one.create_trial("a").trial_id != one.create_trial("b").trial_id
    assert len(one.ongoing_trials) == 2


def test_a_tuner_that_asks_again_gets_the_trial_it_has(tmp_path):
    one = oracle(tmp_path)
    assert one.create_trial("a").trial_id == one.create_trial("a").trial_id


def test_a_trial_can_be_ended_by_its_number(tmp_path):
    one = oracle(tmp_path)
    trial = one.create_trial("a")
    one.update_trial(trial.trial_id, {"val_loss": 1.0})
    one.end_trial(trial.trial_id, "COMPLETED")
    assert one.trials[trial.trial_id].score == 1.0 and one.end_order == [trial.trial_id]


@pytest.mark.parametrize(
    ("retries", "status", "again"),
    [(0, "INVALID", False), (1, "INVALID", True), (1, "FAILED", False)],
)
def test_only_an_invalid_trial_is_run_again_and_only_as_often_as_asked(
    tmp_path, retries, status, again
):
    one = oracle(tmp_path, max_retries_per_trial=retries)
    first = one.create_trial("a")
    end(one, first, status)
    second = one.create_trial("a")
    assert (second.trial_id == first.trial_id) is again
    if again:
        end(one, second, status)
        assert one.create_trial("a").trial_id != first.trial_id


def test_a_score_that_is_no_number_is_invalid(tmp_path):
    one = oracle(tmp_path, max_retries_per_trial=1)
    trial = one.create_trial("a")
    end(one, trial, value=float("nan"))
    assert one.trials[trial.trial_id].status == "INVALID"


def test_failures_within_the_limit_do_not_stop_the_search(tmp_path):
    one = oracle(tmp_path, max_retries_per_trial=2, max_consecutive_failed_trials=3)
    for _ in range(6):  # a run and two more, of two trials
        end(one, one.create_trial("a"), "INVALID")
    for _ in range(3):
        end(one, one.create_trial("a"))
    assert [one.trials[number].status for number in one.end_order].count("FAILED") == 2


def test_too_many_failures_in_a_row_stop_the_search_and_say_why(tmp_path):
    one = oracle(tmp_path, max_consecutive_failed_trials=3)
    with pytest.raises(RuntimeError, match="(?s)Number of consecutive failures.*custom_error_info"):
        for _ in range(3):
            end(one, one.create_trial("a"), "FAILED", message="custom_error_info")


def test_the_best_trials_come_first_whichever_way_the_objective_points(tmp_path):
    for direction, best in (("min", 0.25), ("max", 0.75)):
        one = oracle(tmp_path / direction, keras_tuner.Objective("val_loss", direction))
        for value in (0.5, 0.25, 0.75):
            trial = one.create_trial("a")
            if trial.trial_id not in one.end_order:
                end(one, trial, value=value)
        assert one.get_best_trials(1)[0].score == best
        scores = [trial.score for trial in one.get_best_trials(3)]
        assert scores == sorted(scores, reverse=direction == "max")


def test_a_search_ends_with_its_budget(tmp_path):
    one = oracle(tmp_path, max_trials=3)
    while (trial := one.create_trial("a")).status == "RUNNING":
        end(one, trial)
    assert (trial.status, len(one.trials)) == ("STOPPED", 3)


def test_a_metric_that_is_not_the_objective_is_missed(tmp_path):
    one = oracle(tmp_path)
    with pytest.raises(ValueError, match="val_loss"):
        one.update_trial(one.create_trial("a").trial_id, {"accuracy": 1.0})


def test_choices_that_come_later_are_added_unless_that_is_refused(tmp_path):
    later = choices()
    later.Choice("c", [1, 2])
    one = oracle(tmp_path / "open")
    one.update_space(later)
    assert {hp.name for hp in one.get_space().space} == {"a", "b", "c"}
    closed = oracle(tmp_path / "closed", allow_new_entries=False)
    with pytest.raises(RuntimeError, match="allow_new_entries"):
        closed.update_space(later)


def test_choices_must_be_given_where_none_may_be_added():
    for refused in ("tune_new_entries", "allow_new_entries"):
        with pytest.raises(ValueError, match=refused):
            StrategyOracle("random", "val_loss", **{refused: False})


def test_what_ended_is_there_after_a_restart(tmp_path):
    one = oracle(tmp_path)
    for value in (0.5, 0.25):
        end(one, one.create_trial("a"), value=value)
    one.close()
    other = oracle(tmp_path)
    other.reload()
    assert other.end_order == one.end_order
    assert [trial.score for trial in other.get_best_trials(2)] == [
        trial.score for trial in one.get_best_trials(2)
    ]


def test_tuners_in_threads_get_trials_of_their_own(tmp_path):
    one, got = oracle(tmp_path, max_trials=None), []
    threads = [
        threading.Thread(target=lambda name=name: got.append(one.create_trial(name).trial_id))
        for name in "abcdefgh"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 8


def test_oracles_do_not_wait_for_each_other(tmp_path):
    one, other = oracle(tmp_path / "one"), oracle(tmp_path / "other")
    with one.study.lock:
        asked = threading.Thread(target=other.create_trial, args=("a",))
        asked.start()
        asked.join(timeout=30)
    assert not asked.is_alive()
