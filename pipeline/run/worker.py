"""The process that runs the pipeline: all of TFX and TensorFlow is here, and none in its parent.

Its standard input is the request, one JSON line, and then stays open as long as the parent lives.
Its standard output and error are the run's log files. What it has to say goes to the pipe whose
descriptor is its one argument (`components.progress`).
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.process import end_with_parent, importing, leave
from components.progress import LOGGER, EventHandler, report
from components.pusher.versions import served_digest
from components.terminal import settle_streams
from pipeline.config import Config, dump_config
from pipeline.inputs.resolve import Inputs, resolve
from pipeline.run.error_line import gist, without_place
from pipeline.run.layout import Layout
from pipeline.run.metadata_file import check_metadata
from pipeline.run.preflight import check_stores
from pipeline.run.step_logs import StepLogs
from pipeline.run.unchanged import is_unchanged


def main() -> None:
    """Runs one request; how it ended is in the events."""
    request = json.loads(sys.stdin.readline())
    end_with_parent()
    settle_streams(_log_lost, _log_lost)
    layout, run_id = Layout(Path(request["output"])), request["run_id"]
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    LOGGER.setLevel(logging.INFO)
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as pipe:
        LOGGER.addHandler(StepLogs(layout.logs(run_id)))
        LOGGER.addHandler(EventHandler(pipe))
        try:
            config = Config.model_validate_json(json.dumps(request["config"]))
            if "failure" in request:
                _report_failure(config, layout, run_id, request["failure"])
            else:
                _run(config, layout, run_id, request["use_cache"])
        except UserError as error:
            report("stopped", event="user_error", reason=without_place(str(error)))
        except Exception as error:
            logging.exception("the run failed")
            report("stopped", event="failure", reason=gist(error))


def _log_lost(error: OSError) -> None:
    """The run is worth more than its log; the next step's is another file."""
    text = f"Its log cannot be written, and the run goes on: {error.strerror or error}"
    report(text, event="note", text=text)


def _run(config: Config, layout: Layout, run_id: str, use_cache: bool) -> None:
    report("reading", event="phase", text="Looking at data, backbone and code")
    inputs = resolve(config, layout)
    config = inputs.config
    report("inputs", event="inputs", **_facts(inputs))
    # A schema that was asked for, written and taken away again is asked for anew.
    wanted = inputs.schema is None and config.data.write_schema is not None
    if use_cache and not wanted and is_unchanged(inputs, layout):
        report("unchanged", event="unchanged")
        return
    report("importing", event="phase", text="Loading TFX")
    # Not at the top: this is where ten seconds go, and an unchanged run does without.
    with importing():
        from pipeline.run.execute import execute

    check_stores(layout, config)
    try:
        outcome, files = execute(config, inputs, layout, run_id, use_cache)
    except Exception:
        # ML Metadata names neither file nor cure of a database that was taken meanwhile.
        check_metadata(Path(layout.metadata), Path(layout.artifacts))
        raise
    served = served_digest(layout.serving)
    report("outcome", event="outcome", key=inputs.key, served=served, outcome=outcome, files=files)


def _report_failure(config: Config, layout: Layout, run_id: str, failure: dict[str, Any]) -> None:
    """Draws the report of a run whose own worker is gone."""
    report("drawing", event="phase", text="Drawing the report")
    with importing():
        from components.report.collect import Failure
        from components.report.content import StepRow
        from pipeline.run.execute import report_failure

    steps = tuple(StepRow(*step) for step in failure["steps"])
    inputs = resolve(config, layout)
    report_failure(inputs.config, inputs, layout, run_id, Failure(failure["reason"], steps))


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
    leave(0)
