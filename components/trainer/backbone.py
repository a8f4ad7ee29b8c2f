"""The backbone adapter: the one place that knows TensorFlow Hub and where backbones lie."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.digests import digest_of_folder
from components.errors import UserError
from components.progress import report
from components.storage import (
    SAVED_MODEL,
    AnyPath,
    as_path,
    copy_tree,
    io_errors,
    is_local,
    is_uri,
)
from components.trainer.backbone_config import SHIPPED, BackboneConfig

_DOWNLOAD_TIMEOUT_S = 8


@dataclass(frozen=True)
class Backbone:
    """A backbone that can be loaded.

    Attributes:
      handle: as configured.
      path: the folder with its SavedModel; in an object store, its URI.
      sha256: digest of that folder's files.
    """

    handle: str
    path: str
    sha256: str


def find_backbone(config: BackboneConfig) -> Backbone:
    """Finds the SavedModel behind a handle, downloads it where it must, and takes its digest.

    Raises:
      UserError: there is none, it cannot be downloaded, or it has another digest than configured.
    """
    try:
        path = _folder(config.handle)
        found = (path / SAVED_MODEL).is_file()
        sha256 = digest_of_folder(path) if found else ""
    except io_errors() as error:
        raise UserError(f"backbone.handle {config.handle} cannot be read: {error}") from error
    if not found:
        raise UserError(
            f"backbone.handle {config.handle}: there is no SavedModel ({SAVED_MODEL}) in {path}."
        )
    if config.sha256 not in (None, sha256):
        raise UserError(
            f"backbone.sha256 is {config.sha256}, and the files in {path} have {sha256}: they are "
            "not the backbone that was configured."
        )
    return Backbone(config.handle, str(path), sha256)


def _folder(handle: str) -> AnyPath:
    if handle in SHIPPED:
        return SHIPPED[handle]
    if is_uri(handle):
        return as_path(handle)
    if "://" not in handle:
        path = Path(handle)
        if not path.is_dir():
            shipped = ", ".join(SHIPPED)
            raise UserError(
                f"backbone.handle {handle}: there is no such directory. It takes a directory with "
                f"a SavedModel, a gs:// URI of one, a hub URL or a shipped backbone ({shipped})."
            )
        return path
    return _cached(handle) or _download(handle)


def _cache(handle: str) -> AnyPath:
    """Where hub keeps a handle's module (its own layout)."""
    default = Path(tempfile.gettempdir(), "tfhub_modules")
    folder = as_path(os.environ.get("TFHUB_CACHE_DIR") or default)
    return folder / hashlib.sha1(handle.encode()).hexdigest()


def _cached(handle: str) -> AnyPath | None:
    """With a local cache, without an import of TensorFlow and without a look at the network."""
    path = _cache(handle)
    return path if (path / SAVED_MODEL).is_file() else None


def _download(handle: str) -> AnyPath:
    """Downloads into a folder of its own and moves it into the cache, whole.

    Hub's own way is a lock file, on which a run after a killed one waits for ten minutes.
    """
    report(f"Looking for {handle}", event="phase", text=f"Looking for {handle}")
    cache = _cache(handle)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        beside = cache.parent if is_local(cache) else None
        with tempfile.TemporaryDirectory(prefix=".download-", dir=beside) as folder:
            found = _resolve(handle, folder)
            if not found.is_relative_to(folder):
                return found
            if not is_local(cache):
                copy_tree(found, cache)
                return cache
            with contextlib.suppress(OSError):
                # It fails if another run was quicker, and then the cache holds it too.
                os.rename(found, cache)
        return cache
    except Exception as error:  # hub raises what urllib, tarfile and TensorFlow raise.
        reason = str(error).strip().splitlines()
        raise UserError(
            f"backbone.handle {handle} could not be downloaded "
            f"({reason[0] if reason else type(error).__name__}), and TFHUB_CACHE_DIR "
            f"({cache.parent}) does not hold it. Give a local directory, or a cache that has it."
        ) from error


def _resolve(handle: str, folder: str) -> Path:
    """Hub's download, below `folder`."""
    import tensorflow_hub as hub

    before = socket.getdefaulttimeout(), os.environ.get("TFHUB_CACHE_DIR")
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)
    os.environ["TFHUB_CACHE_DIR"] = folder
    try:
        return Path(hub.resolve(handle))
    finally:
        socket.setdefaulttimeout(before[0])
        os.environ.pop("TFHUB_CACHE_DIR")
        if before[1] is not None:
            os.environ["TFHUB_CACHE_DIR"] = before[1]


def load_backbone(path: str, mode: str) -> Any:
    """The backbone as a Keras layer: images float32 [N, H, W, 3] in [0, 1] -> pre-logits [N, E].

    Raises:
      UserError: it should be trained, and has nothing to train. A SavedModel that does not list its
        `trainable_variables` loads without a word, and only the head would learn.
    """
    import tensorflow_hub as hub

    trainable = mode == "full"
    layer = hub.KerasLayer(path, trainable=trainable, name="backbone")
    if trainable and not layer.trainable_variables:
        raise UserError(
            f"backbone.mode is full, and the backbone in {path} has no trainable variable, so that "
            "only the head would learn. Use head_only, or export it with `trainable_variables`, "
            "`variables`, `regularization_losses` and `__call__`."
        )
    return layer
