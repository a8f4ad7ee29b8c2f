"""run_summary.json and what the runner makes of events."""

import json
from types import SimpleNamespace

import pytest

from components.evaluator.config import EvaluationConfig
from components.progress import read_events
from pipeline.run.layout import Layout
from pipeline.run.record import Record
from pipeline.run.report import on_the_page, publish_runs
from pipeline.run.summary import KEPT, StepState, Summary, keep_summary, write_json, write_summary
from pipeline.run.unchanged import is_unchanged

CONTRACT = {
    "pipeline", "run_id", "exit_code", "config", "steps", "span", "counts", "quarantine",
    "metrics", "baseline_metrics", "blessed", "reasons", "warnings", "pushed", "report",
}  # fmt: skip

STEPS = [step.id for step in Summary().steps]
OUTCOME = {
    "span": 2,
    "counts": {"read": 3, "rejected": {}, "train": 2, "eval": 1},
    "metrics": {"accuracy": 0.5},
    "baseline_metrics": {},
    "blessed": True,
    "reasons": [],
    "pushed": "/serving/1",
}

ENDED = {"event": "outcome", "key": "k", "served": "s", "files": {}}


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def take(summary, layout, *events):
    record = Record(summary, layout, layout.logs("1"))
    for event in events:
        record.take(event)
    return record


def step(name, state, **fields):
    return {"event": "step", "id": name, "state": state, "seconds": 1.5, **fields}


def test_every_key_is_there_from_the_start(layout):
    write_summary(layout.summary, Summary())
    written = json.loads(layout.summary.read_text())
    assert set(written) == CONTRACT
    assert [item["id"] for item in written["steps"]] == STEPS
    assert {item["state"] for item in written["steps"]} == {"skipped"}
    assert written["counts"] == {"read": 0, "rejected": {}, "train": 0, "eval": 0, "splits": {}}
    assert {written[key] for key in ("span", "quarantine", "blessed", "pushed", "report")} == {None}


def test_a_summary_reads_back_as_itself():
    summary = Summary(pipeline="x", steps=[StepState("Trainer", "complete", 2.0)], **OUTCOME)
    from dataclasses import asdict

    assert Summary.from_dict(json.loads(json.dumps(asdict(summary)))) == summary


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "deep" / "file.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


@pytest.mark.parametrize(("blessed", "code"), [(True, 0), (False, 3)])
def test_the_verdict_is_the_exit_code(layout, blessed, code):
    summary = Summary()
    outcome = {**OUTCOME, "blessed": blessed}
    take(summary, layout, {**ENDED, "outcome": outcome})
    assert (summary.exit_code, summary.blessed) == (code, blessed)
    assert json.loads(layout.last_run.read_text())["key"] == "k"


def test_a_failed_step_is_named_with_its_log(layout):
    summary = Summary()
    failed = step("Trainer", "failed", error="ValueError: no", user_error=None)
    failure = {"event": "failure", "reason": "RuntimeError: ValueError: no [while running ...]"}
    take(summary, layout, step("Transform", "complete"), failed, failure)
    assert summary.exit_code == 1
    assert summary.reasons == [f"Trainer: ValueError: no (see {layout.logs('1') / 'Trainer.log'})"]
    states = {item.id: item.state for item in summary.steps}
    assert states["Transform"] == "complete"
    assert states["Trainer"] == "failed"
    assert states["Pusher"] == "skipped"


def test_a_step_that_runs_when_the_worker_dies_has_failed(layout):
    summary = Summary()
    record = take(
        summary,
        layout,
        step("Transform", "running"),
        step("Transform", "complete"),
        step("Trainer", "running"),
    )
    record.break_off("the worker process ended without a word")
    assert summary.exit_code == 1
    log = layout.logs("1") / "Trainer.log"
    assert summary.reasons == [
        f"Trainer: the worker process ended without a word (see the end of {log})"
    ]
    assert summary.step("Trainer").state == "failed"
    assert summary.step("Trainer").seconds >= 0
    assert summary.step("Transform").state == "complete"
    assert summary.step("Pusher").state == "skipped"


def test_a_worker_that_dies_between_steps_points_to_the_runs_log(layout):
    summary = Summary()
    take(summary, layout).break_off("interrupted")
    assert summary.reasons == [f"interrupted (see the end of {layout.logs('1') / 'run.log'})"]


