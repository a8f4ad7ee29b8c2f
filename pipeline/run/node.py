"""Runs one node of the compiled pipeline, and reports how it ended.

Both kinds of runner run a node with it:

    from pipeline.run.node import run_step, state_of

    if state_of(node, connection) is None:
        run_step(node, connection, launcher.launch)
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.portable.mlmd import context_lib, execution_lib
from tfx.proto.orchestration import pipeline_pb2

from pipeline.run.beam_jobs import cancelled_on_error
from pipeline.run.reported import run_reported

_logger = logging.getLogger(__name__)

_DONE = {
    metadata_store_pb2.Execution.COMPLETE: "complete",
    metadata_store_pb2.Execution.CACHED: "cached",
}


def run_step(
    node: pipeline_pb2.PipelineNode,
    connection: metadata_store_pb2.ConnectionConfig,
    launch: Callable[[], object],
) -> None:
    """Launches a node and reports its state as events.

    Raises:
      Exception: what the node raised, or that its inputs did not resolve.
    """
    name = node.node_info.id

    def work() -> str:
        try:
            with cancelled_on_error():
                launch()
            state = state_of(node, connection)
            if state is None:
                # The launcher returns as if all were well when a node's inputs do not resolve.
                raise RuntimeError(f"{name} did not run: its inputs did not resolve")
            return state
        except Exception:
            _logger.exception("%s failed", name)
            raise

    run_reported(name, work)


def state_of(
    node: pipeline_pb2.PipelineNode, connection: metadata_store_pb2.ConnectionConfig
) -> str | None:
    """`complete` or `cached` where ML Metadata has it so for this run; else None."""
    with metadata.Metadata(connection) as handle:
        contexts = context_lib.prepare_contexts(handle, node.contexts)
        executions = execution_lib.get_executions_associated_with_all_contexts(handle, contexts)
    # A Resolver that was interrupted leaves an execution that never ended, beside its retry's.
    states = [_DONE.get(execution.last_known_state) for execution in executions]
    return next((state for state in states if state), None)
