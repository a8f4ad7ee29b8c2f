"""Who asks: nobody, a bearer token, the pod's service account, or a user of Dex.

>>> from types import SimpleNamespace
>>> options = SimpleNamespace(auth="auto", token_file=None, dex_user=None, dex_password_file=None)
>>> transport = Transport("http://localhost:8080", None, False, None)
>>> choose(options, transport, {"KFP_TOKEN": "secret"}).how
'with the token of KFP_TOKEN'
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kfp_server_api

from components.errors import UserError
from kubeflow.client.dex import log_in
from kubeflow.client.errors import UnauthorisedError
from kubeflow.client.transport import Transport

_POD_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"
_POD_TOKEN_ENV = "KF_PIPELINES_SA_TOKEN_PATH"


class Anonymous:
    """No credentials, as through a port-forward to a single-user installation.

    Attributes:
      how: the end of "the server does not let us in ...".
    """

    how = "without credentials"

    def apply(self, client: kfp_server_api.ApiClient) -> None:
        """Gives a client its credentials."""

    def renew(self, client: kfp_server_api.ApiClient) -> bool:
        """Renews credentials that were refused; returns whether they may differ now."""
        return False


class Bearer(Anonymous):
    """A bearer token, read for every request: the kubelet renews the one of a pod in its file."""

    def __init__(self, how: str, read: Callable[[], str], renewable: bool) -> None:
        read()
        self.how, self._read, self._renewable = how, read, renewable

    def apply(self, client: kfp_server_api.ApiClient) -> None:
        """Gives a client its credentials.

        Raises:
          UnauthorisedError: by the client's requests, where the token's file is gone.
        """
        client.configuration.api_key_prefix["authorization"] = "Bearer"
        client.configuration.refresh_api_key_hook = self._refresh
        self._refresh(client.configuration)

    def renew(self, client: kfp_server_api.ApiClient) -> bool:
        """The next request reads it again."""
        return self._renewable

    def _refresh(self, configuration: kfp_server_api.Configuration) -> None:
        configuration.api_key["authorization"] = self._read()


class Dex(Anonymous):
    """A user's name and password at Dex, which become the cookies of a session."""

    def __init__(self, transport: Transport, user: str, password: str) -> None:
        self.how = f"as {user}"
        self._transport, self._user, self._password = transport, user, password

    def apply(self, client: kfp_server_api.ApiClient) -> None:
        """Logs in.

        Raises:
          UserError: the password is wrong, or what answers is not Dex.
        """
        with self._transport.session() as session:
            client.cookie = log_in(session, self._transport.host, self._user, self._password)

    def renew(self, client: kfp_server_api.ApiClient) -> bool:
        """Logs in again: sessions end after a day or so."""
        self.apply(client)
        return True


def choose(
    options: Any, transport: Transport, environment: Mapping[str, str] = os.environ
) -> Anonymous:
    """The credentials that the command line and the environment ask for.

    Args:
      options: with `auth`, `token_file`, `dex_user` and `dex_password_file`.
      transport: the way to the server, on which Dex is too.
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
        return _from_file(pod_token)
    if mode == "token":
        if options.token_file:
            return _from_file(options.token_file)
        if token := environment.get("KFP_TOKEN", "").strip():
            return Bearer("with the token of KFP_TOKEN", lambda: token, renewable=False)
        raise UserError("--auth token needs --token-file FILE or the variable KFP_TOKEN.")
    if mode == "dex":
        return Dex(transport, *_dex(user, options.dex_password_file, environment))
    return Anonymous()


def _from_file(path: str) -> Bearer:
    return Bearer(f"with the token in {path}", lambda: _read_secret(path, "token"), renewable=True)


def _dex(user: str, password_file: str | None, environment: Mapping[str, str]) -> tuple[str, str]:
    if not user:
        raise UserError("--auth dex needs --dex-user NAME or the variable KFP_DEX_USER.")
    if password_file:
        return user, _read_secret(password_file, "password")
    if environment.get("KFP_DEX_PASSWORD"):
        return user, environment["KFP_DEX_PASSWORD"]
    raise UserError(
        "--auth dex needs --dex-password-file FILE or the variable KFP_DEX_PASSWORD; "
        "a password on the command line would be for all to see."
    )


def _read_secret(path: str, what: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UnauthorisedError(f"the {what} in {path} cannot be read: {reason}.") from error
    if not text:
        raise UnauthorisedError(f"there is no {what} in {path}: the file is empty.")
    return text
