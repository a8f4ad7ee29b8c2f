"""The last task, whatever happened: run_summary.json, the report, and the verdict.

>>> import tempfile
>>> from pipeline.run.layout import Layout
>>> with tempfile.TemporaryDirectory() as output:
...     folder = RunFolder(Layout(output), "20261130-101500-000000")
...     folder.write_step({"event": "step", "id": PREPARE, "state": "running"})
...     summary = Summary(run_id=folder.run_id)
...     enter_steps(summary, folder)
>>> summary.reasons
['prepare: its pod ended without a word: evicted, out of memory, or out of time']
"""

from __future__ import annotations

import argparse
import json
import logging

from components.report.settings import ReportSettings
from pipeline.config import Config
from pipeline.config.kubeflow import PREPARE
from pipeline.run.conclude import conclude, conclude_broken
from pipeline.run.connection import connection_config
from pipeline.run.error_line import one_line
from pipeline.run.record import Record
from pipeline.run.report import publish_runs
from pipeline.run.run_folder import RunFolder
from pipeline.run.summary import (
    STEP_FAILED,
    Summary,
    keep_summary,
    write_summary,
)

_logger = logging.getLogger(__name__)
_KILLED = "its pod ended without a word: evicted, out of memory, or out of time"


def finish(options: argparse.Namespace, folder: RunFolder) -> None:
    """Writes how the run ended, whatever its end."""
    end_run(folder, options.pipeline, options.metadata)


def end_run(folder: RunFolder, pipeline: str, metadata: str) -> None:
    """Writes run_summary.json and the report as the local runner does.

    The Report step does it too: when KFP's Retry completes a run, its finish task ran before.

    Args:
      folder: of the run.
      pipeline: its name.
      metadata: JSON for `pipeline.run.connection.connection_config`.
    """
    values = folder.config()
    if values:
        summary = Summary.of(Config.model_validate_json(json.dumps(values)), folder.run_id)
    else:
        summary = Summary(pipeline=pipeline, run_id=folder.run_id)
    enter_steps(summary, folder)
    settings = folder.settings()
    if settings:
        _conclude(summary, settings, folder, metadata)
    write_summary(folder.layout.summary, summary)
    keep_summary(folder.path, summary)
    publish_runs(pipeline, folder.layout)
    _logger.info("exit code %d; %s", summary.exit_code, "; ".join(summary.reasons) or "blessed")


def enter_steps(summary: Summary, folder: RunFolder) -> None:
    """Enters the newest event of every task, in the order of their times."""
    names = (PREPARE, *(step.id for step in summary.steps))
    events = {name: folder.step(name) for name in names}
    there = [event for event in events.values() if event]
    record = Record(summary)
    for event in sorted(there, key=lambda event: event["time"]):
        record.take(event)
    silent = next((name for name, event in events.items() if event is None), None)
    if any(event["state"] == "running" for event in there):
        record.break_off(_KILLED)
    elif silent:
        record.break_off(f"{silent} never reported: its pod in KFP says why, or the run was ended")


def _conclude(summary: Summary, settings: ReportSettings, folder: RunFolder, metadata: str) -> None:
    """Enters numbers and verdict from the lineage, and publishes the report."""
    try:
        connection = connection_config(metadata)
        config = Config.model_validate_json(json.dumps(settings.config))
        if summary.reasons:
            summary.enter(conclude_broken(connection, folder, config, summary))
        else:
            outcome, _ = conclude(connection, folder, config)
            summary.enter_verdict(outcome)
    except Exception as error:
        # A summary of the last run, left in place, would pass for this one's.
        _logger.exception("what the run left could not be read")
        summary.exit_code = summary.exit_code or STEP_FAILED
        summary.reasons.append(f"what the run left could not be read: {one_line(error)}")
