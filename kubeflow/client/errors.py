"""What a server's refusal means, in one sentence, and whether it passes.

>>> refusal("cannot start the run", 409, "there already")
ConflictError('cannot start the run: there already (409).')
>>> message_of(b'{"message": "there already"}')
'there already'
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import kfp_server_api
import urllib3

from components.errors import UserError

_REFUSALS = re.compile(
    "|".join(
        (
            "invalid ?input ?error",
            "failed to generate the executionspec",
            "failed to validate workflow",
            "failed to verify parameters",
            "failed to fetch a template",
            "failed to create a run due to",
            "admission webhook .* denied the request",
            "is forbidden",
            "request is too large|request entity too large",
        )
    ),
    re.IGNORECASE,
)
"""What KFP's API server says, with status 500, about a run that it did not create.

Any other 500 leaves that open: it also comes where the workflow was made, and storing the run
failed (CreateRun in kubeflow/pipelines, backend/src/apiserver/resource/resource_manager.go).
"""
_NOT_DONE = (425, 429, 501, 505)
"""Statuses that mean that nothing was done."""


class GoneError(UserError):
    """The server cannot be reached or is not itself just now: it may come back.

    Attributes:
      may_be_done: whether it may have done what was asked all the same.
    """

    def __init__(self, sentence: str, may_be_done: bool = True) -> None:
        super().__init__(sentence)
        self.may_be_done = may_be_done


class UnauthorisedError(UserError):
    """The server wants to know who asks, or no longer believes it."""


class ConflictError(UserError):
    """What was to be created is there already."""


class MissingError(UserError):
    """What was asked for is not there."""


def call(doing: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Calls a method of kfp_server_api.

    Args:
      doing: what it does, such as "start the run"; part of the sentence.
      function: the method.
      args: its positional arguments.
      options: its keywords.

    Raises:
      GoneError, UnauthorisedError, ConflictError, MissingError: as their names say.
      UserError: anything else that the server refuses.
    """
    try:
        return function(*args, **options)
    except kfp_server_api.ApiException as error:
        said = message_of(error.body) or str(error.reason or "")
        raise refusal(f"cannot {doing}", error.status, said) from error


def create(doing: str, doubt: str, function: Callable[..., Any], **options: Any) -> Any:
    """`call` of what must not be done twice: nothing here repeats it.

    Args:
      doing: what it does.
      doubt: that it may be done all the same, and where to look.
      function: the method.
      options: its keywords.

    Raises:
      UserError: the server refuses it, or went away so that nobody knows.
    """
    try:
        return call(doing, function, **options)
    except GoneError as error:
        if not error.may_be_done:
            raise
        sentence = str(error).rstrip(".")
        raise UserError(f"{sentence}. {doubt} before you submit it again.") from error


def refusal(what: str, status: int, said: str) -> UserError:
    """The exception for a status that is no success."""
    sentence = f"{what}: {said.rstrip('.')}" if said else what
    if status == 401:
        return UnauthorisedError(f"{sentence} (401).")
    if status == 403:
        return UserError(
            f"{sentence} (403). The account may not do this: check --namespace, and the account's "
            "rights in it."
        )
    if status == 404:
        return MissingError(f"{sentence} (404).")
    if status == 409:
        return ConflictError(f"{sentence} (409).")
    if status >= 500 or status in (0, 408, 425, 429):
        refused = status in _NOT_DONE or (status == 500 and bool(_REFUSALS.search(said)))
        return GoneError(f"{sentence} ({status}).", may_be_done=not refused)
    return UserError(f"{sentence} ({status}).")


def message_of(body: str | bytes | None) -> str:
    """The sentence in an error's body: of grpc-gateway, of the upload's handler, or plain text."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""
    try:
        values = json.loads(text)
    except ValueError:
        # Proxies answer in plain text or with a page.
        return "" if "<" in text else " ".join(text.split())[:200]
    if not isinstance(values, dict):
        return ""
    for key in ("message", "error_message", "error"):
        if isinstance(values.get(key), str) and values[key]:
            return " ".join(values[key].split())[:500]
    return ""


def unreachable(host: str, error: Exception) -> UserError:
    """The sentence for a connection that did not come about."""
    reason = getattr(error, "reason", None) or error
    text = str(reason)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        detail = text.rpartition("CERTIFICATE_VERIFY_FAILED] ")[2].partition(" (_ssl")[0]
        return UserError(
            f"the certificate of {host} is not trusted ({detail}): give its authority with "
            "--ca-cert FILE, or --insecure."
        )
    if "WRONG_VERSION_NUMBER" in text or "wrong version number" in text:
        return UserError(f"{host} does not speak TLS: write http:// instead of https://.")
    # No connection, no request; an unknown name and a refused connection are of this type too.
    sent = not isinstance(reason, urllib3.exceptions.ConnectTimeoutError)
    return GoneError(f"{host} cannot be reached: {_plain(reason)}.", may_be_done=sent)


def _plain(reason: Any) -> str:
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "its name is not known"
    text = str(reason)
    for known in ("Connection refused", "No route to host", "Network is unreachable"):
        if known in text:
            return known[0].lower() + known[1:]
    if isinstance(reason, urllib3.exceptions.ConnectTimeoutError):
        return "it does not answer"
    if isinstance(reason, urllib3.exceptions.ReadTimeoutError):
        return "it took the request and did not answer"
    if "Remote end closed" in text or "reset by peer" in text:
        return "it closed the connection"
    return " ".join(text.rpartition(": ")[2].split())[:200].rstrip(".")
