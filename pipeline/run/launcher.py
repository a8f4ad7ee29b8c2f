"""TFX's launcher, with a cache that looks at files before it trusts them.

TFX's own cache asks ML Metadata whether an artifact is live, and checks only that its folder
exists: a file that was truncated since fails the next step, in every run. Its key holds the full
path of every input: in a folder that was moved, every step would run again. Both kinds of runner
launch every step with this one.

A runner launches a node as TFX's does:

    from pipeline.run.launcher import CheckedLauncher

    CheckedLauncher(
        pipeline_node=node,
        mlmd_connection=metadata.Metadata(connection),
        pipeline_info=ir.pipeline_info,
        pipeline_runtime_spec=ir.runtime_spec,
        executor_spec=executor_spec,
    ).launch()
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from tfx.orchestration.portable import (
    cache_utils,
    execution_publish_utils,
    inputs_utils,
    launcher,
)
from tfx.orchestration.portable.input_resolution import exceptions
from tfx.orchestration.portable.mlmd import context_lib, execution_lib
from tfx.proto.orchestration import pipeline_pb2

from components.errors import UserError
from components.lineage.artifacts import add_manifest, damage_of
from components.progress import report

_logger = logging.getLogger(__name__)


class CheckedLauncher(launcher.Launcher):
    """Runs one node by TFX's driver and publisher; arguments as of TFX's launcher."""

    def __init__(self, pipeline_node: pipeline_pb2.PipelineNode, **others: Any):
        own = pipeline_pb2.PipelineNode()
        own.CopyFrom(pipeline_node)
        caching = own.execution_options.caching_options
        self._use_cache = caching.enable_cache
        # TFX looks nothing up, and publishes nothing as cached: this class does.
        caching.enable_cache = False
        super().__init__(pipeline_node=own, **others)

    def launch(self) -> Any:
        """Executes the node.

        Raises:
          UserError: a Resolver's strategy refused; TFX would only log it.
          Exception: what the executor raised.
        """
        info = super().launch()
        if self._system_node_handler and info is not None and not info.output_dict:
            self._raise_refusal()
        return info

    def _raise_refusal(self) -> None:
        with self._mlmd_connection as handle:
            try:
                inputs_utils.resolve_input_artifacts(
                    pipeline_node=self._pipeline_node, metadata_handle=handle
                )
            except exceptions.InputResolutionError as error:
                cause: BaseException | None = error
                while cause is not None and not isinstance(cause, UserError):
                    cause = cause.__cause__
                if cause is not None:
                    raise cause from None
                raise

    def _prepare_execution(self) -> Any:
        prepared = super()._prepare_execution()
        if not prepared.is_execution_needed:
            return prepared
        info = prepared.execution_info
        with self._mlmd_connection as handle:
            context = context_lib.register_context_if_not_exists(
                handle, context_lib.CONTEXT_TYPE_EXECUTION_CACHE, self._cache_key(info)
            )
            prepared.contexts.append(context)
            outputs = self._whole_outputs(handle, context) if self._use_cache else None
            if outputs is None:
                return prepared
            execution_publish_utils.publish_cached_executions(
                handle,
                contexts=prepared.contexts,
                executions=[prepared.execution_metadata],
                output_artifacts_maps=[outputs],
            )
        self._clean_up_stateless_execution_info(info)
        self._clean_up_stateful_execution_info(info)
        prepared.is_execution_needed = False
        return prepared

    def _cache_key(self, info: Any) -> str:
        """Digest of all that the step depends on, wherever the output folder is."""
        root = self._pipeline_runtime_spec.pipeline_root.field_value.string_value
        output = root.rstrip("/").rpartition("/")[0]
        known = [
            self._pipeline_info.id,
            self._pipeline_node.node_info.SerializeToString(deterministic=True),
            self._executor_spec.SerializeToString(deterministic=True),
            *(
                (name, artifact.type_name, artifact.id)
                for name, artifacts in sorted(info.input_dict.items())
                for artifact in artifacts
            ),
            *(
                (name, artifact.type_name, _properties_of(artifact))
                for name, artifacts in sorted(info.output_dict.items())
                for artifact in artifacts
            ),
            *(
                (name, str(value).replace(output, "{output}"))
                for name, value in sorted(info.exec_properties.items())
            ),
        ]
        return f"bit-{hashlib.sha256(repr(known).encode()).hexdigest()}"

    def _whole_outputs(self, handle: Any, context: Any) -> dict[str, list[Any]] | None:
        """Outputs of the newest execution under a key whose files are as they were written."""
        done = filter(
            execution_lib.is_execution_successful,
            handle.store.get_executions_by_context(context.id),
        )
        damaged: set[int] = set()
        for execution in execution_lib.sort_executions_newest_to_oldest(done):
            outputs = cache_utils._get_outputs_of_execution(  # None: not all live.
                handle, execution.id
            )
            artifacts = [each for listed in (outputs or {}).values() for each in listed]
            if outputs is None or damaged & {each.id for each in artifacts}:
                continue
            found = {each.id: what for each in artifacts if (what := damage_of(each))}
            if not found:
                return dict(outputs)
            damaged |= set(found)
            node = self._pipeline_node.node_info.id
            text = f"{node} runs again: {next(iter(found.values()))}"
            _logger.warning("%s", text)
            report(text, event="note", text=text)
        return None

    def _run_executor(self, execution_info: Any) -> Any:
        output = super()._run_executor(execution_info)
        for name, listed in output.output_artifacts.items():
            (type_name,) = {each.type_name for each in execution_info.output_dict[name]}
            for artifact in listed.artifacts:
                add_manifest(artifact, type_name)
        return output


def _properties_of(artifact: Any) -> bytes:
    """What an output is given before it is written, but for its place."""
    proto = type(artifact.mlmd_artifact)()
    proto.CopyFrom(artifact.mlmd_artifact)
    for place in ("uri", "name"):
        proto.ClearField(place)
    return bytes(proto.SerializeToString(deterministic=True))
