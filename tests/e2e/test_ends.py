"""Ends of a command whose terminal, log, home or path is not as it should be."""

import json
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from components.backbone.config import SHIPPED
from pipeline.inputs.code import ROOT
from tests.command import BIT_TFX
from tests.e2e.conftest import QUICK
from tests.e2e.test_failure import start

RUNNER = [sys.executable, str(ROOT / "local_runner.py")]


def shell(line, cwd, **environment):
    """Runs a line of bash; its exit code is the first command's of a pipe."""
    return subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


def reasons(output):
    summary = json.loads((output / "run_summary.json").read_text())
    assert summary["exit_code"] == 2
    return summary["reasons"]


@pytest.mark.parametrize(
    "ending", [">/dev/full", "<&- >&- 2>&-", "2>/dev/full >&2", "2>&1 | head -n 1", "| true"]
)
def test_a_run_that_nobody_can_read_ends_as_it_would(tmp_path, ending):
    line = shlex.join([*RUNNER, "--output", "out", "--set", "backbone.handle=/nowhere"])
    ran = shell(f"{line} {ending}", tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert b"Traceback" not in ran.stdout + ran.stderr
    assert "/nowhere: there is no such directory" in reasons(tmp_path / "out")[0]


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=lambda environment: "-".join(environment.values()),
)
def test_a_terminal_without_our_characters_shows_others(tmp_path, environment):
    output = tmp_path / "Bäume 花"
    line = shlex.join([*RUNNER, "--output", str(output), "--set", "backbone.handle=/花"])
    ran = shell(line, tmp_path, **environment)
    assert (ran.returncode, ran.stderr) == (2, b"")
    assert b"Looking at data, backbone and code ..." in ran.stdout
    assert rb"backbone.handle /\u82b1: there is no such directory" in ran.stdout
    # The folder is the one that was typed, whatever the locale makes of its bytes.
    assert "backbone.handle /花" in reasons(output)[0]


def test_other_commands_end_as_they_should_too(tmp_path):
    (tmp_path / "run_summary.json").write_text(
        json.dumps({"quarantine": None, "counts": {"read": 3}, "reasons": []})
    )
    bit_tfx = shlex.join(BIT_TFX)
    tool = f"{bit_tfx} quarantine --output {tmp_path}"
    for line, code, said in (
        (f"{tool} | true", 0, b""),
        (f"{tool} >&-", 0, b""),
        (f"{tool} >/dev/full", 1, b"error: the output cannot be written: No space left on device."),
        (f"{bit_tfx} kubeflow submit --help | true", 0, b""),
        (f"{bit_tfx} kubeflow compile --help >/dev/full", 1, b"error: the output cannot"),
        (f"{bit_tfx} tfma --output /nowhere/花 2>/dev/full", 2, b""),
        (f"{bit_tfx} weights --help | head -n 1", 0, b""),
    ):
        ran = shell(line, ROOT, PYTHONIOENCODING="ascii")
        assert ran.returncode == code, (line, ran.stderr)
        assert ran.stderr.startswith(said), line
        assert len(ran.stderr.splitlines()) == bool(said), ran.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a[1]", "TFX takes [ for part of a pattern"),
        ("what?", "TFX takes ? for part of a pattern"),
        ("a*", "TFX takes * for part of a pattern"),
        ("two\nlines", "the control character '\\n'"),
        ("d" * 250 + "/" + "d" * 250, "too long a path for SQLite"),
        ("d" * 256, "File name too long"),
    ],
)
def test_a_path_that_no_run_could_write_below_is_refused_at_the_start(tmp_path, name, words):
    ran = subprocess.run(
        [*RUNNER, "--output", name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert words in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    if len(name) < 256:
        assert words in reasons(tmp_path / name)[0]


def test_a_name_that_is_no_utf8_is_refused(tmp_path):
    ran = subprocess.run(
        [*map(os.fsencode, RUNNER), b"--output", b"\xff"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert "\\xff: the name is not UTF-8" in ran.stderr


def test_a_home_that_cannot_be_written_is_named_with_what_to_set(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "TFDS_DATA_DIR"}
    ran = subprocess.run(
        [*RUNNER, "--output", "out"],
        cwd=tmp_path,
        env={**environment, "HOME": "/proc/nobody"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    (reason,) = reasons(tmp_path / "out")
    for word in ("/proc/nobody/tensorflow_datasets", "data.data_dir", "TFDS_DATA_DIR"):
        assert word in reason


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_needs_no_reader_no_log_no_home_and_no_plain_path(tmp_path, tfds_dir):
    """One run for all: `| head`, logs on a full disk, an odd path, odd data, an ASCII terminal."""
    data = tmp_path / "data [1]*{x}?"
    shutil.copytree(tfds_dir, data)
    output = tmp_path / "a b#c%20d'e\"f{g}é→&;$x,=:@~!()|k"
    line = [*RUNNER, "--output", str(output), "--set", f"data.data_dir={json.dumps(str(data))}"]
    for override in QUICK:
        line += ["--set", override]
    full = (
        "import os, pathlib, sys, time\n"
        "logs = pathlib.Path(sys.argv[1], 'logs')\n"
        "while not list(logs.glob('*/run.log')): time.sleep(0.05)\n"
        "(run,) = logs.iterdir()\n"
        "for name in ('StatisticsGen', 'Transform', 'Trainer'):\n"
        "    os.symlink('/dev/full', run / f'{name}.log')\n"
    )
    with subprocess.Popen([sys.executable, "-c", full, str(output)]):
        ran = shell(
            f"{shlex.join(line)} | head -n 1",
            tmp_path,
            HOME="/proc/nobody",
            PYTHONIOENCODING="ascii",
        )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == b"standard output is closed (Broken pipe); the work continues.\n"
    summary = json.loads((output / "run_summary.json").read_text())
    assert (summary["exit_code"], summary["blessed"], summary["reasons"]) == (0, True, [])
    assert (output / "serving" / summary["pushed"] / "saved_model.pb").is_file()


@pytest.mark.slow
def test_a_damaged_backbone_is_2_before_the_first_step(run, tmp_path):
    backbone = tmp_path / "backbone"
    shutil.copytree(SHIPPED["bit-mini"], backbone)
    index = backbone / "variables" / "variables.index"
    index.write_bytes(index.read_bytes()[:-1] + b"\0")
    ended = run(tmp_path / "out", f"backbone.handle={backbone}")
    assert ended.exit_code == 2
    assert str(index) in ended.summary["reasons"][0]
    assert set(ended.states.values()) == {"skipped"}


@pytest.mark.slow
def test_a_run_that_was_killed_is_among_all_runs(run, tmp_path, tfds_dir):
    output = tmp_path / "out"
    assert run(output, *QUICK).exit_code == 0
    parent = start(output, tfds_dir, "Loading TFX", *QUICK, "training.seed=7")
    parent.kill()
    parent.wait()
    killed = json.loads((output / "run_summary.json").read_text())["run_id"]
    # The next run has nothing to do, and still draws the page.
    ended = run(output, *QUICK)
    while "in use by another run" in ended.err:
        ended = run(output, *QUICK)
    assert set(ended.states.values()) == {"cached"}
    page = (output / "report" / "runs.html").read_text()
    assert f"../logs/{killed}/" in page
    assert "did not finish" in page
    assert ended.summary["run_id"] not in page
    assert (output / "logs" / killed / "run.log").is_file()
