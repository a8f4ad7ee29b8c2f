"""Prism of the installed Beam's version: built by Go once, and as a job service with a worker pool.

with JobService(folder) as prism:
    config = {"beam": prism.section()}
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from components.process import ROOT
from pipeline.config.prism import PACKAGE
from tests.engines.packages import cache, made_once
from tests.engines.processes import Processes, free_ports, listens, pool_command

VERSION = metadata.version("apache-beam")

_FETCHES_GO = (1, 21)
"""The first Go that fetches the one that a module asks for."""


def missing() -> str | None:
    """What this machine lacks, as a sentence; else None."""
    needed = "Go 1.21 or later builds Prism"
    if not shutil.which("go"):
        return f"{needed}, and there is no go on PATH: https://go.dev/doc/install"
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < _FETCHES_GO:
        return f"{needed}, and go is {said.strip()}: https://go.dev/doc/install"
    return None


def program() -> Path:
    """Prism, built on the first call: two minutes, 65 MB.

    Raises:
      RuntimeError: Go did not build it; with what it said.
    """
    return made_once(cache() / f"prism-{VERSION}", _build) / "prism"


def _build(folder: Path) -> None:
    command = ["go", "install", f"{PACKAGE}@v{VERSION}"]
    environment = {**os.environ, "GOBIN": str(folder), "GOTOOLCHAIN": "auto"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {ran.stderr[-1000:]}")


class JobService(Processes):
    """Prism and a worker pool, on free ports; `prism` and `pool` by name."""

    def __init__(self, folder: Path, code: Path = ROOT):
        super().__init__(folder, code)
        self._job, self._pool = free_ports(2)
        self.commands = {
            "prism": [
                *(str(program()), f"--job_port={self._job}"),
                *("--serve_http=false", "--log_kind=json"),
            ],
            "pool": pool_command(self._pool),
        }

    def __enter__(self) -> JobService:
        super().__enter__()
        for name in self.commands:
            self.start(name)
        self.wait_for("Prism", lambda: listens("localhost", self._job))
        self.wait_for("worker pool", lambda: listens("localhost", self._pool))
        return self

    def section(self, **options: Any) -> dict[str, Any]:
        """The configuration's `beam` that sends a run's jobs here; options of Beam on top."""
        return {
            "runner": "PortableRunner",
            "options": {
                "job_endpoint": f"localhost:{self._job}",
                "environment_type": "EXTERNAL",
                "environment_config": f"localhost:{self._pool}",
                **options,
            },
        }
