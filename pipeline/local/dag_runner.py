"""BeamDagRunner, in process whatever the network offers, and with a word on every step."""

from __future__ import annotations

import logging
import time
from typing import Any

from apache_beam.options.pipeline_options import StandardOptions
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.beam import beam_dag_runner
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.orchestration.portable.mlmd import context_lib, execution_lib

from components.errors import UserError
from components.progress import report_step
from pipeline.gist import gist

_logger = logging.getLogger(__name__)

IN_PROCESS = "FnApiRunner"
"""Beam's in-process runner. Its default, from 2.68 on, first tries to download another one."""

_DONE = {
    metadata_store_pb2.Execution.COMPLETE: "complete",
    metadata_store_pb2.Execution.CACHED: "cached",
}


class StepDoFn(beam_dag_runner.PipelineNodeAsDoFn):
    """One node of the pipeline."""

    def _run_node(self) -> None:
        report_step(self._node_id, "running")
        started = time.monotonic()
        try:
            super()._run_node()
            state = _DONE.get(self._execution_state())
            if state is None:
                # The launcher returns as if all were well when a node's inputs do not resolve.
                raise RuntimeError(f"{self._node_id} did not run: its inputs did not resolve")
        except Exception as error:
            _logger.exception("%s failed", self._node_id)
            report_step(
                self._node_id,
                "failed",
                seconds=time.monotonic() - started,
                error=gist(error),
                user_error=_without_place(error) if isinstance(error, UserError) else None,
            )
            raise
        report_step(self._node_id, state, seconds=time.monotonic() - started)

    def _execution_state(self) -> Any:
        with metadata.Metadata(self._mlmd_connection_config) as handle:
            contexts = context_lib.prepare_contexts(handle, self._pipeline_node.contexts)
            executions = execution_lib.get_executions_associated_with_all_contexts(handle, contexts)
        return executions[0].last_known_state if len(executions) == 1 else None


def _without_place(error: UserError) -> str:
    """Beam appends where in its graph an error was."""
    return str(error).split(" [while running")[0]


class LocalDagRunner(beam_dag_runner.BeamDagRunner):
    """Runs a pipeline under a run id of the caller's."""

    _PIPELINE_NODE_DO_FN_CLS = StepDoFn

    def run_as(self, pipeline: Pipeline, run_id: str) -> None:
        """Runs `pipeline` to its end.

        Raises:
          Exception: what the first failing step raised, through Beam.
        """
        ir = compiler.Compiler().compile(pipeline)
        runtime_parameter_utils.substitute_runtime_parameter(
            ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
        )
        default = StandardOptions.DEFAULT_RUNNER
        # The pipeline that BeamDagRunner makes of the nodes takes no options: only the default.
        StandardOptions.DEFAULT_RUNNER = IN_PROCESS
        try:
            self.run_with_ir(ir)
        finally:
            StandardOptions.DEFAULT_RUNNER = default
