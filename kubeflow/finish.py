"""The last task, whatever happened: run_summary.json, the report, and the verdict."""

from __future__ import annotations

import argparse
import datetime
import logging
from dataclasses import asdict
from typing import Any

from components.report.collect import Failure
from components.report.content import StepRow
from components.report.executor import PAGE
from components.report.settings import ReportSettings
from components.storage import as_path
from kubeflow.connection import connection_config
from kubeflow.run_folder import RunFolder
from pipeline.failure import draw_failure
from pipeline.kubeflow_config import PREPARE
from pipeline.outcome import read_outcome, read_outputs
from pipeline.report import publish, publish_runs
from pipeline.summary import (
    COMPLETED,
    REJECTED,
    STEP_FAILED,
    STEPS,
    USAGE,
    Summary,
    write_json,
    write_summary,
)

_logger = logging.getLogger(__name__)
_KILLED = "its pod ended without a word: evicted, out of memory, or out of time"
_CUT_OFF = "the run was ended before its last step"


def finish(options: argparse.Namespace, folder: RunFolder) -> None:
    """Writes what the run came to, as the local runner does."""
    summary = Summary(
        pipeline=options.pipeline, run_id=options.run_id, config=folder.config(), reasons=[]
    )
    enter_steps(summary, {name: folder.step(name) for name in (PREPARE, *STEPS)})
    settings = folder.settings()
    if settings:
        _enter_outcome(summary, ReportSettings.model_validate_json(settings), options, folder)
    if not summary.reasons and summary.blessed is None:
        summary.reasons = [_CUT_OFF]
    write_summary(folder.layout.summary, summary)
    finished = datetime.datetime.now().isoformat(timespec="seconds")
    write_json(folder.path / folder.layout.summary.name, {"finished": finished, **asdict(summary)})
    publish_runs(options.pipeline, folder.layout)
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
        if name in STEPS:
            step = summary.step(name)
            step.state = "failed" if killed else state
            step.seconds = round(event.get("seconds", 0.0), 3)
        if killed or state == "failed":
            reason = _KILLED if killed else event["user_error"] or event["error"]
            failed.append(f"{name}: {reason}")
            if event.get("user_error"):
                summary.exit_code = USAGE
    summary.reasons = failed


def _enter_outcome(
    summary: Summary, settings: ReportSettings, options: argparse.Namespace, folder: RunFolder
) -> None:
    """Numbers and verdict from the lineage, and the report."""
    connection = connection_config(options.metadata)
    failed = bool(summary.reasons)
    outputs = read_outputs(connection, options.run_id)
    outcome = read_outcome(outputs, settings.class_names)
    for name, value in outcome.items():
        if not (failed and name == "reasons"):
            setattr(summary, name, value)
    whole = all(summary.step(name).state in ("complete", "cached") for name in STEPS)
    if whole:
        summary.exit_code = COMPLETED if summary.blessed else REJECTED
        page = (as_path(outputs["Report.report"].uri) / PAGE).read_text(encoding="utf-8")
    else:
        summary.reasons = summary.reasons if failed else [_CUT_OFF]
        rows = tuple(StepRow(step.id, step.state, step.seconds) for step in summary.steps)
        page = draw_failure(connection, settings, Failure("; ".join(summary.reasons), rows))
    summary.report = str(publish(page, folder.layout.report))
