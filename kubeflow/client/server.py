"""A Kubeflow Pipelines API server: whether it is one, which version it has, and how it is asked.

>>> About("2.16.0", multi_user=False).is_fixed
False
>>> namespace_of("team", About("2.17.0", multi_user=True))
'team'
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp_server_api
import urllib3

from components.errors import UserError
from kubeflow.client.auth import Anonymous
from kubeflow.client.errors import (
    GoneError,
    MissingError,
    UnauthorisedError,
    call,
    message_of,
    unreachable,
)
from kubeflow.client.transport import Transport

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CONNECT_S, _READ_S = 10.0, 60.0
_REDIRECTS = (301, 302, 303, 307, 308)

FIXED_IN = (2, 17, 0)
"""The first version with the security fixes that `About.warning` names."""


@dataclass(frozen=True)
class About:
    """What a server says about itself; `version` is empty if it does not say."""

    version: str
    multi_user: bool

    @property
    def is_fixed(self) -> bool:
        """Whether it is known to be 2.17.0 or later; release candidates are earlier.

        >>> [About(version, False).is_fixed for version in ("2.17.0", "2.17.0-rc.1", "v2.20", "")]
        [True, False, True, False]
        """
        match = self._match()
        if not match:
            return False
        numbers = tuple(int(part or 0) for part in match.groups()[:3])
        return numbers > FIXED_IN or (numbers == FIXED_IN and not match[4])

    @property
    def warning(self) -> str:
        """A sentence on a version that is unknown or lacks security fixes; "" for a good one."""
        if self.is_fixed:
            return ""
        if not self._match():
            return (
                "the server does not say its version; make sure that it is 2.17.0 or later, which "
                "has security fixes."
            )
        return (
            f"the server is {self.version}: its API server lacks fixes for path traversal (#12928),"
            " cross-namespace artifacts (#12860) and CVE-2023-6570 (#13126); 2.17.0 has them."
        )

    def _match(self) -> re.Match[str] | None:
        return re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?(-)?", self.version)


class Server:
    """One Kubeflow Pipelines API server, with the credentials of whoever asks."""

    def __init__(self, transport: Transport, auth: Anonymous) -> None:
        self.transport, self.auth = transport, auth
        self.client = kfp_server_api.ApiClient(transport.configuration())
        # The generated client has hooks for neither.
        pool = self.client.rest_client.pool_manager
        self._request, pool.request = pool.request, self._send
        self._deserialize, self.client.deserialize = self.client.deserialize, self._parse
        auth.apply(self.client)
        self.pipelines = kfp_server_api.PipelineServiceApi(self.client)
        self.uploads = kfp_server_api.PipelineUploadServiceApi(self.client)
        self.experiments = kfp_server_api.ExperimentServiceApi(self.client)
        self.runs = kfp_server_api.RunServiceApi(self.client)
        self.recurring = kfp_server_api.RecurringRunServiceApi(self.client)

    @property
    def host(self) -> str:
        """The URL that was given."""
        return self.transport.host

    def renew(self) -> bool:
        """Renews credentials that were refused; whether another try makes sense."""
        return self.auth.renew(self.client)

    def link(self, path: str) -> str:
        """A page of the UI, which is where the API is unless KF_PIPELINES_UI_ENDPOINT is set."""
        ui = os.environ.get("KF_PIPELINES_UI_ENDPOINT") or self.host
        return f"{ui.rstrip('/')}/#/{path}"

    def about(self) -> About:
        """Asks the server what it is: the first request, which finds all that may be wrong.

        Raises:
          UserError: it cannot be reached, does not let us in, or has no v2beta1 API.
        """
        healthz = kfp_server_api.HealthzServiceApi(self.client).healthz_service_get_healthz
        try:
            # Not parsed: the generated model has no field for the version.
            answer = call(f"ask {self.host} what it is", healthz, _preload_content=False)
        except MissingError as error:
            raise UserError(
                f"{self.host} has no v2beta1 API (404): it is older than Kubeflow Pipelines "
                "2.0, or the API is below a path, such as /pipeline on a Kubeflow platform."
            ) from error
        values = _object_in(answer.data) or {}
        # The API server says tag_name; the UI's server, which a port-forward reaches, the other.
        version = str(values.get("tag_name") or values.get("apiServerTagName") or "")
        multi_user = bool(values.get("multi_user") or values.get("apiServerMultiUser"))
        if values.get("apiServerReady") is False:
            raise GoneError(
                f"the UI at {self.host} answers, but the API server behind it does not."
            )
        return About("" if version.lower() == "unknown" else version, multi_user)

    def _send(self, method: str, url: str, **options: Any) -> Any:
        """One request, as kfp_server_api makes it, but with an end to waiting and without detours.

        A guard's redirect to its login, or its page, would be taken for an answer.
        """
        options["timeout"] = options.get("timeout") or urllib3.Timeout(_CONNECT_S, _READ_S)
        # Read here, so that a connection that breaks amid an answer is seen here.
        options |= {"redirect": False, "preload_content": True}
        try:
            response = self._request(method, url, **options)
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(self.host, error) from error
        status = response.status
        page = "text/html" in response.headers.get("content-type", "")
        if status in _REDIRECTS:
            target = response.headers.get("location", "")
            if re.search(r"/dex/|/auth\b|/oauth2/|/login|/authorize", target):
                raise self._stranger(status)
            raise UserError(f"{self.host} redirects to {target}: give that as --host.")
        if status == 401 or (status == 403 and page) or (status == 200 and page):
            raise self._stranger(status, "" if page else message_of(response.data))
        if status == 200 and _object_in(response.data) is None:
            # kfp_server_api would take it for an empty answer: no such pipeline, no such run.
            path = url.removeprefix(self.host).partition("?")[0]
            raise UserError(
                f"{self.host} does not speak KFP's v2beta1 API: its response to {path} is not "
                "a JSON object."
            )
        return response

    def _parse(self, response: Any, kind: Any) -> Any:
        """The generated client's model of an answer."""
        try:
            return self._deserialize(response, kind)
        except (ValueError, TypeError, AttributeError) as error:
            # Its ways to say that an answer is not what the API promises.
            raise UserError(
                f"{self.host} does not speak KFP's v2beta1 API: its answer is no {kind}."
            ) from error

    def _stranger(self, status: int, said: str = "") -> UnauthorisedError:
        said = f": {said.rstrip('.')}" if said else ""
        if type(self.auth) is Anonymous:
            advice = "Give --auth dex, token or in-cluster."
        else:
            advice = "The credentials are wrong, or have expired."
        return UnauthorisedError(
            f"{self.host} does not let us in {self.auth.how} ({status}){said}. {advice}"
        )


def _object_in(content: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(content)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def namespace_of(given: str | None, about: About) -> str | None:
    """The namespace to work in: None on a single-user server, which takes none.

    Raises:
      UserError: the server wants one, and neither the command line nor the pod names it.
    """
    if not about.multi_user:
        return None
    if given:
        return given
    try:
        return _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        raise UserError(
            "the server has many users: say whose namespace with --namespace NS."
        ) from None
