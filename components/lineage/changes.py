"""Records in ML Metadata that somebody changed which version serves. It needs no TFX.

>>> connection = metadata_store_pb2.ConnectionConfig()
>>> connection.fake_database.SetInParent()
>>> store = metadata_store.MetadataStore(connection)
>>> _ = record(store, "rollback", serving="/out/serving", before=3, after=2, by="ada")
>>> [(change["what"], change["before"], change["after"]) for change in changes(store)]
[('rollback', 3, 2)]
"""

from __future__ import annotations

import datetime
from typing import Any

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.lineage.served import VERSION_PROPERTY

TYPE = "BitServingChange"
_TEXTS, _NUMBERS = ("what", "serving", "by", "at"), ("before", "after")


def record(
    store: metadata_store.MetadataStore,
    what: str,
    serving: str,
    before: int,
    after: int,
    by: str,
) -> int:
    """Records a change as an execution, which reads the PushedModel that serves now.

    Args:
      store: the metadata store.
      what: rollback, pin or unpin.
      serving: the folder of versions.
      before: number of the version that served.
      after: number of the version that serves.
      by: who changed it.

    Returns:
      The id of the execution.
    """
    kind = metadata_store_pb2.ExecutionType(name=TYPE)
    for name in _TEXTS:
        kind.properties[name] = metadata_store_pb2.STRING
    for name in _NUMBERS:
        kind.properties[name] = metadata_store_pb2.INT
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(kind),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    for name, text in zip(_TEXTS, (what, serving, by, at), strict=True):
        execution.properties[name].string_value = text
    for name, number in zip(_NUMBERS, (before, after), strict=True):
        execution.properties[name].int_value = number
    (found,) = store.put_executions([execution])
    pushed = _pushed(store, after)
    if pushed is not None:
        event = metadata_store_pb2.Event(
            artifact_id=pushed, execution_id=found, type=metadata_store_pb2.Event.INPUT
        )
        event.path.steps.add().key = "pushed_model"
        event.path.steps.add().index = 0
        store.put_events([event])
    return int(found)


def changes(store: metadata_store.MetadataStore) -> list[dict[str, Any]]:
    """All changes, the oldest first, as `record` was given them, with `at` in UTC as ISO 8601."""
    try:
        executions = store.get_executions_by_type(TYPE)
    except errors.NotFoundError:
        return []
    return [
        {name: each.properties[name].string_value for name in _TEXTS}
        | {name: each.properties[name].int_value for name in _NUMBERS}
        for each in sorted(executions, key=lambda each: each.id)
    ]


def _pushed(store: metadata_store.MetadataStore, version: int) -> int | None:
    """Id of the newest PushedModel artifact of a version."""
    try:
        artifacts = store.get_artifacts_by_type("PushedModel")
    except errors.NotFoundError:
        return None
    of_version = [
        each.id
        for each in artifacts
        if each.custom_properties[VERSION_PROPERTY].int_value == version
    ]
    return max(of_version, default=None)
