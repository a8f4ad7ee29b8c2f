"""One run on this machine: starts the worker, shows its events, and writes the summary.

`bit-tfx run` is:

    from rich.console import Console

    from pipeline.config import load_config
    from pipeline.run.local import run
    from pipeline.run.output_path import resolved_output

    output = resolved_output(Path("runs/digits"))
    exit_code = run(load_config("digits"), output, use_cache=True, console=Console())
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from components.backbone.hub import cache_folder
from components.drafts import remove_left
from components.durable import remove_dead_files
from components.errors import UserError
from components.process import start
from components.progress import read_events
from components.pusher.versions import remove_dead_pushes, served
from pipeline.cli.command_line import undisturbed
from pipeline.config import Config, dump_config
from pipeline.config.yaml_text import write_yaml
from pipeline.run.claim import claim
from pipeline.run.error_line import one_line
from pipeline.run.layout import Layout
from pipeline.run.metadata_file import check_metadata
from pipeline.run.preflight import check_output, check_signing_key
from pipeline.run.record import Record
from pipeline.run.report import on_the_page, publish_runs
from pipeline.run.summary import (
    SUMMARY_FILE,
    USAGE,
    Summary,
    as_values,
    begin,
    keep_summary,
    write_summary,
)
from pipeline.run.unchanged import repeat, write_last_run
from pipeline.run.view import View, print_verdict


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
    run_id = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    with claim(layout, config) as lock:
        for warning in _look_ahead(layout, config):
            console.print(f"warning: {warning}", markup=False, highlight=False)
        logs = layout.logs(run_id)
        logs.mkdir(parents=True)
        write_yaml(dump_config(config), logs / "config.yaml")
        summary = begin(config, layout, run_id)
        local = _LocalRun(layout, summary, lock)
        try:
            local.follow(console, use_cache)
        finally:
            with undisturbed():
                local.leave(console)
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
        check_signing_key(config)
        warnings = check_output(layout, config)
        check_metadata(Path(layout.metadata), Path(layout.artifacts))
    except UserError as error:
        summary = Summary.of(config)
        summary.exit_code, summary.reasons = USAGE, [str(error)]
        with contextlib.suppress(OSError):
            write_summary(layout.summary, summary)
        raise
    remove_dead_pushes(layout.serving)
    if isinstance(layout.output, Path):
        # Of a probe: the output is claimed, and those of steps are in artifacts of their own.
        remove_left(layout.output)
    logs = layout.logs("").glob("*")
    for folder in (layout.output, layout.report.parent, layout.metadata.parent, *logs):
        remove_dead_files(Path(folder))
    return warnings


class _LocalRun:
    """A run whose worker does the work."""

    def __init__(self, layout: Layout, summary: Summary, lock: TextIO):
        self._layout, self._lock = layout, lock
        self._logs = layout.logs(summary.run_id)
        self._record = Record(summary, lambda name: str(self._logs / f"{name}.log"))
        self._is_unchanged = False

    def follow(self, console: Console, use_cache: bool) -> None:
        """Shows the run and enters it into the summary, to its end or to what breaks it off."""
        record, summary = self._record, self._record.summary
        request = {
            "config": summary.config,
            "output": str(self._layout.output),
            "run_id": summary.run_id,
        }
        try:
            with View(console, summary) as view:
                for event in _work({**request, "use_cache": use_cache}, self._logs, self._lock):
                    self._take(event)
                    view.show(event)
                record.break_off("the worker process ended without a word")
                if record.is_broken:
                    # `inputs` has settled the configuration.
                    broken = {"config": summary.config, "broken": as_values(summary)}
                    for event in _work({**request, **broken}, self._logs, self._lock):
                        record.take(event)
                        view.show(event)
        except KeyboardInterrupt:
            record.break_off("interrupted")
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            record.break_off(f"{error.strerror or error}{where}")
        except Exception as error:
            record.break_off(one_line(error))
            raise

    def _take(self, event: dict[str, Any]) -> None:
        self._record.take(event)
        if event["event"] == "outcome":
            # Without it the next run takes longer, and this one is over all the same.
            with contextlib.suppress(OSError):
                write_last_run(event, self._record.summary, self._layout)
        elif event["event"] == "unchanged":
            self._is_unchanged = True
            repeat(self._record.summary, self._layout)

    def leave(self, console: Console) -> None:
        """Writes how the run ended, for programs and for the page of all runs.

        Raises:
          OSError: run_summary.json, which it names, cannot be written.
        """
        try:
            write_summary(self._layout.summary, self._record.summary)
        except OSError as error:
            error.filename = error.filename or str(self._layout.summary)
            raise
        kept = self._logs / SUMMARY_FILE
        try:
            if self._is_unchanged:
                # It did nothing that deserves a row.
                kept.unlink()
            else:
                keep_summary(self._logs, self._record.summary)
        except OSError as error:
            # A full disk of the logs; the run itself is over.
            console.print(
                f"warning: {kept} cannot be written ({error.strerror or error}); the page of all "
                "runs and `bit-tfx runs` show this run as one that did not finish.",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


def _work(request: dict[str, Any], logs: Path, lock: TextIO) -> Iterator[dict[str, Any]]:
    """Starts the worker and yields its events; it does not outlive this generator."""
    # TensorFlow and tfds leave temporary files behind, in a process that is killed all of them.
    with tempfile.TemporaryDirectory(prefix="bit-tfx-", ignore_cleanup_errors=True) as scratch:
        environment = {
            "TF_CPP_MIN_LOG_LEVEL": "1",
            **os.environ,
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            # The default of hub's cache is below TMPDIR.
            "TFHUB_CACHE_DIR": cache_folder(),
            "TMPDIR": scratch,
        }
        yield from _events(request, logs, lock, environment)


def _events(
    request: dict[str, Any], logs: Path, lock: TextIO, environment: dict[str, str]
) -> Iterator[dict[str, Any]]:
    read_end, write_end = os.pipe()
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
        # A worker that could not even start has closed its end; its output is in its log.
        with contextlib.suppress(BrokenPipeError):
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
        with os.fdopen(read_end, encoding="utf-8") as pipe:
            yield from read_events(pipe)
    finally:
        # The end of its input stops a worker that still runs at once.
        with contextlib.suppress(OSError):
            worker.stdin.close()
        worker.wait()
