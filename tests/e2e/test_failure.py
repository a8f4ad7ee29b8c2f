"""Steps that fail, and processes that are killed: what is left is true and can be run over."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.inputs.code import ROOT
from tests.components.trainer.jobs import learned
from tests.e2e.conftest import QUICK


def history(ended):
    (path,) = (ended.output / "artifacts" / "Trainer" / "model_run").glob("*/history.json")
    return json.loads(path.read_text())


def start(output, tfds_dir, until, *overrides, arguments=()):
    """A run that has just printed a line with `until` in it."""
    command = [sys.executable, str(ROOT / "local_runner.py"), "--output", str(output), *arguments]
    for override in overrides:
        command += ["--set", override]
    parent = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TFDS_DATA_DIR": str(tfds_dir), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
        # A shell that starts the tests in the background has them ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    for line in parent.stdout:
        if until in line:
            return parent
    raise AssertionError(parent.stderr.read())


def workers(parent):
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if path.read_text().rpartition(")")[2].split()[1] == str(parent.pid)
    ]


def test_a_step_that_fails_is_named_with_its_log_and_nothing_is_pushed(run, tmp_path):
    schema = tmp_path / "schema.pbtxt"
    # Transform finds no image in it, and the gate that would say so is told to let it pass.
    schema.write_text('feature { name: "label" type: INT int_domain { is_categorical: true } }')
    ended = run(
        tmp_path / "out",
        *QUICK,
        f"data.curated_schema={schema}",
        "data_gate.anomalies=report",
    )
    assert ended.exit_code == 1
    failed = [step for step, state in ended.states.items() if state == "failed"]
    assert failed == ["Transform"]
    assert ended.states["ImageExampleGen"] == "complete"
    assert ended.states["Evaluator"] == ended.states["Pusher"] == "skipped"
    (reason,) = ended.summary["reasons"]
    assert reason.startswith("Transform: ")
    log = reason.rpartition("(see ")[2].rstrip(")")
    assert "KeyError" in Path(log).read_text()
    assert "Transform" in ended.out
    assert ended.served == []
    # The report shows what there is, the failure first.
    page = Path(ended.summary["report"]).read_text()
    body = page[page.index("<body") :]
    assert "KeyError" in body
    assert body.index("KeyError") < body.index('id="data"')
    assert 'id="confusion"' not in body
    assert "failed" in (ended.output / "report" / "runs.html").read_text()


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(run, tmp_path, tfds_dir):
    output = tmp_path / "out"
    told = (*QUICK, "training.schedule={steps: 300, boundaries: [225]}", "training.epochs=20")
    unbroken = run(tmp_path / "unbroken", *told)
    told = (*told, "training.checkpoint_seconds=0")
    parent = start(output, tfds_dir, "epoch 3/", *told)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    left = json.loads((output / "run_summary.json").read_text())
    assert left["exit_code"] == 1
    assert "did not finish" in left["reasons"][0]
    ended = run(output, *told)
    deadline = time.monotonic() + 10
    while ended.exit_code == 2 and time.monotonic() < deadline:
        # The worker may need a moment to notice that its parent is gone.
        assert "in use by another run" in ended.err
        ended = run(output, *told)
    assert ended.exit_code == 0, ended.out + ended.err
    assert ended.states["ImageExampleGen"] == "cached"
    assert ended.states["Trainer"] == "complete"
    assert len(ended.served) == 1
    assert int(re.search(r"Resuming after step (\d+) of 200", ended.out)[1]) >= 20
    assert learned(history(ended)) == learned(history(unbroken))
    assert ended.summary["metrics"] == unbroken.summary["metrics"]
    assert not list((output / "checkpoints").iterdir())


@pytest.mark.slow
def test_a_step_whose_worker_is_killed_has_failed(tmp_path, tfds_dir):
    """As the kernel does when memory runs out."""
    output = tmp_path / "out"
    parent = start(output, tfds_dir, "epoch 1/", *QUICK)
    for worker in workers(parent):
        os.kill(worker, signal.SIGKILL)
    out, err = parent.communicate(timeout=60)
    assert parent.returncode == 1
    assert "Traceback" not in out + err
    summary = json.loads((output / "run_summary.json").read_text())
    steps = {step["id"]: step for step in summary["steps"]}
    assert steps["Trainer"]["state"] == "failed"
    assert steps["Trainer"]["seconds"] > 0
    assert steps["Transform"]["state"] == "complete"
    assert steps["Evaluator"]["state"] == "skipped"
    (reason,) = summary["reasons"]
    assert reason.startswith("Trainer: the worker process ended")
    assert "Trainer.log" in reason
    assert reason in out
    page = Path(summary["report"]).read_text()
    assert "the worker process ended without a word" in page
    assert 'id="data"' in page


@pytest.mark.slow
def test_metadata_that_is_taken_in_the_middle_of_a_run_ends_it_in_one_sentence(
    run, tmp_path, tfds_dir
):
    output = tmp_path / "out"
    parent = start(output, tfds_dir, "epoch 1/", *QUICK)
    hold = (
        "import sqlite3, sys; database = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "database.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    database = output / "metadata" / "metadata.sqlite"
    command = [sys.executable, "-c", hold, str(database)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        held = time.monotonic()
        out, err = parent.communicate(timeout=300)
        assert time.monotonic() - held < 120
        holder.communicate()
    assert parent.returncode == 2
    assert "Traceback" not in out + err
    summary = json.loads((output / "run_summary.json").read_text())
    (reason,) = summary["reasons"]
    assert f"{database} is held by process {holder.pid}" in reason
    assert f"kill {holder.pid} ;" in reason
    ended = run(output, *QUICK)
    assert ended.exit_code == 0, ended.out
    assert ended.states["ImageExampleGen"] == "cached"
    assert len(ended.served) == 1


def test_a_ctrl_c_before_the_run_is_one_word(tmp_path):
    code = """
import signal, sys, threading, _thread
signal.signal(signal.SIGINT, signal.default_int_handler)
from pipeline.cli.main import main
from pipeline.inputs import own_source
def load_config(*_):
    signal.raise_signal(signal.SIGINT)
own_source.load_config = load_config
sys.exit(main(["run"]))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (1, "interrupted\n")


def test_a_full_disk_is_one_sentence(tmp_path):
    """A limit on the size of files stands in for the disk."""
    command = f"ulimit -f 0; {sys.executable} {ROOT / 'local_runner.py'} --output {tmp_path}/out"
    ran = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2, ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert "No folder for temporary files can be written" in ran.stderr
    assert "set TMPDIR" in ran.stderr


@pytest.mark.parametrize(
    "kind",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_says_so(tmp_path, tfds_dir, kind):
    output = tmp_path / "out"
    parent = start(output, tfds_dir, "Loading TFX")
    if kind == signal.SIGINT:
        # As the terminal does on Ctrl-C: to the whole group.
        os.killpg(parent.pid, kind)
    else:
        parent.send_signal(kind)
    out, err = parent.communicate(timeout=60)
    assert parent.returncode == 1
    assert "Traceback" not in out + err
    summary = json.loads((output / "run_summary.json").read_text())
    assert summary["reasons"][0].startswith("interrupted (see ")
    assert summary["exit_code"] == 1
