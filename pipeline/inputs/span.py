"""The span of a run's examples: the number of their data in this pipeline's lineage.

>>> store = metadata_store_pb2.ConnectionConfig()
>>> store.fake_database.SetInParent()  # In memory, and empty: the first data are span 1.
>>> settle_span(store, "flowers", fingerprint="5f2a")
1
"""

from __future__ import annotations

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

EXAMPLE_GEN = "ImageExampleGen"


def settle_span(
    connection: metadata_store_pb2.ConnectionConfig, pipeline_name: str, fingerprint: str
) -> int:
    """The span under which an earlier run of this pipeline wrote the same data, or the next span.

    Only outputs of finished steps count. Two concurrent runs do not see each other: they may get
    one span for different data, or two for the same data.

    Args:
      connection: the metadata store; a missing file is created.
      pipeline_name: spans are counted separately for each pipeline.
      fingerprint: `components.example_gen.sources.source.Source.fingerprint`.

    Returns:
      A number from 1; 0 is for data from before spans were recorded.
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
