"""An output folder that was moved or copied: ML Metadata names the new place before anything runs.

ML Metadata points at files by their full path. Without this, a copy would read, and trust, the
files of the folder that it was copied from.

Before a run is compiled:

    from pipeline.run.layout import Layout
    from pipeline.run.moved import settle_place

    settle_place(connection, "digits", Layout("/moved/digits"), own_store=True)
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from components.errors import UserError
from components.progress import report
from pipeline.run.layout import Layout

_logger = logging.getLogger(__name__)


def settle_place(
    connection: metadata_store_pb2.ConnectionConfig,
    pipeline_name: str,
    layout: Layout,
    own_store: bool,
) -> None:
    """Makes the artifacts of a pipeline those below its output folder.

    Args:
      connection: the metadata store; made where it is a file that is not there.
      pipeline_name: other pipelines in the store are left alone.
      layout: of the output folder, without links in its path.
      own_store: whether the store is part of the output folder, and was moved with it.

    Raises:
      UserError: the store is not, and the newest artifact is not below the output folder either:
        it was not moved there, but another folder was configured.
    """
    with metadata.Metadata(connection) as handle:
        store = handle.store
        pipeline = store.get_context_by_type_and_name("pipeline", pipeline_name)
        artifacts = store.get_artifacts_by_context(pipeline.id) if pipeline else []
        elsewhere: dict[str, list[Any]] = defaultdict(list)
        for artifact in artifacts:
            place = layout.place_of(artifact.uri)
            if place and place != str(layout.output):
                elsewhere[place].append(artifact)
        for place, moved in elsewhere.items():
            if not own_store and not _is_there(moved, layout):
                raise UserError(
                    f"kubeflow.output {layout.output}: the lineage of the pipeline "
                    f"{pipeline_name!r} has its files in {place}. Set kubeflow.output to that, "
                    "move the folder's files to the new place, or set pipeline_name to another "
                    "name for a lineage of its own."
                )
            for artifact in moved:
                _move(artifact, place, layout)
            store.put_artifacts(moved)
            text = (
                f"{layout.output} was moved or copied from {place}: {len(moved):,} artifacts in ML "
                "Metadata now name the new place, and nothing is read from the old one"
            )
            _logger.warning("%s", text)
            report(text, event="note", text=text)


def _is_there(artifacts: list[Any], layout: Layout) -> bool:
    newest = max(artifacts, key=lambda artifact: artifact.id)
    return bool(layout.moved(newest.uri).exists())


def _move(artifact: Any, place: str, layout: Layout) -> None:
    artifact.uri = str(layout.moved(artifact.uri))
    for value in artifact.custom_properties.values():
        if value.string_value.startswith(f"{place}/"):
            value.string_value = f"{layout.output}{value.string_value[len(place) :]}"
