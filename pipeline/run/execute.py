"""One run of the pipeline with TFX, in this process."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from components.backbone.handle import check_whole
from components.progress import LOGGER, report
from components.report.collect import Failure
from components.report.content import StepRow
from components.storage import AnyPath
from pipeline.config import Config
from pipeline.inputs.resolve import Inputs
from pipeline.inputs.schema import write_inferred
from pipeline.inputs.span import settle_span
from pipeline.pipeline import create_pipeline
from pipeline.run.beam_flags import checked_flags
from pipeline.run.dag_runner import LocalDagRunner
from pipeline.run.events import StepStates
from pipeline.run.failure import draw_failure
from pipeline.run.layout import Layout
from pipeline.run.metadata_file import check_metadata
from pipeline.run.moved import settle_place
from pipeline.run.outcome import read_outcome, read_outputs, read_page
from pipeline.run.report import publish, report_settings
from pipeline.run.unchanged import files_of
from pipeline.steps import steps_of

_logger = logging.getLogger(__name__)


def execute(
    config: Config, inputs: Inputs, layout: Layout, run_id: str, use_cache: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Runs every step.

    Returns:
      The outcome (`pipeline.run.outcome.read_outcome`), and the files that there are of it
      (`pipeline.run.unchanged.files_of`).

    Raises:
      UserError: Beam refuses its options, or a file of the backbone is damaged.
      Exception: a step failed; the events say which and why, and the report shows what there is.
    """
    check_whole(inputs.backbone.path)
    layout.metadata.parent.mkdir(parents=True, exist_ok=True)
    connection = _connection(layout)
    settle_place(connection, config.pipeline_name, layout, own_store=True)
    pipeline = create_pipeline(
        config,
        inputs,
        settle_span(connection, config.pipeline_name, inputs.source.fingerprint),
        pipeline_root=str(layout.artifacts),
        serving=str(layout.serving),
        checkpoints=str(layout.checkpoints),
        run_id=run_id,
        metadata=connection,
        beam_pipeline_args=checked_flags(config.beam),
        enable_cache=use_cache,
    )
    states = StepStates()
    LOGGER.addHandler(states)
    try:
        LocalDagRunner().run_as(pipeline, run_id)
        outputs = read_outputs(connection, run_id)
        write_inferred(config.data, outputs, len(inputs.source.class_names))
        _publish(read_page(outputs), layout)
    except Exception:
        try:
            check_metadata(Path(layout.metadata), Path(layout.artifacts))
            outputs = read_outputs(connection, run_id)
            write_inferred(config.data, outputs, len(inputs.source.class_names))
            found = read_outcome(outputs, inputs.source.class_names)
            report("partial outcome", event="partial", outcome=found)
            failure = _failure(states, layout.logs(run_id), steps_of(config))
            report_failure(config, inputs, layout, run_id, failure)
        except Exception:
            # The run's own failure is the one that counts.
            _logger.exception("what the failed run left could not be read")
        raise
    finally:
        LOGGER.removeHandler(states)
    return read_outcome(outputs, inputs.source.class_names), files_of(outputs, layout)


def _publish(page: str, layout: Layout) -> None:
    path = publish(page, layout.report)
    report("report", event="report", path=os.fspath(path))


def report_failure(
    config: Config, inputs: Inputs, layout: Layout, run_id: str, failure: Failure
) -> None:
    """Draws what the finished steps of a run left, its failure first."""
    settings = report_settings(config, inputs, run_id)
    _publish(draw_failure(_connection(layout), settings, failure), layout)


def _failure(states: StepStates, logs: AnyPath, steps: Sequence[str]) -> Failure:
    reasons = [
        f"{event['id']}: {event['user_error'] or event['error']} (see {logs / event['id']}.log)"
        for event in states.ended.values()
        if event["state"] == "failed"
    ]
    rows = [
        StepRow(step, ended.get("state", "skipped"), ended.get("seconds"))
        for step in steps
        for ended in [states.ended.get(step, {})]
    ]
    return Failure("; ".join(reasons) or "the run broke off", tuple(rows))


def _connection(layout: Layout) -> metadata_store_pb2.ConnectionConfig:
    # Not ten tries of 22 s each at a database that another process holds: the retries are for
    # many that make its tables at once, and this output is one run's.
    metadata._MAX_INIT_RETRY = 1
    return metadata.sqlite_metadata_connection_config(str(layout.metadata))
