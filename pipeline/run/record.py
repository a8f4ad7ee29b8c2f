"""Enters what the worker says into the summary."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from pipeline.run.layout import Layout
from pipeline.run.summary import (
    COMPLETED,
    MODEL_REJECTED,
    STEP_FAILED,
    USAGE,
    Summary,
    as_values,
    write_json,
)
from pipeline.run.unchanged import repeated


class Record:
    """The summary of a run that goes on."""

    def __init__(self, summary: Summary, layout: Layout, logs: Path):
        self.summary = summary
        self.unchanged = False
        self._layout = layout
        self.logs = logs
        self._running: dict[str, float] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Enters one event of the worker."""
        kind, summary = event["event"], self.summary
        if kind == "step":
            self._step(event)
        elif kind == "inputs":
            summary.config = event["config"]
        elif kind == "user_error":
            summary.exit_code, summary.reasons = USAGE, [event["reason"]]
        elif kind == "failure" and not summary.reasons:
            summary.reasons = [f"{event['reason']} (see {self.logs / 'run.log'})"]
        elif kind == "report":
            self.take_report(event)
        elif kind == "outcome":
            summary.enter(event["outcome"])
            summary.exit_code = COMPLETED if summary.blessed else MODEL_REJECTED
            state = {key: event[key] for key in ("key", "served", "files")}
            # Without it the next run takes longer, and this one is over all the same.
            with contextlib.suppress(OSError):
                write_json(self._layout.last_run, {**state, "summary": as_values(summary)})
        elif kind == "partial":
            # Of a run that failed: its reasons and its exit code are the failure's.
            summary.enter(event["outcome"], but=("reasons",))
        elif kind == "unchanged":
            self.unchanged = True
            last = json.loads(self._layout.last_run.read_text(encoding="utf-8"))
            _repeat(summary, repeated(Summary.from_dict(last["summary"]), self._layout))

    def take_report(self, event: dict[str, Any]) -> None:
        """Enters nothing but where the report is: of a worker that only draws it."""
        if event["event"] == "report":
            self.summary.report = event["path"]

    def break_off(self, reason: str) -> None:
        """Ends a run that has no verdict: the step that was running failed for `reason`.

        A run that has one, or a reason for its failure, stays as it is.
        """
        if self.summary.exit_code != STEP_FAILED or self.summary.reasons:
            return
        log = self.logs / "run.log"
        for name, started in self._running.items():
            step = self.summary.step(name)
            step.state, step.seconds = "failed", round(time.monotonic() - started, 3)
            reason, log = f"{name}: {reason}", self.logs / f"{name}.log"
        self.summary.reasons = [f"{reason} (see the end of {log})"]

    def _step(self, event: dict[str, Any]) -> None:
        name, state = event["id"], event["state"]
        if state == "running":
            self._running[name] = time.monotonic()
            return
        self._running.pop(name, None)
        step = self.summary.step(name)
        step.state, step.seconds = state, round(event["seconds"], 3)
        if state == "failed":
            self.summary.exit_code = USAGE if event["user_error"] else STEP_FAILED
            log = self.logs / f"{name}.log"
            reason = event["user_error"] or f"{event['error']} (see {log})"
            self.summary.reasons = [f"{name}: {reason}"]


_REPEATED = (
    "exit_code",
    "span",
    "counts",
    "quarantine",
    "metrics",
    "baseline_metrics",
    "blessed",
    "reasons",
    "warnings",
    "report",
)


def _repeat(summary: Summary, last: Summary) -> None:
    """An unchanged run ends as the last one did, with every step cached and nothing pushed."""
    for name in _REPEATED:
        setattr(summary, name, getattr(last, name))
    for step in last.steps:
        summary.step(step.id).state = "cached"
