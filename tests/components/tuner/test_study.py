"""The search by a cheap objective in place of a training; Optuna is the real one."""

import logging
import math
import time
import warnings

import pytest

from components.errors import UserError
from components.tuner.config import SearchConfig
from components.tuner.study import (
    Trial,
    TrialFailedError,
    TrialPrunedError,
    best_of,
    search,
)

RANGE = {"low": 1e-4, "high": 1.0}


def config(**given):
    return SearchConfig(**{"base_learning_rate": RANGE, "mode": ["head_only", "full"], **given})


def accuracy_of(values):
    """Best at a rate of 0.03 with the whole network."""
    off = abs(math.log10(values["base_learning_rate"]) - math.log10(0.03))
    return 0.9 - off / 5 - (0.2 if values["mode"] == "head_only" else 0.0)


def smooth(number, values, look):
    accuracy = accuracy_of(values)
    return accuracy, 1 - accuracy


def without_time(trials):
    return [(t.number, t.values, t.state, t.val_accuracy, t.val_loss, t.reason) for t in trials]


def test_the_same_seed_tries_the_same_and_another_something_else():
    first = without_time(search(config(), smooth))
    assert without_time(search(config(), smooth)) == first
    assert without_time(search(config(seed=1), smooth)) != first
    assert [trial[0] for trial in first] == list(range(1, 11))


def test_rates_are_drawn_between_the_bounds_in_every_decade():
    rates = [t.values["base_learning_rate"] for t in search(config(trials=60), smooth)]
    assert all(1e-4 <= rate <= 1 for rate in rates)
    drawn = [t.values["base_learning_rate"] for t in search(config(trials=20), smooth)][:10]
    assert {math.floor(math.log10(rate)) for rate in drawn} == {-4, -3, -2, -1}


def test_it_learns_where_good_values_are():
    trials = search(config(trials=40), smooth)
    early = [trial.val_accuracy for trial in trials[:10]]
    late = [trial.val_accuracy for trial in trials[-10:]]
    assert sum(late) / 10 > sum(early) / 10 + 0.05
    best = best_of(trials)
    assert best.values["mode"] == "full"
    assert 0.01 < best.values["base_learning_rate"] < 0.1


def test_lists_are_tried_whole_and_once():
    schedules = ["keras_io", {"steps": 60, "boundaries": [], "warmup": 0, "decay": "steps"}]
    lists = SearchConfig(base_learning_rate=[0.1, 0.2], schedule=schedules, trials=30)
    tried = [trial.values for trial in search(lists, lambda *_: (0.5, 1.0))]
    assert tried == [
        {"base_learning_rate": rate, "schedule": schedule}
        for rate in (0.1, 0.2)
        for schedule in schedules
    ]


def test_what_was_tried_before_is_not_trained_again():
    trained = []

    def objective(number, values, look):
        trained.append(values)
        return values["base_learning_rate"], 1.0

    rates = [n / 10 for n in range(1, 11)]
    trials = search(SearchConfig(base_learning_rate=rates, trials=9), objective)
    assert len(trials) == 9
    assert len(trained) == len({values["base_learning_rate"] for values in trained}) < 9
    for trial in trials:
        assert trial.val_accuracy == trial.values["base_learning_rate"]


def curves(looks=4):
    """An objective that looks before its end, and what it came to."""
    reached = {}

    def objective(number, values, look):
        for step in range(1, looks + 1):
            reached[number] = step
            look(step * 10, accuracy_of(values) * step / looks)
        return smooth(number, values, look)

    return objective, reached


def test_a_trial_below_the_median_is_ended():
    objective, reached = curves()
    trials = search(config(trials=20), objective)
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert pruned
    assert min(trial.number for trial in pruned) > 5
    for trial in pruned:
        assert (trial.val_accuracy, trial.val_loss) == (None, None)
        assert reached[trial.number] < 4
    assert best_of(trials).state == "complete"


def test_without_pruning_every_trial_goes_to_its_end():
    objective, reached = curves()
    trials = search(config(trials=20, pruning=False), objective)
    assert {trial.state for trial in trials} == {"complete"}
    assert set(reached.values()) == {4}


def test_trials_are_compared_after_as_many_steps():
    """An epoch can be ten steps under one schedule and a hundred under another."""

    def objective(number, values, look):
        step = 10 if values["schedule"] == "keras_io" else 100
        for epoch in (1, 2, 3):
            look(step * epoch, 0.9 if values["schedule"] == "keras_io" else 0.1)
        return (0.9, 0.1) if values["schedule"] == "keras_io" else (0.1, 0.9)

    told = SearchConfig(base_learning_rate=RANGE, schedule=["keras_io", "hyperrule"], trials=20)
    assert {trial.state for trial in search(told, objective)} == {"complete"}


