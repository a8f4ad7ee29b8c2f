"""One run of the pipeline with TFX, in this process."""

from __future__ import annotations

from typing import Any

from tfx.orchestration import metadata

from pipeline.config import Config
from pipeline.inputs import Inputs
from pipeline.layout import Layout
from pipeline.local.dag_runner import IN_PROCESS, LocalDagRunner
from pipeline.outcome import read_outcome
from pipeline.pipeline import create_pipeline


def execute(
    config: Config, inputs: Inputs, layout: Layout, run_id: str, use_cache: bool
) -> dict[str, Any]:
    """Runs every step and reads what came of it (`pipeline.outcome.read_outcome`).

    Raises:
      Exception: a step failed; the events say which and why.
    """
    layout.metadata.parent.mkdir(parents=True, exist_ok=True)
    connection = metadata.sqlite_metadata_connection_config(str(layout.metadata))
    pipeline = create_pipeline(
        config,
        inputs,
        pipeline_root=str(layout.artifacts),
        serving=str(layout.serving),
        run_id=run_id,
        metadata=connection,
        beam_pipeline_args=[f"--runner={IN_PROCESS}"],
        enable_cache=use_cache,
    )
    LocalDagRunner().run_as(pipeline, run_id)
    return read_outcome(connection, run_id, config.evaluation, inputs.source.class_names)
