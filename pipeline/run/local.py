"""One run on this machine: starts the worker, shows what it says, and writes the summary."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from components.durable import remove_dead_files
from components.errors import UserError
from components.process import start
from components.progress import read_events
from components.pusher.versions import remove_dead_pushes, served
from pipeline.cli.command_line import undisturbed
from pipeline.config import Config, dump_config
from pipeline.config.yaml_text import write_yaml
from pipeline.run.error_line import gist
from pipeline.run.layout import Layout
from pipeline.run.metadata_file import check_metadata
from pipeline.run.preflight import check_output
from pipeline.run.record import Record
from pipeline.run.report import on_the_page, publish_runs
from pipeline.run.summary import (
    KEPT,
    STEP_FAILED,
    UNFINISHED,
    USAGE,
    Summary,
    keep_summary,
    steps_named,
    write_summary,
)
from pipeline.run.view import View, print_verdict
from pipeline.steps import steps_of


def run(config: Config, output: Path, use_cache: bool, console: Console) -> int:
    """Runs the pipeline and leaves run_summary.json, whatever the end.

    Args:
      config: the whole configuration.
      output: folder of this pipeline (`resolved_output`); made where it is missing.
      use_cache: whether steps that have nothing new to do are skipped.
      console: where the run is shown.

    Returns:
      The exit code (`pipeline.run.summary`).

    Raises:
      UserError: the output folder cannot be used.
    """
    layout = Layout(output)
    started = datetime.datetime.now()
    run_id = started.strftime("%Y%m%d-%H%M%S-%f")
    with _claim(layout, config) as lock:
        for warning in _look_ahead(layout, config):
            console.print(f"warning: {warning}", markup=False, highlight=False)
        logs = layout.logs(run_id)
        logs.mkdir(parents=True)
        write_yaml(dump_config(config), logs / "config.yaml")
        summary = _begin(config, layout, run_id)
        request = {
            "config": summary.config,
            "output": str(layout.output),
            "run_id": run_id,
            "use_cache": use_cache,
        }
        record = Record(summary, layout, logs)
        try:
            _follow(request, record, console, lock)
        finally:
            with undisturbed():
                _leave_summaries(record, layout, logs)
        print_verdict(console, summary, config, served(layout.serving), logs)
        try:
            if not on_the_page(layout):
                publish_runs(config.pipeline_name, layout)
        except (Exception, KeyboardInterrupt) as error:  # The run is over: its end is what counts.
            console.print(f"The page of all runs could not be drawn: {error!r}", markup=False)
        return summary.exit_code


def _look_ahead(layout: Layout, config: Config) -> list[str]:
    """Warnings of what the run will need; clears what killed runs left half written.

    Raises:
      UserError: the run would fail at its end; the summary says so too, where it can be written.
    """
    try:
        warnings = check_output(layout, config)
        check_metadata(Path(layout.metadata), Path(layout.artifacts))
    except UserError as error:
        reasons = [str(error)]
        summary = Summary(config.pipeline_name, "", USAGE, dump_config(config), reasons=reasons)
        summary.steps = steps_named(steps_of(config))
        with contextlib.suppress(OSError):
            write_summary(layout.summary, summary)
        raise
    remove_dead_pushes(layout.serving)
    logs = layout.logs("").glob("*")
    for folder in (layout.output, layout.report.parent, layout.metadata.parent, *logs):
        remove_dead_files(Path(folder))
    return warnings


def _follow(request: dict[str, Any], record: Record, console: Console, lock: TextIO) -> None:
    """Shows the run and enters it into the summary, to its end or to what breaks it off."""
    summary, logs = record.summary, record.logs
    try:
        with View(console, summary) as view:
            for event in _work(request, logs, lock):
                record.take(event)
                view.show(event)
            if summary.exit_code == STEP_FAILED and not summary.reasons:
                record.break_off("the worker process ended without a word")
                failure = {
                    "reason": summary.reasons[0],
                    "steps": [(step.id, step.state, step.seconds) for step in summary.steps],
                }
                for event in _work({**request, "failure": failure}, logs, lock):
                    record.take_report(event)
    except KeyboardInterrupt:
        record.break_off("interrupted")
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        record.break_off(f"{error.strerror or error}{where}")
    except Exception as error:
        record.break_off(gist(error))
        raise


def _leave_summaries(record: Record, layout: Layout, logs: Path) -> None:
    """Writes how the run ended, for programs and for the page of all runs."""
    write_summary(layout.summary, record.summary)
    if record.unchanged:
        # It did nothing that a row would be worth.
        (logs / KEPT).unlink()
    else:
        keep_summary(logs, record.summary)


def _begin(config: Config, layout: Layout, run_id: str) -> Summary:
    """The summary of a run of which nothing is done; as it is left, should the run be killed."""
    summary = Summary(
        pipeline=config.pipeline_name,
        run_id=run_id,
        config=dump_config(config),
        steps=steps_named(steps_of(config)),
        reasons=[UNFINISHED],
    )
    write_summary(layout.summary, summary)
    keep_summary(layout.logs(run_id), summary, over=False)
    summary.reasons = []
    return summary


def write_failed_summary(output: Path, reason: str) -> None:
    """Leaves a summary of a run that could not start.

    An output that cannot be had gets none, and neither does one that a run is writing.
    """
    layout = Layout(output)
    with contextlib.suppress(OSError), _lock(layout):
        summary = Summary(pipeline=_pipeline_of(layout), exit_code=USAGE, reasons=[reason])
        write_summary(layout.summary, summary)


@contextlib.contextmanager
def _claim(layout: Layout, config: Config) -> Iterator[TextIO]:
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


def _work(request: dict[str, Any], logs: Path, lock: TextIO) -> Iterator[dict[str, Any]]:
    """Starts the worker and yields its events; it does not outlive this generator."""
    read_end, write_end = os.pipe()
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "1",
        **os.environ,
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }
    with (logs / "run.log").open("ab") as log:
        worker = start(
            "pipeline.run.worker",
            str(write_end),
            environment=environment,
            stdout=log,
            stderr=log,
            # The lock is the worker's too: a parent that is killed leaves no folder half claimed.
            pass_fds=(write_end, lock.fileno()),
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
