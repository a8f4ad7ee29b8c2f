"""BeamDagRunner, always in this process, and with events for every step.

The local worker runs what it compiled:

    from pipeline.run.dag_runner import LocalDagRunner

    LocalDagRunner().run_with_ir(ir)
"""

from __future__ import annotations

from typing import Any

from apache_beam.options.pipeline_options import StandardOptions
from tfx.orchestration import metadata
from tfx.orchestration.beam import beam_dag_runner

from pipeline.config.beam import IN_PROCESS
from pipeline.run.launcher import CheckedLauncher
from pipeline.run.node import run_step


class StepDoFn(beam_dag_runner.PipelineNodeAsDoFn):
    """One node of the pipeline."""

    def _run_node(self) -> None:
        run_step(self._pipeline_node, self._mlmd_connection_config, self._launch)

    def _launch(self) -> None:
        CheckedLauncher(
            pipeline_node=self._pipeline_node,
            mlmd_connection=metadata.Metadata(self._mlmd_connection_config),
            pipeline_info=self._pipeline_info,
            pipeline_runtime_spec=self._pipeline_runtime_spec,
            executor_spec=self._executor_spec,
            custom_driver_spec=self._custom_driver_spec,
        ).launch()


class LocalDagRunner(beam_dag_runner.BeamDagRunner):
    """Runs the IR of one run (`pipeline.run.compile`)."""

    _PIPELINE_NODE_DO_FN_CLS = StepDoFn

    def run_with_ir(self, ir: Any, *args: Any, **kwargs: Any) -> None:
        """Runs every node to its end.

        Raises:
          Exception: what the first failing step raised, through Beam.
        """
        default = StandardOptions.DEFAULT_RUNNER
        # The pipeline that BeamDagRunner makes of the nodes takes no options: only the default.
        StandardOptions.DEFAULT_RUNNER = IN_PROCESS
        try:
            super().run_with_ir(ir, *args, **kwargs)
        finally:
            StandardOptions.DEFAULT_RUNNER = default
