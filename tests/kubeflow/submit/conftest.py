"""A package made by the KFP SDK, a server in this process, and the command as users start it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kubeflow.submit.runs import PASSED, shown
from tests.kubeflow.submit.server import Kfp, serving

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-kfp" / "bin" / "python"

_SETTINGS = ("KFP_", "KF_PIPELINES_", "KUBERNETES_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass
class Ended:
    """How the command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def sdk():
    """Skips where the SDK's environment is not there."""
    if not PYTHON.exists():
        pytest.skip("needs .venv-kfp: make kubeflow")


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """flowers.yaml, which the SDK compiles from flowers.py."""
    path = tmp_path_factory.mktemp("package") / "flowers.yaml"
    script = Path(__file__).with_name("flowers.py")
    subprocess.run([PYTHON, script, path], check=True, capture_output=True)
    return path


@pytest.fixture
def kfp():
    """A server that has nothing yet, and shows a run whose model passes."""
    running = shown("RUNNING", {"prepare": "SUCCEEDED", "trainer": "RUNNING"})
    with serving(Kfp(polls=[running, shown("SUCCEEDED", PASSED)])) as server:
        yield server


@pytest.fixture(scope="session")
def forks():
    """A process that has imported everything; it runs one command at a time, each in a fork."""
    process = subprocess.Popen(
        [PYTHON, Path(__file__).with_name("forks.py")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.stdin.close()
    assert process.wait(timeout=10) == 0


@pytest.fixture
def variables(tmp_path):
    """The environment without the user's own server, credentials and proxies."""
    clean = {k: v for k, v in os.environ.items() if not k.upper().startswith(_SETTINGS)}
    return {**clean, "HOME": str(tmp_path)}


@pytest.fixture
def submit(forks, package, kfp, variables, tmp_path):
    """Runs the command to its end; whatever it says, it is no traceback."""

    def _submit(*arguments, more=None, host=True, file=package):
        given = [str(file), "--poll-seconds", "0.03", *map(str, arguments)]
        order = {
            "arguments": given + (["--host", kfp.url] if host else []),
            "variables": {**variables, **(more or {})},
            "out": str(tmp_path / "out.txt"),
            "err": str(tmp_path / "err.txt"),
        }
        print(json.dumps(order), file=forks.stdin, flush=True)
        code = int(forks.stdout.readline())
        done = Ended(code, Path(order["out"]).read_text(), Path(order["err"]).read_text())
        assert "Traceback" not in done.out + done.err, done.err
        return done

    return _submit


@pytest.fixture
def start(package, kfp, variables):
    """Starts the command as users do; returns the process."""

    def _start(*arguments, python=PYTHON, **options):
        line = ["submit", package, "--host", kfp.url, *arguments]
        command = [python, "-m", "kubeflow.cli", *line]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(list(map(str, command)), cwd=ROOT, env=variables, **options)

    return _start
