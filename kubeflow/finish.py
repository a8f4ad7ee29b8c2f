"""The last task, whatever happened: run_summary.json, the report, and the verdict."""

from __future__ import annotations

import argparse
import json
import logging
from typing import Any

from components.report.collect import Failure
from components.report.content import StepRow
from components.report.settings import ReportSettings
from kubeflow.connection import connection_config
from kubeflow.run_folder import RunFolder
from pipeline.config import Config
from pipeline.config.kubeflow import PREPARE
from pipeline.inputs.schema import write_inferred
from pipeline.run.error_line import gist
from pipeline.run.failure import draw_failure
from pipeline.run.outcome import read_outcome, read_outputs, read_page
from pipeline.run.report import publish, publish_runs
from pipeline.run.summary import (
    COMPLETED,
    MODEL_REJECTED,
    STEP_FAILED,
    USAGE,
    Summary,
    keep_summary,
    steps_named,
    write_summary,
)
from pipeline.steps import steps_of

_logger = logging.getLogger(__name__)
_KILLED = "its pod ended without a word: evicted, out of memory, or out of time"


def finish(options: argparse.Namespace, folder: RunFolder) -> None:
    """Writes what the run came to, whatever it came to."""
    conclude(folder, options.pipeline, options.metadata)


def conclude(folder: RunFolder, pipeline: str, metadata: str) -> None:
    """Writes run_summary.json and the report as the local runner does.

    The Report step does it too: a run that KFP's Retry mends has had its finish already.

    Args:
      folder: of the run.
      pipeline: its name.
      metadata: JSON for `kubeflow.connection.connection_config`.
    """
    summary = Summary(pipeline=pipeline, run_id=folder.run_id, config=folder.config())
    if summary.config:
        config = Config.model_validate_json(json.dumps(summary.config))
        summary.steps = steps_named(steps_of(config))
    events = {name: folder.step(name) for name in (PREPARE, *(s.id for s in summary.steps))}
    enter_steps(summary, events)
    settings = folder.settings()
    try:
        if settings:
            report_settings = ReportSettings.model_validate_json(settings)
            _enter_outcome(summary, report_settings, connection_config(metadata), folder)
    except Exception as error:
        # A summary of the last run, left in place, would pass for this one's.
        _logger.exception("what the run left could not be read")
        summary.exit_code = max(summary.exit_code, STEP_FAILED)
        summary.reasons.append(f"what the run left could not be read: {gist(error)}")
    write_summary(folder.layout.summary, summary)
    keep_summary(folder.path, summary)
    publish_runs(pipeline, folder.layout)
    _logger.info("exit code %d; %s", summary.exit_code, "; ".join(summary.reasons) or "blessed")


def enter_steps(summary: Summary, events: dict[str, dict[str, Any] | None]) -> None:
    """Enters the newest event of every step, and why the run failed if it did.

    Args:
      summary: its exit code becomes 2 where a mistake of the user's ended the run, else 1.
      events: by step, `prepare` among them; None where a step never started.
    """
    failed: list[str] = []
    summary.exit_code = STEP_FAILED
    for name, event in events.items():
        if event is None:
            continue
        state, killed = event["state"], event["state"] == "running"
        if name != PREPARE:
            step = summary.step(name)
            step.state = "failed" if killed else state
            step.seconds = round(event.get("seconds", 0.0), 3)
        if killed or state == "failed":
            reason = _KILLED if killed else event["user_error"] or event["error"]
            failed.append(f"{name}: {reason}")
            if event.get("user_error"):
                summary.exit_code = USAGE
    silent = next((name for name, event in events.items() if event is None), None)
    if silent and not failed:
        failed = [f"{silent} never reported: its pod in KFP says why, or the run was ended"]
    summary.reasons = failed


def _enter_outcome(
    summary: Summary, settings: ReportSettings, connection: Any, folder: RunFolder
) -> None:
    """Numbers and verdict from the lineage, and the report."""
    whole = all(step.state in ("complete", "cached") for step in summary.steps)
    outputs = read_outputs(connection, folder.run_id)
    data = Config.model_validate_json(json.dumps(summary.config)).data
    write_inferred(data, outputs, len(settings.class_names))
    outcome = read_outcome(outputs, settings.class_names)
    summary.enter(outcome, but=() if whole else ("reasons",))
    if whole:
        page = read_page(outputs)
        summary.exit_code = COMPLETED if summary.blessed else MODEL_REJECTED
    else:
        rows = tuple(StepRow(step.id, step.state, step.seconds) for step in summary.steps)
        page = draw_failure(connection, settings, Failure("; ".join(summary.reasons), rows))
    summary.report = str(publish(page, folder.layout.report))
