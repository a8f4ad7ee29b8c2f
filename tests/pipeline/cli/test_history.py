"""`bit-tfx runs` and `bit-tfx report` on what runs left."""

import json
import os
import subprocess
import sys

import pytest

from components.process import ROOT
from pipeline.run.last import last_output
from tests.command import bit_tfx
from tests.pipeline.test_layers import FRAMEWORKS


def summary(run_id, code, accuracy=None, pushed=None, finished="2026-05-01T10:00:00", **others):
    metrics = {} if accuracy is None else {"accuracy": accuracy}
    return {
        "run_id": run_id, "finished": finished, "exit_code": code, "config": {"a": 1},
        "metrics": metrics, "reasons": [], "pushed": pushed, **others,
    }  # fmt: skip


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "runs" / "digits"
    for found in (
        summary("20260501-100000-000000", 0, 0.9712346, "/elsewhere/serving/1795552377"),
        summary("20260502-100000-000000", 3, 0.5),
        summary("20260503-100000-000000", 1),
        summary("20260504-100000-000000", 1, finished=None, started="2026-05-04T10:00:00"),
    ):
        log = folder / "logs" / found["run_id"]
        log.mkdir(parents=True)
        (log / "run_summary.json").write_text(json.dumps(found))
    (folder / "run_summary.json").write_text(json.dumps(found))
    (folder / "report").mkdir()
    for name in ("index", "runs"):
        (folder / "report" / f"{name}.html").write_text(f"<html>{name}")
    return folder


def rows(ran):
    assert ran.returncode == 0, ran.stderr
    return [line.split() for line in ran.stdout.splitlines()]


def test_all_runs_are_listed_the_newest_first(output, tmp_path):
    head, *found = rows(bit_tfx("runs", cwd=tmp_path, environment={"COLUMNS": "120"}))
    assert head == ["ended", "exit", "accuracy", "verdict", "pushed", "run"]
    assert [" ".join(row) for row in found] == [
        "2026-05-04 10:00:00 - - did not finish - 20260504-100000-000000",
        "2026-05-01 10:00:00 1 - failed - 20260503-100000-000000",
        "2026-05-01 10:00:00 3 0.5000 rejected - 20260502-100000-000000",
        "2026-05-01 10:00:00 0 0.971235 blessed 1795552377 20260501-100000-000000",
    ]
    assert rows(bit_tfx("runs", "--output", output, environment={"COLUMNS": "120"}))[1:] == found


def test_the_report_of_the_last_run_is_found(output, tmp_path):
    assert bit_tfx("report", cwd=tmp_path).stdout == f"{output}/report/index.html\n"
    assert bit_tfx("report", "--all", cwd=tmp_path).stdout == f"{output}/report/runs.html\n"
    (output / "report" / "index.html").unlink()
    gone = bit_tfx("report", cwd=tmp_path)
    assert gone.returncode == 2
    assert "no run of this output has drawn it yet" in gone.stderr


def test_a_browser_opens_the_page(output, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    ran = bit_tfx("report", "--open", cwd=tmp_path, environment={"BROWSER": f"{browser} %s"})
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "opened").read_text() == f"file://{output}/report/index.html\n"


@pytest.mark.parametrize("verb", ["runs", "report", "quarantine", "tfma"])
def test_without_a_run_it_says_how_to_make_one(tmp_path, verb):
    ran = bit_tfx(verb, cwd=tmp_path)
    assert ran.returncode == 2
    assert "no run has left anything below ./runs: type `" in ran.stderr
    assert "bit-tfx run`" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_a_folder_that_is_no_output_is_named(tmp_path):
    ran = bit_tfx("runs", "--output", tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert str(tmp_path) in ran.stderr


def test_the_last_output_is_the_one_with_the_newest_summary(tmp_path):
    assert last_output(tmp_path) is None
    for name, time in (("a", 2_000), ("b", 3_000), ("c", 1_000)):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "run_summary.json"
        path.write_text("{}")
        os.utime(path, (time, time))
    assert last_output(tmp_path) == str(tmp_path / "b")


@pytest.mark.parametrize("verb", ["runs", "report", "quarantine"])
def test_no_framework_is_loaded(output, verb):
    content = json.loads((output / "run_summary.json").read_text())
    content |= {"quarantine": None, "counts": {"read": 1}}
    (output / "run_summary.json").write_text(json.dumps(content))
    code = (
        "import sys; from pipeline.cli.command_line import perform\n"
        "from pipeline.cli.main import command\n"
        f"assert perform(command, [{verb!r}, '--output', {str(output)!r}]) == 0\n"
        f"loaded = set({FRAMEWORKS!r}) & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
