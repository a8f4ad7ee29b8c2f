"""Runs of local_runner.py as a user starts it: a process, its output, what it leaves."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.inputs.code import ROOT

QUICK = (
    "data.splits.train=train[:20%]",
    "data.splits.eval=train[90%:]",
    "training.schedule={steps: 40, boundaries: [30]}",
    "training.steps_per_epoch=10",
    "evaluation.min_accuracy=0.5",
)
"""A run of a few seconds that still learns: 359 scans, four epochs."""


@dataclasses.dataclass
class Ended:
    """How one run ended."""

    exit_code: int
    out: str
    err: str
    seconds: float
    output: Path
    summary: dict
    served: list

    @property
    def states(self):
        return {step["id"]: step["state"] for step in self.summary["steps"]}


@pytest.fixture(scope="session")
def run(tfds_dir):
    """Starts local_runner.py with `--set` for each override, and waits."""

    def start(output, *overrides, root=ROOT, arguments=(), environment=None):
        command = [sys.executable, str(root / "local_runner.py"), *arguments]
        command += ["--output", str(output)]
        for override in overrides:
            command += ["--set", override]
        started = time.monotonic()
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=root,
            env={**os.environ, "TFDS_DATA_DIR": str(tfds_dir), **(environment or {})},
        )
        seconds = time.monotonic() - started
        assert "Traceback" not in ran.stdout + ran.stderr, ran.stdout + ran.stderr
        summary, serving = Path(output, "run_summary.json"), Path(output, "serving")
        return Ended(
            ran.returncode,
            ran.stdout,
            ran.stderr,
            seconds,
            Path(output),
            summary=json.loads(summary.read_text()) if summary.is_file() else {},
            served=sorted(path.name for path in serving.iterdir()) if serving.is_dir() else [],
        )

    return start


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the project that a test may edit."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("components", "pipeline"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "local_runner.py", folder)
    return folder