def test_a_number_that_is_not_finite_is_null_in_valid_json(layout):
    write_summary(layout.summary, Summary(metrics={"loss": float("nan"), "per_class": {}}))
    assert "NaN" not in layout.summary.read_text()
    assert json.loads(layout.summary.read_text())["metrics"] == {"loss": None, "per_class": {}}


def test_a_run_that_fails_after_the_push_says_what_was_pushed(layout):
    summary = Summary()
    failed = step("Report", "failed", error="ValueError: no", user_error=None)
    take(summary, layout, failed, {"event": "partial", "outcome": OUTCOME})
    assert (summary.exit_code, summary.blessed, summary.pushed) == (1, True, "/serving/1")
    assert summary.metrics == {"accuracy": 0.5}
    assert summary.reasons[0].startswith("Report: ")
    assert not layout.last_run.exists()


def test_a_users_mistake_found_by_a_step_is_2(layout):
    summary = Summary()
    failed = step("Trainer", "failed", error="UserError: use x", user_error="use x")
    take(summary, layout, failed, {"event": "failure", "reason": "UserError: use x"})
    assert (summary.exit_code, summary.reasons) == (2, ["Trainer: use x"])


def test_a_mistake_found_before_the_first_step_is_2(layout):
    summary = Summary()
    take(summary, layout, {"event": "user_error", "reason": "no such data"})
    assert (summary.exit_code, summary.reasons) == (2, ["no such data"])


def test_an_unchanged_run_ends_as_the_last_one_and_pushes_nothing(layout):
    first = Summary()
    outcome = {**ENDED, "outcome": {**OUTCOME, "warnings": ["a part is gone"]}}
    take(first, layout, *(step(name, "complete") for name in STEPS), outcome)
    second = Summary(run_id="2")
    take(second, layout, {"event": "unchanged"})
    assert (second.exit_code, second.blessed, second.metrics) == (0, True, {"accuracy": 0.5})
    assert second.pushed is None
    assert second.warnings == ["a part is gone"]
    assert second.run_id == "2"
    assert {item.state for item in second.steps} == {"cached"}
    assert {item.seconds for item in second.steps} == {0.0}


def test_a_run_is_unchanged_only_while_what_it_left_is_there(layout):
    inputs = SimpleNamespace(key="k", served="s")
    assert not is_unchanged(inputs, layout)
    take(Summary(run_id="7"), layout, {**ENDED, "outcome": OUTCOME})
    assert not is_unchanged(inputs, layout)
    layout.report.parent.mkdir()
    layout.report.write_text("the page of run 8, which failed")
    assert not is_unchanged(inputs, layout)
    layout.report.write_text("the page of run 7")
    assert is_unchanged(inputs, layout)
    assert not is_unchanged(SimpleNamespace(key="k", served="other"), layout)
    assert not is_unchanged(SimpleNamespace(key="other", served="s"), layout)


def test_a_line_that_was_cut_off_is_no_event():
    lines = ['{"event": "a"}\n', '{"event": "b"}\n', '{"eve']
    assert [event["event"] for event in read_events(lines)] == ["a", "b"]


def test_the_table_shows_numbers_against_gates():
    from rich.console import Console

    from pipeline.config import load_config
    from pipeline.run.view import print_verdict

    config = load_config().model_copy(update={"evaluation": EvaluationConfig(min_accuracy=0.9)})
    summary = Summary(exit_code=3, metrics={"accuracy": 0.5, "loss": 1.25}, reasons=["too bad"])
    summary.span = 3
    summary.warnings = ["the baseline is gone"]
    console = Console(record=True, width=100)
    print_verdict(console, summary, config, None, Layout.__name__)
    text = console.export_text()
    assert "0.5000" in text
    assert "0.9000" in text
    assert "rejected: too bad" in text
    assert "nothing is served" in text
    assert "Data      span 3\n" in text
    assert "Warning   the baseline is gone\n" in text


