"""The process that runs the pipeline: all of TFX and TensorFlow is here, and none in its parent.

Its standard input is the request, one JSON line, and then stays open as long as the parent lives.
Its standard output and error are the run's log files. Its events go to the pipe whose descriptor is
its one argument (`components.progress`).

Its parent starts it and reads the events:

    from components.process import start
    from components.progress import read_events

    pipes = {"pass_fds": (write_end,), "text": True}
    worker = start("pipeline.run.worker", str(write_end), environment=os.environ, **pipes)
    print(json.dumps(request), file=worker.stdin, flush=True)
    for event in read_events(os.fdopen(read_end)):
        print(event["event"])
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.process import end_with_parent, importing, leave
from components.progress import LOGGER, EventHandler, report
from components.pusher.rollback import serving_state
from components.terminal import settle_streams
from pipeline.config import Config, dump_config
from pipeline.config.beam import has_workers
from pipeline.inputs.resolve import Inputs, resolve
from pipeline.properties import digests
from pipeline.run.error_line import one_line, without_place
from pipeline.run.layout import Layout
from pipeline.run.metadata_file import check_metadata, connection_of
from pipeline.run.preflight import check_stores
from pipeline.run.run_folder import RunFolder
from pipeline.run.step_logs import StepLogs
from pipeline.run.summary import Summary
from pipeline.run.unchanged import files_of, is_unchanged


def main() -> None:
    """Does what one request asks for; how it ended is in the events."""
    request = json.loads(sys.stdin.readline())
    # Ctrl-C on a terminal is for the parent, which closes our input; a Beam job is cancelled first.
    signal.signal(signal.SIGINT, _leave_to_parent)
    end_with_parent(_end_beam)
    settle_streams(_log_lost, _log_lost)
    folder = RunFolder(Layout(Path(request["output"])), request["run_id"])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    LOGGER.setLevel(logging.INFO)
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as pipe:
        LOGGER.addHandler(StepLogs(folder.path))
        LOGGER.addHandler(EventHandler(pipe))
        try:
            config = Config.model_validate_json(json.dumps(request["config"]))
            if "broken" in request:
                _conclude(config, folder, Summary.from_dict(request["broken"]))
            else:
                _run(config, folder, request["use_cache"])
        except UserError as error:
            report("stopped", event="stopped", user_error=without_place(str(error)))
        except Exception as error:
            logging.exception("the run failed")
            report("stopped", event="stopped", error=one_line(error))


def _leave_to_parent(*signal_and_frame: object) -> None:
    """Not SIG_IGN, which the processes that a step starts would inherit."""


def _end_beam() -> None:
    """Cancels the Beam job that runs, and ends a job service that was started for it."""
    # Neither is there where Beam was not imported; importing takes seconds.
    jobs = sys.modules.get("pipeline.run.beam_jobs")
    if jobs is not None:
        jobs.cancel_jobs()
        jobs.stop_job_services()


def _log_lost(error: OSError) -> None:
    """The run is worth more than its log; the next step's is another file."""
    text = f"Its log cannot be written, and the run goes on: {error.strerror or error}"
    report(text, event="note", text=text)


def _run(config: Config, folder: RunFolder, use_cache: bool) -> None:
    layout = folder.layout
    report("reading", event="phase", text="Looking at data, backbone and code")
    inputs = resolve(config, layout)
    report("inputs", event="inputs", **_facts(inputs))
    # A schema that was written and removed since is written again.
    wanted = inputs.schema is None and config.data.write_schema is not None
    if use_cache and not wanted and is_unchanged(inputs, layout):
        report("unchanged", event="unchanged")
        return
    if has_workers(inputs.config.beam):
        _ask_workers(inputs, layout)
    report("importing", event="phase", text="Loading TFX")
    # Not at the top: this is where ten seconds go, and an unchanged run does without.
    with importing():
        from tfx.orchestration import metadata

        from pipeline.run.compile import compile_run
        from pipeline.run.conclude import conclude
        from pipeline.run.dag_runner import LocalDagRunner

    # Not ten tries of 22 s each for a database that another process holds: the retries are for
    # processes that make its tables at the same time, and this output belongs to one run.
    metadata._MAX_INIT_RETRY = 1
    check_stores(layout, inputs.config)
    layout.metadata.parent.mkdir(parents=True, exist_ok=True)
    connection = connection_of(Path(layout.metadata))
    try:
        ir = compile_run(inputs, folder, connection, own_store=True, use_cache=use_cache)
        LocalDagRunner().run_with_ir(ir)
        outcome, outputs = conclude(connection, folder, inputs.config)
    except Exception:
        # ML Metadata names neither file nor cure for a database that was taken meanwhile.
        check_metadata(Path(layout.metadata), Path(layout.artifacts))
        raise
    report(
        "outcome",
        event="outcome",
        outcome=outcome,
        key=inputs.key,
        steps=digests(inputs),
        served=serving_state(layout.serving),
        files=files_of(outputs, layout),
    )


def _ask_workers(inputs: Inputs, layout: Layout) -> None:
    report("asking", event="phase", text="Asking Beam's workers")
    with importing():
        from pipeline.run.probe import data_of, probe

    check_stores(layout, inputs.config)
    probe(inputs.config.beam, layout.output, data_of(inputs.source))


def _conclude(config: Config, folder: RunFolder, summary: Summary) -> None:
    """Reads and shows what a run left that broke off."""
    layout = folder.layout
    report("drawing", event="phase", text="Drawing the report")
    with importing():
        from pipeline.run.conclude import conclude_broken

    check_metadata(Path(layout.metadata), Path(layout.artifacts))
    connection = connection_of(Path(layout.metadata))
    outcome = conclude_broken(connection, folder, config, summary)
    report("conclusion", event="conclusion", outcome=outcome)


def _facts(inputs: Inputs) -> dict[str, Any]:
    source = inputs.source
    return {
        "source": source.full_name,
        "classes": len(source.class_names),
        "config": dump_config(inputs.config),
        "examples": {split: source.num_examples(split) for split in source.split_fingerprints},
        "backbone": inputs.backbone.handle,
        "backbone_sha256": inputs.backbone.sha256,
    }


if __name__ == "__main__":
    main()
    _end_beam()
    leave(0)
