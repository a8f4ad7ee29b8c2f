"""Backbones that are downloaded: from TensorFlow Hub's cache, else from the network.

>>> url = "https://tfhub.dev/google/bit/m-r50x1/1"
>>> with tempfile.TemporaryDirectory() as cache, variable("TFHUB_CACHE_DIR", cache):
...     before = is_cached(url)
...     folder = Path(cache, hashlib.sha1(url.encode()).hexdigest())
...     folder.mkdir()
...     (folder / SAVED_MODEL).touch()
...     before, is_cached(url), fetch(url) == folder
(False, True, True)
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from pathlib import Path

from components.backbone import kaggle
from components.durable import rename, sync_tree, unfinished_folder
from components.errors import UserError
from components.process import variable
from components.progress import report
from components.storage import (
    SAVED_MODEL,
    AnyPath,
    as_path,
    copy_tree,
    io_errors,
    try_writing,
)

_DOWNLOAD_TIMEOUT_S = 8


def fetch(handle: str) -> AnyPath:
    """The folder of a hub URL's or a Kaggle model's files, from a cache or the network.

    Raises:
      UserError: neither has it.
    """
    model = kaggle.kaggle_handle(handle)
    found = _cached(handle)
    if found is None and model:
        found = _cached(model) or kaggle.cached(model)
    return found or _download(handle, model)


def is_cached(handle: str) -> bool:
    """Whether a hub URL's files are on this machine already."""
    return _cached(handle) is not None


def cache_folder() -> str:
    """TensorFlow Hub's cache: TFHUB_CACHE_DIR, else hub's own default."""
    return os.environ.get("TFHUB_CACHE_DIR") or str(Path(tempfile.gettempdir(), "tfhub_modules"))


def _cache(handle: str) -> AnyPath:
    """The folder of a handle's module, by hub's own layout."""
    return as_path(cache_folder()) / hashlib.sha1(handle.encode()).hexdigest()


def _cached(handle: str) -> AnyPath | None:
    """A local cache needs neither TensorFlow nor the network."""
    path = _cache(handle)
    return path if (path / SAVED_MODEL).is_file() else None


def _download(handle: str, model: str | None) -> AnyPath:
    """Downloads into a folder of its own and moves it into the cache, whole.

    Hub itself uses a lock file: after a run that was killed, the next one waits ten minutes for it.
    """
    report(f"Looking for {handle}", event="phase", text=f"Looking for {handle}")
    cache = _cache(model or handle)
    try:
        try_writing(cache.parent)
    except io_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"backbone.handle {handle} must be downloaded, and TFHUB_CACHE_DIR ({cache.parent}) "
            f"cannot be written: {reason}. Set TFHUB_CACHE_DIR to a folder that can be."
        ) from error
    beside = cache.parent if isinstance(cache, Path) else Path(tempfile.gettempdir())
    try:
        with unfinished_folder(beside, ".download-") as folder:
            found = (kaggle.download if model else _resolve)(model or handle, folder / "module")
            if not found.is_relative_to(folder):
                return found
            if not isinstance(cache, Path):
                copy_tree(found, cache)
                return cache
            sync_tree(found)
            try:
                rename(found, cache)
            except OSError:
                # Another run may have been faster.
                if not (cache / SAVED_MODEL).is_file():
                    raise
        return cache
    except io_errors(kaggle.DownloadError) as error:
        reason = str(error).strip().splitlines()
        raise UserError(
            f"backbone.handle {handle} could not be downloaded "
            f"({reason[0] if reason else type(error).__name__}), and TFHUB_CACHE_DIR "
            f"({cache.parent}) does not hold it. Give a local directory, or a cache that has it."
        ) from error


def _resolve(handle: str, folder: Path) -> Path:
    """Hub's download, below `folder`.

    Raises:
      kaggle.DownloadError: it cannot be downloaded.
    """
    import tensorflow_hub as hub

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)
    try:
        with variable("TFHUB_CACHE_DIR", str(folder)):
            return Path(hub.resolve(handle))
    except io_errors(*kaggle.FAILURES) as error:
        raise kaggle.DownloadError(str(error)) from error
    finally:
        socket.setdefaulttimeout(before)
