"""The output folder of a run on this machine: made, and in one run's use at a time.

>>> import tempfile
>>> from pipeline.config import load_config
>>> with tempfile.TemporaryDirectory() as output:
...     with claim(Layout(output), load_config("digits")):  # No other run can write there.
...         with claim(Layout(output), load_config("digits")):
...             pass
Traceback (most recent call last):
...
components.errors.UserError: --output ... is in use by another run.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from components.errors import UserError
from pipeline.config import Config
from pipeline.run.layout import Layout
from pipeline.run.summary import USAGE, Summary, write_summary


def write_failed_summary(output: Path, reason: str) -> None:
    """Leaves a summary of a run that could not start.

    It writes none where the output cannot be used, or where another run writes.
    """
    layout = Layout(output)
    with contextlib.suppress(OSError), _lock(layout):
        summary = Summary(pipeline=_pipeline_of(layout), exit_code=USAGE, reasons=[reason])
        write_summary(layout.summary, summary)


@contextlib.contextmanager
def claim(layout: Layout, config: Config) -> Iterator[TextIO]:
    """The output folder, made, writable, of this pipeline, and in no other run's use."""
    try:
        lock = _lock(layout)
    except BlockingIOError as error:
        raise UserError(f"--output {layout.output} is in use by another run.") from error
    except OSError as error:
        raise UserError(f"--output {layout.output} cannot be written: {error.strerror}.") from error
    with lock:
        other = _pipeline_of(layout)
        if other not in ("", config.pipeline_name):
            raise UserError(
                f"--output {layout.output} belongs to the pipeline {other!r}, and this one is "
                f"{config.pipeline_name!r}: give another folder."
            )
        yield lock


def _lock(layout: Layout) -> TextIO:
    """Makes the folder and locks it until the file is closed; OSError where it cannot be."""
    layout.output.mkdir(parents=True, exist_ok=True)
    lock = layout.lock.open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock


def _pipeline_of(layout: Layout) -> str:
    try:
        return str(json.loads(layout.summary.read_text(encoding="utf-8"))["pipeline"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