def test_a_trial_that_fails_is_a_bad_one_and_the_search_goes_on():
    def objective(number, values, look):
        if values["base_learning_rate"] > 0.1:
            raise TrialFailedError("the loss of epoch 1 is not finite")
        return smooth(number, values, look)

    trials = search(config(trials=30), objective)
    failed = [trial for trial in trials if trial.state == "failed"]
    assert len(trials) == 30
    assert failed
    assert {trial.reason for trial in failed} == {"the loss of epoch 1 is not finite"}
    # The sampler turns away from where trials fail.
    late = [trial for trial in trials[15:] if trial.state == "failed"]
    assert len(late) <= len([trial for trial in trials[:15] if trial.state == "failed"])
    assert best_of(trials).state == "complete"


def test_a_search_whose_trials_all_fail_is_the_users_business():
    def objective(number, values, look):
        raise TrialFailedError("the loss of epoch 1 is not finite")

    with pytest.raises(UserError, match=r"none of the 10 trials .*the loss of epoch 1 is not fini"):
        best_of(search(config(), objective))


@pytest.mark.parametrize(
    "bad", [(math.nan, 0.1), (0.99, math.nan), (math.inf, 0.1), (0.99, -math.inf)]
)
def test_a_trial_that_is_not_finite_has_failed_and_is_never_the_best(bad):
    def objective(number, values, look):
        return bad if number in (1, 4) else smooth(number, values, look)

    trials = search(config(), objective)
    assert [trial.number for trial in trials if trial.state == "failed"] == [1, 4]
    assert "not finite" in trials[0].reason
    assert trials[0].val_accuracy is None
    assert best_of(trials) == best_of([trial for trial in trials if trial.state == "complete"])
    best = max(accuracy_of(trial.values) for trial in trials if trial.state == "complete")
    assert best_of(trials).val_accuracy == best
    assert best_of([Trial(1, {}, "complete", *bad), Trial(2, {}, "complete", 0.1, 2.0)]).number == 2


def test_a_look_that_is_not_finite_fails_its_trial():
    """It is not compared with the median of others."""

    def objective(number, values, look):
        look(1, math.nan)
        return 0.5, 0.5

    trials = search(config(), objective)
    assert {trial.state for trial in trials} == {"failed"}
    with pytest.raises(UserError, match=r"accuracy after step 1 is nan\): 10 failed\. Lower"):
        best_of(trials)


def test_any_other_error_ends_the_search():
    def objective(number, values, look):
        raise UserError("backbone.mode is full, and ...")

    with pytest.raises(UserError, match=r"backbone\.mode"):
        search(config(), objective)


def test_no_trial_begins_after_the_time_and_one_always_does():
    def objective(number, values, look):
        time.sleep(0.4)
        return smooth(number, values, look)

    trials = search(config(timeout_s=1, trials=50), objective)
    assert 2 <= len(trials) <= 3
    assert all(trial.seconds >= 0.4 for trial in trials)


def test_every_trial_is_shown_when_it_is_over():
    shown = []
    assert search(config(), smooth, shown.append) == shown


@pytest.mark.parametrize(
    ("scores", "number"),
    [
        ([(0.5, 1.0), (0.7, 9.0), (0.6, 0.1)], 2),
        ([(0.5, 1.0), (0.5, 0.9), (0.5, 1.1)], 2),
        ([(0.5, 1.0), (0.5, 1.0)], 1),
    ],
    ids=["accuracy", "loss", "earlier"],
)
def test_the_best_is_the_most_accurate_then_the_surest_then_the_earlier(scores, number):
    trials = [Trial(n, {}, "complete", *score) for n, score in enumerate(scores, 1)]
    assert best_of(trials).number == number
    assert best_of(trials[::-1]).number == number


def test_what_did_not_come_to_its_end_is_never_the_best():
    trials = [Trial(1, {}, "pruned"), Trial(2, {}, "complete", 0.1, 2.0), Trial(3, {}, "failed")]
    assert best_of(trials).number == 2


def test_optuna_says_nothing(caplog, capfd):
    objective, _ = curves()
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings():
        warnings.simplefilter("error")
        search(config(trials=12), objective)
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_pruned_trial_is_told_by_its_own_error():
    def objective(number, values, look):
        raise TrialPrunedError

    assert {trial.state for trial in search(config(), objective)} == {"pruned"}
