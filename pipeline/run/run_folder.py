"""What the parts of one run leave for each other: small files in the run's log folder.

On this machine the parts are the worker and the conclusion of a run that broke off; on Kubeflow
they are the tasks.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as output:
    ...     folder = RunFolder(Layout(output), "20261130-101500-000000")
    ...     folder.write_step({"id": "Trainer", "state": "running"})
    ...     address, sha256 = folder.write_ir("{}")
    ...     folder.step("Trainer")["state"], folder.step("Pusher"), read_ir(address, sha256)
    ('running', None, '{}')
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from typing import Any

from components.errors import UserError
from components.finite import read_json, write_json
from components.progress import EVENT
from components.report.settings import ReportSettings
from components.storage import AnyPath, as_path, io_errors, write_whole
from pipeline.run.layout import Layout

_CONFIG, _SETTINGS, _IR, _STEPS = "config.json", "report_settings.json", "pipeline.json", "steps"


@dataclass(frozen=True)
class RunFolder:
    """The log folder of one run below the pipeline's output."""

    layout: Layout
    run_id: str

    @property
    def path(self) -> AnyPath:
        """`<output>/logs/<run id>`."""
        return self.layout.logs(self.run_id)

    def write_config(self, config: dict[str, Any], settings: ReportSettings) -> None:
        """Writes the resolved configuration, and the settings of the report."""
        write_json(self.path / _CONFIG, config)
        write_whole(self.path / _SETTINGS, settings.model_dump_json())

    def config(self) -> dict[str, Any]:
        """The resolved configuration; {} where the run never came to one."""
        path = self.path / _CONFIG
        return dict(read_json(path)) if path.exists() else {}

    def settings(self) -> ReportSettings | None:
        """The settings of the report; None where the run never came to them."""
        path = self.path / _SETTINGS
        if not path.exists():
            return None
        return ReportSettings.model_validate_json(path.read_text(encoding="utf-8"))

    def write_ir(self, ir: str) -> tuple[str, str]:
        """Writes the compiled pipeline; returns its address and SHA-256."""
        path = self.path / _IR
        write_whole(path, ir)
        return str(path), _sha256(ir)

    def write_step(self, event: dict[str, Any]) -> None:
        """Writes the newest event of a step."""
        write_json(self.path / _STEPS / f"{event['id']}.json", {**event, "time": time.time()})

    def step(self, name: str) -> dict[str, Any] | None:
        """The newest event of a step, with its `time`; None where it never started."""
        path = self.path / _STEPS / f"{name}.json"
        return dict(read_json(path)) if path.exists() else None


def read_ir(address: str, sha256: str) -> str:
    """The compiled pipeline that `prepare` wrote.

    Raises:
      UserError: it is not there, or not the one whose SHA-256 was handed on.
    """
    try:
        text = as_path(address).read_text(encoding="utf-8")
    except io_errors() as error:
        raise UserError(f"the compiled pipeline {address} cannot be read: {error}") from error
    if _sha256(text) != sha256:
        raise UserError(
            f"{address} has the SHA-256 {_sha256(text)}, and prepare handed on {sha256}: somebody "
            "changed it. Start the run again."
        )
    return text


class StepRecorder(logging.Handler):
    """Writes the step events of `components.progress` into the run's folder."""

    def __init__(self, folder: RunFolder):
        super().__init__()
        self._folder = folder

    def emit(self, record: logging.LogRecord) -> None:
        """Logging's hook."""
        event = record.__dict__.get(EVENT) or {}
        if event.get("event") == "step":
            self._folder.write_step(event)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
