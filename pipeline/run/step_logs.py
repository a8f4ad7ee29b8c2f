"""Sends what a step prints, from Python or from C++, to a log file of its own.

The process that runs the steps switches with their events:

    from components.progress import LOGGER
    from pipeline.run.step_logs import StepLogs

    LOGGER.addHandler(StepLogs(Path("runs/digits/logs/20261130-101500-000000")))
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from components.progress import EVENT, report


class StepLogs(logging.Handler):
    """Switches the process's output between files as steps begin and end."""

    def __init__(self, folder: Path):
        super().__init__()
        self._folder = folder

    def emit(self, record: logging.LogRecord) -> None:
        """Logging's hook: follows the `step` events."""
        event = record.__dict__.get(EVENT, {})
        if event.get("event") == "step":
            name = event["id"] if event["state"] == "running" else "run"
            path = self._folder / f"{name}.log"
            try:
                redirect_output(path)
            except OSError as error:
                text = f"{path} cannot be opened ({error.strerror}): its lines are in the last log"
                report(text, event="note", text=text)


def redirect_output(path: Path) -> None:
    """Points this process's standard output and error at the end of a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(target, descriptor)
    os.close(target)
