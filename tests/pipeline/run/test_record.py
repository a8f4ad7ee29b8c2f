"""The events of a run, entered into its summary."""

import doctest

import pytest

from pipeline.run import record as module
from pipeline.run.record import Record
from pipeline.run.summary import Summary

OUTCOME = {
    "span": 2,
    "counts": {"read": 3, "rejected": {}, "train": 2, "eval": 1},
    "metrics": {"accuracy": 0.5},
    "blessed": True,
    "reasons": [],
    "pushed": "/serving/1",
}


def step(name, state, **fields):
    return {"event": "step", "id": name, "state": state, "seconds": 1.5, **fields}


def failed(name, error="ValueError: no", user_error=None):
    return step(name, "failed", error=error, user_error=user_error)


def taken(*events):
    record = Record(Summary(), lambda name: f"/logs/{name}.log")
    for event in events:
        record.take(event)
    return record


def test_its_example_runs():
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(("blessed", "code"), [(True, 0), (False, 3)])
def test_the_verdict_is_the_exit_code(blessed, code):
    record = taken({"event": "outcome", "outcome": {**OUTCOME, "blessed": blessed}})
    record.break_off("a verdict stays")
    assert (record.summary.exit_code, record.summary.blessed) == (code, blessed)
    assert record.summary.reasons == []
    assert not record.is_broken


def test_a_failed_step_is_named_with_its_log():
    stopped = {"event": "stopped", "error": "RuntimeError: ValueError: no [while running ...]"}
    record = taken(step("Transform", "complete"), failed("Trainer"), stopped)
    assert record.summary.exit_code == 1
    assert record.summary.reasons == ["Trainer: ValueError: no (see /logs/Trainer.log)"]
    states = {item.id: item.state for item in record.summary.steps}
    assert states["Transform"] == "complete"
    assert states["Trainer"] == "failed"
    assert states["Pusher"] == "skipped"
    assert record.is_broken


def test_every_failure_is_a_reason_and_the_first_decides_the_exit_code():
    record = taken(
        step("Pictures", "running"),
        failed("DataGate", "UserError: too dark", "too dark"),
        failed("Transform"),
    )
    record.break_off("its pod ended")
    assert record.summary.exit_code == 2
    assert record.summary.reasons == [
        "DataGate: too dark",
        "Transform: ValueError: no (see /logs/Transform.log)",
        "Pictures: its pod ended (see /logs/Pictures.log)",
    ]
    other = taken(failed("Transform"), failed("DataGate", "UserError: too dark", "too dark"))
    assert other.summary.exit_code == 1


def test_a_step_that_runs_when_the_worker_dies_has_failed():
    record = taken(
        step("Transform", "running"), step("Transform", "complete"), step("Trainer", "running")
    )
    record.break_off("the worker process ended without a word")
    summary = record.summary
    assert summary.exit_code == 1
    assert summary.reasons == [
        "Trainer: the worker process ended without a word (see /logs/Trainer.log)"
    ]
    assert summary.step("Trainer").state == "failed"
    assert summary.step("Trainer").seconds >= 0
    assert summary.step("Transform").state == "complete"
    assert summary.step("Pusher").state == "skipped"


def test_a_worker_that_dies_before_the_first_step_points_to_the_runs_log():
    record = taken()
    record.break_off("interrupted")
    assert record.summary.reasons == ["interrupted (see /logs/run.log)"]
    # There is nothing that a report could show.
    assert not record.is_broken


def test_a_run_that_fails_after_the_push_says_what_was_pushed():
    record = taken(failed("Report"))
    reasons = record.summary.reasons
    record.take({"event": "conclusion", "outcome": {**OUTCOME, "reasons": reasons}})
    summary = record.summary
    assert (summary.exit_code, summary.blessed, summary.pushed) == (1, True, "/serving/1")
    assert summary.metrics == {"accuracy": 0.5}
    assert summary.reasons[0].startswith("Report: ")


def test_a_users_mistake_found_by_a_step_is_2():
    mistake = failed("Trainer", "UserError: use x", "use x")
    record = taken(mistake, {"event": "stopped", "error": "UserError: use x"})
    assert (record.summary.exit_code, record.summary.reasons) == (2, ["Trainer: use x"])


def test_a_mistake_found_before_the_first_step_is_2():
    record = taken({"event": "stopped", "user_error": "no such data"})
    assert (record.summary.exit_code, record.summary.reasons) == (2, ["no such data"])
    assert not record.is_broken


def test_a_task_that_is_no_step_fails_by_its_name_and_is_not_listed():
    record = taken(failed("prepare", "UserError: no such key", "no such key"))
    assert (record.summary.exit_code, record.summary.reasons) == (2, ["prepare: no such key"])
    assert "prepare" not in [item.id for item in record.summary.steps]


def test_a_run_that_said_why_it_failed_stays_so_when_it_is_interrupted():
    record = taken(failed("Trainer", "UserError: use x", "use x"))
    record.break_off("interrupted")
    assert (record.summary.exit_code, record.summary.reasons) == (2, ["Trainer: use x"])


def test_the_cause_of_a_steps_failure_takes_its_place():
    database = {"event": "stopped", "user_error": "m.sqlite is held by process 7"}
    record = taken(failed("Trainer", "OperationalError: locked"), database)
    assert record.summary.reasons == ["m.sqlite is held by process 7"]
    assert record.summary.exit_code == 2
    assert record.summary.step("Trainer").state == "failed"
    assert record.is_broken
    again = taken(
        failed("DataGate", "x", "too dark"), {"event": "stopped", "user_error": "too dark"}
    )
    assert again.summary.reasons == ["DataGate: too dark"]
