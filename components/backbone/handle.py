"""The backbone adapter: the one place that knows where backbones are and how they are loaded.

>>> find_backbone(BackboneConfig(handle="bit-mini")).licence
'Apache-2.0'
>>> find_backbone(BackboneConfig(handle="/no/such/folder"))
Traceback (most recent call last):
...
components.errors.UserError: backbone.handle /no/such/folder: there is no such directory. ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.backbone.config import SHIPPED, SHIPPED_SHA256, BackboneConfig
from components.backbone.hub import fetch
from components.backbone.kaggle import kaggle_handle
from components.digests import digest_of_digests, digests_of_files
from components.errors import UserError
from components.storage import SAVED_MODEL, AnyPath, as_path, io_errors, is_uri

_APACHE = "Apache-2.0"
_GOOGLE_BIT_URL = "https://tfhub.dev/google/bit/"
_GOOGLE_BIT = "google/bit/"


@dataclass(frozen=True)
class Backbone:
    """A backbone that can be loaded.

    Attributes:
      handle: as configured.
      path: the folder with its SavedModel; in an object store, its URI.
      sha256: digest of that folder's files.
      licence: of its weights, by its SPDX name where it has one; empty if it is not known.
    """

    handle: str
    path: str
    sha256: str
    licence: str = ""


def find_backbone(config: BackboneConfig) -> Backbone:
    """Finds the SavedModel behind a handle, downloads it if needed, and computes its digest.

    Raises:
      UserError: there is none, it cannot be downloaded, or its files are not those configured.
    """
    try:
        path = _folder(config.handle)
        found = (path / SAVED_MODEL).is_file()
        files = digests_of_files(path) if found else {}
    except io_errors() as error:
        raise UserError(f"backbone.handle {config.handle} cannot be read: {error}") from error
    if not found:
        raise UserError(
            f"backbone.handle {config.handle}: there is no SavedModel ({SAVED_MODEL}) in {path}. "
            + CURE
        )
    sha256 = digest_of_digests(files)
    shipped = SHIPPED_SHA256.get(config.handle, sha256)
    if sha256 != shipped:
        raise UserError(
            f"backbone.handle {config.handle}: the files in {path} are not those that were shipped "
            f"(sha256 {sha256} and not {shipped}). Check the package out again."
        )
    if isinstance(config.sha256, str):
        _check_folder(config.sha256, sha256, path)
    elif config.sha256 is not None:
        _check_files(config.sha256, files, path)
    return Backbone(config.handle, str(path), sha256, _licence(config))


CURE = (
    "Copy or export it again; in a download cache, delete the folder, and the next run downloads "
    "it again."
)


def check_whole(path: str) -> None:
    """Reads every file of a SavedModel by TensorFlow, before hours of a run that needs it.

    Args:
      path: of its folder.

    Raises:
      UserError: one is damaged or missing, which it names.
    """
    from components.backbone.saved_files import damage_of

    try:
        damage = damage_of(path)
    except io_errors() as error:
        raise UserError(f"backbone.handle: {path} cannot be read: {error}") from error
    if damage:
        raise UserError(f"backbone.handle: a file of the backbone is damaged: {damage}. {CURE}")


def _folder(handle: str) -> AnyPath:
    if handle in SHIPPED:
        return SHIPPED[handle]
    if is_uri(handle):
        return as_path(handle)
    if "://" in handle:
        return fetch(handle)
    path = Path(handle)
    if path.is_dir():
        return path
    if kaggle_handle(handle):
        return fetch(handle)
    shipped = ", ".join(SHIPPED)
    raise UserError(
        f"backbone.handle {handle}: there is no such directory. It takes a directory with "
        f"a SavedModel, a gs:// URI of one, a hub URL, a Kaggle model "
        f"(owner/model/tensorFlow2/variation/version) or a shipped backbone ({shipped})."
    )


def _check_folder(expected: str, sha256: str, path: AnyPath) -> None:
    if expected != sha256:
        raise UserError(
            f"backbone.sha256 is {expected}, and the files in {path} have {sha256}: they are "
            "not the backbone that was configured. Give its digest, or null to take what is there."
        )


def _check_files(expected: Mapping[str, str], files: Mapping[str, str], path: AnyPath) -> None:
    wrong = [f"{name} is missing" for name in expected if name not in files]
    wrong += [f"{name} is not named" for name in files if name not in expected]
    wrong += [
        f"{name} has {files[name]} and not {digest}"
        for name, digest in expected.items()
        if name in files and files[name] != digest
    ]
    if wrong:
        raise UserError(
            f"backbone.sha256: of the files in {path}, {', '.join(wrong)}: they are not the "
            "backbone that was configured. Name every file with its digest, or give null to take "
            "what is there."
        )


def _licence(config: BackboneConfig) -> str:
    """Google's README of BiT puts code and weights under Apache-2.0; so are the shipped ones."""
    handle = config.handle
    if handle in SHIPPED or handle.startswith(_GOOGLE_BIT_URL):
        return _APACHE
    local = Path(handle).is_dir()
    if not local and (kaggle_handle(handle) or "").startswith(_GOOGLE_BIT):
        return _APACHE
    return config.licence or ""


def load_backbone(
    path: str,
    mode: str,
    precision: str = "float32",
    trainable_parameters: int | None = None,
) -> Any:
    """The backbone as a Keras layer: images float32 [N, H, W, 3] in [0, 1] -> pre-logits [N, E].

    Call it in the scope of the strategy that trains it: its variables are made here.

    Args:
      path: of the SavedModel.
      mode: `full`, or `head_only`, which has no trainable variable.
      precision: name of a Keras policy (docs/how-to/backbones.md describes what it computes).
      trainable_parameters: how many numbers there must be to train in mode full; None takes any.

    Returns:
      A `components.backbone.layer.BackboneLayer`; its pre-logits are float32.

    Raises:
      UserError: it breaks the contract of docs/how-to/backbones.md, has other trainable variables
        than it should, or the precision would change nothing.
    """
    from components.backbone.layer import load

    return load(path, mode, precision, trainable_parameters)
