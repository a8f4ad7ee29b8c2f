"""Kaggle's models as backbones: how they are named, where kagglehub keeps them, their download."""

from __future__ import annotations

import os
import re
import socket
import urllib.parse
import urllib.request
from pathlib import Path

from components.errors import UserError
from components.process import variable
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


def in_kagglehub_cache(handle: str) -> Path | None:
    """Where kagglehub has a model whole (its own layout), without a look at the network."""
    cache = Path(os.environ.get("KAGGLEHUB_CACHE") or os.path.expanduser("~/.cache/kagglehub"))
    path = cache / "models" / handle
    whole = path.with_name(f"{path.name}.complete").exists() and (path / SAVED_MODEL).is_file()
    return path if whole else None


def download(handle: str, folder: str) -> Path:
    """Downloads a model below `folder`, which must be empty, and returns where it is.

    Raises:
      Exception: whatever kagglehub, requests and the network raise.
    """
    with variable("KAGGLEHUB_CACHE", folder):
        import kagglehub
        from kagglesdk.kaggle_env import get_endpoint, get_env

        _check_answers(get_endpoint(get_env()))
        return Path(kagglehub.model_download(handle))


def _check_answers(endpoint: str) -> None:
    """Fails in seconds where nothing answers: kagglehub waits for as long as TCP does."""
    if urllib.request.getproxies():
        return
    url = urllib.parse.urlsplit(endpoint)
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    socket.create_connection((str(url.hostname), port), _TIMEOUT_S).close()
