"""Enters the events of a run into its summary: from the worker's pipe, or from the tasks' files.

>>> from pipeline.run.summary import Summary
>>> record = Record(Summary())
>>> record.take({"event": "step", "id": "Trainer", "state": "running"})
>>> record.break_off("out of memory")
>>> record.summary.step("Trainer").state, record.summary.reasons
('failed', ['Trainer: out of memory'])
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pipeline.run.summary import COMPLETED, MODEL_REJECTED, STEP_FAILED, USAGE, Summary


def _nowhere(name: str) -> str:
    del name
    return ""


class Record:
    """The summary of a run that goes on.

    Every failure is a reason of the summary, in their order; the first decides the exit code.
    """

    def __init__(self, summary: Summary, log_of: Callable[[str], str] = _nowhere):
        """Enters into `summary`; `log_of` gives the place of a step's log, or of `run`'s."""
        self.summary = summary
        self._log_of = log_of
        self._running: dict[str, float] = {}

    @property
    def is_broken(self) -> bool:
        """Whether the run ended, and not by a verdict, after its first step began."""
        began = any(step.state != "skipped" for step in self.summary.steps)
        return began and self.summary.exit_code in (STEP_FAILED, USAGE)

    def take(self, event: dict[str, Any]) -> None:
        """Enters one event; those that are only shown change nothing."""
        kind, summary = event["event"], self.summary
        if kind == "step":
            self._step(event)
        elif kind == "inputs":
            summary.config = event["config"]
        elif kind == "conclusion":
            summary.enter(event["outcome"])
        elif kind == "outcome":
            summary.enter_verdict(event["outcome"])
        elif kind == "stopped":
            self._stop(event)

    def break_off(self, reason: str) -> None:
        """Ends a run that has no verdict: steps that were running failed for `reason`."""
        if self.summary.exit_code in (COMPLETED, MODEL_REJECTED):
            return
        for name, started in self._running.items():
            seconds = time.time() - started
            self._end(name, {"state": "failed", "seconds": seconds, "error": reason})
        self._running.clear()
        if not self.summary.reasons:
            self._fail("", {"error": reason})

    def _stop(self, event: dict[str, Any]) -> None:
        cause = event.get("user_error")
        if cause and not any(cause in reason for reason in self.summary.reasons):
            # A step's failure was its consequence: a database that another process took.
            self.summary.reasons.clear()
        if not self.summary.reasons:
            self._fail("", event)

    def _step(self, event: dict[str, Any]) -> None:
        name = event["id"]
        self._running.pop(name, None)
        if event["state"] == "running":
            self._running[name] = event.get("time", time.time())
        else:
            self._end(name, event)

    def _end(self, name: str, event: dict[str, Any]) -> None:
        # A task of Kubeflow's that is no step of TFX can fail too.
        for step in self.summary.steps:
            if step.id == name:
                step.state, step.seconds = event["state"], round(event["seconds"], 3)
        if event["state"] == "failed":
            self._fail(name, event)

    def _fail(self, name: str, event: dict[str, Any]) -> None:
        is_users = bool(event.get("user_error"))
        if not self.summary.reasons:
            self.summary.exit_code = USAGE if is_users else STEP_FAILED
        log = "" if is_users else self._log_of(name or "run")
        reason = event["user_error"] if is_users else event["error"]
        self.summary.reasons.append(
            f"{f'{name}: ' if name else ''}{reason}{f' (see {log})' if log else ''}"
        )
