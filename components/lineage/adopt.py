"""Adds a served model that ML Metadata does not know to the lineage.

A Resolver calls it for a version of which ML Metadata has no model:

    from components.digests import digest_of_classes
    from components.lineage.adopt import adopt

    classes = digest_of_classes(("daisy", "rose"))
    model = adopt(store, version=serving / "1764497700", class_names=classes, folder=adopted)
"""

from __future__ import annotations

import logging
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.types.artifact_utils import deserialize_artifact
from tfx.types.standard_artifacts import Model

from components.digests import digest_of_classes
from components.finite import read_json
from components.lineage.artifacts import add_manifest, damage_of
from components.lineage.served import put_copy
from components.pusher.versions import CARD_JSON, model_digest
from components.storage import AnyPath, io_errors

ADOPTED_CLASSES = "class_names"
"""Custom property of an adopted model: digest of its classes."""

_logger = logging.getLogger(__name__)


def adopt(store: Any, version: AnyPath, class_names: str, folder: AnyPath) -> Any | None:
    """A Model artifact of a served version whose lineage was removed.

    Args:
      store: the ML Metadata store.
      version: the folder in `serving`.
      class_names: digest of the classes that it must have by its card.
      folder: where it is copied to, as the Trainer would have left it.

    Returns:
      The artifact; None if its card has other classes, or it cannot be read.
    """
    try:
        card = read_json(version / CARD_JSON)
        if digest_of_classes(card["data"]["class_names"]) != class_names:
            return None
        target = folder / model_digest(version)[:32]
        kind = Model._get_artifact_type()  # TFX has no public way to the type.
        type_id = store.put_artifact_type(kind)
        known = store.get_artifact_by_type_and_name(kind.name, str(target))
        if known is not None:
            artifact = deserialize_artifact(store.get_artifact_type(kind.name), known)
            if not damage_of(artifact):
                return artifact
        put_copy(version, target)
    except io_errors(ValueError, KeyError, TypeError) as error:
        _logger.warning("%s is in no lineage and is compared with nothing: %s", version, error)
        return None
    made = known or metadata_store_pb2.Artifact(type_id=type_id, name=str(target), uri=str(target))
    made.state = metadata_store_pb2.Artifact.LIVE
    made.custom_properties[ADOPTED_CLASSES].string_value = class_names
    add_manifest(made, kind.name)
    (made.id,) = store.put_artifacts([made])
    _logger.warning("%s is in no lineage; its copy %s is taken into it", version, target)
    return deserialize_artifact(store.get_artifact_type(kind.name), made)
