"""Who asks: nobody, a token, the pod's service account, or a user of Dex."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.errors import UserError
from kubeflow.client.dex import log_in

MODES = ("auto", "none", "token", "in-cluster", "dex")

_POD_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"
_POD_TOKEN_ENV = "KF_PIPELINES_SA_TOKEN_PATH"


@dataclass(frozen=True)
class Transport:
    """How to reach the server: its URL, and what its certificate is checked with."""

    host: str
    ca_cert: str | None = None
    insecure: bool = False
    proxy: str | None = None


class Anonymous:
    """No credentials, as through a port-forward to a single-user installation."""

    how = "without credentials"

    def apply(self, client: Any, transport: Transport) -> None:
        """Gives an ApiClient its credentials."""

    def renew(self, client: Any, transport: Transport) -> bool:
        """Credentials that were refused, anew; whether there can be a change."""
        return False


@dataclass
class Token(Anonymous):
    """A bearer token that is given once."""

    value: str = field(repr=False)
    how = "with the token of KFP_TOKEN"

    def apply(self, client: Any, transport: Transport) -> None:
        """Gives an ApiClient its credentials."""
        client.configuration.api_key["authorization"] = self.value
        client.configuration.api_key_prefix["authorization"] = "Bearer"


class TokenFile(Anonymous):
    """A bearer token in a file that somebody keeps fresh, such as the kubelet."""

    def __init__(self, path: str) -> None:
        _read_secret(Path(path), "token")
        self.path = path
        self.how = f"with the token in {path}"

    def apply(self, client: Any, transport: Transport) -> None:
        """Gives an ApiClient its credentials: the SDK's, which read the file for every request."""
        from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials

        # It logs what it raises too.
        logging.disable(logging.ERROR)
        credentials = ServiceAccountTokenVolumeCredentials(self.path)
        client.configuration.refresh_api_key_hook = credentials.refresh_api_key_hook
        client.configuration.api_key["authorization"] = "read on use"
        client.configuration.api_key_prefix["authorization"] = "Bearer"

    def renew(self, client: Any, transport: Transport) -> bool:
        """The file is read for every request anyway."""
        return True


@dataclass
class Dex(Anonymous):
    """A user's name and password at Dex, turned into a session's cookies."""

    user: str
    password: str = field(repr=False)

    @property
    def how(self) -> str:  # type: ignore[override]
        """For messages."""
        return f"as {self.user}"

    def apply(self, client: Any, transport: Transport) -> None:
        """Gives an ApiClient its credentials."""
        client.cookie = log_in(transport, self.user, self.password)

    def renew(self, client: Any, transport: Transport) -> bool:
        """Logs in again: sessions end after a day or so."""
        self.apply(client, transport)
        return True


def choose(options: Any, environment: Mapping[str, str] = os.environ) -> Anonymous:
    """The credentials that the command line and the environment ask for.

    Args:
      options: with `auth`, `token_file`, `dex_user` and `dex_password_file`.
      environment: KFP_TOKEN, KFP_DEX_USER, KFP_DEX_PASSWORD, KF_PIPELINES_SA_TOKEN_PATH.

    Raises:
      UserError: something that the way needs is missing.
    """
    pod_token = environment.get(_POD_TOKEN_ENV) or _POD_TOKEN
    user = options.dex_user or environment.get("KFP_DEX_USER", "")
    mode = options.auth
    if mode == "auto":
        if options.token_file or environment.get("KFP_TOKEN"):
            mode = "token"
        elif user:
            mode = "dex"
        else:
            mode = "in-cluster" if Path(pod_token).is_file() else "none"
    if mode == "in-cluster":
        return TokenFile(pod_token)
    if mode == "token":
        if options.token_file:
            return TokenFile(options.token_file)
        if environment.get("KFP_TOKEN"):
            return Token(environment["KFP_TOKEN"].strip())
        raise UserError("--auth token needs --token-file FILE or the variable KFP_TOKEN.")
    if mode == "dex":
        return _dex(user, options.dex_password_file, environment)
    return Anonymous()


def _dex(user: str, password_file: str | None, environment: Mapping[str, str]) -> Dex:
    if not user:
        raise UserError("--auth dex needs --dex-user NAME or the variable KFP_DEX_USER.")
    if password_file:
        return Dex(user, _read_secret(Path(password_file), "password"))
    if environment.get("KFP_DEX_PASSWORD"):
        return Dex(user, environment["KFP_DEX_PASSWORD"])
    raise UserError(
        "--auth dex needs --dex-password-file FILE or the variable KFP_DEX_PASSWORD; "
        "a password on the command line would be for all to see."
    )


def _read_secret(path: Path, what: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"the {what} in {path} cannot be read: {reason}.") from error
    if not text:
        raise UserError(f"there is no {what} in {path}: the file is empty.")
    return text
