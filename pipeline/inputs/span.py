"""Which span the examples of a run are: the number of their data in this pipeline's lineage."""

from __future__ import annotations

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

EXAMPLE_GEN = "ImageExampleGen"


def settle_span(
    connection: metadata_store_pb2.ConnectionConfig, pipeline_name: str, fingerprint: str
) -> int:
    """The span of data that a run of this pipeline has written before, or the next one.

    Only what a finished step has left counts. Two runs at once do not see each other: they may
    settle one number for different data, or two for the same.

    Args:
      connection: the metadata store; made where it is a file that is not there.
      pipeline_name: other pipelines in the store have spans of their own.
      fingerprint: `components.example_gen.sources.source.Source.fingerprint`.

    Returns:
      From 1 on; 0 is data that was written before there were spans.
    """
    with metadata.Metadata(connection) as handle:
        store = handle.store
        node = store.get_context_by_type_and_name("node", f"{pipeline_name}.{EXAMPLE_GEN}")
        artifacts = store.get_artifacts_by_context(node.id) if node else []
    written = [each for each in artifacts if each.state == metadata_store_pb2.Artifact.LIVE]
    same = [each for each in written if _fingerprint(each) == fingerprint]
    if same:
        return _span(max(same, key=lambda each: each.id))
    return max(map(_span, written), default=0) + 1


def _fingerprint(artifact: metadata_store_pb2.Artifact) -> str:
    return artifact.custom_properties["fingerprint"].string_value


def _span(artifact: metadata_store_pb2.Artifact) -> int:
    return artifact.properties["span"].int_value
