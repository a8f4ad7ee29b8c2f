"""One run on this machine: starts the worker, shows what it says, and writes the summary."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from components.errors import UserError
from components.pusher.versions import served
from pipeline.code import ROOT
from pipeline.config import Config, dump_config, write_yaml
from pipeline.layout import Layout
from pipeline.local.events import read_events
from pipeline.local.view import View, print_verdict
from pipeline.summary import (
    COMPLETED,
    REJECTED,
    STEP_FAILED,
    USAGE,
    Summary,
    write_json,
    write_summary,
)


def run(config: Config, output: Path, use_cache: bool, console: Console) -> int:
    """Runs the pipeline and leaves run_summary.json, whatever the end.

    Args:
      config: the whole configuration.
      output: folder of this pipeline; made where it is missing.
      use_cache: whether steps that have nothing new to do are skipped.
      console: where the run is shown.

    Returns:
      The exit code (`pipeline.summary`).

    Raises:
      UserError: the output folder cannot be used.
    """
    layout = Layout(output.resolve())
    started = datetime.datetime.now()
    run_id = started.strftime("%Y%m%d-%H%M%S-%f")
    with _claim(layout, config) as lock:
        logs = layout.logs(run_id)
        logs.mkdir(parents=True)
        write_yaml(dump_config(config), logs / "config.yaml")
        summary = Summary(pipeline=config.pipeline_name, run_id=run_id, config=dump_config(config))
        request = {
            "config": summary.config,
            "output": str(layout.output),
            "run_id": run_id,
            "use_cache": use_cache,
        }
        try:
            with View(console, summary) as view:
                for event in _work(request, logs, lock):
                    _take(event, summary, layout, logs)
                    view.show(event)
        except KeyboardInterrupt:
            summary.exit_code = STEP_FAILED
            summary.reasons = ["interrupted"]
        finally:
            if summary.exit_code == STEP_FAILED and not summary.reasons:
                summary.reasons = [
                    f"the worker process ended without a verdict; see the end of {logs / 'run.log'}"
                ]
            write_summary(layout.summary, summary)
        print_verdict(console, summary, config, served(layout.serving), logs)
        return summary.exit_code


def write_failed_summary(output: Path, reason: str) -> None:
    """Leaves a summary of a run that could not start; an output that cannot be had gets none."""
    layout = Layout(output)
    with contextlib.suppress(OSError):
        summary = Summary(pipeline=_pipeline_of(layout), exit_code=USAGE, reasons=[reason])
        write_summary(layout.summary, summary)


@contextlib.contextmanager
def _claim(layout: Layout, config: Config) -> Iterator[TextIO]:
    """The output folder, made, writable, of this pipeline, and in no other run's use."""
    try:
        layout.output.mkdir(parents=True, exist_ok=True)
        lock = layout.lock.open("w", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output {layout.output} cannot be written: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(f"--output {layout.output} is in use by another run.") from error
        other = _pipeline_of(layout)
        if other not in ("", config.pipeline_name):
            raise UserError(
                f"--output {layout.output} belongs to the pipeline {other!r}, and this one is "
                f"{config.pipeline_name!r}: give another folder."
            )
        yield lock


def _pipeline_of(layout: Layout) -> str:
    try:
        return str(json.loads(layout.summary.read_text(encoding="utf-8"))["pipeline"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _work(request: dict[str, Any], logs: Path, lock: TextIO) -> Iterator[dict[str, Any]]:
    """Starts the worker and yields its events; it does not outlive this generator."""
    read_end, write_end = os.pipe()
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "1",
        **os.environ,
        "TF_USE_LEGACY_KERAS": "1",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    with (logs / "run.log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "pipeline.local.worker", str(write_end)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # The lock is the worker's too: a parent that is killed leaves no folder half claimed.
            pass_fds=(write_end, lock.fileno()),
            env=environment,
            text=True,
        )
    os.close(write_end)
    assert worker.stdin is not None
    try:
        # A worker that could not even start has closed its end; what it said is in its log.
        with contextlib.suppress(BrokenPipeError):
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
        with os.fdopen(read_end, encoding="utf-8") as pipe:
            yield from read_events(pipe)
    finally:
        # Its end of input is what makes a worker that still runs stop at once.
        with contextlib.suppress(OSError):
            worker.stdin.close()
        worker.wait()


def _take(event: dict[str, Any], summary: Summary, layout: Layout, logs: Path) -> None:
    """Enters an event into the summary."""
    kind = event["event"]
    if kind == "step" and event["state"] != "running":
        step = summary.step(event["id"])
        step.state, step.seconds = event["state"], round(event["seconds"], 3)
        if event["state"] == "failed":
            summary.exit_code = USAGE if event["user_error"] else STEP_FAILED
            log = logs / f"{event['id']}.log"
            reason = event["user_error"] or f"{event['error']} (see {log})"
            summary.reasons = [f"{event['id']}: {reason}"]
    elif kind == "user_error":
        summary.exit_code, summary.reasons = USAGE, [event["reason"]]
    elif kind == "failure" and not summary.reasons:
        summary.reasons = [f"{event['reason']} (see {logs / 'run.log'})"]
    elif kind == "outcome":
        for name, value in event["outcome"].items():
            setattr(summary, name, value)
        summary.exit_code = COMPLETED if summary.blessed else REJECTED
        state = {"key": event["key"], "served": event["served"], "summary": asdict(summary)}
        write_json(layout.last_run, state)
    elif kind == "unchanged":
        _repeat(summary, Summary.from_dict(json.loads(layout.last_run.read_text())["summary"]))


def _repeat(summary: Summary, last: Summary) -> None:
    """An unchanged run ends as the last one did, with every step cached and nothing pushed."""
    for name in ("exit_code", "counts", "metrics", "baseline_metrics", "blessed", "reasons"):
        setattr(summary, name, getattr(last, name))
    summary.report = last.report
    for step in last.steps:
        summary.step(step.id).state = "cached"
