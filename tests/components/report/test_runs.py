"""The page of all runs."""

import pytest

from components.report.runs import changes, render_runs, run_rows


def summary(run_id, exit_code=0, accuracy=0.9, seed=1, **fields):
    return {
        "run_id": run_id,
        "finished": f"2026-11-25T01:0{run_id}:00",
        "exit_code": exit_code,
        "config": {"training": {"seed": seed}, "data": {"name": "digits"}},
        "metrics": {} if accuracy is None else {"accuracy": accuracy, "loss": 0.5},
        "reasons": [],
        "pushed": None,
        **fields,
    }


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b: 1 → 2"]),
        ({"a": {"b": None}}, {"a": {"b": 0.5}}, ["a.b: null → 0.5"]),
        ({}, {"a": "x"}, ["a: not given → x"]),
        ({"s": "seed"}, {"s": {"steps": 3}}, ["s: seed → not given", "s.steps: not given → 3"]),
    ],
)
def test_what_changed(before, after, told):
    assert list(changes(before, after)) == told


def test_the_newest_run_is_first_and_tells_what_changed():
    rows = run_rows([summary("1", pushed="/serving/1"), summary("2", 3, 0.5, seed=2)])
    assert [row.run_id for row in rows] == ["2", "1"]
    assert rows[0].changes == ("training.seed: 1 → 2",)
    assert (rows[0].verdict, rows[1].verdict) == ("rejected", "blessed")
    assert rows[1].pushed


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, "blessed"), (1, "failed"), (2, "not run"), (3, "rejected")]
)
def test_the_verdict_is_the_exit_code(code, verdict):
    assert run_rows([summary("1", code)])[0].verdict == verdict


def test_the_page_needs_no_script_and_no_network():
    summaries = [
        summary("1"),
        summary("2", 1, None, reasons=["Trainer: <b>no</b>"]),
        summary("3", seed=2),
    ]
    page = render_runs("digits", summaries)
    assert "<script" not in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "training.seed: 1 → 2" in page
    assert "<svg" in page
    table = page[page.index("<tbody") :]
    assert table.index("01:03") < table.index("01:02") < table.index("01:01")


def test_one_run_has_no_chart():
    assert "<svg" not in render_runs("digits", [summary("1")])


def test_a_run_that_was_killed_has_a_row():
    killed = summary("2", 1, None, finished=None, started="2026-11-25T01:02:00", reasons=["killed"])
    rows = run_rows([summary("1"), killed, summary("3")])
    assert [row.verdict for row in rows] == ["blessed", "did not finish", "blessed"]
    assert rows[1].finished == "2026-11-25T01:02:00"
    assert "did not finish" in render_runs("digits", [summary("1"), killed])


def test_a_run_without_a_configuration_changed_nothing():
    rows = run_rows([summary("1"), summary("2", 2, None, config={}), summary("3", seed=2)])
    assert [row.changes for row in rows] == [("training.seed: 1 → 2",), (), ()]
