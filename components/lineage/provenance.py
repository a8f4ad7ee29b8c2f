"""Whether a pushed version is what ML Metadata says was trained. It needs no TFX.

>>> connection = metadata_store_pb2.ConnectionConfig()
>>> connection.fake_database.SetInParent()
>>> store = metadata_store.MetadataStore(connection)
>>> [check] = provenance(store, {}, {"model": {"version": 1764497700}})
>>> check.passed, check.sentence
(False, 'ML Metadata knows no push of version 1764497700')
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.digests import from_text
from components.lineage.artifacts import MANIFEST, SERVING_MODEL
from components.lineage.served import MODEL_PROPERTY, VERSION_PROPERTY
from components.model_check.findings import Check
from components.pusher.versions import ADDED, CARD_JSON

_OUTPUTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)
_INPUTS = (metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.DECLARED_INPUT)


def provenance(
    store: metadata_store.MetadataStore, files: Mapping[str, str], card: Mapping[str, Any]
) -> list[Check]:
    """Compares a version with the run that pushed it.

    Args:
      store: of the output that it was pushed from.
      files: SHA-256 by relative name of all files in the version's folder.
      card: its model card.

    Returns:
      Checks named push, card, model, backbone, data and code; only the first where ML Metadata
      knows no such push.
    """
    version = int(card["model"]["version"])
    pushed = _pushed(store, version)
    if pushed is None:
        return [Check("push", False, f"ML Metadata knows no push of version {version}")]
    lineage = _Lineage(store, pushed)
    return [
        Check("push", True, f"the run {lineage.run_id} pushed version {version}"),
        _card(lineage, files),
        _model(lineage, files),
        _same("backbone", "the backbone", card["backbone"]["sha256"], lineage.backbone()),
        _same("data", "the data", card["data"]["fingerprint"], lineage.data()),
        _code(lineage, card),
    ]


class _Lineage:
    """One push, and the steps before it."""

    def __init__(self, store: metadata_store.MetadataStore, pushed: Any):
        self._store, self.pushed = store, pushed
        (self._pusher,) = self._ends(pushed.id, _OUTPUTS)
        contexts = store.get_contexts_by_execution(self._pusher.id)
        (self._run,) = (each for each in contexts if each.type == "pipeline_run")
        self.run_id = str(self._run.name)
        model = pushed.custom_properties[MODEL_PROPERTY].int_value
        (self.model,) = store.get_artifacts_by_id([model]) or [None]

    def _ends(self, artifact: int, kinds: tuple[int, ...]) -> list[Any]:
        """Executions that wrote or read an artifact; the first that wrote, if it was cached."""
        events = self._store.get_events_by_artifact_ids([artifact])
        found = sorted({each.execution_id for each in events if each.type in kinds})
        return list(self._store.get_executions_by_id(found[:1]))

    def _trainer(self) -> Any | None:
        found = self._ends(self.model.id, _OUTPUTS) if self.model is not None else []
        return found[0] if found else None

    def backbone(self) -> str:
        """Digest of the backbone that the Trainer was given; "" where it is not recorded."""
        trainer = self._trainer()
        settings = _custom_config(trainer).get("settings", "{}") if trainer is not None else "{}"
        return str(json.loads(settings).get("backbone_sha256", ""))

    def data(self) -> str:
        """Fingerprint of the Examples that the Trainer read; "" where it is not recorded."""
        trainer = self._trainer()
        if trainer is None:
            return ""
        events = self._store.get_events_by_execution_ids([trainer.id])
        read = [each.artifact_id for each in events if each.type in _INPUTS]
        prints = [
            each.custom_properties["fingerprint"].string_value
            for each in self._store.get_artifacts_by_id(read)
            if each.type == "Examples" and "fingerprint" in each.custom_properties
        ]
        return str(prints[0]) if prints else ""

    def code(self) -> Iterator[tuple[str, str]]:
        """Step and digest of its code, of all steps of the run that record one."""
        for execution in self._store.get_executions_by_context(self._run.id):
            contexts = self._store.get_contexts_by_execution(execution.id)
            nodes = [each.name.partition(".")[2] for each in contexts if each.type == "node"]
            digest = execution.custom_properties["code"].string_value
            digest = digest or _custom_config(execution).get("code", "")
            if nodes and digest:
                yield nodes[0], str(digest)


def _pushed(store: metadata_store.MetadataStore, version: int) -> Any | None:
    """The PushedModel of the push that made a version: later runs that found it there record it."""
    try:
        artifacts = store.get_artifacts_by_type("PushedModel")
    except errors.NotFoundError:
        return None
    found = [
        each
        for each in artifacts
        if each.custom_properties[VERSION_PROPERTY].int_value == version
        and each.custom_properties["pushed"].int_value
    ]
    return min(found, key=lambda each: int(each.id), default=None)


def _custom_config(execution: Any) -> dict[str, Any]:
    text = execution.custom_properties["custom_config"].string_value
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def _manifest(artifact: Any) -> dict[str, str]:
    """SHA-256 by relative name; "" where only the size was recorded."""
    text = artifact.custom_properties[MANIFEST].string_value if artifact is not None else ""
    return {name: digest for name, (_, digest) in (from_text(text) if text else {}).items()}


def _card(lineage: _Lineage, files: Mapping[str, str]) -> Check:
    written = _manifest(lineage.pushed).get(CARD_JSON, "")
    if not written:
        return Check("card", True, "its card: ML Metadata has no digest of it to compare")
    same = files.get(CARD_JSON) == written
    is_it = "is" if same else "is not"
    return Check("card", same, f"its card {is_it} the one that the push wrote")


def _model(lineage: _Lineage, files: Mapping[str, str]) -> Check:
    start = f"{SERVING_MODEL}/"
    trained = {
        name.removeprefix(start): digest
        for name, digest in _manifest(lineage.model).items()
        if name.startswith(start)
    }
    if not trained:
        return Check("model", False, "ML Metadata has no list of the files of its model")
    there = {name: digest for name, digest in files.items() if name not in ADDED}
    other = sorted(name for name in {*trained, *there} if trained.get(name) != there.get(name))
    if other:
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        names = ", ".join(other[:3]) + more
        return Check("model", False, f"files that are not those that the Trainer wrote: {names}")
    return Check("model", True, f"its {len(trained)} files are those that the Trainer wrote")


def _same(name: str, what: str, of_card: str, of_lineage: str) -> Check:
    if of_card == of_lineage:
        return Check(name, True, f"{what} of the card is that of ML Metadata: {of_card[:12]}")
    sentence = f"{what} of the card is {of_card[:12]}, that of ML Metadata {of_lineage[:12] or '-'}"
    return Check(name, False, sentence)


def _code(lineage: _Lineage, card: Mapping[str, Any]) -> Check:
    of_card: Mapping[str, str] = card["code"]["steps"]
    recorded = [(step, digest) for step, digest in lineage.code() if step in of_card]
    other = sorted({step for step, digest in recorded if digest != of_card[step]})
    if other or not recorded:
        which = ", ".join(other) or "all steps"
        return Check("code", False, f"the code of the card is not that of ML Metadata: {which}")
    steps = len({step for step, _ in recorded})
    return Check("code", True, f"the code of {steps} steps of the card is that of ML Metadata")
