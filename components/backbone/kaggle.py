"""Kaggle's models as backbones: how users name them; kagglehub caches and downloads them.

kagglehub itself reads no URL of kaggle.com, takes any path of five parts for a model, and takes a
second to import, so that names are ours: a misspelt directory is refused without it.

    >>> kaggle_handle("https://www.kaggle.com/models/google/bit/TensorFlow2/m-r50x1/1")
    'google/bit/tensorFlow2/m-r50x1/1'
"""

from __future__ import annotations

import re
import shutil
import socket
import tarfile
import urllib.parse
import urllib.request
import zipfile
import zlib
from http.client import HTTPException
from pathlib import Path

from components.errors import UserError
from components.storage import SAVED_MODEL

_FRAMEWORKS = {name.lower(): name for name in ("tensorFlow1", "tensorFlow2")}
"""Those whose models are SavedModels, as kagglehub spells them."""

_MODEL = re.compile(r"([\w-]+/[\w.-]+)/(\w+)/([\w.-]+/[1-9]\d*)")
_LONG_URL = re.compile(r"([^/]+/[^/]+)/frameworks/([^/]+)/variations/([^/]+)/versions/([^/]+)")

_TIMEOUT_S = 8


def kaggle_handle(handle: str) -> str | None:
    """The model that a handle or a URL of kaggle.com names; None for what names none.

    Returns:
      owner/model/framework/variation/version, as kagglehub spells it.

    Raises:
      UserError: it is of another framework, or the URL is not of one version.
    """
    try:
        url = urllib.parse.urlsplit(handle)
    except ValueError:
        return None
    of_kaggle = url.hostname in ("kaggle.com", "www.kaggle.com")
    if "://" in handle and not of_kaggle:
        return None
    name = url.path.removeprefix("/models").strip("/") if of_kaggle else handle
    match = _MODEL.fullmatch(_LONG_URL.sub(r"\1/\2/\3/\4", name))
    if match is None and of_kaggle:
        raise UserError(
            f"backbone.handle {handle}: give the URL of one version of one variation, as "
            "https://www.kaggle.com/models/google/bit/tensorFlow2/m-r50x1/1."
        )
    if match is None:
        return None
    model, framework, version = match.groups()
    if framework.lower() not in _FRAMEWORKS:
        raise UserError(
            f"backbone.handle {handle}: there is no such directory, and as a Kaggle model it is of "
            f"{framework}: give one of tensorFlow2, which are SavedModels."
        )
    return f"{model}/{_FRAMEWORKS[framework.lower()]}/{version}"


FAILURES = (
    OSError,
    HTTPException,
    ValueError,
    EOFError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What hub, kagglehub and the libraries below them raise of a network, a URL or an archive."""


class DownloadError(Exception):
    """What a library says of a download that failed."""


def cached(handle: str) -> Path | None:
    """Where kagglehub's cache has a model whole; the network is not asked."""
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_model_handle

    path = Cache().load_from_cache(parse_model_handle(handle))
    return Path(path) if path and Path(path, SAVED_MODEL).is_file() else None


def download(handle: str, folder: Path) -> Path:
    """Downloads a model into `folder`, which must be empty.

    Returns:
      Where it is: `folder`, or the folder of Kaggle's or Colab's own machines that has it.

    Raises:
      DownloadError: it cannot be downloaded.
    """
    import kagglehub
    from kagglehub import exceptions
    from kagglesdk.kaggle_env import get_endpoint, get_env

    own = (
        exceptions.BackendError,
        exceptions.ColabEnvironmentError,
        exceptions.CredentialError,
        exceptions.DataCorruptionError,
        exceptions.KaggleEnvironmentError,
        exceptions.NotFoundError,
        exceptions.UnauthenticatedError,
    )
    try:
        _check_answers(get_endpoint(get_env()))
        path = Path(kagglehub.model_download(handle, output_dir=str(folder)))
    except (*FAILURES, *own) as error:
        raise DownloadError(str(error)) from error
    if path == folder:
        # kagglehub's note that the folder is whole, which is no file of the model.
        shutil.rmtree(folder / ".complete")
    return path


def _check_answers(endpoint: str) -> None:
    """Fails in seconds where nothing answers: kagglehub waits for as long as TCP does."""
    if urllib.request.getproxies():
        return
    url = urllib.parse.urlsplit(endpoint)
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    socket.create_connection((str(url.hostname), port), _TIMEOUT_S).close()
