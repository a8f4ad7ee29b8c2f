"""The pipeline of one run, compiled: by the local worker, and by Kubeflow's `prepare`.

The local worker compiles, and then runs:

    from pipeline.run.compile import compile_run
    from pipeline.run.dag_runner import LocalDagRunner

    ir = compile_run(inputs, folder, connection, own_store=True, use_cache=True)
    LocalDagRunner().run_with_ir(ir)
"""

from __future__ import annotations

from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import runtime_parameter_utils

from components.backbone.handle import check_whole
from pipeline.config import dump_config
from pipeline.inputs.resolve import Inputs
from pipeline.inputs.span import settle_span
from pipeline.pipeline import create_pipeline
from pipeline.run.beam_flags import checked_flags
from pipeline.run.moved import settle_place
from pipeline.run.report import report_settings
from pipeline.run.run_folder import RunFolder


def compile_run(
    inputs: Inputs,
    folder: RunFolder,
    connection: metadata_store_pb2.ConnectionConfig,
    *,
    own_store: bool,
    use_cache: bool,
    public: metadata_store_pb2.ConnectionConfig | None = None,
) -> Any:
    """Settles the span of the data, makes the pipeline, and compiles it to TFX's IR.

    Args:
      inputs: what the run reads, with the resolved configuration.
      folder: of the run; takes the configuration and the settings of the report.
      connection: the metadata store.
      own_store: whether the store is this output's alone (`pipeline.run.moved.settle_place`).
      use_cache: whether steps that have nothing new to do are skipped.
      public: the connection as the IR may hold it, for all to read; None where that is the same.

    Raises:
      UserError: Beam refuses its options, or a file of the backbone is damaged.
    """
    config, layout = inputs.config, folder.layout
    check_whole(inputs.backbone.path)
    settle_place(connection, config.pipeline_name, layout, own_store=own_store)
    folder.write_config(dump_config(config), report_settings(config, inputs, folder.run_id))
    pipeline = create_pipeline(
        config,
        inputs,
        settle_span(connection, config.pipeline_name, inputs.source.fingerprint),
        pipeline_root=str(layout.artifacts),
        serving=str(layout.serving),
        checkpoints=str(layout.checkpoints),
        run_id=folder.run_id,
        metadata=public or connection,
        beam_pipeline_args=checked_flags(config.beam),
        enable_cache=use_cache,
    )
    return compiled(pipeline, folder.run_id)


def compiled(pipeline: Pipeline, run_id: str) -> Any:
    """TFX's IR of a pipeline, for the run of this id."""
    ir = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    return ir
