"""What ML Metadata records about an artifact, compared with its files.

>>> import tempfile
>>> from tfx.types.standard_artifacts import Model
>>> model = Model()
>>> with tempfile.TemporaryDirectory() as model.uri:
...     damage_of(model)
'...Format-Serving/saved_model.pb is gone'
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from components.digests import damage, digest_of_digests, from_text, list_files, to_text
from components.storage import SAVED_MODEL, as_path

DAMAGED = "damaged"
"""Output of a Resolver: what it would have taken, had its files been whole."""

MANIFEST = "manifest"
_MODEL = "Model"
SERVING_MODEL = "Format-Serving"
"""Where TFX's Trainer writes the SavedModel in a Model artifact."""
_logger = logging.getLogger(__name__)


def add_manifest(artifact: Any, type_name: str) -> None:
    """Lists an artifact's files in its custom properties, when its step is done.

    Args:
      artifact: ML Metadata's Artifact.
      type_name: for a Model every digest is computed, which identifies it wherever it is copied.
    """
    folder = as_path(artifact.uri)
    if folder.is_dir():
        files = list_files(folder, every_digest=type_name == _MODEL)
        artifact.custom_properties[MANIFEST].string_value = to_text(files)


def manifest_text(artifact: Any) -> str:
    """The manifest of a TFX artifact as `components.digests.to_text` wrote it; "" for none."""
    return str(artifact.get_string_custom_property(MANIFEST))


def damage_of(artifact: Any, every_digest: bool = False) -> str:
    """What is wrong with a TFX artifact's files, as the end of a sentence; "" where nothing is.

    Args:
      artifact: one without a manifest, of an earlier version, only has to be there.
      every_digest: read all files whose digest is known.
    """
    folder, text = as_path(artifact.uri), manifest_text(artifact)
    if text:
        return damage(folder, from_text(text), every_digest)
    if not folder.exists():
        return f"{folder} is gone"
    if artifact.type_name == _MODEL and not (folder / SERVING_MODEL / SAVED_MODEL).exists():
        return f"{folder / SERVING_MODEL / SAVED_MODEL} is gone"
    return ""


def saved_model_of(model: Any) -> Any:
    """Folder of a Model artifact's SavedModel."""
    return as_path(model.uri) / SERVING_MODEL


def digest_of_model(model: Any) -> str:
    """Digest of a Model's files, as `components.pusher.versions.model_digest` of its copies.

    From the manifest, whatever happened to the files; "" if nothing is known about them.
    """
    text = manifest_text(model)
    if text:
        files = from_text(text)
    elif (saved_model_of(model) / SAVED_MODEL).exists():
        files = list_files(as_path(model.uri), every_digest=True)
    else:
        return ""
    prefix = f"{SERVING_MODEL}/"
    return digest_of_digests(
        {
            name.removeprefix(prefix): digest
            for name, (_, digest) in files.items()
            if name.startswith(prefix)
        }
    )


def warn(artifact: Any, node: str, text: str) -> None:
    """Logs a warning of a Resolver, and notes it in the artifact for `warnings_of`."""
    _logger.warning("%s: %s", node, text)
    artifact.set_string_custom_property(f"{node}.warning", text)


def warnings_of(outputs: Mapping[str, Any]) -> list[str]:
    """The warnings of a run's Resolvers.

    Args:
      outputs: artifacts by `<node>.<output>`.
    """
    found = []
    for name, artifact in outputs.items():
        node, _, output = name.partition(".")
        if output == DAMAGED:
            found.append(artifact.get_string_custom_property(f"{node}.warning"))
    return found
