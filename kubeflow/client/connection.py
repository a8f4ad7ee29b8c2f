"""The server: how it is reached, whether it is one of ours, and which version it has."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kfp_server_api
import urllib3

from components.errors import UserError
from kubeflow.client.auth import Anonymous, Transport
from kubeflow.client.errors import GoneError, UnauthorisedError, message_of, refusal, unreachable

_IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CONNECT_S, _READ_S = 10.0, 60.0
_REDIRECTS = (301, 302, 303, 307, 308)

FIXED_IN = (2, 17, 0)
"""The first version with the security fixes that `version_warning` names."""


@dataclass(frozen=True)
class About:
    """What a server says of itself; `version` is empty where it does not."""

    version: str
    multi_user: bool


def host_of(given: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The server's URL without a slash at its end.

    Raises:
      UserError: none is given and this is no pod, or it is not a URL.
    """
    host = given or environment.get("KF_PIPELINES_ENDPOINT", "")
    if not host and environment.get("KUBERNETES_SERVICE_HOST"):
        return _IN_CLUSTER
    if not host:
        raise UserError(
            "which server? Give --host URL or the variable KF_PIPELINES_ENDPOINT; after `kubectl "
            "port-forward -n kubeflow svc/ml-pipeline-ui 8080:80` it is http://localhost:8080."
        )
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"--host {host}: write it as http://... or https://...")
    if parts.username or parts.password:
        raise UserError("--host must not hold a password: see --auth.")
    if "/#" in host or parts.query:
        raise UserError(f"--host {host}: leave out what follows {parts.scheme}://{parts.netloc}.")
    return host.rstrip("/")


class Server:
    """One Kubeflow Pipelines API server, with the credentials of whoever asks."""

    def __init__(self, transport: Transport, auth: Anonymous) -> None:
        self.transport, self.auth = transport, auth
        if transport.ca_cert:
            _check_authority(transport.ca_cert)
        configuration = kfp_server_api.Configuration(host=transport.host)
        configuration.ssl_ca_cert = transport.ca_cert
        configuration.verify_ssl = not transport.insecure
        configuration.proxy = transport.proxy
        if transport.insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self.client = kfp_server_api.ApiClient(configuration)
        pool = self.client.rest_client.pool_manager
        self._request = pool.request
        pool.request = self._send
        auth.apply(self.client, transport)
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
        return self.auth.renew(self.client, self.transport)

    def link(self, path: str) -> str:
        """A page of the UI, which is where the API is unless KF_PIPELINES_UI_ENDPOINT says else."""
        ui = os.environ.get("KF_PIPELINES_UI_ENDPOINT") or self.host
        return f"{ui.rstrip('/')}/#/{path}"

    def about(self) -> About:
        """Asks the server what it is; the first request, which tells all that may be wrong.

        Raises:
          UserError: it cannot be reached, does not let us in, or has no v2beta1 API.
        """
        status, values = self._get("/apis/v2beta1/healthz")
        if status == 404 or values is None:
            raise UserError(
                f"{self.host} has no v2beta1 API ({status}): it is older than Kubeflow Pipelines "
                "2.0, or the API is below a path, such as /pipeline on a Kubeflow platform."
            )
        # The API server says tag_name; the UI's server, which a port-forward reaches, the other.
        version = str(values.get("tag_name") or values.get("apiServerTagName") or "")
        multi_user = bool(values.get("multi_user") or values.get("apiServerMultiUser"))
        if values.get("apiServerReady") is False:
            raise GoneError(
                f"the UI at {self.host} answers, but the API server behind it does not."
            )
        return About("" if version.lower() == "unknown" else version, multi_user)

    def _get(self, path: str) -> tuple[int, dict[str, Any] | None]:
        headers = {"Accept": "application/json"}
        if self.client.cookie:
            headers["Cookie"] = self.client.cookie
        self.client.update_params_for_auth(headers, [], ["Bearer"])
        response = self._send("GET", self.host + path, headers=headers)
        if response.status not in (200, 404):
            what = f"{self.host} refuses {self.auth.how}"
            raise refusal(what, response.status, message_of(response.data))
        return response.status, _object_in(response.data)

    def _send(self, method: str, url: str, **options: Any) -> Any:
        """One request, as kfp_server_api makes it, but with an end to waiting and without detours.

        A guard's redirect to its login, or its page, would be taken for an answer.
        """
        options["timeout"] = options.get("timeout") or urllib3.Timeout(_CONNECT_S, _READ_S)
        options["redirect"] = False
        try:
            response = self._request(method, url, **options)
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(self.host, error) from error
        except OSError as error:
            raise UserError(f"{self.auth.how}: {error.strerror or error}.") from error
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
                f"{self.host} does not speak KFP's v2beta1 API: what it answers to {path} is no "
                "JSON object."
            )
        return response

    def _stranger(self, status: int, said: str = "") -> UnauthorisedError:
        said = f": {said.rstrip('.')}" if said else ""
        if type(self.auth) is Anonymous:
            advice = "Give --auth dex, token or in-cluster."
        else:
            advice = "The credentials are wrong, or have expired."
        return UnauthorisedError(
            f"{self.host} does not let us in {self.auth.how} ({status}){said}. {advice}"
        )


def _check_authority(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise UserError(f"--ca-cert {path} is no certificate in PEM form.") from error
    except OSError as error:
        raise UserError(f"--ca-cert {path} cannot be read: {error.strerror}.") from error


def _object_in(content: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(content)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def proxy_for(host: str) -> str | None:
    """The proxy that the environment names for the host, NO_PROXY heeded."""
    from requests.utils import get_environ_proxies

    return get_environ_proxies(host).get(urlsplit(host).scheme)


def version_warning(about: About) -> str:
    """A sentence on a version that is unknown or lacks security fixes; "" where all is well."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?(-)?", about.version)
    if not match:
        return (
            "the server does not tell its version; make sure that it is 2.17.0 or later, which has "
            "security fixes."
        )
    if is_fixed(about):
        return ""
    return (
        f"the server is {about.version}: its API server lacks fixes for path traversal (#12928), "
        "cross-namespace artifacts (#12860) and CVE-2023-6570 (#13126); 2.17.0 has them."
    )


def is_fixed(about: About) -> bool:
    """Whether the server is known to be 2.17.0 or later; its release candidates are earlier."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?(-)?", about.version)
    if not match:
        return False
    numbers = tuple(int(part or 0) for part in match.groups()[:3])
    return numbers > FIXED_IN or (numbers == FIXED_IN and not match[4])


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
