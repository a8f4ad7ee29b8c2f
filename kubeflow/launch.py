"""One node of the compiled pipeline, by TFX's own launcher: its driver, cache and publisher.

`kubeflow.node` calls it for every task of a node:

    from kubeflow.launch import launch
    from pipeline.run.layout import Layout
    from pipeline.run.run_folder import RunFolder

    launch(options, RunFolder(Layout(options.output), options.run_id))
"""

from __future__ import annotations

import argparse
import logging
import os
from typing import Any

from google.protobuf import json_format
from tfx.dsl.io import fileio
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.proto.orchestration import pipeline_pb2

from components.lineage.outputs import read_outputs
from components.progress import report_step
from kubeflow import shown
from kubeflow.finish import end_run
from pipeline.run.connection import connection_config
from pipeline.run.launcher import CheckedLauncher
from pipeline.run.node import run_step, state_of
from pipeline.run.run_folder import RunFolder, read_ir

_logger = logging.getLogger(__name__)


def launch(options: argparse.Namespace, folder: RunFolder) -> None:
    """Runs the node `options.task`, once in a run whatever happens to its pods.

    Raises:
      UserError: the compiled pipeline is not the one of this run, or a mistake in the data.
      Exception: what the node raised, or that its inputs did not resolve.
    """
    ir = json_format.Parse(read_ir(options.ir, options.sha256), pipeline_pb2.Pipeline())
    node = next(n.pipeline_node for n in ir.nodes if n.pipeline_node.node_info.id == options.task)
    connection = connection_config(options.metadata)
    done = state_of(node, connection)
    if done:
        _logger.info("an earlier attempt has done this step")
        report_step(options.task, done, seconds=0.0)
    else:
        run_step(node, connection, lambda: launch_node(ir, node, connection))
    if options.task == "Evaluator":
        settings = folder.settings()
        assert settings is not None
        outputs = read_outputs(connection, options.run_id)
        shown.show_evaluation(outputs, settings.class_names, options)
    elif options.task == "Report":
        shown.show_page(read_outputs(connection, options.run_id), options)
        end_run(folder, ir.pipeline_info.id, options.metadata)


def launch_node(
    ir: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode, connection: Any
) -> None:
    """Runs a node of the pipeline by TFX's launcher."""
    deployment = runner_utils.extract_local_deployment_config(ir)
    name = node.node_info.id
    RetryingLauncher(
        pipeline_node=node,
        mlmd_connection=metadata.Metadata(connection),
        pipeline_info=ir.pipeline_info,
        pipeline_runtime_spec=ir.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, name),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
    ).launch()


class RetryingLauncher(CheckedLauncher):
    """The launcher of every step, in an execution that an earlier attempt may have begun.

    A retry continues that execution in the same folders; what is there would be read as data.
    """

    def _run_executor(self, execution_info: Any) -> Any:
        written = [
            artifact.uri
            for artifacts in execution_info.output_dict.values()
            for artifact in artifacts
            if not artifact.is_external and fileio.exists(artifact.uri)
        ]
        if written:
            _logger.warning("removing what an earlier attempt left: %s", ", ".join(written))
        for folder in (*written, os.path.dirname(execution_info.execution_output_uri)):
            if fileio.exists(folder):
                fileio.rmtree(folder)
        fileio.makedirs(execution_info.tmp_dir)
        return super()._run_executor(execution_info)
