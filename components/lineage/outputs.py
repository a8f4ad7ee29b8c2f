"""The artifacts of one run, read from ML Metadata without TFX, which takes ten seconds to import.

>>> connection = metadata_store_pb2.ConnectionConfig()
>>> connection.fake_database.SetInParent()
>>> read_outputs(connection, "20261130-101500-000000")
{}
"""

from __future__ import annotations

import json
from typing import Any

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.lineage.artifacts import DAMAGED


class Output:
    """An artifact as ML Metadata has it; it reads like TFX's Artifact, and cannot be changed.

    Attributes:
      id: in the store.
      uri: its folder.
      type_name: `Examples`, `Model`, ...
      span: of Examples; 0 where it was never set.
      split_names: of Examples and statistics, a JSON list; empty where it was never set.
    """

    def __init__(self, artifact: metadata_store_pb2.Artifact, type_name: str):
        self._artifact = artifact
        self.id, self.uri, self.type_name = artifact.id, artifact.uri, type_name
        self.span = artifact.properties["span"].int_value
        self.split_names = artifact.properties["split_names"].string_value

    def get_int_custom_property(self, key: str) -> int:
        """The number; 0 where it was never set."""
        return int(self._artifact.custom_properties[key].int_value)

    def get_string_custom_property(self, key: str) -> str:
        """The text; empty where it was never set."""
        return str(self._artifact.custom_properties[key].string_value)


def splits_of(artifact: Any) -> list[str]:
    """The splits of an artifact, an `Output` or TFX's, in their order."""
    return list(json.loads(artifact.split_names or "[]"))


def read_outputs(connection: metadata_store_pb2.ConnectionConfig, run_id: str) -> dict[str, Output]:
    """The artifacts of one run by `<node>.<output>`; a step that did not finish has none.

    Args:
      connection: the metadata store.
      run_id: the run; one that never reached its first step has no artifacts.
    """
    store = metadata_store.MetadataStore(connection)
    run = store.get_context_by_type_and_name("pipeline_run", run_id)
    if run is None:
        return {}
    kinds = {kind.id: kind.name for kind in store.get_context_types()}
    types = {kind.id: kind.name for kind in store.get_artifact_types()}
    outputs: dict[str, Output] = {}
    for execution in store.get_executions_by_context(run.id):
        contexts = store.get_contexts_by_execution(execution.id)
        node = next(c.name for c in contexts if kinds[c.type_id] == "node").rpartition(".")[2]
        events = store.get_events_by_execution_ids([execution.id])
        names = {event.artifact_id: _output_of(event) for event in events}
        for artifact in store.get_artifacts_by_id([i for i, name in names.items() if name]):
            output = Output(artifact, types[artifact.type_id])
            outputs[f"{node}.{names[artifact.id]}"] = output
    return outputs


def _output_of(event: metadata_store_pb2.Event) -> str:
    """The output that an event gives; for a Resolver only what it found damaged, else ""."""
    keys = [step.key for step in event.path.steps if step.HasField("key")]
    if event.type == metadata_store_pb2.Event.OUTPUT:
        return keys[0]
    resolved = event.type == metadata_store_pb2.Event.INTERNAL_OUTPUT
    return DAMAGED if resolved and DAMAGED in keys else ""