def test_epochs_are_noted_at_the_step_that_they_are_of():
    from rich.console import Console

    from pipeline.run.view import View

    summary = Summary(steps=[StepState("Tuner"), StepState("Trainer")])
    console = Console(record=True, width=120, force_terminal=True)
    view = View(console, summary)
    told = {"event": "epoch", "epoch": 1, "epochs": 2, "metrics": {"val_accuracy": 0.25}}
    view.show(step("Tuner", "running"))
    view.show({**told, "trial": "3/9"})
    console.print(view._render())
    assert "trial 3/9, epoch 1/2: held-out accuracy 0.2500" in console.export_text()
    view.show({"event": "trial", "text": "trial 3/9, schedule [seed]: pruned"})
    summary.step("Tuner").state = "complete"
    view.show(step("Tuner", "complete"))
    view.show(step("Trainer", "running"))
    view.show({**told, "trial": ""})
    console.print(view._render())
    tuner, trainer = [
        line for line in console.export_text().splitlines() if "Tuner" in line or "Trainer" in line
    ]
    assert "trial 3/9, schedule [seed]: pruned" in tuner
    assert "epoch 1/2: eval accuracy 0.2500" in trainer
    assert "trial" not in trainer


def test_every_split_is_told_with_what_it_holds():
    from rich.console import Console

    from pipeline.run.view import View

    console = Console(record=True, width=200, force_terminal=False)
    view = View(console, Summary())
    told = {"event": "inputs", "source": "folder/birds", "classes": 3, "backbone": "bit-mini"}
    view.show({**told, "examples": {"train": 1527, "eval": 270}})
    view.show({**told, "examples": {"train": 1527, "eval": 270, "test": 9}})
    two, three = console.export_text().splitlines()
    assert two == (
        "Data folder/birds: 1,527 train and 270 eval images in 3 classes; backbone bit-mini"
    )
    assert "1,527 train, 270 eval and 9 test images" in three


@pytest.mark.parametrize("code", [0, 1, 2, 3])
@pytest.mark.parametrize("reasons", [[], [""]])
def test_every_end_but_a_completed_run_has_a_reason(layout, code, reasons):
    summary = Summary(exit_code=code, reasons=reasons)
    write_summary(layout.summary, summary)
    keep_summary(layout.logs("1"), summary)
    for path in (layout.summary, layout.logs("1") / KEPT):
        assert any(json.loads(path.read_text())["reasons"]) == (code != 0)


def test_the_first_reason_stays(layout):
    summary = Summary()
    failed = step("Trainer", "failed", error="UserError: use x", user_error="use x")
    record = take(summary, layout, failed)
    record.break_off("interrupted")
    assert (summary.exit_code, summary.reasons) == (2, ["Trainer: use x"])


def test_a_verdict_stays_when_the_end_is_interrupted(layout):
    summary = Summary()
    outcome = {"event": "outcome", "key": "k", "served": "s", "files": {}, "outcome": OUTCOME}
    take(summary, layout, outcome).break_off("interrupted")
    assert (summary.exit_code, summary.reasons) == (0, [])


def test_a_run_that_began_is_on_the_page_until_it_is_over(layout):
    keep_summary(layout.logs("1"), Summary(run_id="1", exit_code=0))
    publish_runs("digits", layout)
    assert on_the_page(layout)
    begun = Summary(run_id="2", reasons=["it was killed"])
    keep_summary(layout.logs("2"), begun, over=False)
    assert not on_the_page(layout)
    publish_runs("digits", layout)
    assert on_the_page(layout)
    page = layout.runs.read_text()
    assert page.count("did not finish") == 1
    assert "it was killed" in page
    keep_summary(layout.logs("2"), Summary(run_id="2", exit_code=0))
    publish_runs("digits", layout)
    assert "did not finish" not in layout.runs.read_text()


def test_an_unchanged_run_in_a_folder_that_was_moved_names_the_new_place(layout, tmp_path):
    first = Summary(report="/old/digits/report/index.html")
    quarantine = "/old/digits/artifacts/ImageExampleGen/quarantine/3"
    take(first, layout, {**ENDED, "outcome": {**OUTCOME, "quarantine": quarantine}})
    second = Summary()
    take(second, layout, {"event": "unchanged"})
    assert second.report == str(layout.report)
    assert second.quarantine == str(tmp_path / "artifacts" / "ImageExampleGen" / "quarantine" / "3")
