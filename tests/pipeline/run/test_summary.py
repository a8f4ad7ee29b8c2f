"""run_summary.json and what the runner makes of events."""

import json
from types import SimpleNamespace

import pytest

from components.evaluator.config import EvaluationConfig
from components.finite import write_json
from components.progress import read_events
from pipeline.run.layout import Layout
from pipeline.run.report import on_the_page, publish_runs
from pipeline.run.summary import (
    SUMMARY_FILE,
    StepState,
    Summary,
    keep_summary,
    write_summary,
)
from pipeline.run.unchanged import is_unchanged, repeat, write_last_run

CONTRACT = {
    "pipeline", "run_id", "exit_code", "config", "steps", "span", "counts", "quarantine",
    "metrics", "baseline_metrics", "model_check", "blessed", "reasons", "warnings", "pushed",
    "not_pushed", "report",
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

ENDED = {"event": "outcome", "key": "k", "steps": {}, "served": "s", "files": {}}


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def finished(layout, **fields):
    """The summary of a run that is done, written for the next."""
    steps = [StepState(name, "complete", 1.5) for name in STEPS]
    summary = Summary(exit_code=0, steps=steps, **{**OUTCOME, **fields})
    write_last_run(ENDED, summary, layout)


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


def test_a_number_that_is_not_finite_is_null_in_valid_json(layout):
    write_summary(layout.summary, Summary(metrics={"loss": float("nan"), "per_class": {}}))
    assert "NaN" not in layout.summary.read_text()
    assert json.loads(layout.summary.read_text())["metrics"] == {"loss": None, "per_class": {}}


def test_an_unchanged_run_ends_as_the_last_one_and_pushes_nothing(layout):
    finished(layout, warnings=["a part is gone"])
    second = Summary(run_id="2")
    repeat(second, layout)
    assert (second.exit_code, second.blessed, second.metrics) == (0, True, {"accuracy": 0.5})
    assert second.pushed is None
    assert second.warnings == ["a part is gone"]
    assert second.run_id == "2"
    assert {item.state for item in second.steps} == {"cached"}
    assert {item.seconds for item in second.steps} == {0.0}


def test_a_run_is_unchanged_only_while_what_it_left_is_there(layout):
    inputs = SimpleNamespace(key="k", served="s")
    assert not is_unchanged(inputs, layout)
    finished(layout, run_id="7")
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
    for path in (layout.summary, layout.logs("1") / SUMMARY_FILE):
        assert any(json.loads(path.read_text())["reasons"]) == (code != 0)


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
    quarantine = "/old/digits/artifacts/ImageExampleGen/quarantine/3"
    finished(layout, report="/old/digits/report/index.html", quarantine=quarantine)
    second = Summary()
    repeat(second, layout)
    assert second.report == str(layout.report)
    assert second.quarantine == str(tmp_path / "artifacts" / "ImageExampleGen" / "quarantine" / "3")
